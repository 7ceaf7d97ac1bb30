#include "eval.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <numeric>

#include "divergence.h"
#include "report_page.h"
#include "terminal.h"

namespace leoam::cli {
namespace {

// The K likeliest tokens of a position and their log-probabilities.
Json top_row(std::span<const float> logits, double normaliser, size_t k) {
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  k = std::min(k, ids.size());
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(k), ids.end(),
                    [&](int32_t a, int32_t b) {
                      const float la = logits[static_cast<size_t>(a)];
                      const float lb = logits[static_cast<size_t>(b)];
                      return la != lb ? la > lb : a < b;
                    });
  ids.resize(k);
  std::vector<double> logprob;
  logprob.reserve(ids.size());
  for (const int32_t id : ids) logprob.push_back(logits[static_cast<size_t>(id)] - normaliser);
  return {{"top", ids}, {"logprob", logprob}};
}

// How well the model predicts all of the text.
void eval_text(const Instance& instance, const Model& model, const EvalOptions& options) {
  const std::vector<int32_t> tokens = eval_tokens(model, options);
  for (const uint64_t position : options.logits_at)
    if (position >= tokens.size())
      throw Failure("--logits-at: position " + std::to_string(position) + " is not below the " +
                    std::to_string(tokens.size()) + " tokens");
  Session session = open_session(model, options, tokens.size());
  double nll = 0;
  Json rows = Json::object();
  CancelFlag cancel(instance);
  const Interrupt interrupt(&cancel);
  ProgressBar bar("eval", "tokens");
  EvaluateOptions evaluate;
  evaluate.all_logits = true;
  evaluate.cancel = cancel;
  evaluate.on_logits = [&](uint64_t position, std::span<const float> logits) {
    const double normaliser = log_sum_exp(logits);
    if (position + 1 < tokens.size())
      nll += normaliser - logits[static_cast<size_t>(tokens[static_cast<size_t>(position) + 1])];
    if (std::find(options.logits_at.begin(), options.logits_at.end(), position) != options.logits_at.end())
      rows[std::to_string(position)] = top_row(logits, normaliser, options.top);
    return true;
  };
  evaluate.on_progress = bar.follower();
  session.evaluate(tokens, evaluate);
  bar.clear();
  const double mean = tokens.size() < 2 ? 0.0 : nll / static_cast<double>(tokens.size() - 1);
  if (options.json)
    return print_json(
        {{"n_tokens", tokens.size()}, {"mean_nll", mean}, {"perplexity", std::exp(mean)}, {"rows", rows}});
  std::cout << tokens.size() << " tokens, mean negative log-likelihood " << mean << ", perplexity "
            << std::exp(mean) << '\n';
  for (const auto& [position, row] : rows.items())
    for (size_t i = 0; i < row["top"].size(); ++i)
      std::cout << position << '\t' << row["top"][i] << '\t' << row["logprob"][i] << '\n';
}

}  // namespace

std::vector<int32_t> eval_tokens(const Model& model, const EvalOptions& options) {
  std::vector<int32_t> tokens =
      options.tokens_file.empty()
          ? model.tokenize(read_text(options.text_file), {.special = false, .bos = options.n_needles == 0})
          : read_tokens(options.tokens_file);
  for (const uint64_t most : {options.n_tokens, uint64_t{options.context_tokens}})
    if (most != 0 && most < tokens.size()) tokens.resize(most);
  if (tokens.empty()) throw Failure("no tokens to evaluate");
  return tokens;
}

void add_eval(CLI::App& program, std::function<void()>& run) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command = program.add_subcommand(
      "eval",
      "How well a model predicts a text. With --policy, --needles or --recall: how near policies come to "
      "exact, where the context is read exactly and its end with the policy");
  add_model_options(*command, *options);
  add_saved_options(*command, options->saved);
  command->get_option("--session")
      ->description("File that keeps the context once it is read, for policies and for later calls");
  CLI::Option* policy = command->get_option("--policy");
  policy->description(
      "Which KV is attended to: exact, leoam, quest, window, h2o; several, split by commas, are compared");
  CLI::Option_group* source = command->add_option_group("input");
  CLI::Option* text = source->add_option("--text-file", options->text_file, "Text; -: standard input");
  source->add_option("--tokens-file", options->tokens_file, "JSON array of token ids, used as it is");
  CLI::Option* recall =
      source->add_option("--recall", options->recall_file,
                         "JSON of tokens and questions, as tests/support/recall_model.py writes it: judged "
                         "by the tokens answered");
  source->require_option(1);
  CLI::Option* n_tokens = command->add_option("--tokens", options->n_tokens, "Only the first N tokens");
  CLI::Option* logits_at =
      command->add_option("--logits-at", options->logits_at, "Positions to print the likeliest tokens of")
          ->delimiter(',')
          ->excludes(policy)
          ->excludes(recall);
  command->add_option("--top", options->top, "How many of them")->capture_default_str();
  command->add_option("--importance", options->importance, "Shares of the context that a policy attends to")
      ->delimiter(',')
      ->check(CLI::Range(1e-6, 1.0))
      ->needs(policy);
  add_selection_options(*command, *options);
  command->add_option("--budget-tokens", options->budget_tokens, "Most tokens that a policy attends to")
      ->needs(policy);
  CLI::Option* positions =
      command->add_option("--positions", options->n_positions, "How many last positions are judged")
          ->capture_default_str()
          ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 20))
          ->needs(policy);
  CLI::Option* needles = command
                             ->add_option("--needles", options->n_needles,
                                          "Plant N facts in the text and ask for each at its end")
                             ->check(CLI::Range(1u, 24u))
                             ->needs(text)
                             ->excludes(positions)
                             ->excludes(logits_at);
  command->add_flag("--second-question", options->second_question, "Ask for another fact after each of them")
      ->needs(needles);
  recall->excludes(positions)->excludes(n_tokens);
  command
      ->add_flag(
          "--no-audit", options->no_audit,
          "Does not compute the true share of attention that policies capture, from all KV; seconds and "
          "bytes read are then those of the policies alone")
      ->needs(policy);
  command
      ->add_option(
          "--report", options->report,
          "Writes the comparison as a page with charts: an HTML file (not of --needles and --recall)")
      ->needs(policy)
      ->excludes(needles)
      ->excludes(recall);
  command->callback([options, policy, &run] {
    const bool compares = policy->count() > 0;
    run = [options, compares] {
      if (!options->report.empty()) check_writable(options->report);
      const Instance instance = open_instance(*options);
      const Model model = open_model(instance, *options);
      if (!options->recall_file.empty()) return eval_recall(instance, model, *options);
      if (options->n_needles > 0) return eval_needles(instance, model, *options);
      if (compares) return eval_divergence(instance, model, *options);
      if (!options->saved.file.empty())
        throw Failure("--session: nothing is kept of a text without --policy");
      eval_text(instance, model, *options);
    };
  });
}

}  // namespace leoam::cli
