#include "runtime/kv/abstract_reader.h"

#include <numeric>

namespace leoam {

AbstractReader::~AbstractReader() {
  for (Part& part : parts_) part.whole.leave();
  for (const std::vector<PageHandle>& pages : pinned_) {
    tiers_.unpin(pages);
    --holds_->n;
  }
}

Status AbstractReader::hold(AbstractPart which, std::span<const uint32_t> blocks) {
  Part& part = parts_[static_cast<size_t>(which)];
  const std::span<const PageHandle> all = abstracts_.blocks(which);
  if (!part.looked) {
    part.looked = true;
    if (!all.empty()) (void)part.whole.use(tiers_, all, &abstracts_.seen_epoch(which), {}, holds_);
  }
  if (part.whole.in_use()) return {};
  part.held.resize(all.size());
  std::vector<PageHandle> pages;
  for (const uint32_t block : blocks)
    if (!part.held[block]) pages.push_back(all[block]);
  if (pages.empty()) return {};
  if (missing_ == Missing::refused) {
    if (!tiers_.pin_in_place(pages)) return Status(ErrorKind::not_found, "abstracts are not in RAM");
  } else {
    LEOAM_RETURN_IF_ERROR(tiers_.pin(pages, {cancel_, holds_}));
  }
  pinned_.push_back(std::move(pages));
  ++holds_->n;
  for (const uint32_t block : blocks) part.held[block] = true;
  return {};
}

void AbstractReader::append_held(std::vector<PageHandle>* out) const {
  for (const Part& part : parts_)
    if (part.whole.in_use()) out->insert(out->end(), part.whole.pages().begin(), part.whole.pages().end());
  for (const std::vector<PageHandle>& pages : pinned_) out->insert(out->end(), pages.begin(), pages.end());
}

Status AbstractReader::hold_all(AbstractPart part) {
  std::vector<uint32_t> blocks(abstracts_.n_blocks());
  std::iota(blocks.begin(), blocks.end(), 0u);
  return hold(part, blocks);
}

}  // namespace leoam
