#include <cstdio>
#include <iostream>

#include "common.h"
#include "terminal.h"

namespace leoam::cli {
namespace {

// The document and the question in the model's own conversation format; a model without one gets plain words.
std::vector<int32_t> prompt_tokens(const Model& model, const std::string& document,
                                   const std::string& question) {
  if ((model.info().flags & LEOAM_MODEL_HAS_CHAT_TEMPLATE) != 0) {
    const ChatMessage message = {"user", document + "\n\n" + question};
    return model.tokenize_chat(std::span(&message, 1));
  }
  return model.tokenize(document + "\n\nQuestion: " + question + "\nAnswer:",
                        {.special = false, .bos = true});
}

}  // namespace

void add_ask(CLI::App& program, std::function<void()>& run) {
  struct Options : CommonOptions, SamplingOptions {
    std::string document;
    std::string question;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("ask", "Ask a question about a document");
  add_model_options(*command, *options);
  command->add_option("--document", options->document, "Text file; -: standard input")->required();
  command->add_option("QUESTION", options->question, "The question")->required();
  add_sampling_options(*command, *options);
  command->callback([options, &run] {
    run = [options] {
      const std::string document = read_text(options->document);
      const Instance instance = open_instance(*options);
      const Model model = open_model(instance, *options);
      const std::vector<int32_t> prompt = prompt_tokens(model, document, options->question);
      const uint64_t document_tokens = model.tokenize(document).size();
      Session session = open_session(model, *options);
      RequestOptions request;
      request.prompt = prompt;
      request.max_tokens = options->max_tokens;
      request.sampler = options->sampler;
      request.stop = options->stop;
      const Generated answer = run_request(session, std::move(request), [&](std::string_view text) {
        if (!options->json) std::cout << text << std::flush;
      });
      const Json stats = statistics_json(answer.statistics);
      const uint64_t kv_bytes = session.info().kv_bytes;
      if (options->json)
        return print_json({{"answer", answer.text},
                           {"tokens", answer.tokens},
                           {"finish", finish_name(answer.finish)},
                           {"document_tokens", document_tokens},
                           {"kv_bytes", kv_bytes},
                           {"stats", stats}});
      std::cout << '\n' << std::flush;
      std::printf("[document %llu tokens, first token after %.2f s, %.1f tokens/s, KV %s]\n",
                  static_cast<unsigned long long>(document_tokens),
                  static_cast<double>(answer.statistics.time_to_first_token_us) / 1e6,
                  stats["decode_tokens_per_second"].get<double>(), human_bytes(kv_bytes).c_str());
    };
  });
}

}  // namespace leoam::cli
