#include <algorithm>

#include "runtime/store/session_create.h"
#include "runtime/store/session_state.h"

namespace leoam {

// Reads everything that the last commit has.
class SessionFile::Check {
 public:
  Check(const SessionFile& file, const std::function<bool(uint64_t, uint64_t)>& on_page)
      : file_(file), state_(*file.state_), on_page_(on_page) {}

  Result<Verdict> run() {
    LEOAM_RETURN_IF_ERROR(check_header());
    LEOAM_RETURN_IF_ERROR(check_log());
    for (const std::string& finding : state_.findings)
      if (std::ranges::find(verdict_.findings, finding) == verdict_.findings.end()) find(finding);
    const BlobRecord& logits = state_.manifest.logits;
    if (logits.present()) note("logits", State::read_blob(file_, RecordKind::logits, {}, logits).status());
    for (const AbstractRecord& abstract : state_.manifest.abstracts)
      note(fmt::format("abstract of layer {}, level {}", abstract.layer, abstract.level),
           file_.read_abstract(abstract.layer, abstract.level).status());
    LEOAM_RETURN_IF_ERROR(check_pages());
    const uint64_t n_tokens = state_.tokens.size();
    bad_token(std::min(state_.manifest.n_kv_tokens, n_tokens));
    verdict_.n_recompute_tokens = n_tokens - std::min(n_tokens, verdict_.first_bad_token);
    if (verdict_.n_recompute_tokens == 0) verdict_.first_bad_token = UINT64_MAX;
    return std::move(verdict_);
  }

 private:
  static constexpr size_t kMostFindings = 32;

  void find(std::string finding) {
    if (verdict_.findings.size() < kMostFindings) verdict_.findings.push_back(std::move(finding));
  }
  void note(const std::string& what, const Status& status) {
    if (!status.ok()) find(what + ": " + status.message());
  }
  void bad_token(uint64_t token) { verdict_.first_bad_token = std::min(verdict_.first_bad_token, token); }

  Status check_header() {
    LEOAM_ASSIGN_OR_RETURN(const BlockBuffer blocks, BlockBuffer::create(kHeader_bytes));
    for (size_t copy = 0; copy < 2; ++copy) {
      Status status = file_.file_->read_at(kHeaderPlaces_bytes[copy], blocks.span());
      if (status.ok() && !std::equal(state_.header.begin(), state_.header.end(), blocks.data()))
        status = Status(ErrorKind::corrupt, "it is not what was written");
      note(fmt::format("copy {} of the header", copy + 1), status);
    }
    return {};
  }

  Status check_log() {
    TokenLog::Contents log;
    LEOAM_RETURN_IF_ERROR(TokenLog::read(*file_.file_, *file_.sealer_, state_.log.first_segment(),
                                         file_.file_bytes(), state_.identity.n_vocab, &log)
                              .status()
                              .clone());
    for (const TokenLog::Damage& damage : log.damages) find(TokenLog::describe(damage));
    if (log.tokens != state_.tokens)
      find(fmt::format("token log: {} of {} tokens can be read", log.tokens.size(), state_.tokens.size()));
    return {};
  }

  Status check_pages() {
    const SessionIdentity& identity = state_.identity;
    for (uint32_t stream = 0; stream < state_.streams.size(); ++stream)
      for (uint32_t i = 0; i < state_.streams[stream].pages.size(); ++i)
        verdict_.n_pages += is_expected(stream, i) ? 1 : 0;
    uint64_t n_done = 0;
    for (uint32_t stream = 0; stream < state_.streams.size(); ++stream) {
      const StreamIndex& index = state_.streams[stream];
      if (index.pages.empty() && stream >= identity.n_layers) continue;
      const uint32_t page_bytes = state_.manifest.page_bytes_of(stream, identity);
      LEOAM_ASSIGN_OR_RETURN(blocks_, BlockBuffer::create(page_bytes));
      page_.resize(page_bytes);
      for (uint32_t i = 0; i < index.pages.size(); ++i) {
        if (!is_expected(stream, i)) continue;
        check_page({0, stream, index.first_page + i}, index.pages[i]);
        if (on_page_ && !on_page_(++n_done, verdict_.n_pages))
          return error(ErrorKind::cancelled, "stopped after {} of {} pages", n_done, verdict_.n_pages);
      }
      if (stream >= identity.n_layers) continue;
      // Pages whose tokens have KV, and of which the index knows nothing.
      const uint64_t first_unknown = (uint64_t{index.first_page} + index.pages.size()) * identity.page_tokens;
      if (first_unknown < state_.manifest.n_kv_tokens / identity.page_tokens * identity.page_tokens)
        bad_token(first_unknown);
    }
    return {};
  }

  PageKind kind_of(uint32_t stream) const { return static_cast<PageKind>(stream / state_.identity.n_layers); }

  // A page of KV that is not in the stream of its layer's plain pages may be in one of compact pages.
  bool is_expected(uint32_t stream, uint32_t index) const {
    const StreamIndex& here = state_.streams[stream];
    if (here.pages[index].present() || is_abstract(kind_of(stream))) return true;
    if (kind_of(stream) != PageKind::kv) return false;
    const uint64_t page = uint64_t{here.first_page} + index;
    for (size_t other = stream + state_.identity.n_layers; other < state_.streams.size();
         other += state_.identity.n_layers) {
      const StreamIndex& there = state_.streams[other];
      if (!is_abstract(kind_of(static_cast<uint32_t>(other))) && page >= there.first_page &&
          page - there.first_page < there.pages.size() && there.pages[page - there.first_page].present())
        return false;
    }
    return true;
  }

  void check_page(const PageIdentity& identity, const PageRecord& record) {
    // Abstracts are made again from KV.
    const bool kv = !is_abstract(kind_of(identity.stream));
    const auto lost = [&] {
      if (kv) bad_token(uint64_t{identity.page} * state_.identity.page_tokens);
    };
    if (!record.present()) {
      ++verdict_.n_missing_pages;
      lost();
      return;
    }
    Status status = file_.file_->read_at(record.offset_bytes, blocks_.span());
    if (status.ok()) status = file_.open(identity, record, blocks_.data(), page_);
    if (status.ok()) return;
    ++verdict_.n_bad_pages;
    lost();
    note(fmt::format("{}page {} of layer {}", kv ? "" : "abstract ", identity.page,
                     identity.stream % state_.identity.n_layers),
         status);
  }

  const SessionFile& file_;
  const State& state_;
  const std::function<bool(uint64_t, uint64_t)>& on_page_;
  BlockBuffer blocks_;
  std::vector<uint8_t> page_;
  Verdict verdict_;
};

Result<SessionFile::Verdict> SessionFile::verify(
    const std::function<bool(uint64_t, uint64_t)>& on_page) const {
  return Check(*this, on_page).run();
}

}  // namespace leoam
