#include <vector>

#include "library.h"
#include "shim.h"

namespace leoam_shim {

void model_plan(leoam_instance* instance, leoam_string path, const leoam_load_options& load,
                const leoam_plan_options& options, leoam_plan& plan, leoam_error& error) {
  library->model_plan(instance, path.data, path.size, &load, &options, &plan, &error);
}

leoam_model* model_load(leoam_instance* instance, leoam_string path, leoam_load_options& options,
                        Listener* listener, leoam_error& error) {
  options.on_progress = progress_of(listener);
  options.user_data = listener;
  leoam_model* model = nullptr;
  library->model_load(instance, path.data, path.size, &options, &model, &error);
  return model;
}

void model_release(leoam_model* model) {
  library->model_release(model);
}

void model_get_info(leoam_model* model, leoam_model_info& info, leoam_error& error) {
  library->model_get_info(model, &info, &error);
}

void model_get_metadata(leoam_model* model, uint64_t index, Fact& fact, leoam_error& error) {
  library->model_get_metadata(model, index, &fact.key, &fact.value, &error);
}

void model_get_token(leoam_model* model, int32_t token, leoam_token_info& info, leoam_error& error) {
  library->model_get_token(model, token, &info, &error);
}

int32_t model_find_token(leoam_model* model, leoam_string piece, leoam_error& error) {
  int32_t token = -1;
  library->model_find_token(model, piece.data, piece.size, &token, &error);
  return token;
}

uint64_t model_tokenize(leoam_model* model, leoam_string text, uint64_t flags, TokenBuffer tokens,
                        leoam_error& error) {
  uint64_t count = 0;
  library->model_tokenize(model, text.data, text.size, flags, tokens.data, tokens.size, &count, &error);
  return count;
}

uint64_t model_detokenize(leoam_model* model, Tokens tokens, uint64_t flags, TextBuffer text,
                          leoam_error& error) {
  uint64_t size = 0;
  library->model_detokenize(model, tokens.data, tokens.size, flags, text.data, text.size, &size, &error);
  return size;
}

namespace {

// Calls use(leoam_chat) with the conversation that the arguments are.
template <class Use>
uint64_t with_chat(leoam_string messages, Tokens message_sizes, leoam_string variables, Tokens variable_sizes,
                   uint64_t flags, leoam_error& error, Use use) {
  return guarded(error, [&]() -> uint64_t {
    std::vector<leoam_string> texts;
    std::vector<leoam_string> values;
    const auto append_to = [](std::vector<leoam_string>& list) {
      return [&list](leoam_string text) { list.push_back(text); };
    };
    if (!split(messages, message_sizes, append_to(texts)) || texts.size() % 2 != 0 ||
        !split(variables, variable_sizes, append_to(values)) || values.size() % 2 != 0) {
      fail(error, LEOAM_ERROR_INVALID_ARGUMENT, "the sizes are not those of the texts");
      return 0;
    }
    std::vector<leoam_chat_message> c_messages;
    for (size_t i = 0; i < texts.size(); i += 2) {
      auto message = make<leoam_chat_message>();
      message.role = texts[i];
      message.content = texts[i + 1];
      c_messages.push_back(message);
    }
    std::vector<leoam_chat_variable> c_variables;
    for (size_t i = 0; i < values.size(); i += 2) {
      auto variable = make<leoam_chat_variable>();
      variable.name = values[i];
      variable.value = values[i + 1];
      c_variables.push_back(variable);
    }
    auto chat = make<leoam_chat>();
    chat.flags = flags;
    chat.messages = c_messages.data();
    chat.n_messages = c_messages.size();
    chat.variables = c_variables.data();
    chat.n_variables = c_variables.size();
    return use(chat);
  });
}

}  // namespace

uint64_t model_render_chat(leoam_model* model, leoam_string messages, Tokens message_sizes,
                           leoam_string variables, Tokens variable_sizes, uint64_t flags, TextBuffer text,
                           leoam_error& error) {
  return with_chat(messages, message_sizes, variables, variable_sizes, flags, error,
                   [&](const leoam_chat& chat) {
                     uint64_t size = 0;
                     library->model_render_chat(model, &chat, text.data, text.size, &size, &error);
                     return size;
                   });
}

uint64_t model_tokenize_chat(leoam_model* model, leoam_string messages, Tokens message_sizes,
                             leoam_string variables, Tokens variable_sizes, uint64_t flags,
                             TokenBuffer tokens, leoam_error& error) {
  return with_chat(messages, message_sizes, variables, variable_sizes, flags, error,
                   [&](const leoam_chat& chat) {
                     uint64_t count = 0;
                     library->model_tokenize_chat(model, &chat, tokens.data, tokens.size, &count, &error);
                     return count;
                   });
}

}  // namespace leoam_shim
