#include "runtime/store/scratch_file.h"

#include <optional>

namespace leoam {

namespace {

class ScratchFile final : public PageFile {
 public:
  Status open(FileSystem& files, const std::string& folder, bool encrypt, DiskAccount& account) {
    Binding binding;
    LEOAM_RETURN_IF_ERROR(system_random(binding.file));
    std::optional<SecretKey> key;
    if (encrypt) {
      LEOAM_ASSIGN_OR_RETURN(key, SecretKey::random());
    }
    sealer_ = std::make_unique<Sealer>(std::move(key), binding, system_random);
    account_ = &account;
    LEOAM_ASSIGN_OR_RETURN(file_, files.create_unnamed(folder));
    // Offset 0 is no place, so the first block holds nothing.
    space_ = std::make_unique<FileSpace>(file_.get(), account_, kIoBlock_bytes, FileSpace::Reuse::at_once);
    return space_->reserve_head(kIoBlock_bytes);
  }
};

}  // namespace

Result<std::unique_ptr<PageFile>> create_scratch_file(FileSystem& files, const std::string& folder,
                                                      bool encrypt, DiskAccount& account) {
  auto file = std::make_unique<ScratchFile>();
  LEOAM_RETURN_IF_ERROR(file->open(files, folder, encrypt, account));
  return std::unique_ptr<PageFile>(std::move(file));
}

}  // namespace leoam
