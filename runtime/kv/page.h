// Page: a part of one stream of a sequence, wherever its bytes are now: on the device, in RAM, in files, or
// in several of them. The KV of a layer is a stream, page_tokens consecutive tokens a page; its abstracts are
// two more (layer_abstracts.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/kv/frame_pool.h"
#include "runtime/store/page_file.h"

namespace leoam {

class Tiers;

// Where a session file holds a page. The file stays open as long as a page needs it.
struct SavedCopy {
  std::shared_ptr<PageFile> file;
  PageRecord record;
};

// The fast tiers. A device that computes in RAM has one, `host`.
enum class Level : uint8_t { host, device };
inline constexpr size_t kLevels = 2;

// Where passes use a page.
enum class Home : uint8_t {
  top,  // where the device computes
  ram,  // in RAM, whatever the device
};

// What a tier drops first: pages of layers that are read from end to end, then those that are chosen, then
// codes, then records, without which nothing can be chosen.
enum class Retention : uint8_t { streamed, chosen, codes, records };
inline constexpr size_t kRetentions = 4;

// Pages of one kind of one layer, whose neighbours are read together.
struct Stream {
  uint32_t number = 0;  // among those of a session file (session_file.h)
  Home home = Home::top;
  Retention retention = Retention::streamed;  // of new pages
};

enum class Movement : uint8_t {
  none,
  reading,   // file -> host
  writing,   // host -> file
  raising,   // host -> device
  lowering,  // device -> host
};

struct Page;

// A page in one fast tier.
struct Residence {
  Frame frame;            // data null: not there
  bool filled = false;    // the frame has the page's bytes
  bool wanted = false;    // brought in ahead of its use: dropped last
  uint32_t n_pins = 0;    // a pinned page stays
  uint64_t last_use = 0;  // among the pages that may be dropped with it; while wanted, among those
  Page* newer = nullptr;  // by last use, while it may be dropped
  Page* older = nullptr;
  Page* next_dirty = nullptr;  // by age, while it has to move down before it may be dropped
  Page* previous_dirty = nullptr;
};

// Owner: its Tiers, which also guards everything here that changes, but for the bytes in the frames: those
// belong to whoever writes an open page, and do not change in a sealed one. Kept alive by PageHandles.
struct Page {
  std::atomic<uint32_t> n_owners{0};
  Stream stream;
  Retention retention = Retention::streamed;
  uint32_t number = 0;  // in its stream, from 0
  uint32_t bytes = 0;
  uint64_t id = 0;  // never used again in its Tiers
  Tiers* tiers = nullptr;
  Residence residences[kLevels];
  bool sealed = false;    // its bytes do not change any more
  bool damaged = false;   // no copy is whole: to be computed again
  bool awaited = false;   // a pass waits for its movement to end
  bool orphaned = false;  // without owners, gone as soon as its movement ends
  Movement movement = Movement::none;
  // Of its last way into the tier of its home, in us of the steady clock; 0: told to a pass already, or there
  // from the start.
  uint64_t sent_for_us = 0;
  uint64_t arrived_us = 0;
  bool sent_ahead = false;       // before a pass asked for it
  PageRecord scratch;            // in the scratch file
  std::vector<SavedCopy> saved;  // in session files

  Residence& at(Level level) { return residences[static_cast<size_t>(level)]; }
  const Residence& at(Level level) const { return residences[static_cast<size_t>(level)]; }
  bool in_file() const { return scratch.present() || !saved.empty(); }
};

// Pages that come and go together, as far as they are neighbours: half a megabyte of a small model, some of a
// large one. What stays and what is missing are then long runs, which a disk reads faster than single pages.
inline constexpr uint32_t kRunPages = 16;

// What a page costs in RAM besides its frames: the object, its place in lists and tables.
inline constexpr uint64_t kPageOverhead_bytes = sizeof(Page) + 32;

// Shared ownership of a page. Thread rule: a value; the page itself is shared freely.
class PageHandle {
 public:
  PageHandle() = default;
  explicit PageHandle(Page* page) : page_(page) {}  // takes over one count
  PageHandle(const PageHandle& other) : page_(other.page_) {
    if (page_) page_->n_owners.fetch_add(1, std::memory_order_relaxed);
  }
  PageHandle(PageHandle&& other) noexcept : page_(std::exchange(other.page_, nullptr)) {}
  PageHandle& operator=(PageHandle other) noexcept {
    std::swap(page_, other.page_);
    return *this;
  }
  ~PageHandle();

  Page* get() const { return page_; }
  Page* operator->() const { return page_; }
  bool unique() const { return page_->n_owners.load(std::memory_order_acquire) == 1; }
  explicit operator bool() const { return page_ != nullptr; }

 private:
  Page* page_ = nullptr;
};

}  // namespace leoam
