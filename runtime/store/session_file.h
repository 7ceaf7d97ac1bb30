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

namespace leoam {

// What every record of a file is bound to.
struct SessionIdentity {
  std::array<uint8_t, 16> model = {};  // of all tensors, hyper-parameters and the tokenizer (Model::identity)
  std::string model_name;              // for messages and `session info`: architecture and name
  uint32_t n_layers = 0;
  uint32_t n_kv_heads = 0;
  uint32_t head_dim = 0;
  uint32_t n_vocab = 0;
  int32_t kv_type = 0;  // kernels::KvType
  uint32_t page_tokens = 0;
  uint32_t piece_tokens = 0;      // pieces decide the last bits of the KV
  std::vector<uint32_t> windows;  // [n_layers], 0: a global layer
  uint32_t page_bytes = 0;
  bool operator==(const SessionIdentity&) const = default;
};

// A token of the log: the id, and whether a forward pass began with it. Passes are what a recompute repeats,
// so that its bytes are the same.
struct LoggedToken {
  int32_t id = 0;
  bool starts_pass = false;
};

struct LayerIndex {
  uint32_t first_page = 0;        // number of pages[0]; before it nothing is kept (sliding layers)
  std::vector<PageRecord> pages;  // without gaps; a record that is not present is to be recomputed
};

// What one commit makes durable: the session as it is now.
struct SessionCommit {
  uint64_t n_kept_tokens = 0;           // tokens of the last commit that are still the beginning
  std::span<const LoggedToken> tokens;  // behind them
  uint64_t n_kv_tokens = 0;             // of all tokens, those with KV
  std::span<const LayerIndex> layers;   // [n_layers]; their pages are written already
  std::span<const float> logits;        // of the last token; empty: none
};

struct SessionFileInfo {
  SessionIdentity identity;
  uint32_t format_version = 0;
  bool encrypted = false;
  uint64_t generation = 0;  // of the last commit
  uint64_t n_tokens = 0;
  uint64_t n_kv_tokens = 0;
  uint64_t file_bytes = 0;
  uint64_t used_bytes = 0;
  bool index_lost = false;  // the manifest or index was damaged: all KV is to be recomputed
};

// Thread rule: commit and the reading calls one at a time; what PageFile says for its own.
class SessionFile final : public PageFile {
 public:
  // `key` null: plaintext, checksummed. Nothing is there under the name until the first commit. Fails with
  // busy (it exists, or is locked), no_space, io, unsupported.
  static Result<std::unique_ptr<SessionFile>> create(FileSystem& files, const std::string& path,
                                                     const SecretKey* key, const SessionIdentity& identity,
                                                     DiskAccount& account);
  // Locks and reads header, manifest, index and log, no page. Fails with busy (another owner, within 100 ms),
  // version (newer format), invalid_argument (wrong key, or none for an encrypted file, or one for a
  // plaintext file), unsupported (`expected` is another model or geometry; the message says what differs),
  // corrupt (no copy of the log is whole). The file is untouched then. `expected` null: any.
  static Result<std::unique_ptr<SessionFile>> open(FileSystem& files, const std::string& path,
                                                   const SecretKey* key, const SessionIdentity* expected,
                                                   DiskAccount& account, OpenMode mode);
  ~SessionFile() override;

  const std::string& path() const;
  SessionFileInfo info() const;
  // As of the last commit.
  const std::vector<LoggedToken>& tokens() const;
  const std::vector<LayerIndex>& layers() const;
  Result<std::vector<float>> read_logits() const;  // empty: none

  // Durable when it returns. After a failure the last commit stands; after a failed sync every later commit
  // fails with io until the file is opened again.
  Status commit(const SessionCommit& commit);

  // Reads and checks every page, log record and abstract. `on_page`(done, total) returns false to stop.
  struct Verdict {
    uint64_t n_pages = 0;
    uint64_t n_bad_pages = 0;
    uint64_t n_missing_pages = 0;
    uint64_t first_bad_token = UINT64_MAX;  // what a recompute starts at
    uint64_t n_recompute_tokens = 0;
    std::vector<std::string> findings;  // at most 32 sentences
  };
  Result<Verdict> verify(const std::function<bool(uint64_t, uint64_t)>& on_page) const;
  // A new file with the same contents and no free room, which then takes the name.
  static Status compact(FileSystem& files, const std::string& path, const SecretKey* key,
                        DiskAccount& account);
  // Fails with busy when it is open. Needs no key.
  static Status remove(FileSystem& files, const std::string& path);

  // Abstracts: opaque bytes per layer and level, level 0 the highest, apart from pages and in the order of
  // levels. Visible with the next commit.
  Status write_abstract(uint32_t layer, uint32_t level, std::span<const uint8_t> bytes);
  Result<std::vector<uint8_t>> read_abstract(uint32_t layer, uint32_t level) const;

 private:
  struct State;
  SessionFile();
  std::unique_ptr<State> state_;
};

}  // namespace leoam
