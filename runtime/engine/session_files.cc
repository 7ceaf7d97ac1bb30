#include "runtime/engine/session_files.h"

#include "runtime/engine/engine.h"

namespace leoam {
namespace {

// A file that is only looked at takes nothing of the disk tier's budget.
class Reader {
 public:
  Reader() : account_(UINT64_MAX) {}
  Result<SessionFile*> open(FileSystem& files, const std::string& path, const SecretKey* key) {
    LEOAM_ASSIGN_OR_RETURN(file_,
                           SessionFile::open(files, path, key, nullptr, account_, OpenMode::read_only));
    return file_.get();
  }

 private:
  DiskAccount account_;
  std::unique_ptr<SessionFile> file_;
};

}  // namespace

Result<SessionFileInfo> SessionFiles::info(const std::string& path, const SecretKey* key) {
  Reader reader;
  LEOAM_ASSIGN_OR_RETURN(const SessionFile* file, reader.open(engine_.files(), path, key));
  return file->info();
}

Result<std::vector<int32_t>> SessionFiles::tokens(const std::string& path, const SecretKey* key) {
  Reader reader;
  LEOAM_ASSIGN_OR_RETURN(const SessionFile* file, reader.open(engine_.files(), path, key));
  std::vector<int32_t> tokens;
  tokens.reserve(file->tokens().size());
  for (const LoggedToken& token : file->tokens()) tokens.push_back(token.id);
  return tokens;
}

Result<SessionFile::Verdict> SessionFiles::verify(const std::string& path, const SecretKey* key,
                                                  const std::function<bool(uint64_t, uint64_t)>& on_page) {
  Reader reader;
  LEOAM_ASSIGN_OR_RETURN(const SessionFile* file, reader.open(engine_.files(), path, key));
  return file->verify(on_page);
}

Status SessionFiles::compact(const std::string& path, const SecretKey* key) {
  return SessionFile::compact(engine_.files(), path, key, engine_.disk());
}

Status SessionFiles::remove(const std::string& path) {
  return SessionFile::remove(engine_.files(), path);
}

}  // namespace leoam
