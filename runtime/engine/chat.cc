#include "runtime/engine/chat.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace leoam {

namespace {

// The control tokens of a vocabulary by first byte, longest first.
class ControlTokens {
 public:
  explicit ControlTokens(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
    for (uint32_t i = 0; i < tokenizer.n_vocab(); ++i) {
      const auto id = static_cast<int32_t>(i);
      const TokenType type = tokenizer.type(id);
      if (type != TokenType::control && type != TokenType::unknown) continue;
      const std::string& piece = tokenizer.piece(id);
      if (!piece.empty()) by_first_byte_[static_cast<uint8_t>(piece[0])].push_back(id);
    }
    for (std::vector<int32_t>& ids : by_first_byte_) {
      std::stable_sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) {
        return tokenizer.piece(a).size() > tokenizer.piece(b).size();
      });
    }
  }

  // The longest one that `text` begins with; -1 when there is none.
  int32_t find(std::string_view text) const {
    for (const int32_t id : by_first_byte_[static_cast<uint8_t>(text[0])]) {
      if (text.starts_with(tokenizer_.piece(id))) return id;
    }
    return -1;
  }

 private:
  const Tokenizer& tokenizer_;
  std::array<std::vector<int32_t>, 256> by_first_byte_;
};

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

// Text that is gathered until a control token ends it.
Status flush(const Tokenizer& tokenizer, std::string* text, std::vector<int32_t>* tokens) {
  if (text->empty()) return {};
  LEOAM_ASSIGN_OR_RETURN(const std::vector<int32_t> more, tokenizer.tokenize(*text, {}));
  tokens->insert(tokens->end(), more.begin(), more.end());
  text->clear();
  return {};
}

// Neighbours of the same origin as one: a control token may be rendered in two pieces.
std::vector<RenderedSpan> merge(const std::vector<RenderedSpan>& spans) {
  std::vector<RenderedSpan> merged;
  for (const RenderedSpan& span : spans) {
    if (!merged.empty() && merged.back().from_user == span.from_user) {
      merged.back().text += span.text;
    } else {
      merged.push_back(span);
    }
  }
  return merged;
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
  const ControlTokens control(tokenizer);
  std::vector<int32_t> tokens;
  std::string text;
  for (const RenderedSpan& span : merge(spans)) {
    if (span.from_user) {
      text += span.text;
      continue;
    }
    for (size_t at = 0; at < span.text.size();) {
      const int32_t id = control.find(std::string_view(span.text).substr(at));
      if (id < 0) {
        text += span.text[at++];
        continue;
      }
      LEOAM_RETURN_IF_ERROR(flush(tokenizer, &text, &tokens));
      tokens.push_back(id);
      at += tokenizer.piece(id).size();
    }
  }
  LEOAM_RETURN_IF_ERROR(flush(tokenizer, &text, &tokens));
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
