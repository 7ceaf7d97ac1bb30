// SessionFile: what can be done with a saved session without its model. Part of leoam.hpp.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "leoam/instance.hpp"

namespace leoam {
inline namespace v1 {

// Of a session file: bytes, or a function that is asked once when they are needed. Neither: the file is
// plaintext.
struct SessionKey {
  std::span<const uint8_t> bytes{};                   // LEOAM_KEY_BYTES; whoever owns them wipes them
  std::function<bool(std::span<uint8_t> key)> ask{};  // fills key [LEOAM_KEY_BYTES]; false: there is none
};

struct SaveOptions {
  std::string path{};  // of a new file; empty: the session's own
  SessionKey key{};
  bool plaintext = false;  // a new file without encryption; excludes a key
  std::optional<CancelFlag> cancel{};
  Progress on_progress{};  // bytes of KV
};

struct FileOptions {
  SessionKey key{};
  Progress on_progress{};              // pages, of verify
  std::optional<CancelFlag> cancel{};  // of verify
};

namespace detail {

// Gives a key to the C struct of options, which has the fields of leoam_session_file_options. Lives as long
// as the call.
class CKey {
 public:
  template <class Options>
  CKey(const SessionKey& key, Options& c) : ask_(key.ask) {
    c.key = key.bytes.data();
    c.key_size = key.bytes.size();
    if (ask_) c.on_key = on_key;
    c.user_data = this;
  }
  CKey(const CKey&) = delete;
  CKey& operator=(const CKey&) = delete;
  void rethrow() const {
    if (thrown) std::rethrow_exception(thrown);
  }

  std::exception_ptr thrown;

 protected:
  static int32_t on_key(uint8_t* key, uint64_t size, void* user_data) {
    auto* self = static_cast<CKey*>(user_data);
    return run(self->thrown, [&] { return self->ask_({key, static_cast<size_t>(size)}); });
  }

 private:
  const std::function<bool(std::span<uint8_t>)>& ask_;
};

// What CKey is, with the progress function of `options`.
template <class Options>
class CKeyAndProgress : public CKey {
 public:
  template <class C>
  CKeyAndProgress(const Options& options, C& c) : CKey(options.key, c), options_(options) {
    if (options.on_progress) c.on_progress = on_progress;
  }

 private:
  static int32_t on_progress(uint64_t done, uint64_t total, void* user_data) {
    auto* self = static_cast<CKeyAndProgress*>(static_cast<CKey*>(user_data));
    return run(self->thrown, [&] { return self->options_.on_progress(done, total); });
  }
  const Options& options_;
};

// The C form of file options; points into `options`, which outlives it.
class CFileOptions : private CKeyAndProgress<FileOptions> {
 public:
  explicit CFileOptions(const FileOptions& options)
      : CFileOptions(options, make<leoam_session_file_options>()) {}
  const leoam_session_file_options* get() const { return &c_; }
  using CKey::rethrow;

  std::vector<std::string> findings;
  static int32_t on_finding(const char* text, uint64_t size, void* user_data) {
    auto* self = static_cast<CFileOptions*>(static_cast<CKey*>(user_data));
    return run(self->thrown, [&] {
      self->findings.emplace_back(text, static_cast<size_t>(size));
      return true;
    });
  }

 private:
  CFileOptions(const FileOptions& options, leoam_session_file_options c)
      : CKeyAndProgress(options, c), c_(c) {
    if (options.cancel) c_.cancel = options.cancel->get();
  }

  leoam_session_file_options c_;
};

}  // namespace detail

// A file that no session has open.
class SessionFile {
 public:
  SessionFile(const Instance& instance, std::string path, FileOptions options = {})
      : instance_(instance), path_(std::move(path)), options_(std::move(options)) {}

  const std::string& path() const { return path_; }

  leoam_session_file_info info() const {
    auto info = detail::make<leoam_session_file_info>();
    call(leoam_session_file_get_info, &info);
    return info;
  }

  // The token log.
  std::vector<int32_t> tokens() const {
    detail::CFileOptions c(options_);
    return detail::collect<std::vector<int32_t>>(
        4096, [&](int32_t* data, uint64_t capacity, uint64_t* count, leoam_error* error) {
          const leoam_status code = leoam_session_file_copy_tokens(
              instance_.get(), path_.data(), path_.size(), c.get(), data, capacity, count, error);
          c.rethrow();
          return code;
        });
  }

  struct Verdict {
    leoam_session_verdict counts{};
    std::vector<std::string> findings{};  // at most 32 sentences
  };
  // Reads and checks everything.
  Verdict verify() const {
    detail::CFileOptions c(options_);
    Verdict verdict;
    verdict.counts = detail::make<leoam_session_verdict>();
    auto error = detail::make<leoam_error>();
    const leoam_status code =
        leoam_session_file_verify(instance_.get(), path_.data(), path_.size(), c.get(),
                                  detail::CFileOptions::on_finding, &verdict.counts, &error);
    c.rethrow();
    detail::check(code, error);
    verdict.findings = std::move(c.findings);
    return verdict;
  }

  // Gives free room in the file back.
  void compact() { call(leoam_session_file_compact); }

  // Needs no key.
  void remove() {
    detail::call(leoam_session_file_remove, instance_.get(), path_.data(),
                 static_cast<uint64_t>(path_.size()));
  }

 private:
  template <class Function, class... Args>
  void call(Function function, Args... args) const {
    detail::CFileOptions c(options_);
    auto error = detail::make<leoam_error>();
    const leoam_status code = function(instance_.get(), path_.data(), static_cast<uint64_t>(path_.size()),
                                       c.get(), args..., &error);
    c.rethrow();
    detail::check(code, error);
  }

  Instance instance_;
  std::string path_;
  FileOptions options_;
};

}  // namespace v1
}  // namespace leoam
