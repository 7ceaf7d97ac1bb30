// Conversation: what a chat adds to its session turn by turn.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common.h"

namespace leoam::cli {

class Conversation {
 public:
  // `session` may hold a conversation already, whose words are not known: its tokens are gone on from.
  Conversation(const Model& model, Session& session, const std::string& system);

  // The user's turn as tokens that follow those of the session, which is cut back where the template writes
  // the past in another way.
  std::vector<int32_t> add_user(const std::string& text);
  void add_answer(const std::string& text);

 private:
  std::vector<int32_t> go_on(const std::string& text) const;

  const Model& model_;
  Session& session_;
  const bool opened_;  // began before this process
  std::vector<ChatMessage> messages_;
};

// The document and the question in the model's own conversation format; a model without one gets plain words.
std::vector<int32_t> document_prompt(const Model& model, const std::string& document,
                                     const std::string& question);

// Cuts the session back to what `wanted` begins with, and returns what has to be added: at least one token.
std::vector<int32_t> reuse_prefix(Session& session, std::vector<int32_t> wanted);

}  // namespace leoam::cli
