// SessionFile::State: what its parts (creation, opening, commit, check) share.
#pragma once

#include <string>
#include <vector>

#include "runtime/store/manifest.h"
#include "runtime/store/session_file.h"
#include "runtime/store/session_header.h"

namespace leoam {

struct SessionFile::State {
  FileSystem* files = nullptr;
  std::string path;
  // Where the file is until its first commit has succeeded; then empty.
  std::string new_path;
  bool replaces = false;  // the first commit takes the name from another file
  bool writable = false;
  bool encrypted = false;

  HeaderBytes header = {};
  std::array<bool, 2> header_damaged = {};
  SessionIdentity identity;

  // As of the last commit.
  TokenLog log;
  std::vector<LoggedToken> tokens;
  Manifest manifest;
  Extent manifest_extent;
  size_t slot = 0;  // has the manifest
  std::vector<StreamIndex> streams;

  uint64_t newest_generation = 0;  // ever seen; the next is above
  bool index_lost = false;
  std::vector<TokenLog::Damage> log_damages;
  std::vector<std::string> findings;  // of opening
  std::vector<AbstractRecord> new_abstracts;
  Status poison;

  // Reads and opens a record on blocks of its own. Fails with corrupt, io, out_of_memory.
  static Result<std::vector<uint8_t>> read_blob(const SessionFile& file, RecordKind kind,
                                                std::span<const uint8_t> identity, const BlobRecord& blob);
};

inline uint32_t first_part(uint32_t first_page) {
  return first_page / kIndexPages;
}

std::string folder_of(const std::string& path);

}  // namespace leoam
