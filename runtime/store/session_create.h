// SessionFile::Creation: how a session file comes to be: under a passing name, until its first commit.
#pragma once

#include <memory>
#include <string>

#include "runtime/store/session_file.h"

namespace leoam {

class SessionFile::Creation {
 public:
  // `replaces`: the name is in use, by a file that the caller has locked, and the first commit takes it.
  static Result<std::unique_ptr<SessionFile>> create(FileSystem& files, const std::string& path,
                                                     bool replaces, const SecretKey* key,
                                                     const SessionIdentity& identity, DiskAccount& account,
                                                     RandomBytes random);
  explicit Creation(SessionFile* file) : file_(file) {}
  // After the first commit's data is durable: gives the file its name.
  Status publish();

 private:
  Status run(const SecretKey* key, const SessionIdentity& identity, RandomBytes random);
  Status write_head();
  SessionFile* const file_;
};

}  // namespace leoam
