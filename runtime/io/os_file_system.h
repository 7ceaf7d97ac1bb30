// OsFileSystem: the operating system behind the file seam.
#pragma once

#include "runtime/io/file_system.h"
#include "runtime/io/os_file.h"
#include "runtime/io/private_place.h"

namespace leoam {

class OsFileSystem final : public FileSystem {
 public:
  explicit OsFileSystem(const FileSystemOptions& options) : options_(options) {}

  Result<std::unique_ptr<WritableFile>> open(const std::string& path, OpenMode mode) override;
  Result<std::unique_ptr<WritableFile>> create_unnamed(const std::string& folder) override;
  Status lock(WritableFile& file, const std::string& path) override;
  Status make_private_folder(const std::string& path) override { return create_private_folder(path); }
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_folder(const std::string& path) override;
  Result<uint64_t> free_bytes(const std::string& folder) override;
  Result<std::unique_ptr<IoQueue>> create_queue(uint32_t depth, std::span<uint8_t> staging) override;
  std::vector<Fact> facts(const std::string& folder) override;

 private:
  struct Unnamed {
    std::unique_ptr<OsFile> file;
    int refusal = 0;  // of O_TMPFILE
  };
  Result<Unnamed> open_unnamed(const std::string& folder);
  Result<std::unique_ptr<OsFile>> accept(UniqueFd fd, const std::string& path, bool unnamed);

  const FileSystemOptions options_;
};

}  // namespace leoam
