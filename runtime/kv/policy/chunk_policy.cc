#include "runtime/kv/policy/chunk_policy.h"

namespace leoam {

Status reserve_floats(size_t n_floats, AlignedBuffer* buffer) {
  const size_t bytes = n_floats * sizeof(float);
  if (bytes <= buffer->bytes()) return {};
  LEOAM_ASSIGN_OR_RETURN(*buffer, AlignedBuffer::allocate(bytes + bytes / 2));
  return {};
}

Status ChunkPolicy::prepare(const SelectionQuery& query, const LayerAbstracts& abstracts) {
  layout_ = abstracts.code_layout();
  group_ = query.n_heads / layout_.n_kv_heads;
  page_granules_ = layout_.page_tokens / kernels::kGranule_tokens;
  const size_t n = size_t{group_} * layout_.head_dim;
  const size_t stride = (n + 15) / 16 * 16;
  LEOAM_RETURN_IF_ERROR(reserve_floats(layout_.n_kv_heads * stride, &queries_));
  heads_.resize(layout_.n_kv_heads);
  for (size_t h = 0; h < heads_.size(); ++h) {
    Head& head = heads_[h];
    head.q = queries_.as<float>() + h * stride;
    for (size_t i = 0; i < n; ++i) head.q[i] = query.fixed.q[h * n + i] * query.scale;
    head.masks.begin(query.first_page, query.end_page, page_granules_);
  }
  return {};
}

Status ChunkPolicy::search(AbstractReader& reader) {
  for (Head& head : heads_) head.waits = true;
  for (;;) {
    for_each_head([&](uint32_t h) {
      if (heads_[h].waits) heads_[h].waits = !heads_[h].search.advance(means_.kernels, reader);
    });
    needed_.clear();
    for (const Head& head : heads_)
      if (head.waits) needed_.insert(needed_.end(), head.search.needed().begin(), head.search.needed().end());
    if (needed_.empty()) return {};
    sort_unique(&needed_);
    LEOAM_RETURN_IF_ERROR(reader.hold(AbstractPart::records, needed_));
  }
}

void ChunkPolicy::finish_head(uint32_t h, const LayerAbstracts& abstracts, Selection* out) {
  heads_[h].remainder.begin(heads_[h].search, group_);
  describe(h, abstracts, out);
}

void ChunkPolicy::describe(uint32_t h, const LayerAbstracts& abstracts, Selection* out) {
  Head& head = heads_[h];
  Selection::Head& selected = out->heads[h];
  head.masks.list(&selected);
  selected.estimates.clear();
  selected.rests.clear();
  estimate(h, abstracts, &selected);
  head.remainder.bound(head.search, head.masks, layout_.page_tokens,
                       std::span(out->outside).subspan(size_t{h} * group_, group_));
}

Status ChunkPolicy::widen(std::span<const float> inside, double floor, AbstractReader& reader,
                          Selection* out) {
  LEOAM_RETURN_IF_ERROR(reader.hold_all(AbstractPart::records));
  for_each_head([&](uint32_t h) {
    Head& head = heads_[h];
    head.remainder.widen(means_.kernels, inside.subspan(size_t{h} * group_, group_), floor,
                         layout_.page_tokens, head.search, &head.masks);
    describe(h, reader.abstracts(), out);
  });
  count_chunks(out);
  return {};
}

void ChunkPolicy::count_chunks(Selection* out) const {
  out->n_chunks_evaluated = 0;
  for (const Head& head : heads_) out->n_chunks_evaluated += head.search.n_evaluated();
}

}  // namespace leoam
