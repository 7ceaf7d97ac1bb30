#include <algorithm>
#include <iostream>

#include "divergence.h"
#include "eval.h"
#include "terminal.h"

namespace leoam::cli {
namespace {

struct Question {
  std::string kind;
  std::vector<int32_t> ask;
  std::vector<int32_t> answer;
};

struct RecallText {
  std::vector<int32_t> tokens;
  std::vector<Question> questions;
};

RecallText read_recall(const std::string& path) {
  const auto file = nlohmann::json::parse(read_text(path), nullptr, false);
  if (!file.is_object() || !file.contains("tokens") || !file.contains("questions") ||
      !file["questions"].is_array())
    throw Failure(path + R"(: expected {"tokens": [id], "questions": [{"kind", "ask", "answer"}]})");
  RecallText text;
  text.tokens = token_ids(file["tokens"], path);
  for (const auto& entry : file["questions"]) {
    const std::string where = path + ": question " + std::to_string(text.questions.size());
    if (!entry.is_object() || !entry.contains("ask") || !entry.contains("answer"))
      throw Failure(where + R"(: expected {"kind", "ask", "answer"})");
    Question question;
    const auto kind = entry.find("kind");
    if (kind != entry.end() && kind->is_string()) question.kind = kind->get<std::string>();
    question.ask = token_ids(entry["ask"], where);
    question.answer = token_ids(entry["answer"], where);
    if (question.ask.empty() || question.answer.empty()) throw Failure(where + ": no tokens");
    text.questions.push_back(std::move(question));
  }
  if (text.questions.empty()) throw Failure(path + ": no questions");
  return text;
}

// Tokens of the text that --sparse-prefill reads in one piece with a question, as a prompt has it.
constexpr size_t kAskedWith_tokens = 64;

std::vector<float> ask(const PolicyRuns& runs, Session& session, const RecallText& text,
                       const Question& question, bool in_a_piece) {
  if (!in_a_piece || text.tokens.size() <= kAskedWith_tokens) return runs.step(session, question.ask);
  const size_t n_kept = text.tokens.size() - kAskedWith_tokens;
  session.truncate(n_kept);
  std::vector<int32_t> piece(text.tokens.begin() + static_cast<std::ptrdiff_t>(n_kept), text.tokens.end());
  piece.insert(piece.end(), question.ask.begin(), question.ask.end());
  session.evaluate(piece);
  return session.logits();
}

// What is drawn greedily after these logits, up to the first token that is wrong.
std::vector<int32_t> answer(const PolicyRuns& runs, Session& session, const Question& question,
                            std::vector<float> logits) {
  std::vector<int32_t> drawn;
  while (true) {
    drawn.push_back(likeliest(logits));
    if (drawn.size() == question.answer.size() || drawn.back() != question.answer[drawn.size() - 1])
      return drawn;
    logits = runs.step(session, drawn.back());
  }
}

// Adds what a fork has selected since it was made.
void add_selections(const leoam_session_info& origin, const leoam_session_info& fork,
                    leoam_session_info* total) {
  total->n_selections += fork.n_selections - origin.n_selections;
  total->n_attended_tokens += fork.n_attended_tokens - origin.n_attended_tokens;
  total->n_candidate_tokens += fork.n_candidate_tokens - origin.n_candidate_tokens;
  total->n_chunks_evaluated += fork.n_chunks_evaluated - origin.n_chunks_evaluated;
  total->n_pages_needed += fork.n_pages_needed - origin.n_pages_needed;
  total->n_widened += fork.n_widened - origin.n_widened;
  total->coverage_sum += fork.coverage_sum - origin.coverage_sum;
  total->least_coverage = std::min(total->least_coverage, fork.least_coverage);
}

}  // namespace

void eval_recall(const Instance& instance, const Model& model, const EvalOptions& options) {
  const RecallText text = read_recall(options.recall_file);
  size_t longest = 0;
  for (const Question& question : text.questions)
    longest = std::max(longest, question.ask.size() + question.answer.size());
  PolicyRuns runs(instance, model, options, text.tokens, longest);
  Json rows = Json::array();
  for (const Selection& selection : runs.rows()) {
    Session context = runs.with(selection);
    runs.begin_row();
    ProgressBar bar(selection.policy, "questions");
    const leoam_session_info origin = context.info();
    leoam_session_info total = origin;
    Json kinds = Json::object();
    Json wrong = Json::array();
    for (size_t i = 0; i < text.questions.size(); ++i) {
      const Question& question = text.questions[i];
      Session fork = context.fork();
      const std::vector<int32_t> drawn =
          answer(runs, fork, question, ask(runs, fork, text, question, options.sparse_prefill_tokens > 0));
      add_selections(origin, fork.info(), &total);
      Json& kind = kinds[question.kind];
      if (kind.is_null()) kind = {{"asked", 0}, {"right", 0}};
      kind["asked"] = kind["asked"].get<size_t>() + 1;
      if (drawn == question.answer)
        kind["right"] = kind["right"].get<size_t>() + 1;
      else
        wrong.push_back(
            {{"question", i}, {"kind", question.kind}, {"drawn", drawn}, {"answer", question.answer}});
      bar.update(i + 1, text.questions.size());
    }
    Json row = selection_json(selection);
    row["asked"] = text.questions.size();
    row["right"] = text.questions.size() - wrong.size();
    row["kinds"] = std::move(kinds);
    row["wrong"] = std::move(wrong);
    row.update(runs.cost(total));
    rows.push_back(std::move(row));
  }
  if (options.json) return print_json({{"n_tokens", text.tokens.size()}, {"policies", std::move(rows)}});
  for (size_t i = 0; i < rows.size(); ++i) {
    std::cout << selection_name(runs.rows()[i]) << ": " << rows[i]["right"] << " of " << rows[i]["asked"];
    for (const auto& [kind, count] : rows[i]["kinds"].items())
      std::cout << ", " << kind << ' ' << count["right"] << " of " << count["asked"];
    std::cout << '\n';
  }
}

}  // namespace leoam::cli
