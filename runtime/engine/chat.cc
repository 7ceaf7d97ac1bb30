#include "runtime/engine/chat.h"

namespace leoam {

namespace {

Result<std::vector<RenderedSpan>> render(const Model& model, const Chat& chat) {
  if (!model.chat_template()) {
    if (!model.chat_template_status().ok()) return model.chat_template_status().clone();
    return error(ErrorKind::unsupported, "the model file has no chat template");
  }
  ChatTemplateInput input;
  input.messages = chat.messages;
  input.add_generation_prompt = chat.add_generation_prompt;
  input.variables = chat.variables;
  if (const Tokenizer* tokenizer = model.tokenizer()) {
    if (tokenizer->bos() >= 0) input.bos_token = tokenizer->piece(tokenizer->bos());
    if (tokenizer->eos() >= 0) input.eos_token = tokenizer->piece(tokenizer->eos());
  }
  return model.chat_template()->render(input);
}

}  // namespace

Result<std::string> render_chat(const Model& model, const Chat& chat) {
  LEOAM_ASSIGN_OR_RETURN(const std::vector<RenderedSpan> spans, render(model, chat));
  std::string text;
  for (const RenderedSpan& span : spans) text += span.text;
  return text;
}

Result<std::vector<int32_t>> encode_spans(const Tokenizer& tokenizer,
                                          const std::vector<RenderedSpan>& spans) {
  std::string text;
  std::vector<TextRange> from_user;
  for (const RenderedSpan& span : spans) {
    if (span.from_user) from_user.push_back({text.size(), text.size() + span.text.size()});
    text += span.text;
  }
  LEOAM_ASSIGN_OR_RETURN(std::vector<int32_t> tokens,
                         tokenizer.tokenize(text, {.parse_special = true, .plain = from_user}));
  const int32_t bos = tokenizer.bos();
  if (bos >= 0 && tokenizer.add_bos_by_default() && (tokens.empty() || tokens.front() != bos)) {
    tokens.insert(tokens.begin(), bos);
  }
  return tokens;
}

Result<std::vector<int32_t>> encode_chat(const Model& model, const Chat& chat) {
  if (!model.tokenizer()) return error(ErrorKind::unsupported, "the model file has no tokenizer");
  LEOAM_ASSIGN_OR_RETURN(const std::vector<RenderedSpan> spans, render(model, chat));
  return encode_spans(*model.tokenizer(), spans);
}

}  // namespace leoam
