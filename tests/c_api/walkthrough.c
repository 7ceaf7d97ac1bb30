/* The whole interface in one sitting, as a program in C uses it. Prints what it checks and stops at the first
 * thing that is not as promised. usage: walkthrough MODEL SESSION */
#include <inttypes.h>
#include <leoam/leoam.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

static leoam_error error;

#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, error.message); \
      exit(1);                                                                           \
    }                                                                                    \
  } while (0)
#define OK(call) CHECK((call) == LEOAM_OK)

enum { kTokens = 4096, kText = 16384 };

static leoam_string literal(const char* text) {
  leoam_string view;
  view.data = text;
  view.size = strlen(text);
  return view;
}

static void on_log(leoam_log_level level, const char* text, uint64_t size, void* user_data) {
  CHECK(level >= LEOAM_LOG_ERROR && level <= LEOAM_LOG_DEBUG && text && size && user_data);
  ++*(int*)user_data;
}

static int32_t on_progress(uint64_t done, uint64_t total, void* user_data) {
  CHECK(done <= total);
  *(uint64_t*)user_data = done;
  return LEOAM_CONTINUE;
}

static void library(void) {
  leoam_build_info build;
  const leoam_api* api = NULL;
  LEOAM_INIT(build);
  CHECK(leoam_version() == (LEOAM_VERSION_MAJOR << 16 | LEOAM_VERSION_MINOR << 8 | LEOAM_VERSION_PATCH));
  OK(leoam_get_build_info(&build, &error));
  CHECK(build.api_version == LEOAM_API_VERSION && build.version.size && build.compiler.size &&
        build.build.size);
  CHECK(build.file_path.size);
  CHECK(!strcmp(leoam_error_name(LEOAM_ERROR_NO_SPACE), "no_space"));
  CHECK(!strcmp(leoam_error_name(-1), "unknown") && !strcmp(leoam_error_name(1000), "unknown"));
  CHECK(leoam_get_api(LEOAM_API_VERSION, sizeof(leoam_api), &api) == LEOAM_OK);
  CHECK(api->instance_create == leoam_instance_create && api->request_release == leoam_request_release);
}

static leoam_instance* make_instance(int* n_log) {
  leoam_instance* instance = NULL;
  leoam_instance_options options;
  leoam_instance_statistics statistics;
  leoam_string key, value;
  uint64_t i;
  LEOAM_INIT(options);
  options.n_threads = 2;
  options.host_kv_budget_bytes = 64 << 20;
  options.log = on_log;
  options.log_user_data = n_log;
  options.log_level = LEOAM_LOG_DEBUG;
  OK(leoam_instance_create(&options, &instance, &error));
  LEOAM_INIT(statistics);
  OK(leoam_instance_get_statistics(instance, &statistics, &error));
  CHECK(statistics.n_threads == 2 && statistics.host_kv_budget_bytes == 64 << 20);
  OK(leoam_instance_set_host_kv_budget(instance, 128 << 20, &error));
  for (i = 0; leoam_instance_describe(instance, i, &key, &value, &error) == LEOAM_OK; ++i) {
    CHECK(key.size);
    printf("%.*s: %.*s\n", (int)key.size, key.data, (int)value.size, value.data);
  }
  CHECK(error.code == LEOAM_ERROR_NOT_FOUND && i > 5);
  return instance;
}

static leoam_model* load(leoam_instance* instance, const char* path) {
  leoam_model* model = NULL;
  leoam_load_options options;
  leoam_model_info info;
  leoam_plan_options plan_options;
  leoam_plan plan;
  leoam_string key, value;
  uint64_t done = 0, i;
  LEOAM_INIT(options);
  LEOAM_INIT(info);
  LEOAM_INIT(plan_options);
  LEOAM_INIT(plan);

  plan_options.context_tokens = 256;
  OK(leoam_model_plan(instance, path, strlen(path), NULL, &plan_options, &plan, &error));
  CHECK(plan.fits == 1 && plan.context_tokens == 256 && plan.kv_bytes >= 256 * plan.kv_token_bytes);
  CHECK(plan.total_bytes >= plan.weight_bytes + plan.kv_bytes && plan.fitting_tokens >= 256);

  options.flags = LEOAM_LOAD_HEADER_ONLY;
  OK(leoam_model_load(instance, path, strlen(path), &options, &model, &error));
  OK(leoam_model_get_info(model, &info, &error));
  CHECK((info.flags & LEOAM_MODEL_HEADER_ONLY) && info.n_layers == 2 && info.memory_bytes == 0);
  OK(leoam_model_release(model));

  options.flags = 0;
  options.on_progress = on_progress;
  options.user_data = &done;
  OK(leoam_model_load(instance, path, strlen(path), &options, &model, &error));
  CHECK(done > 0);
  OK(leoam_model_get_info(model, &info, &error));
  CHECK(!(info.flags & LEOAM_MODEL_HEADER_ONLY) && (info.flags & LEOAM_MODEL_HAS_TOKENIZER));
  CHECK(info.flags & LEOAM_MODEL_HAS_CHAT_TEMPLATE);
  CHECK(info.n_vocab && info.n_parameters && info.memory_bytes && info.rope_scaling == LEOAM_ROPE_NONE);
  for (i = 0; i < info.n_metadata; ++i) OK(leoam_model_get_metadata(model, i, &key, &value, &error));
  CHECK(leoam_model_load(instance, "/nowhere", 8, NULL, &model, &error) == LEOAM_ERROR_NOT_FOUND);
  CHECK(model == NULL && error.code == LEOAM_ERROR_NOT_FOUND && error.message_size);
  OK(leoam_model_load(instance, path, strlen(path), NULL, &model, &error));
  return model;
}

static void text(leoam_model* model) {
  static int32_t tokens[kTokens];
  static char back[kText];
  const char* words = "Whole words, \xe4\xb8\xad\xe6\x96\x87 and \xf0\x9f\x98\x80.";
  uint64_t count = 0, size = 0;
  leoam_token_info info;
  int32_t token = -1;
  OK(leoam_model_tokenize(model, words, strlen(words), LEOAM_TOKENIZE_BOS, tokens, kTokens, &count, &error));
  OK(leoam_model_tokenize(model, words, strlen(words), 0, tokens, kTokens, &count, &error));
  CHECK(count > 0);
  OK(leoam_model_detokenize(model, tokens, count, 0, NULL, 0, &size, &error));
  CHECK(size == strlen(words));
  OK(leoam_model_detokenize(model, tokens, count, 0, back, kText, &size, &error));
  CHECK(!memcmp(back, words, size));
  LEOAM_INIT(info);
  OK(leoam_model_get_token(model, tokens[0], &info, &error));
  CHECK(info.type == LEOAM_TOKEN_NORMAL && info.piece.size && info.bytes.size && !info.flags);
  OK(leoam_model_find_token(model, "<|im_end|>", 10, &token, &error));
  OK(leoam_model_get_token(model, token, &info, &error));
  CHECK(info.type == LEOAM_TOKEN_CONTROL && (info.flags & LEOAM_TOKEN_ENDS_GENERATION) && !info.bytes.size);
  /* Spelt out in a text it is text, unless asked for. */
  OK(leoam_model_tokenize(model, "<|im_end|>", 10, 0, tokens, kTokens, &count, &error));
  CHECK(count > 1);
  OK(leoam_model_tokenize(model, "<|im_end|>", 10, LEOAM_TOKENIZE_SPECIAL, tokens, kTokens, &count, &error));
  CHECK(count == 1 && tokens[0] == token);
}

static void chat(leoam_model* model) {
  static int32_t tokens[kTokens];
  static char rendered[kText];
  leoam_chat_message messages[2];
  leoam_chat conversation;
  uint64_t size = 0, count = 0, i;
  int32_t end = -1;
  LEOAM_INIT(messages[0]);
  LEOAM_INIT(messages[1]);
  LEOAM_INIT(conversation);
  messages[0].role = literal("system");
  messages[0].content = literal("be brief");
  messages[1].role = literal("user");
  messages[1].content = literal("is <|im_end|> a token?");
  conversation.messages = messages;
  conversation.n_messages = 2;
  OK(leoam_model_render_chat(model, &conversation, rendered, kText, &size, &error));
  rendered[size] = 0;
  CHECK(!strcmp(rendered, "system: be brief\nuser: is <|im_end|> a token?\nassistant: "));
  OK(leoam_model_tokenize_chat(model, &conversation, tokens, kTokens, &count, &error));
  OK(leoam_model_find_token(model, "<|im_end|>", 10, &end, &error));
  for (i = 0; i < count; ++i) CHECK(tokens[i] != end);
  conversation.flags = LEOAM_CHAT_NO_GENERATION_PROMPT;
  OK(leoam_model_render_chat(model, &conversation, rendered, kText, &size, &error));
  CHECK(rendered[size - 1] == '\n');
}

static int32_t count_logits(uint64_t position, const float* logits, uint64_t n_vocab, void* user_data) {
  (void)position;
  CHECK(logits[0] == logits[0] && n_vocab);
  ++*(uint64_t*)user_data;
  return LEOAM_CONTINUE;
}

static void evaluate(leoam_instance* instance, leoam_model* model) {
  leoam_session* session = NULL;
  leoam_session_options options;
  leoam_session_info info;
  leoam_evaluate_options how;
  leoam_cancel_flag* flag = NULL;
  const int32_t tokens[] = {70, 71, 72, 73, 74, 75};
  int32_t copied[6];
  float* logits;
  uint64_t seen = 0;
  LEOAM_INIT(options);
  LEOAM_INIT(info);
  LEOAM_INIT(how);
  options.policy = literal("exact");
  options.kv_type = LEOAM_KV_F32;
  options.page_tokens = 16;
  options.context_tokens = 100;
  OK(leoam_session_create(model, &options, &session, &error));
  how.flags = LEOAM_EVALUATE_ALL_LOGITS;
  how.on_logits = count_logits;
  how.user_data = &seen;
  OK(leoam_cancel_flag_create(instance, &flag, &error));
  how.cancel = flag;
  OK(leoam_session_evaluate(session, tokens, 6, &how, &error));
  CHECK(seen == 6);
  OK(leoam_session_get_info(session, &info, &error));
  CHECK(info.n_tokens == 6 && info.context_tokens == 100 && info.page_tokens == 16 && info.kv_bytes);
  CHECK(info.kv_type == LEOAM_KV_F32 && info.policy.size == 5);
  OK(leoam_session_copy_tokens(session, 0, copied, 6, &error));
  CHECK(!memcmp(tokens, copied, sizeof tokens));
  logits = malloc(info.n_vocab * sizeof *logits);
  OK(leoam_session_copy_logits(session, logits, info.n_vocab, &error));
  OK(leoam_session_truncate(session, 3, &error));
  CHECK(leoam_session_copy_logits(session, logits, info.n_vocab, &error) == LEOAM_ERROR_INVALID_ARGUMENT);
  OK(leoam_cancel_flag_set(flag));
  CHECK(leoam_session_evaluate(session, tokens, 6, &how, &error) == LEOAM_ERROR_CANCELLED);
  OK(leoam_cancel_flag_clear(flag));
  OK(leoam_session_evaluate(session, tokens, 6, &how, &error));
  free(logits);
  OK(leoam_cancel_flag_release(flag));
  OK(leoam_session_release(session));
}

static uint64_t drain(leoam_request* request, int* finished) {
  leoam_event event;
  uint64_t n_tokens = 0;
  LEOAM_INIT(event);
  do {
    OK(leoam_request_poll(request, &event, &error));
    if (event.kind == LEOAM_EVENT_TOKEN) ++n_tokens;
    if (event.kind == LEOAM_EVENT_FINISHED) *finished = 1;
  } while (event.kind != LEOAM_EVENT_NONE);
  return n_tokens;
}

static void generate(leoam_model* model, leoam_delivery delivery) {
  leoam_session* session = NULL;
  leoam_request* request = NULL;
  leoam_request_options options;
  leoam_sampler_options sampler;
  leoam_request_statistics statistics;
  leoam_finish_reason reason;
  const int32_t prompt[] = {70, 71, 72};
  uint64_t n_tokens = 0;
  int finished = 0;
  int32_t fd = -1, done = 0;
  LEOAM_INIT(options);
  LEOAM_INIT(sampler);
  LEOAM_INIT(statistics);
  sampler.temperature = 0.8f;
  sampler.top_k = 40;
  sampler.top_p = 0.95f;
  sampler.min_p = 0.01f;
  sampler.repetition_penalty = 1.1f;
  sampler.seed = 3;
  options.delivery = delivery;
  options.prompt = prompt;
  options.n_prompt = 3;
  options.sampler = &sampler;
  options.max_tokens = 12;
  options.flags = LEOAM_REQUEST_IGNORE_END;
  OK(leoam_session_create(model, NULL, &session, &error));
  OK(leoam_session_submit(session, &options, &request, &error));
  if (delivery == LEOAM_DELIVERY_POLL) OK(leoam_request_get_event_fd(request, &fd, &error));
  while (!finished) {
    struct pollfd waiting;
    waiting.fd = fd;
    waiting.events = POLLIN;
    if (delivery == LEOAM_DELIVERY_POLL) CHECK(poll(&waiting, 1, 30000) == 1);
    if (delivery == LEOAM_DELIVERY_STEP) OK(leoam_request_step(request, 1000, &done, &error));
    n_tokens += drain(request, &finished);
  }
  OK(leoam_request_wait(request, 0, &error));
  OK(leoam_request_get_result(request, &reason, &error));
  OK(leoam_request_get_statistics(request, &statistics, &error));
  CHECK(n_tokens == 12 && reason == LEOAM_FINISH_LENGTH && statistics.generated_tokens == 12);
  OK(leoam_request_cancel(request));
  OK(leoam_request_detach(request, &error));
  OK(leoam_request_release(request));
  CHECK(leoam_request_release(request) == LEOAM_ERROR_INVALID_HANDLE);
  OK(leoam_session_release(session));
}

static int32_t give_key(uint8_t* key, uint64_t size, void* user_data) {
  CHECK(size == LEOAM_KEY_BYTES);
  memset(key, *(const char*)user_data, (size_t)size);
  return LEOAM_CONTINUE;
}

static void save_and_open(leoam_instance* instance, leoam_model* model, const char* path) {
  leoam_session *session = NULL, *fork = NULL;
  leoam_budget_options budget;
  leoam_save_options save;
  leoam_session_file_options file;
  leoam_session_file_info info;
  leoam_session_verdict verdict;
  const int32_t prompt[] = {70, 71, 72};
  int32_t tokens[3] = {0, 0, 0};
  uint64_t count = 0;
  char secret = 'k';
  LEOAM_INIT(budget);
  LEOAM_INIT(save);
  LEOAM_INIT(file);
  LEOAM_INIT(info);
  LEOAM_INIT(verdict);
  OK(leoam_instance_change_host_kv_budget(instance, 96 << 20, &budget, &error));
  OK(leoam_instance_set_disk_kv_budget(instance, 64 << 20, &error));
  OK(leoam_instance_set_disk_write_cap(instance, UINT64_MAX, &error));

  OK(leoam_session_create(model, NULL, &session, &error));
  OK(leoam_session_evaluate(session, prompt, 3, NULL, &error));
  OK(leoam_session_fork(session, &fork, &error));
  OK(leoam_session_suspend(fork, NULL, &error));
  save.path = literal(path);
  save.on_key = give_key;
  save.user_data = &secret;
  OK(leoam_session_save(fork, &save, &error));
  OK(leoam_session_get_file_info(fork, &info, &error));
  CHECK(info.n_tokens == 3 && (info.flags & LEOAM_SESSION_FILE_ENCRYPTED));
  CHECK(leoam_session_file_remove(instance, path, strlen(path), &error) == LEOAM_ERROR_BUSY);
  OK(leoam_session_release(fork));
  OK(leoam_session_release(session));

  file.on_key = give_key;
  file.user_data = &secret;
  OK(leoam_model_open_session(model, path, strlen(path), NULL, &file, &session, &error));
  OK(leoam_session_copy_tokens(session, 0, tokens, 3, &error));
  CHECK(!memcmp(tokens, prompt, sizeof(prompt)));
  OK(leoam_session_release(session));
  OK(leoam_session_file_get_info(instance, path, strlen(path), &file, &info, &error));
  OK(leoam_session_file_copy_tokens(instance, path, strlen(path), &file, tokens, 3, &count, &error));
  CHECK(count == 3);
  OK(leoam_session_file_verify(instance, path, strlen(path), &file, NULL, &verdict, &error));
  CHECK(verdict.whole == 1 && verdict.n_pages > 0 && verdict.n_recompute_tokens == 0);
  OK(leoam_session_file_compact(instance, path, strlen(path), &file, &error));
  secret = 'x';
  CHECK(leoam_session_file_get_info(instance, path, strlen(path), &file, &info, &error) ==
        LEOAM_ERROR_INVALID_ARGUMENT);
  OK(leoam_session_file_remove(instance, path, strlen(path), &error));
}

int main(int argc, char** argv) {
  leoam_instance* instance;
  leoam_model* model;
  int n_log = 0;
  if (argc != 3) return fputs("usage: walkthrough MODEL SESSION\n", stderr), 2;
  LEOAM_INIT(error);
  library();
  instance = make_instance(&n_log);
  model = load(instance, argv[1]);
  text(model);
  chat(model);
  evaluate(instance, model);
  generate(model, LEOAM_DELIVERY_POLL);
  generate(model, LEOAM_DELIVERY_STEP);
  save_and_open(instance, model, argv[2]);
  OK(leoam_instance_detach(instance, &error));
  CHECK(n_log > 0);
  OK(leoam_model_release(model));
  OK(leoam_instance_release(instance));
  CHECK(leoam_instance_release(instance) == LEOAM_ERROR_INVALID_HANDLE);
  return 0;
}
