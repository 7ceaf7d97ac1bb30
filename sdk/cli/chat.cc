#include <unistd.h>

#include <iostream>

#include "common.h"
#include "conversation.h"
#include "saved_session.h"

namespace leoam::cli {

void add_chat(CLI::App& program, std::function<void()>& run) {
  struct Options : CommonOptions, SamplingOptions {
    SavedOptions saved;
    std::string system;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("chat",
                                             "Talk: one line of standard input a turn (--json: one object a "
                                             "turn); Ctrl-C stops an answer, Ctrl-D ends");
  add_model_options(*command, *options);
  add_budget_options(*command, *options);
  add_saved_options(*command, options->saved);
  command->add_option("--system", options->system, "System message of a new conversation");
  add_sampling_options(*command, *options);
  command->callback([options, &run] {
    run = [options] {
      const Instance instance = open_instance(*options);
      const Model model = open_model(instance, *options);
      SavedSession saved(instance, model, *options, options->saved);
      Session& session = saved.session();
      Conversation conversation(model, session, options->system);
      const bool prompt_wanted = !options->json && isatty(STDIN_FILENO) == 1;
      for (std::string line;;) {
        if (prompt_wanted) std::cout << "> " << std::flush;
        if (!std::getline(std::cin, line)) break;
        if (line.empty()) continue;
        const std::vector<int32_t> added = conversation.add_user(line);
        const Generated answer = generate(session, added, *options, !options->json);
        // The progress bar of the save takes a line of its own.
        if (!options->json) std::cout << std::endl;
        saved.save();
        if (options->json)
          print_json({{"answer", answer.text},
                      {"finish", finish_name(answer.finish)},
                      {"session_tokens", session.n_tokens()},
                      {"stats", statistics_json(answer.statistics)}});
        conversation.add_answer(answer.text);
      }
    };
  });
}

}  // namespace leoam::cli
