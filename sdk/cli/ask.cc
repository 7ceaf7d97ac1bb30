#include <algorithm>
#include <cstdio>
#include <iostream>

#include "attention_totals.h"
#include "common.h"
#include "conversation.h"
#include "interrupt.h"
#include "saved_session.h"
#include "terminal.h"

namespace leoam::cli {
namespace {

// What the policy chose for drawn tokens; null where all of it was attended to.
Json selection_figures(const leoam_session_info& info) {
  if (info.n_selections == 0) return nullptr;
  return {{"attended_share",
           static_cast<double>(info.n_attended_tokens) / static_cast<double>(info.n_candidate_tokens)},
          {"mean_coverage", info.coverage_sum / static_cast<double>(info.n_selections)}};
}

std::string summary(uint64_t document_tokens, const Generated& answer, const Json& stats,
                    const leoam_session_info& info, uint64_t host_peak_bytes) {
  char figures[100];
  if (answer.tokens.empty())
    std::snprintf(figures, sizeof figures, "no answer");
  else
    std::snprintf(figures, sizeof figures, "first token after %.2f s, %.1f tokens/s",
                  static_cast<double>(answer.statistics.time_to_first_token_us) / 1e6,
                  stats["decode_tokens_per_second"].get<double>());
  std::string line = "[document " + std::to_string(document_tokens) + " tokens, " + figures + ", KV " +
                     human_bytes(info.kv_bytes) + " of " +
                     std::string(kv_type_name(static_cast<KvType>(info.kv_type))) + ", at most " +
                     human_bytes(host_peak_bytes) + " of RAM";
  if (const Json selected = selection_figures(info); !selected.is_null()) {
    std::snprintf(figures, sizeof figures, ", %.1f %% of it attended to, %.2f of attention certainly in it",
                  100 * selected["attended_share"].get<double>(), selected["mean_coverage"].get<double>());
    line += figures;
  }
  return line + (answer.finish == FinishReason::cancelled ? ", cancelled]" : "]");
}

// The true share of attention that was attended to when the last token of the answer was drawn, in a step
// that is made again; null where there is none.
Json captured_mass(const Model& model, Session& session) {
  const uint64_t n_tokens = session.n_tokens();
  if (n_tokens < 2) return nullptr;
  const std::vector<int32_t> last = session.tokens(n_tokens - 1, 1);
  session.truncate(n_tokens - 1);
  EvaluateOptions audit;
  audit.audit = true;
  session.evaluate(last, audit);
  AttentionTotals totals;
  totals.add(session.attention(), model.info().n_layers);
  return totals.json()["captured_mass"];
}

struct AskOptions : CommonOptions, SamplingOptions {
  SavedOptions saved;
  std::string document;
  std::string question;
  bool audit = false;
};

bool begins_with(const std::vector<int32_t>& tokens, const std::vector<int32_t>& beginning) {
  return beginning.size() < tokens.size() && std::equal(beginning.begin(), beginning.end(), tokens.begin());
}

// Reads the document once: the session gets what the prompts of all questions about it begin with, and is
// saved so. Returns how many tokens of it were there already.
uint64_t read_document(const Instance& instance, const Model& model, const AskOptions& options,
                       const std::string& document, const std::vector<int32_t>& prompt, SavedSession& saved) {
  Session& session = saved.session();
  const std::string other_question = options.question.starts_with('0') ? "1" : "0";
  const std::vector<int32_t> other = document_prompt(model, document, other_question);
  const auto shorter = static_cast<std::ptrdiff_t>(std::min(prompt.size(), other.size())) - 1;
  const std::vector<int32_t> common(
      prompt.begin(), std::mismatch(prompt.begin(), prompt.begin() + shorter, other.begin()).first);
  // A few tokens less than could be: another question has begun otherwise.
  constexpr size_t kFewTokens = 16;
  const std::vector<int32_t> held = session.tokens();
  if (common.empty() || (begins_with(prompt, held) && held.size() + kFewTokens > common.size()))
    return held.size();
  const std::vector<int32_t> added = reuse_prefix(session, common);
  CancelFlag cancel(instance);
  const Interrupt interrupt(&cancel);
  ProgressBar bar("read", "tokens");
  EvaluateOptions evaluate;
  evaluate.cancel = cancel;
  evaluate.on_progress = bar.follower();
  session.evaluate(added, evaluate);
  bar.clear();
  saved.save();
  return common.size() - added.size();
}

}  // namespace

void add_ask(CLI::App& program, std::function<void()>& run) {
  auto options = std::make_shared<AskOptions>();
  CLI::App* command = program.add_subcommand(
      "ask", "Ask a question about a document: prints the answer as it comes, then one line of figures");
  add_model_options(*command, *options);
  add_budget_options(*command, *options);
  add_saved_options(*command, options->saved);
  command->add_option("--document", options->document, "Text file; -: standard input")->required();
  command->add_option("QUESTION", options->question, "The question")->required();
  command->add_flag(
      "--audit", options->audit,
      "With --json: also the true share of attention that a policy captured for the last token, from "
      "all KV");
  add_sampling_options(*command, *options);
  command->callback([options, &run] {
    run = [options] {
      const std::string document = read_text(options->document);
      const Instance instance = open_instance(*options);
      const Model model = open_model(instance, *options);
      const std::vector<int32_t> prompt = document_prompt(model, document, options->question);
      const uint64_t document_tokens = model.tokenize(document).size();
      SavedSession saved(instance, model, *options, options->saved);
      uint64_t reused_tokens = 0;
      if (!options->saved.file.empty())
        reused_tokens = read_document(instance, model, *options, document, prompt, saved);
      // The file keeps the document alone: the question goes to a fork.
      Session session = saved.session().fork();
      const std::span<const int32_t> rest =
          std::span(prompt).subspan(static_cast<size_t>(session.n_tokens()));
      const Generated answer = generate(session, rest, *options, !options->json);
      const Json stats = statistics_json(answer.statistics);
      const leoam_session_info info = session.info();
      const leoam_instance_statistics moved = instance.statistics();
      Json selection = selection_figures(info);
      if (options->audit && !selection.is_null()) selection["captured_mass"] = captured_mass(model, session);
      if (options->json)
        return print_json({{"answer", answer.text},
                           {"tokens", answer.tokens},
                           {"finish", finish_name(answer.finish)},
                           {"document_tokens", document_tokens},
                           {"reused_tokens", reused_tokens},
                           {"kv_type", kv_type_name(static_cast<KvType>(info.kv_type))},
                           {"kv_bytes", info.kv_bytes},
                           {"host_kv_peak_bytes", moved.host_kv_peak_bytes},
                           {"disk_read_bytes", moved.disk_read_bytes},
                           {"disk_written_bytes", moved.disk_written_bytes},
                           {"selection", selection},
                           {"stats", stats}});
      std::cout << '\n' << summary(document_tokens, answer, stats, info, moved.host_kv_peak_bytes) << '\n';
    };
  });
}

}  // namespace leoam::cli
