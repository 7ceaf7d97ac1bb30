// A conversation in the format of a model file, as text and as tokens.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/model/model.h"

namespace leoam {

struct Chat {
  std::vector<ChatMessage> messages;
  bool add_generation_prompt = true;
  std::vector<std::pair<std::string, std::string>> variables;  // name and JSON value
};

// Fails with unsupported (no template or none that is readable, no tokenizer) and as ChatTemplate::render
// does. Thread rule: both are safe from any thread.
Result<std::string> render_chat(const Model& model, const Chat& chat);

// The rendered text with its control tokens as tokens, except those that a message spells out, wholly or in
// part: they stay text. Text between control tokens is tokenised in one piece, whoever wrote it, so the seams
// between template and messages change nothing. Begins with bos, once, where the file asks for it.
Result<std::vector<int32_t>> encode_chat(const Model& model, const Chat& chat);

// The second half of encode_chat.
Result<std::vector<int32_t>> encode_spans(const Tokenizer& tokenizer, const std::vector<RenderedSpan>& spans);

}  // namespace leoam
