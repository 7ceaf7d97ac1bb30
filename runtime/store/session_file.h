// SessionFile: one saved session: its token log, the index of its KV pages, the pages. FORMAT.md has the
// bytes.
//
// The token log is the truth and stands in the file twice; everything else can be computed again from it. New
// data goes to free room, then a new manifest makes it visible: a crash leaves the old state or the new one.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/store/key.h"
#include "runtime/store/page_file.h"
#include "runtime/store/session_identity.h"
#include "runtime/store/token_log.h"

namespace leoam {

// Pages of one kind of one layer.
struct StreamIndex {
  uint32_t first_page = 0;        // number of pages[0]; before it nothing is kept (sliding layers)
  std::vector<PageRecord> pages;  // without gaps; a record that is not present is to be recomputed
};

// What one commit makes durable: the session as it is now.
struct SessionCommit {
  uint64_t n_kept_tokens = 0;           // tokens of the last commit that are still the beginning
  std::span<const LoggedToken> tokens;  // behind them
  uint64_t n_kv_tokens = 0;             // of all tokens, those with KV
  uint64_t selects_from = 0;            // as in Manifest
  // By stream_number: [n_layers] of KV, or [kPageKinds * n_layers]; their pages are written already. A page
  // of KV has a record in one stream of its layer at most.
  std::span<const StreamIndex> streams;
  std::array<uint32_t, kPageKinds> page_bytes = {};  // of the kinds behind KV; 0 without them
  std::span<const float> logits;                     // of the last token; empty: none
};

struct SessionFileInfo {
  SessionIdentity identity;
  uint32_t format_version = 0;
  bool encrypted = false;
  uint64_t generation = 0;  // of the last commit
  uint64_t n_tokens = 0;
  uint64_t n_kv_tokens = 0;
  uint64_t selects_from = 0;  // as in Manifest
  uint64_t file_bytes = 0;
  uint64_t used_bytes = 0;
  bool index_lost = false;  // the manifest or index was damaged: all KV is to be recomputed
};

// Thread rule: commit and the reading calls one at a time; what PageFile says for its own.
class SessionFile final : public PageFile {
 public:
  // `key` null: plaintext, checksummed. Nothing is there under the name until the first commit: until then
  // the file is `path`.new, which a crash may leave and the next create takes over. `files`, `account`
  // outlive it. Fails with busy (it exists, or is being created), invalid_argument, no_space, io,
  // unsupported.
  static Result<std::unique_ptr<SessionFile>> create(FileSystem& files, const std::string& path,
                                                     const SecretKey* key, const SessionIdentity& identity,
                                                     DiskAccount& account,
                                                     RandomBytes random = system_random);
  // Locks and reads header, manifest, index and log, no page. Fails with busy (another owner, within 100 ms),
  // version (newer format), invalid_argument (wrong key, or none for an encrypted file, or one for a
  // plaintext file), unsupported (`expected` is another model or geometry; the message says what differs),
  // corrupt (no copy of the log is whole), not_found, no_space. The file is untouched then. `expected` null:
  // any. `mode` is not create. Damage that is not fatal is repaired by the next commit where a second copy is
  // there.
  static Result<std::unique_ptr<SessionFile>> open(FileSystem& files, const std::string& path,
                                                   const SecretKey* key, const SessionIdentity* expected,
                                                   DiskAccount& account, OpenMode mode,
                                                   RandomBytes random = system_random);
  ~SessionFile() override;
  using PageFile::open;  // a page

  const std::string& path() const;
  SessionFileInfo info() const;
  // As of the last commit.
  const std::vector<LoggedToken>& tokens() const;
  const std::vector<StreamIndex>& streams() const;
  // Of one page of a kind; 0 when the file has no such pages.
  uint32_t page_bytes(PageKind kind) const;
  Result<std::vector<float>> read_logits() const;  // empty: none; fails with corrupt, io

  // Durable when it returns. After a failure the last commit stands; after a failed sync every later commit
  // fails with io until the file is opened again.
  Status commit(const SessionCommit& commit);
  // Gives up a file that was never committed: its name is free again, its pages stay readable to whoever
  // still holds it. Nothing happens to a file that was committed. Can be called again after a failure.
  Status abandon();

  // Reads and checks every page, log record and abstract. `on_page`(done, total) returns false to stop.
  struct Verdict {
    uint64_t n_pages = 0;
    uint64_t n_bad_pages = 0;
    uint64_t n_missing_pages = 0;
    uint64_t first_bad_token = UINT64_MAX;  // what a recompute starts at
    uint64_t n_recompute_tokens = 0;        // from there to the last
    std::vector<std::string> findings;      // at most 32 sentences
  };
  Result<Verdict> verify(const std::function<bool(uint64_t, uint64_t)>& on_page) const;
  // A new file with the same contents and no free room, which then takes the name.
  static Status compact(FileSystem& files, const std::string& path, const SecretKey* key,
                        DiskAccount& account);
  // Fails with busy when it is open. Needs no key.
  static Status remove(FileSystem& files, const std::string& path);

  // What is known of a session's KV beside its pages: opaque bytes per layer and level; empty: nothing.
  // Visible with the next commit. Later ones keep it: what is above abstract pages, of level 0, with these;
  // the rest, which names the tokens it is of, until other bytes are written.
  Status write_abstract(uint32_t layer, uint32_t level, std::span<const uint8_t> bytes);
  Result<std::vector<uint8_t>> read_abstract(uint32_t layer, uint32_t level) const;

 private:
  struct State;
  class Creation;
  class Opening;
  class Commit;
  class Check;
  SessionFile();
  std::unique_ptr<State> state_;
};

}  // namespace leoam
