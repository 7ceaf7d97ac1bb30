// ChatTemplate: the conversation format that a model file carries, as a bounded interpreter of the Jinja
// subset that the templates of SmolLM2, Llama 3, Qwen 2.5 and 3, Gemma 3 and Mistral use. What it renders
// equals, byte for byte, what Hugging Face's apply_chat_template renders (Jinja 3.1, immutable sandbox,
// trim_blocks, lstrip_blocks, loop controls, `tojson` without escapes, `generation` tags without effect).
//
// Known to it: the tags if, for, set, with, filter, macro (at top level), raw, generation, break, continue
// and comments; every operator; the filters, tests, methods and functions of the tables in text_filters.cc,
// item_filters.cc, builtin_tests.cc, text_methods.cc, methods.cc and globals.cc. Not known: include, import,
// extends, block, call, autoescape, do, recursive loops, *args and **kwargs, `%` on a text, integers
// beyond 64 bits.
// Otherwise than in Jinja, `safe` marks nothing, so that adding to its result escapes nothing, and case
// changes use Unicode's simple mappings.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/status.h"

namespace leoam {

struct ChatMessage {
  std::string role;     // "system", "user", "assistant", "tool"
  std::string content;  // UTF-8
  // Further members, as JSON values: `tool_calls`, `name`, `tool_call_id`, `reasoning_content`. One named
  // `content` or `role` replaces the member above (`null`, or a list of parts).
  std::vector<std::pair<std::string, std::string>> fields;
};

// A piece of rendered text. Text that came from a message, or from a variable, is data: special tokens spelt
// out in it must not become special tokens. The pieces are one text: it is tokenised as a whole, and a
// special token is recognised only where all of its bytes are outside from_user pieces. A role made of
// letters, digits, '_' and '-' counts as the template's own, since templates build tokens around it.
struct RenderedSpan {
  std::string text;  // never empty; two neighbours differ in from_user
  bool from_user = false;
};

struct ChatTemplateInput {
  std::vector<ChatMessage> messages;
  bool add_generation_prompt = true;
  std::string bos_token;  // spelling, as templates insert it
  std::string eos_token;
  // Further variables, as JSON values (`enable_thinking` -> `false`, `tools` -> `[...]`). `tools` and
  // `documents` are none unless given here.
  std::vector<std::pair<std::string, std::string>> variables;
  // The time that `strftime_now` formats: seconds since 1970-01-01 00:00 of the clock that the user reads (so
  // with the time zone already added). The library reads no clock of its own: a rendering depends on its
  // input alone. Without it `strftime_now` gives the variable `date_string` as it is; without that too the
  // function is not defined: templates that ask whether it is (Llama 3.2) then take their own date, and
  // templates that call it all the same fail with unsupported.
  std::optional<int64_t> now_s;
};

struct ChatTemplateLimits {
  uint32_t source_bytes = 1u << 20;
  // Nesting of blocks and expressions in the source, and of values in each other; evaluation, which also
  // nests by macro calls, may go 3 times as deep. At most 256 counts. 128 needs 512 KiB of stack.
  uint32_t depth = 128;
  uint64_t steps = 1'000'000;  // evaluated nodes, loop turns, and each 256 bytes of text handled
  uint64_t output_bytes = 16u << 20;
  uint64_t memory_bytes = 64u << 20;  // texts and lists that live at one time, without the input
};

// Thread rule: immutable; render is safe from any thread.
class ChatTemplate {
 public:
  // Fails with corrupt (syntax: line and what was found), unsupported (line and construct) or no_space (a
  // limit).
  static Result<std::unique_ptr<ChatTemplate>> parse(std::string_view source,
                                                     const ChatTemplateLimits& limits = {});
  virtual ~ChatTemplate() = default;

  // Fails with unsupported (line and construct; an unknown filter, test or method counts only where it is
  // reached), invalid_argument (line and: the text of the template's own raise_exception, with what came from
  // the user left out; or an operation that does not fit the messages, such as an undefined value that is
  // used; or malformed JSON in the input) or no_space (a limit).
  virtual Result<std::vector<RenderedSpan>> render(const ChatTemplateInput& input) const = 0;
};

}  // namespace leoam
