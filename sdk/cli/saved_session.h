// SavedSession: the session of a command that lives in a file, where `--session FILE` says so.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common.h"
#include "secret.h"

namespace leoam::cli {

// How a session file is encrypted.
struct KeyOptions {
  std::string passphrase_file;
  std::string key_file;
  bool plaintext = false;
};

void add_key_options(CLI::App& command, KeyOptions& options);

// Beside a session file whose key is made of a passphrase.
std::string salt_file(const std::string& file);

// The key of a file; empty: it is plaintext. `create`: the file is to be made. Asks on the terminal when
// nothing is said and there is one. Throws Failure.
std::optional<Secret> find_key(const KeyOptions& options, const std::string& file, bool create);
inline SessionKey session_key(const std::optional<Secret>& key) {
  return key ? SessionKey{key->bytes(), {}} : SessionKey{};
}

struct SavedOptions : KeyOptions {
  std::string file;  // empty: the session is not saved
};
void add_saved_options(CLI::App& command, SavedOptions& options);

class SavedSession {
 public:
  // Opens the file when it is there, else makes a session that save() puts there.
  SavedSession(const Instance& instance, const Model& model, const CommonOptions& options,
               const SavedOptions& saved);
  Session& session() { return *session_; }
  // Nothing when there is no file to save to. With a progress bar; Ctrl-C ends it with LEOAM_ERROR_CANCELLED.
  void save();

 private:
  const Instance instance_;
  const Model model_;
  const SavedOptions saved_;
  std::optional<Session> session_;
  std::optional<Secret> key_;  // of a file that is still to be made
};

}  // namespace leoam::cli
