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

std::string summary(uint64_t document_tokens, const Generated& answer, const Json& stats, uint64_t kv_bytes) {
  char figures[100];
  if (answer.tokens.empty())
    std::snprintf(figures, sizeof figures, "no answer");
  else
    std::snprintf(figures, sizeof figures, "first token after %.2f s, %.1f tokens/s",
                  static_cast<double>(answer.statistics.time_to_first_token_us) / 1e6,
                  stats["decode_tokens_per_second"].get<double>());
  return "[document " + std::to_string(document_tokens) + " tokens, " + figures + ", KV " +
         human_bytes(kv_bytes) + (answer.finish == FinishReason::cancelled ? ", cancelled]" : "]");
}

}  // namespace

void add_ask(CLI::App& program, std::function<void()>& run) {
  struct Options : CommonOptions, SamplingOptions {
    std::string document;
    std::string question;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand(
      "ask", "Ask a question about a document: prints the answer as it comes, then one line of figures");
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
      const Generated answer = generate(session, prompt, *options, !options->json);
      const Json stats = statistics_json(answer.statistics);
      const uint64_t kv_bytes = session.info().kv_bytes;
      if (options->json)
        return print_json({{"answer", answer.text},
                           {"tokens", answer.tokens},
                           {"finish", finish_name(answer.finish)},
                           {"document_tokens", document_tokens},
                           {"kv_bytes", kv_bytes},
                           {"stats", stats}});
      std::cout << '\n' << summary(document_tokens, answer, stats, kv_bytes) << '\n';
    };
  });
}

}  // namespace leoam::cli
