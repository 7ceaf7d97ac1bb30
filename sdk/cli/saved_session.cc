#include "saved_session.h"

#include <unistd.h>

#include "interrupt.h"
#include "terminal.h"

namespace leoam::cli {
namespace {

bool exists(const std::string& path) {
  return access(path.c_str(), F_OK) == 0;
}

}  // namespace

void add_key_options(CLI::App& command, KeyOptions& options) {
  CLI::Option* passphrase = command.add_option("--passphrase-file", options.passphrase_file,
                                               "The session's key is made of the first line of this file");
  CLI::Option* key = command.add_option("--key-file", options.key_file,
                                        "The session's key: 32 bytes, or 64 hexadecimal digits");
  CLI::Option* plaintext = command.add_flag("--plaintext", options.plaintext, "The session is not encrypted");
  passphrase->excludes(key)->excludes(plaintext);
  key->excludes(plaintext);
}

void add_saved_options(CLI::App& command, SavedOptions& options) {
  CLI::Option* session = command.add_option(
      "--session", options.file,
      "File that the session lives in, made when it is missing; without a key option the terminal asks");
  add_key_options(command, options);
  for (const char* name : {"--passphrase-file", "--key-file", "--plaintext"})
    command.get_option(name)->needs(session);
}

std::string salt_file(const std::string& file) {
  return file + ".salt";
}

std::optional<Secret> find_key(const KeyOptions& options, const std::string& file, bool create) {
  if (options.plaintext) return std::nullopt;
  if (!options.key_file.empty()) return read_key_file(options.key_file);
  if (!options.passphrase_file.empty())
    return derive_key(read_passphrase_file(options.passphrase_file), salt_file(file), create);
  // Nothing said: a new file gets a passphrase, one with a salt beside it has one.
  if (!create && !exists(salt_file(file))) return std::nullopt;
  if (create && isatty(STDIN_FILENO) != 1)
    throw Failure(file + ": a new session needs --passphrase-file, --key-file or --plaintext");
  return derive_key(ask_passphrase("Passphrase of " + file, create), salt_file(file), create);
}

SavedSession::SavedSession(const Instance& instance, const Model& model, const CommonOptions& options,
                           const SavedOptions& saved)
    : instance_(instance), model_(model), saved_(saved) {
  if (saved_.file.empty()) {
    session_.emplace(open_session(model_, options));
    return;
  }
  const bool create = !exists(saved_.file);
  key_ = find_key(saved_, saved_.file, create);
  if (create) {
    session_.emplace(open_session(model_, options));
    return;
  }
  session_.emplace(Session::open(model_, saved_.file, {.key = session_key(key_)}, session_options(options)));
  key_.reset();
}

void SavedSession::save() {
  if (saved_.file.empty()) return;
  CancelFlag cancel(instance_);
  const Interrupt interrupt(&cancel);
  ProgressBar bar("save", "MiB", uint64_t{1} << 20);
  SaveOptions options;
  options.cancel = cancel;
  options.on_progress = bar.follower();
  if (!session_->file_info()) {
    options.path = saved_.file;
    options.key = session_key(key_);
    options.plaintext = !key_;
  }
  session_->save(options);
  key_.reset();
}

}  // namespace leoam::cli
