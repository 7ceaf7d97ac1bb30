#include <iostream>

#include "common.h"

namespace leoam::cli {

void add_generate(CLI::App& program, std::function<void()>& run) {
  struct Options : CommonOptions, SamplingOptions {
    std::string prompt;
    std::string prompt_file;
    std::string tokens_file;
    bool special = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("generate", "Continue a text");
  add_model_options(*command, *options);
  add_budget_options(*command, *options);
  CLI::Option_group* source = command->add_option_group("prompt");
  source->add_option("--prompt", options->prompt, "Text to continue");
  source->add_option("--prompt-file", options->prompt_file, "File with the text; -: standard input");
  source->add_option("--tokens-file", options->tokens_file, "JSON array of token ids, used as it is");
  source->require_option(1);
  command->add_flag("--special", options->special,
                    "Control tokens spelt out in the prompt become those tokens");
  command->add_flag("--ignore-end", options->ignore_end, "Go on behind an end-of-generation token");
  add_sampling_options(*command, *options);
  command->callback([options, &run] {
    run = [options] {
      const Instance instance = open_instance(*options);
      const Model model = open_model(instance, *options);
      TokenizeOptions how;
      how.special = options->special;
      how.bos = true;
      std::vector<int32_t> prompt;
      if (!options->tokens_file.empty())
        prompt = read_tokens(options->tokens_file);
      else
        prompt = model.tokenize(
            options->prompt_file.empty() ? options->prompt : read_text(options->prompt_file), how);
      Session session = open_session(model, *options);
      const Generated generated = generate(session, prompt, *options, !options->json);
      if (options->json)
        return print_json({{"tokens", generated.tokens},
                           {"text", generated.text},
                           {"finish", finish_name(generated.finish)},
                           {"stats", statistics_json(generated.statistics)}});
      std::cout << '\n';
    };
  });
}

}  // namespace leoam::cli
