#include <algorithm>
#include <chrono>

#include "eval.h"
#include "terminal.h"

namespace leoam::cli {

std::vector<Selection> selections(const EvalOptions& options) {
  std::vector<double> shares = options.importance;
  if (shares.empty()) shares.push_back(0);
  std::vector<Selection> rows;
  bool budget_used = options.importance.empty() && options.budget_tokens == 0;
  for (size_t begin = 0; begin <= options.policy.size();) {
    const size_t end = std::min(options.policy.find(',', begin), options.policy.size());
    const std::string policy = options.policy.substr(begin, end - begin);
    begin = end + 1;
    if (policy.empty()) throw Failure("--policy: an empty name in '" + options.policy + "'");
    if (policy == "exact") {
      rows.push_back({policy});
      continue;
    }
    budget_used = true;
    for (const double share : shares) rows.push_back({policy, share, options.budget_tokens});
  }
  if (!budget_used) throw Failure("--importance and --budget-tokens need a policy other than exact");
  return rows;
}

Json selection_json(const Selection& selection) {
  const auto chosen = [](auto value) { return value > 0 ? Json(value) : Json(nullptr); };
  return {{"policy", selection.policy},
          {"importance", chosen(selection.importance)},
          {"budget_tokens", chosen(selection.budget_tokens)}};
}

std::string selection_name(const Selection& selection) {
  std::string name = selection.policy;
  const auto add = [&](const std::string& word, const Json& value) {
    name += " " + word + " " + value.dump();
  };
  if (selection.importance > 0) add("importance", selection.importance);
  if (selection.budget_tokens > 0) add("tokens", selection.budget_tokens);
  return name;
}

PolicyRuns::PolicyRuns(const Instance& instance, const Model& model, const EvalOptions& options,
                       std::vector<int32_t> context, uint64_t room_tokens)
    : instance_(instance),
      model_(model),
      options_(options),
      context_(std::move(context)),
      room_tokens_(room_tokens),
      selections_(selections(options)),
      cancel_(instance),
      interrupt_(&cancel_) {
  if (options_.sparse_prefill_tokens > 0 && !options_.saved.file.empty())
    throw Failure("--sparse-prefill: a file keeps one context for all policies, which is read exactly");
  for (const Selection& selection : selections_) {
    if (selection.policy == "h2o" && !options_.saved.file.empty())
      throw Failure("--session: h2o judges a context by the attention in it, which a file does not hold");
    const Session known(model_, session_options(options_of(selection)));
  }
}

CommonOptions PolicyRuns::options_of(const Selection& selection) const {
  CommonOptions row = with_policy(options_, selection.policy);
  row.importance = selection.importance;
  row.budget_tokens = static_cast<uint32_t>(std::min<uint64_t>(selection.budget_tokens, UINT32_MAX));
  const uint64_t all_tokens = context_.size() + room_tokens_;
  if (row.context_tokens == 0 && all_tokens > model_.info().context_tokens)
    row.context_tokens = static_cast<uint32_t>(all_tokens);
  return row;
}

Session PolicyRuns::with(const Selection& selection) const {
  if (exact_ && selection.policy == "exact") return exact_->fork();
  SavedSession saved(instance_, model_, options_of(selection), options_.saved);
  const std::vector<int32_t> held = saved.session().tokens();
  if (held.size() > context_.size() || !std::equal(held.begin(), held.end(), context_.begin()))
    throw Failure(options_.saved.file + ": holds other tokens than this context");
  if (held.size() < context_.size()) {
    ProgressBar bar("read", "tokens");
    const auto begun = std::chrono::steady_clock::now();
    EvaluateOptions evaluate;
    evaluate.cancel = cancel_;
    evaluate.on_progress = bar.follower();
    // In pieces, which are attended to exactly, whatever the policy, unless the caller wishes otherwise.
    saved.session().evaluate(std::span(context_).subspan(held.size()), evaluate);
    bar.clear();
    read_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    saved.save();
  }
  // A fork keeps the policy of its origin: another one reads the context again, or finds it in the file.
  if (selection.policy == "exact" && options_.saved.file.empty()) exact_.emplace(saved.session().fork());
  return saved.session().fork();
}

std::vector<float> PolicyRuns::step(Session& session, int32_t token) const {
  EvaluateOptions evaluate;
  evaluate.cancel = cancel_;
  evaluate.audit = !options_.no_audit;
  session.evaluate(std::span(&token, 1), evaluate);
  attention_.add(session.attention(), model_.info().n_layers);
  return session.logits();
}

std::vector<float> PolicyRuns::step(Session& session, std::span<const int32_t> tokens) const {
  std::vector<float> logits;
  for (const int32_t token : tokens) logits = step(session, token);
  return logits;
}

void PolicyRuns::begin_row() {
  before_ = instance_.statistics();
  attention_ = {};
  begun_ = std::chrono::steady_clock::now();
}

Json PolicyRuns::cost(const leoam_session_info& info) const {
  const leoam_instance_statistics now = instance_.statistics();
  const auto of_context = [&info](uint64_t n_tokens) {
    if (info.n_candidate_tokens == 0) return Json(nullptr);
    return Json(static_cast<double>(n_tokens) / static_cast<double>(info.n_candidate_tokens));
  };
  Json json = attention_.json();
  json.update(
      Json{{"attended_share", of_context(info.n_attended_tokens)},
           {"needed_pages_share", of_context(info.n_pages_needed * info.page_tokens)},
           {"chunks_evaluated", info.n_chunks_evaluated},
           {"mean_coverage", info.n_selections > 0
                                 ? Json(info.coverage_sum / static_cast<double>(info.n_selections))
                                 : Json(nullptr)},
           {"least_coverage", info.least_coverage},
           {"read_attended_share", info.n_prefill_candidate_tokens > 0
                                       ? Json(static_cast<double>(info.n_prefill_attended_tokens) /
                                              static_cast<double>(info.n_prefill_candidate_tokens))
                                       : Json(nullptr)},
           {"read_seconds", read_seconds_ > 0 ? Json(read_seconds_) : Json(nullptr)},
           {"widened_share", info.n_selections > 0 ? Json(static_cast<double>(info.n_widened) /
                                                          static_cast<double>(info.n_selections))
                                                   : Json(nullptr)},
           {"kv_bytes", info.kv_bytes},
           {"resident_kv_bytes", info.resident_kv_bytes},
           {"disk_read_bytes", now.disk_read_bytes - before_.disk_read_bytes},
           {"raised_bytes", now.raised_bytes - before_.raised_bytes},
           {"seconds", std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count()}});
  return json;
}

}  // namespace leoam::cli
