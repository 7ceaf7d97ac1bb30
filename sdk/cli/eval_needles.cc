#include <algorithm>
#include <array>
#include <iostream>

#include "conversation.h"
#include "divergence.h"
#include "eval.h"
#include "terminal.h"

namespace leoam::cli {
namespace {

// As unlike each other as they can be: small models mix up facts that share words.
constexpr std::array<std::string_view, 24> kSubjects = {"zebra's secret code",
                                                        "password of Alice",
                                                        "phone number of the bakery",
                                                        "price of the golden violin",
                                                        "key of the blue house",
                                                        "number of bees in the hive",
                                                        "serial number of the old camera",
                                                        "combination of the museum safe",
                                                        "weight of the whale",
                                                        "postal code of the lighthouse",
                                                        "bank account of Doctor Miller",
                                                        "winning lottery ticket",
                                                        "order number of the pizza",
                                                        "height of the glass tower",
                                                        "frequency of the pirate radio",
                                                        "licence of the taxi driver",
                                                        "age of the dinosaur",
                                                        "locker of the hockey player",
                                                        "flight of the red balloon",
                                                        "population of the tiny planet",
                                                        "member number of the chess club",
                                                        "score of the spelling contest",
                                                        "volume of the chocolate lake",
                                                        "distance to the frozen castle"};

constexpr uint32_t kAnswer_tokens = 16;

// Numbers, because small models find them again where they mix up words, and cannot guess them.
struct Needle {
  std::string subject;
  std::string code;  // seven digits
  std::string fact() const { return opening() + " " + code + "."; }
  std::string question() const { return "What is the " + subject + "?"; }
  // How the answer begins: without it small models talk about the question.
  std::string opening() const { return "The " + subject + " is"; }
};

// The facts at even depths, each on a line of its own behind the end of a sentence or a line.
std::string plant(const std::string& text, const std::vector<Needle>& needles) {
  std::string planted;
  size_t from = 0;
  for (size_t i = 0; i < needles.size(); ++i) {
    const size_t wanted = std::max(from, text.size() * (2 * i + 1) / (2 * needles.size()));
    size_t end = wanted;
    const auto is_end = [&] {
      return text[end - 1] == '\n' || (text[end] == ' ' && (text[end - 1] == '.' || text[end - 1] == '!'));
    };
    while (end < text.size() && (end == 0 || !is_end())) ++end;
    planted.append(text, from, end - from);
    planted += "\n" + needles[i].fact() + "\n";
    from = end;
  }
  return planted.append(text, from);
}

std::vector<Needle> needles_of(const EvalOptions& options) {
  std::vector<Needle> needles;
  for (size_t i = 0; i < options.n_needles; ++i)
    needles.push_back(
        {std::string(kSubjects[i]), std::to_string(1'000'000 + (4'021'337 + i * 7'368'787) % 9'000'000)});
  return needles;
}

// The text with its facts, cut so that it, a question or two and their answers fit in the context.
std::string haystack(const Model& model, const EvalOptions& options, const std::vector<Needle>& needles,
                     uint64_t room_tokens) {
  std::vector<int32_t> tokens = eval_tokens(model, options);
  const uint64_t context_tokens =
      options.context_tokens != 0 ? options.context_tokens : model.info().context_tokens;
  uint64_t taken = room_tokens;
  // Some more for what a cut through a word adds when the words are tokenised again.
  for (const Needle& one : needles) taken += model.tokenize("\n" + one.fact() + "\n").size() + 4;
  if (taken >= context_tokens)
    throw Failure("--needles: a context of " + std::to_string(context_tokens) + " tokens is too short for " +
                  std::to_string(needles.size()) + " facts and a question");
  tokens.resize(std::min<size_t>(tokens.size(), context_tokens - taken));
  return plant(model.detokenize(tokens), needles);
}

// What all questions about the document begin with.
std::vector<int32_t> common_beginning(const Model& model, const std::string& document,
                                      const std::vector<std::vector<int32_t>>& prompts) {
  std::vector<int32_t> common = document_prompt(model, document, "0");
  for (const std::vector<int32_t>& prompt : prompts) {
    const auto shorter = static_cast<std::ptrdiff_t>(std::min(common.size(), prompt.size() - 1));
    common.erase(std::mismatch(common.begin(), common.begin() + shorter, prompt.begin()).first, common.end());
  }
  return common;
}

// What the model says behind the question and the beginning of its answer, up to the end of its sentence.
std::string answer(const Model& model, const PolicyRuns& runs, Session& session,
                   std::span<const int32_t> question, const Needle& needle) {
  runs.step(session, question);
  std::vector<float> logits = runs.step(session, model.tokenize(needle.opening()));
  std::vector<int32_t> drawn;
  std::string text;
  while (drawn.size() < kAnswer_tokens) {
    const int32_t token = likeliest(logits);
    if ((model.token(token).flags & LEOAM_TOKEN_ENDS_GENERATION) != 0) break;
    drawn.push_back(token);
    text = model.detokenize(drawn, false, true);
    if (text.find_first_of(".\n") != std::string::npos) break;
    logits = runs.step(session, token);
  }
  return text;
}

std::vector<int32_t> next_question(const Model& model, Session& session, const std::string& question) {
  if ((model.info().flags & LEOAM_MODEL_HAS_CHAT_TEMPLATE) == 0)
    return model.tokenize("\nQuestion: " + question + "\nAnswer:");
  return Conversation(model, session, "").add_user(question);
}

}  // namespace

void eval_needles(const Instance& instance, const Model& model, const EvalOptions& options) {
  const std::vector<Needle> needles = needles_of(options);
  uint64_t question_tokens = 0;  // with its answer and what the template writes around them
  for (const Needle& one : needles)
    question_tokens = std::max<uint64_t>(question_tokens, document_prompt(model, "", one.question()).size() +
                                                              model.tokenize(one.opening()).size());
  question_tokens += kAnswer_tokens;
  const uint64_t room_tokens = question_tokens * (options.second_question ? 2 : 1);
  const std::string document = haystack(model, options, needles, room_tokens);
  std::vector<std::vector<int32_t>> prompts;
  prompts.reserve(needles.size());
  for (const Needle& one : needles) prompts.push_back(document_prompt(model, document, one.question()));
  PolicyRuns runs(instance, model, options, common_beginning(model, document, prompts), room_tokens);

  Json rows = Json::array();
  for (const Selection& selection : runs.rows()) {
    const Session context = runs.with(selection);
    runs.begin_row();
    uint64_t found = 0;
    uint64_t second_found = 0;
    Json answers = Json::array();
    for (size_t i = 0; i < needles.size(); ++i) {
      Session session = context.fork();
      const auto ask = [&](const Needle& one, std::span<const int32_t> question, uint64_t* count) {
        const std::string text = answer(model, runs, session, question, one);
        const bool right = text.find(one.code) != std::string::npos;
        if (right) ++*count;
        return Json{{"question", one.question()}, {"code", one.code}, {"answer", text}, {"found", right}};
      };
      Json asked = ask(needles[i], std::span(prompts[i]).subspan(runs.context_tokens()), &found);
      if (options.second_question) {
        const Needle& other = needles[(i + 1) % needles.size()];
        asked["second"] = ask(other, next_question(model, session, other.question()), &second_found);
      }
      answers.push_back(std::move(asked));
    }
    Json row = selection_json(selection);
    row["needles"] = needles.size();
    row["found"] = found;
    if (options.second_question) row["second_found"] = second_found;
    row["answers"] = std::move(answers);
    row.update(runs.cost(context.info()));
    rows.push_back(std::move(row));
  }
  if (options.json) return print_json({{"n_tokens", runs.context_tokens()}, {"policies", std::move(rows)}});
  std::cout << "a context of " << runs.context_tokens() << " tokens:\n";
  for (size_t i = 0; i < rows.size(); ++i) {
    std::cout << selection_name(runs.rows()[i]) << ": " << rows[i]["found"] << " of " << needles.size()
              << " found";
    if (options.second_question) std::cout << ", asked second " << rows[i]["second_found"];
    std::cout << '\n';
  }
}

}  // namespace leoam::cli
