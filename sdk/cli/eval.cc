#include <algorithm>
#include <cmath>
#include <iostream>
#include <numeric>

#include "common.h"
#include "interrupt.h"
#include "terminal.h"

namespace leoam::cli {
namespace {

double log_sum_exp(std::span<const float> logits) {
  const double maximum = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - maximum);
  return maximum + std::log(sum);
}

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
  for (const int32_t id : ids) logprob.push_back(logits[static_cast<size_t>(id)] - normaliser);
  return {{"top", ids}, {"logprob", logprob}};
}

}  // namespace

void add_eval(CLI::App& program, std::function<void()>& run) {
  struct Options : CommonOptions {
    std::string text_file;
    std::string tokens_file;
    uint64_t n_tokens = 0;
    std::vector<uint64_t> logits_at;
    size_t top = 20;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("eval", "How well a model predicts a text");
  add_model_options(*command, *options);
  CLI::Option_group* source = command->add_option_group("input");
  source->add_option("--text-file", options->text_file, "Text; -: standard input");
  source->add_option("--tokens-file", options->tokens_file, "JSON array of token ids, used as it is");
  source->require_option(1);
  command->add_option("--tokens", options->n_tokens, "Only the first N tokens");
  command->add_option("--logits-at", options->logits_at, "Positions to print the likeliest tokens of")
      ->delimiter(',');
  command->add_option("--top", options->top, "How many of them")->capture_default_str();
  command->callback([options, &run] {
    run = [options] {
      const Instance instance = open_instance(*options);
      const Model model = open_model(instance, *options);
      std::vector<int32_t> tokens =
          options->tokens_file.empty()
              ? model.tokenize(read_text(options->text_file), {.special = false, .bos = true})
              : read_tokens(options->tokens_file);
      if (options->n_tokens != 0 && options->n_tokens < tokens.size()) tokens.resize(options->n_tokens);
      if (tokens.empty()) throw Failure("no tokens to evaluate");
      for (const uint64_t position : options->logits_at)
        if (position >= tokens.size())
          throw Failure("--logits-at: position " + std::to_string(position) + " is not below the " +
                        std::to_string(tokens.size()) + " tokens");
      Session session = open_session(model, *options, tokens.size());
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
        if (std::find(options->logits_at.begin(), options->logits_at.end(), position) !=
            options->logits_at.end())
          rows[std::to_string(position)] = top_row(logits, normaliser, options->top);
        return true;
      };
      evaluate.on_progress = bar.follower();
      session.evaluate(tokens, evaluate);
      bar.clear();
      const double mean = tokens.size() < 2 ? 0.0 : nll / static_cast<double>(tokens.size() - 1);
      if (options->json)
        return print_json({{"n_tokens", tokens.size()},
                           {"mean_nll", mean},
                           {"perplexity", std::exp(mean)},
                           {"rows", rows}});
      std::cout << tokens.size() << " tokens, mean negative log-likelihood " << mean << ", perplexity "
                << std::exp(mean) << '\n';
      for (const auto& [position, row] : rows.items())
        for (size_t i = 0; i < row["top"].size(); ++i)
          std::cout << position << '\t' << row["top"][i] << '\t' << row["logprob"][i] << '\n';
    };
  });
}

}  // namespace leoam::cli
