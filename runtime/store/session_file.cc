#include "runtime/store/session_file.h"
namespace leoam {
struct SessionFile::State { std::string path; std::vector<LoggedToken> t; std::vector<LayerIndex> l; };
SessionFile::SessionFile() = default;
SessionFile::~SessionFile() = default;
Result<std::unique_ptr<SessionFile>> SessionFile::create(FileSystem&, const std::string&, const SecretKey*, const SessionIdentity&, DiskAccount&) { return Status(ErrorKind::unsupported, "not here"); }
Result<std::unique_ptr<SessionFile>> SessionFile::open(FileSystem&, const std::string&, const SecretKey*, const SessionIdentity*, DiskAccount&, OpenMode) { return Status(ErrorKind::unsupported, "not here"); }
const std::string& SessionFile::path() const { return state_->path; }
SessionFileInfo SessionFile::info() const { return {}; }
const std::vector<LoggedToken>& SessionFile::tokens() const { return state_->t; }
const std::vector<LayerIndex>& SessionFile::layers() const { return state_->l; }
Result<std::vector<float>> SessionFile::read_logits() const { return std::vector<float>(); }
Status SessionFile::commit(const SessionCommit&) { return {}; }
}  // namespace leoam
