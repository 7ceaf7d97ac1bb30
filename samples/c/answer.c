/* The smallest program: a model answers one question. usage: answer MODEL.gguf QUESTION */
#include <leoam/leoam.h>
#include <stdio.h>

static int32_t print_text(const leoam_event* event, void* user_data) {
  (void)user_data;
  if (event->text.size) fwrite(event->text.data, 1, event->text.size, stdout);
  return fflush(stdout) == 0 ? LEOAM_CONTINUE : LEOAM_STOP;
}

int main(int argc, char** argv) {
  if (argc != 3) return fputs("usage: answer MODEL.gguf QUESTION\n", stderr), 2;
  leoam_instance* instance = NULL;
  leoam_model* model = NULL;
  leoam_session* session = NULL;
  leoam_request* request = NULL;
  leoam_finish_reason reason;
  leoam_error error = {.struct_size = sizeof(error)};
  leoam_chat_message question = {.struct_size = sizeof(question), .role = {"user", 4}};
  question.content = (leoam_string){argv[2], strlen(argv[2])};
  leoam_chat chat = {.struct_size = sizeof(chat), .messages = &question, .n_messages = 1};
  int32_t prompt[4096];
  leoam_request_options options = {.struct_size = sizeof(options), .prompt = prompt};
  options.delivery = LEOAM_DELIVERY_CALLBACK;
  options.on_event = print_text;
  if (leoam_instance_create(NULL, &instance, &error) ||
      leoam_model_load(instance, argv[1], strlen(argv[1]), NULL, &model, &error) ||
      leoam_model_tokenize_chat(model, &chat, prompt, 4096, &options.n_prompt, &error) ||
      leoam_session_create(model, NULL, &session, &error) ||
      leoam_session_submit(session, &options, &request, &error) ||
      leoam_request_wait(request, UINT64_MAX, &error) || leoam_request_get_result(request, &reason, &error))
    fprintf(stderr, "%s: %s\n", leoam_error_name(error.code), error.message);
  leoam_request_release(request);
  leoam_session_release(session);
  leoam_model_release(model);
  leoam_instance_release(instance);
  return error.code == LEOAM_OK ? 0 : 1;
}
