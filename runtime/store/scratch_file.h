// Scratch files: pages of sessions that are not saved. Without a name, gone with the process.
#pragma once

#include <memory>
#include <string>

#include "runtime/store/page_file.h"

namespace leoam {

// In `folder`, which is there. Encrypted with a key that only this process's memory holds, or plaintext with
// checksums. Freed room is used again at once, and a file that is mostly free becomes shorter. Fails with
// not_found, no_space, io, unsupported, out_of_memory.
Result<std::unique_ptr<PageFile>> create_scratch_file(FileSystem& files, const std::string& folder,
                                                      bool encrypt, DiskAccount& account);

}  // namespace leoam
