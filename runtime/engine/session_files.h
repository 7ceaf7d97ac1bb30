// SessionFiles: what can be done with the file of a session without its model.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "runtime/store/session_file.h"

namespace leoam {

class Engine;

// `key` null: the file is plaintext. All fail as SessionFile::open does, for any model.
//
// Thread rule: all calls are thread-safe.
class SessionFiles {
 public:
  explicit SessionFiles(Engine& engine) : engine_(engine) {}

  Result<SessionFileInfo> info(const std::string& path, const SecretKey* key);
  // The token log.
  Result<std::vector<int32_t>> tokens(const std::string& path, const SecretKey* key);
  // As SessionFile::verify.
  Result<SessionFile::Verdict> verify(const std::string& path, const SecretKey* key,
                                      const std::function<bool(uint64_t, uint64_t)>& on_page);
  Status compact(const std::string& path, const SecretKey* key);
  // Needs no key.
  Status remove(const std::string& path);

 private:
  Engine& engine_;
};

}  // namespace leoam
