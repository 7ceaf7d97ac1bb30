#include "conversation.h"

#include <algorithm>

namespace leoam::cli {
namespace {

using Tokens = std::vector<int32_t>;

size_t common_prefix(const Tokens& a, const Tokens& b) {
  const auto shorter = static_cast<std::ptrdiff_t>(std::min(a.size(), b.size()));
  return static_cast<size_t>(std::mismatch(a.begin(), a.begin() + shorter, b.begin()).first - a.begin());
}

size_t common_suffix(const Tokens& a, const Tokens& b) {
  const auto shorter = static_cast<std::ptrdiff_t>(std::min(a.size(), b.size()));
  return static_cast<size_t>(std::mismatch(a.rbegin(), a.rbegin() + shorter, b.rbegin()).first - a.rbegin());
}

// How much of the beginning of `next` stands at the end of `held` already.
size_t overlap(const Tokens& held, const Tokens& next, size_t most) {
  for (size_t n = std::min({held.size(), next.size(), most}); n > 0; --n)
    if (std::equal(next.begin(), next.begin() + static_cast<std::ptrdiff_t>(n),
                   held.end() - static_cast<std::ptrdiff_t>(n)))
      return n;
  return 0;
}

}  // namespace

std::vector<int32_t> document_prompt(const Model& model, const std::string& document,
                                     const std::string& question) {
  if ((model.info().flags & LEOAM_MODEL_HAS_CHAT_TEMPLATE) != 0) {
    const ChatMessage message = {"user", document + "\n\n" + question};
    return model.tokenize_chat(std::span(&message, 1));
  }
  return model.tokenize(document + "\n\nQuestion: " + question + "\nAnswer:",
                        {.special = false, .bos = true});
}

std::vector<int32_t> reuse_prefix(Session& session, std::vector<int32_t> wanted) {
  // At least one token is computed anew, for its logits.
  size_t same = std::min(common_prefix(session.tokens(), wanted), wanted.size() - 1);
  try {
    session.truncate(same);
  } catch (const Error& error) {
    // Sliding layers may have dropped what the shorter sequence needs.
    if (error.code() != LEOAM_ERROR_UNSUPPORTED) throw;
    session.truncate(same = 0);
  }
  wanted.erase(wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(same));
  return wanted;
}

Conversation::Conversation(const Model& model, Session& session, const std::string& system)
    : model_(model), session_(session), opened_(session.n_tokens() > 0) {
  if (!system.empty()) messages_.push_back({"system", system});
}

std::vector<int32_t> Conversation::add_user(const std::string& text) {
  if (opened_) return go_on(text);
  messages_.push_back({"user", text});
  return reuse_prefix(session_, model_.tokenize_chat(messages_));
}

void Conversation::add_answer(const std::string& text) {
  if (!opened_) messages_.push_back({"assistant", text});
}

// The words of the past are not known, and need not be: the template writes the end of an answer and a turn
// of the user in the same way behind any of them. So both are taken from a small conversation of which all is
// known.
std::vector<int32_t> Conversation::go_on(const std::string& text) const {
  const auto write = [&](const std::string& answer, bool with_turn) {
    std::vector<ChatMessage> messages = {{"user", "a"}, {"assistant", answer}};
    if (with_turn) messages.push_back({"user", text});
    return model_.tokenize_chat(messages, {.generation_prompt = with_turn});
  };
  const Tokens past = write("b", false);
  const Tokens all = write("b", true);
  const size_t end = common_suffix(past, write("c d", false));  // what closes an answer
  Tokens next(all.begin() + static_cast<std::ptrdiff_t>(common_prefix(past, all)), all.end());
  next.insert(next.begin(), past.end() - static_cast<std::ptrdiff_t>(end), past.end());
  // The answer may have ended with the token that closes it.
  const size_t written = overlap(session_.tokens(), next, end);
  next.erase(next.begin(), next.begin() + static_cast<std::ptrdiff_t>(written));
  return next;
}

}  // namespace leoam::cli
