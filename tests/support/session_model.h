// SessionModel: a session as a test expects it, written to and compared with session files. Its pages are a
// function of the tokens that they belong to, so that a wrong page is seen wherever it comes from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/store/session_file.h"

namespace leoam::testing {

// Three layers, the second one sliding; pages of four tokens, smaller than a block and not a multiple of 16.
SessionIdentity small_identity();
SecretKey test_key(uint8_t fill = 7);

class SessionModel {
 public:
  explicit SessionModel(SessionIdentity identity = small_identity()) : identity_(std::move(identity)) {}
  // Goes on with what the file has.
  static SessionModel of(const SessionFile& file);

  const std::vector<LoggedToken>& tokens() const { return tokens_; }
  // Appends tokens that differ for each seed.
  void append(uint32_t n_tokens, uint32_t seed);
  // Takes the tokens behind the first n back.
  void rewind(uint64_t n_tokens);

  // Writes the pages that are new since the last call, and commits. After a failure both can be tried again.
  Status save(SessionFile& file, bool with_logits = true);
  // The state after the last save that succeeded.
  const std::vector<LoggedToken>& saved_tokens() const { return saved_tokens_; }

  // Content of a page of these tokens.
  static std::vector<uint8_t> page(const SessionIdentity& identity, const std::vector<LoggedToken>& tokens,
                                   uint32_t layer, uint32_t page);

  struct Comparison {
    uint64_t n_good_pages = 0;
    uint64_t n_bad_pages = 0;      // refused: by tag, or by the system
    uint64_t n_missing_pages = 0;  // of those that the file has an index for
    uint64_t n_wrong_pages = 0;    // accepted, and not what was sealed: never
  };
  // Reads every page that the file's index has and whose tokens all have KV.
  static Comparison compare(const SessionFile& file);

 private:
  Status write_pages(SessionFile& file);

  SessionIdentity identity_;
  std::vector<LoggedToken> tokens_;
  std::vector<LoggedToken> saved_tokens_;
  uint64_t n_kept_tokens_ = 0;  // of the saved ones
  std::vector<StreamIndex> layers_;
};

// "8 tokens: 1 2 3*", for messages.
std::string describe(const std::vector<LoggedToken>& tokens);

}  // namespace leoam::testing
