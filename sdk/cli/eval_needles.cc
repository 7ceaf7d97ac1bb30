#include <algorithm>
#include <array>
#include <iostream>

#include "conversation.h"
#include "eval.h"
#include "terminal.h"

namespace leoam::cli {
namespace {

constexpr std::array<std::string_view, 8> kColours = {"red",    "blue",  "green", "yellow",
                                                      "purple", "white", "black", "orange"};
constexpr std::array<std::string_view, 8> kThings = {"door",   "box",    "car",  "house",
                                                     "garden", "bottle", "boat", "tower"};
constexpr std::array<std::string_view, 16> kFirstWords = {
    "banana", "silver",  "window", "mountain", "coffee", "winter", "rocket", "pepper",
    "marble", "thunder", "velvet", "desert",   "copper", "island", "candle", "forest"};
constexpr std::array<std::string_view, 16> kSecondWords = {
    "piano",  "tiger", "lemon",  "bridge", "castle", "dragon", "pencil", "guitar",
    "rabbit", "clock", "turtle", "hammer", "falcon", "ladder", "cherry", "anchor"};

struct Needle {
  std::string thing;
  std::string code;
  std::string fact() const { return "The secret code of the " + thing + " is " + code + "."; }
  std::string question() const { return "What is the secret code of the " + thing + "?"; }
};

// No two share a thing or a code, and neighbours share no word.
Needle needle(size_t i) {
  const size_t colour = i % kColours.size();
  const size_t thing = (i + i / kColours.size()) % kThings.size();
  const size_t second = (5 * i + i / kSecondWords.size()) % kSecondWords.size();
  return {std::string(kColours[colour]) + " " + std::string(kThings[thing]),
          std::string(kFirstWords[i % kFirstWords.size()]) + " " + std::string(kSecondWords[second])};
}

// The facts at even depths, each behind the end of a sentence or a line.
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
    planted += (planted.empty() || planted.back() == '\n' ? "" : " ") + needles[i].fact();
    planted += end < text.size() && text[end] == ' ' ? "" : "\n";
    from = end;
  }
  return planted.append(text, from);
}

bool contains_words(std::string_view text, std::string_view words) {
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; };
  return std::search(text.begin(), text.end(), words.begin(), words.end(), same) != text.end();
}

std::vector<Needle> needles_of(const EvalOptions& options) {
  std::vector<Needle> needles;
  for (size_t i = 0; i < options.n_needles; ++i) needles.push_back(needle(i));
  return needles;
}

// The text with its facts, cut so that it, a question or two and their answers fit in the context.
std::string haystack(const Model& model, const EvalOptions& options, const std::vector<Needle>& needles,
                     uint64_t room_tokens) {
  std::vector<int32_t> tokens = eval_tokens(model, options);
  const uint64_t context_tokens =
      options.context_tokens != 0 ? options.context_tokens : model.info().context_tokens;
  uint64_t taken = room_tokens;
  for (const Needle& one : needles) taken += model.tokenize(one.fact() + "\n").size();
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

std::string answer(const PolicyRuns& runs, Session& session, std::span<const int32_t> question) {
  constexpr uint32_t kAnswer_tokens = 24;
  runs.step(session, question);
  SamplingOptions greedy;
  greedy.max_tokens = kAnswer_tokens;
  return generate(session, {}, greedy, false).text;
}

std::vector<int32_t> next_question(const Model& model, Session& session, const std::string& question) {
  if ((model.info().flags & LEOAM_MODEL_HAS_CHAT_TEMPLATE) == 0)
    return model.tokenize("\nQuestion: " + question + "\nAnswer:");
  return Conversation(model, session, "").add_user(question);
}

}  // namespace

void eval_needles(const Instance& instance, const Model& model, const EvalOptions& options) {
  constexpr uint64_t kQuestion_tokens = 128;  // with its answer and what the template writes around them
  const std::vector<Needle> needles = needles_of(options);
  const uint64_t room_tokens = kQuestion_tokens * (options.second_question ? 2 : 1);
  const std::string document = haystack(model, options, needles, room_tokens);
  std::vector<std::vector<int32_t>> prompts;
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
        const std::string text = answer(runs, session, question);
        const bool right = contains_words(text, one.code);
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
    row.update(runs.cost(context));
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
