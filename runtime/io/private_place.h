// PrivatePlace: a folder that nobody else can change names in, and a name in it.
#pragma once

#include <sys/stat.h>

#include <string>

#include "runtime/base/status.h"
#include "runtime/io/unique_fd.h"

namespace leoam {

// Everything about a file goes through its folder's descriptor: what was checked stays what is used, whatever
// becomes of the path meanwhile.
struct PrivatePlace {
  UniqueFd folder;   // O_PATH
  std::string name;  // one part, not empty

  // Fails with not_found (no such folder), invalid_argument, unsupported (the folder's rule), io.
  static Result<PrivatePlace> of(const std::string& path);
};

// The folder alone, O_PATH; the same failures.
Result<UniqueFd> open_private_folder(const std::string& path);

// The failure of a call about a path: not_found, busy (it exists), no_space, unsupported (a link, a folder, a
// socket), out_of_memory, io.
Status path_failure(const char* what, const std::string& path, int code);

// With missing parents, each 0700 and on the disk when it returns.
Status create_private_folder(const std::string& path);

}  // namespace leoam
