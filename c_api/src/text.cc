#include "c_api/src/guard.h"
#include "c_api/src/objects.h"
#include "runtime/engine/chat.h"

namespace leoam::c_api {

namespace {

Status check_token(const Tokenizer& tokenizer, int32_t token) {
  if (token >= 0 && static_cast<uint32_t>(token) < tokenizer.n_vocab()) return {};
  return error(ErrorKind::invalid_argument, "token: {}, the vocabulary has {}", token, tokenizer.n_vocab());
}

// Element `index` of an array whose stride is the struct_size of its first element.
template <class T>
Status read_element(const T* array, uint64_t index, const char* name, T* out) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(array) + index * array->struct_size;
  LEOAM_RETURN_IF_ERROR(read_struct(reinterpret_cast<const T*>(bytes), name, out));
  if (out->struct_size == array->struct_size) return {};
  return error(ErrorKind::invalid_argument, "{}: element {} has struct_size {}, the first {}", name, index,
               out->struct_size, array->struct_size);
}

// The smallest stride keeps elements aligned.
template <class T>
Status check_array(const T* array, uint64_t count, uint64_t most, const char* name) {
  if (count > most)
    return error(ErrorKind::invalid_argument, "{}: {} elements, at most {}", name, count, most);
  if (count == 0) return {};
  LEOAM_RETURN_IF_ERROR(check_pointer(array, name));
  if (array->struct_size % alignof(T) == 0) return {};
  return error(ErrorKind::invalid_argument, "{}: struct_size {}", name, array->struct_size);
}

constexpr uint64_t kMostMessages = 1u << 20;
constexpr uint64_t kMostVariables = 1024;

Result<Chat> read_chat(const leoam_chat* chat) {
  LEOAM_RETURN_IF_ERROR(check_pointer(chat, "chat"));
  leoam_chat c;
  LEOAM_RETURN_IF_ERROR(read_struct(chat, "chat", &c));
  LEOAM_RETURN_IF_ERROR(check_flags(c.flags, LEOAM_CHAT_NO_GENERATION_PROMPT, "flags"));
  LEOAM_RETURN_IF_ERROR(check_array(c.messages, c.n_messages, kMostMessages, "messages"));
  LEOAM_RETURN_IF_ERROR(check_array(c.variables, c.n_variables, kMostVariables, "variables"));
  Chat out;
  out.add_generation_prompt = (c.flags & LEOAM_CHAT_NO_GENERATION_PROMPT) == 0;
  for (uint64_t i = 0; i < c.n_messages; ++i) {
    leoam_chat_message message;
    LEOAM_RETURN_IF_ERROR(read_element(c.messages, i, "messages", &message));
    std::string_view role, content;
    LEOAM_RETURN_IF_ERROR(read_text(message.role, "role", &role));
    LEOAM_RETURN_IF_ERROR(read_text(message.content, "content", &content));
    out.messages.push_back({std::string(role), std::string(content)});
  }
  for (uint64_t i = 0; i < c.n_variables; ++i) {
    leoam_chat_variable variable;
    LEOAM_RETURN_IF_ERROR(read_element(c.variables, i, "variables", &variable));
    std::string_view name, value;
    LEOAM_RETURN_IF_ERROR(read_text(variable.name, "name", &name));
    LEOAM_RETURN_IF_ERROR(read_text(variable.value, "value", &value));
    out.variables.emplace_back(name, value);
  }
  return out;
}

}  // namespace

}  // namespace leoam::c_api

using namespace leoam;         // NOLINT(google-build-using-namespace)
using namespace leoam::c_api;  // NOLINT(google-build-using-namespace)

leoam_status leoam_model_get_token(leoam_model* model, int32_t token, leoam_token_info* out_info,
                                   leoam_error* error) noexcept {
  return guarded_with<ModelObject>(model, error, [&](ModelObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_out_struct(out_info, "out_info"));
    LEOAM_ASSIGN_OR_RETURN(const Tokenizer* tokenizer, object.tokenizer());
    LEOAM_RETURN_IF_ERROR(check_token(*tokenizer, token));
    leoam_token_info c{};
    c.type = static_cast<leoam_token_type>(tokenizer->type(token));
    if (tokenizer->ends_generation(token)) c.flags |= LEOAM_TOKEN_ENDS_GENERATION;
    c.piece = to_c(tokenizer->piece(token));
    c.bytes = to_c(tokenizer->token_bytes(token, false));
    write_struct(out_info, c);
    return {};
  });
}

leoam_status leoam_model_find_token(leoam_model* model, const char* piece, uint64_t piece_size,
                                    int32_t* out_token, leoam_error* error) noexcept {
  return guarded_with<ModelObject>(model, error, [&](ModelObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_pointer(out_token, "out_token"));
    *out_token = -1;
    std::string_view text;
    LEOAM_RETURN_IF_ERROR(read_text(piece, piece_size, "piece", &text));
    LEOAM_ASSIGN_OR_RETURN(const Tokenizer* tokenizer, object.tokenizer());
    *out_token = tokenizer->find(text);
    if (*out_token >= 0) return {};
    return leoam::error(ErrorKind::not_found, "piece: no token is spelt so");
  });
}

leoam_status leoam_model_tokenize(leoam_model* model, const char* text, uint64_t text_size, uint64_t flags,
                                  int32_t* tokens, uint64_t capacity, uint64_t* out_count,
                                  leoam_error* error) noexcept {
  return guarded_with<ModelObject>(model, error, [&](ModelObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_buffer(tokens, capacity, out_count, "tokens"));
    *out_count = 0;
    std::string_view view;
    LEOAM_RETURN_IF_ERROR(read_text(text, text_size, "text", &view));
    LEOAM_RETURN_IF_ERROR(check_flags(flags, LEOAM_TOKENIZE_SPECIAL | LEOAM_TOKENIZE_BOS, "flags"));
    LEOAM_ASSIGN_OR_RETURN(const Tokenizer* tokenizer, object.tokenizer());
    const TokenizeOptions options{(flags & LEOAM_TOKENIZE_SPECIAL) != 0, (flags & LEOAM_TOKENIZE_BOS) != 0};
    LEOAM_ASSIGN_OR_RETURN(const std::vector<int32_t> result, tokenizer->tokenize(view, options));
    return write_buffer(result, tokens, capacity, out_count, "tokens");
  });
}

leoam_status leoam_model_detokenize(leoam_model* model, const int32_t* tokens, uint64_t n_tokens,
                                    uint64_t flags, char* text, uint64_t capacity, uint64_t* out_size,
                                    leoam_error* error) noexcept {
  return guarded_with<ModelObject>(model, error, [&](ModelObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_buffer(text, capacity, out_size, "text"));
    *out_size = 0;
    std::span<const int32_t> input;
    LEOAM_RETURN_IF_ERROR(read_array(tokens, n_tokens, "tokens", &input));
    LEOAM_RETURN_IF_ERROR(check_flags(flags, LEOAM_DETOKENIZE_SPECIAL | LEOAM_DETOKENIZE_CONTINUE, "flags"));
    LEOAM_ASSIGN_OR_RETURN(const Tokenizer* tokenizer, object.tokenizer());
    for (const int32_t token : input) LEOAM_RETURN_IF_ERROR(check_token(*tokenizer, token));
    const bool special = (flags & LEOAM_DETOKENIZE_SPECIAL) != 0;
    std::string result;
    if (flags & LEOAM_DETOKENIZE_CONTINUE) {
      for (const int32_t token : input) result += tokenizer->token_bytes(token, special);
    } else {
      result = tokenizer->decode({input.begin(), input.end()}, special);
    }
    return write_buffer(result, text, capacity, out_size, "text");
  });
}

leoam_status leoam_model_render_chat(leoam_model* model, const leoam_chat* chat, char* text,
                                     uint64_t capacity, uint64_t* out_size, leoam_error* error) noexcept {
  return guarded_with<ModelObject>(model, error, [&](ModelObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_buffer(text, capacity, out_size, "text"));
    *out_size = 0;
    LEOAM_ASSIGN_OR_RETURN(const Chat parsed, read_chat(chat));
    LEOAM_ASSIGN_OR_RETURN(const std::shared_ptr<const Model> weights, object.loaded());
    LEOAM_ASSIGN_OR_RETURN(const std::string result, render_chat(*weights, parsed));
    return write_buffer(result, text, capacity, out_size, "text");
  });
}

leoam_status leoam_model_tokenize_chat(leoam_model* model, const leoam_chat* chat, int32_t* tokens,
                                       uint64_t capacity, uint64_t* out_count, leoam_error* error) noexcept {
  return guarded_with<ModelObject>(model, error, [&](ModelObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_buffer(tokens, capacity, out_count, "tokens"));
    *out_count = 0;
    LEOAM_ASSIGN_OR_RETURN(const Chat parsed, read_chat(chat));
    LEOAM_ASSIGN_OR_RETURN(const std::shared_ptr<const Model> weights, object.loaded());
    LEOAM_ASSIGN_OR_RETURN(const std::vector<int32_t> result, encode_chat(*weights, parsed));
    return write_buffer(result, tokens, capacity, out_count, "tokens");
  });
}
