#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "common.h"

namespace leoam::cli {
namespace {

// Keeps of the session what the conversation begins with; returns what has to be added.
std::vector<int32_t> reuse_prefix(Session& session, std::vector<int32_t> conversation) {
  const std::vector<int32_t> held = session.tokens();
  const size_t shortest = std::min(held.size(), conversation.size());
  size_t same = static_cast<size_t>(
      std::mismatch(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(shortest), conversation.begin())
          .first -
      held.begin());
  // At least one token is computed anew, for its logits.
  same = std::min(same, conversation.size() - 1);
  try {
    session.truncate(same);
  } catch (const Error& error) {
    // Sliding layers may have dropped what the shorter sequence needs.
    if (error.code() != LEOAM_ERROR_UNSUPPORTED) throw;
    session.truncate(same = 0);
  }
  conversation.erase(conversation.begin(), conversation.begin() + static_cast<std::ptrdiff_t>(same));
  return conversation;
}

}  // namespace

void add_chat(CLI::App& program, std::function<void()>& run) {
  struct Options : CommonOptions, SamplingOptions {
    std::string system;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("chat",
                                             "Talk: one line of standard input a turn (--json: one object a "
                                             "turn); Ctrl-C stops an answer, Ctrl-D ends");
  add_model_options(*command, *options);
  command->add_option("--system", options->system, "System message");
  add_sampling_options(*command, *options);
  command->callback([options, &run] {
    run = [options] {
      const Instance instance = open_instance(*options);
      const Model model = open_model(instance, *options);
      Session session = open_session(model, *options);
      std::vector<ChatMessage> messages;
      if (!options->system.empty()) messages.push_back({"system", options->system});
      const bool prompt_wanted = !options->json && isatty(STDIN_FILENO) == 1;
      for (std::string line;;) {
        if (prompt_wanted) std::cout << "> " << std::flush;
        if (!std::getline(std::cin, line)) break;
        if (line.empty()) continue;
        messages.push_back({"user", line});
        const std::vector<int32_t> added = reuse_prefix(session, model.tokenize_chat(messages));
        const Generated answer = generate(session, added, *options, !options->json);
        if (options->json)
          print_json({{"answer", answer.text},
                      {"finish", finish_name(answer.finish)},
                      {"stats", statistics_json(answer.statistics)}});
        else
          std::cout << '\n';
        messages.push_back({"assistant", answer.text});
      }
    };
  });
}

}  // namespace leoam::cli
