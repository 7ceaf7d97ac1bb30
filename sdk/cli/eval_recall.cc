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

// What is drawn greedily, up to the first token that is wrong.
std::vector<int32_t> answer(const PolicyRuns& runs, Session session, const Question& question) {
  std::vector<int32_t> drawn;
  std::vector<float> logits = runs.step(session, question.ask);
  while (true) {
    drawn.push_back(likeliest(logits));
    if (drawn.size() == question.answer.size() || drawn.back() != question.answer[drawn.size() - 1])
      return drawn;
    logits = runs.step(session, drawn.back());
  }
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
    Json kinds = Json::object();
    Json wrong = Json::array();
    for (size_t i = 0; i < text.questions.size(); ++i) {
      const Question& question = text.questions[i];
      const std::vector<int32_t> drawn = answer(runs, context.fork(), question);
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
    row.update(runs.cost(context));
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
