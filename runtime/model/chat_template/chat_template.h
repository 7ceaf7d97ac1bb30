// ChatTemplate: the conversation format that a model file carries, as a bounded interpreter of the Jinja subset
// that the templates of SmolLM2, Llama 3, Qwen 2.5 and 3, Gemma 3 and Mistral use.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/status.h"

namespace leoam {

struct ChatMessage {
  std::string role;     // "system", "user", "assistant", "tool"
  std::string content;  // UTF-8
};

// A piece of rendered text. Text that came from a message is data: special tokens spelt out in it must not become
// special tokens.
struct RenderedSpan {
  std::string text;
  bool from_user = false;
};

struct ChatTemplateInput {
  std::vector<ChatMessage> messages;
  bool add_generation_prompt = true;
  std::string bos_token;  // spelling, as templates insert it
  std::string eos_token;
  // Further variables, as JSON values (`enable_thinking` -> `false`).
  std::vector<std::pair<std::string, std::string>> variables;
};

struct ChatTemplateLimits {
  uint32_t source_bytes = 1u << 20;
  uint32_t depth = 128;            // nesting of blocks and expressions, and of macro calls
  uint64_t steps = 1'000'000;      // evaluated nodes and loop turns
  uint64_t output_bytes = 16u << 20;
};

// Thread rule: immutable; render is safe from any thread.
class ChatTemplate {
 public:
  // Fails with corrupt (syntax: line and what was found), unsupported (line and construct) or no_space (a limit).
  static Result<std::unique_ptr<ChatTemplate>> parse(std::string_view source, const ChatTemplateLimits& limits = {});
  virtual ~ChatTemplate() = default;

  // Fails with unsupported (line and construct), invalid_argument (the template's own raise_exception, with its
  // text) or no_space (a limit).
  virtual Result<std::vector<RenderedSpan>> render(const ChatTemplateInput& input) const = 0;
};

}  // namespace leoam
