// Operations on full pages, outside a step.
#include <algorithm>

#include "runtime/device/cpu/cpu_operations.h"

namespace leoam::cpu {

Status summarize(ThreadPool& pool, const kernels::CpuTable& kernels, const kernels::KvLayout& layout,
                 std::span<const PageAbstract> pages) {
  // A compact page's numbers as they are, for bounds must hold: f16 would round them.
  kernels::KvLayout decoded = layout;
  decoded.type = kernels::KvType::f32;
  AlignedBuffer scratch;
  if (std::any_of(pages.begin(), pages.end(),
                  [](const PageAbstract& page) { return page.codec != kernels::PageCodec::plain; })) {
    LEOAM_ASSIGN_OR_RETURN(
        scratch, AlignedBuffer::allocate(static_cast<size_t>(pool.n_threads()) * decoded.page_bytes()));
  }
  pool.run([&](int thread) {
    const auto n_items = static_cast<int64_t>(pages.size() * layout.n_kv_heads);
    for (int64_t item = pool.next_item(0); item < n_items; item = pool.next_item(0)) {
      const PageAbstract& page = pages[static_cast<size_t>(item) / layout.n_kv_heads];
      const uint32_t head = static_cast<uint32_t>(item) % layout.n_kv_heads;
      kernels::KvLayout kv = layout;
      const uint8_t* from = page.page;
      if (page.codec != kernels::PageCodec::plain) {
        uint8_t* const own = scratch.data() + static_cast<size_t>(thread) * decoded.page_bytes();
        kernels.page_decode({decoded, page.codec, page.page, own}, head);
        kv = decoded;
        from = own;
      }
      if (page.codes)
        kernels.key_code_encode(
            {kv, from, page.codes, page.slot, page.channels + size_t{head} * page.n_coded, page.n_coded},
            head);
      kernels.chunk_of_page(kv, from, head, page.records + head * page.head_stride);
    }
  });
  return {};
}

void compact(ThreadPool& pool, const kernels::CpuTable& kernels, const kernels::KvLayout& layout,
             std::span<PageCompaction> pages) {
  pool.run([&](int) {
    const auto n_items = static_cast<int64_t>(pages.size());
    for (int64_t item = pool.next_item(0); item < n_items; item = pool.next_item(0)) {
      PageCompaction& page = pages[static_cast<size_t>(item)];
      page.encoded = kernels.page_encode({layout, page.codec, page.from, page.to});
    }
  });
}

}  // namespace leoam::cpu
