// Tiers: where the pages of an engine are: on the device and in RAM, each under a byte budget that holds, and
// in files. A faster tier is a cache of immutable pages: bringing in copies, dropping forgets. What no slower
// tier has yet moves down first, and only when room is short. Passes compute in the top tier: the device's
// memory, or RAM where the device computes there.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/kv_layout.h"
#include "runtime/base/cancel.h"
#include "runtime/base/clock.h"
#include "runtime/base/status.h"
#include "runtime/device/device.h"
#include "runtime/kv/page.h"
#include "runtime/kv/tier.h"
#include "runtime/kv/tier_sizes.h"
#include "runtime/store/page_transfer.h"

namespace leoam {

struct TierOptions {
  uint64_t host_budget_bytes = 0;    // everything that KV causes in RAM: pages, tables, staging of transfers
  uint64_t device_budget_bytes = 0;  // pages in the memory of a device that does not compute in RAM
  std::string scratch_folder;        // where pages go that no session file has; made when first needed
  bool encrypt_scratch = true;
  ReplacementKind replacement = ReplacementKind::most_recent;
  bool looks_ahead = true;  // false: pages come when they are needed, to see what looking ahead brings
};

struct TierStatistics {
  uint64_t host_budget_bytes = 0;
  uint64_t host_bytes = 0;
  uint64_t host_peak_bytes = 0;
  uint64_t staging_bytes = 0;  // of host_bytes: memory of transfers
  uint64_t device_budget_bytes = 0;
  uint64_t device_bytes = 0;
  uint64_t device_peak_bytes = 0;
  uint64_t raised_bytes = 0;     // copied from RAM to the device
  uint64_t lowered_bytes = 0;    // and back
  uint64_t scratch_bytes = 0;    // of the scratch file in use
  uint64_t n_pages_hit = 0;      // asked for and in the tier of their home already
  uint64_t n_pages_missed = 0;   // brought in when asked for
  uint64_t n_pages_ahead = 0;    // brought in before
  uint64_t n_pages_damaged = 0;  // had no whole copy
  uint64_t stall_us = 0;         // passes waited for pages that long
  uint64_t reading_us = 0;       // some page was on its way from a file that long
  // On disk, of pages that came from files.
  uint64_t kv_read_bytes = 0;
  uint64_t record_read_bytes = 0;
  uint64_t code_read_bytes = 0;
  TransferStatistics transfer;
};

// What moved for a pass, as far as it has used it by now. Times are us of the steady clock.
struct Arrivals {
  uint64_t waited_us = 0;      // it stood still for pages that were on their way
  uint64_t demand_bytes = 0;   // sent for when it asked for them
  uint64_t ahead_bytes = 0;    // sent for before
  uint64_t first_sent_us = 0;  // 0: nothing has moved
  uint64_t last_arrived_us = 0;
};

// Who keeps pages in place during one pass: what it holds itself cannot become free while it waits.
struct PassHolds {
  uint32_t n = 0;
  Arrivals arrivals;
};

class Tiers;

// Bytes in RAM that count against the host budget as long as this lives. Must not outlive its Tiers.
class TierShare {
 public:
  TierShare() = default;
  TierShare(Tiers* tiers, uint64_t bytes) : tiers_(tiers), bytes_(bytes) {}
  TierShare(TierShare&& other) noexcept
      : tiers_(std::exchange(other.tiers_, nullptr)), bytes_(other.bytes_) {}
  TierShare& operator=(TierShare other) noexcept {
    std::swap(tiers_, other.tiers_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~TierShare();

 private:
  Tiers* tiers_ = nullptr;
  uint64_t bytes_ = 0;
};

// Thread rule: all calls are thread-safe. Must outlive its pages.
class Tiers {
 public:
  Tiers(Device& device, FileSystem& files, DiskAccount& disk, TierOptions options);
  ~Tiers();
  Tiers(const Tiers&) = delete;
  Tiers& operator=(const Tiers&) = delete;

  // A wait for room or for a file ends early with `cancelled` when `cancel` (may be null) is set.
  struct Wait {
    const CancelFlag* cancel = nullptr;
    PassHolds* own = nullptr;  // also hears what arrives
    bool gives_way =
        false;  // a smaller budget that is tried, and fails before those that got along with the old one
    uint32_t n_own() const { return own ? own->n : 0; }
  };

  // `n` open pages of consecutive numbers in the tier of their home, contents unspecified, appended to `out`:
  // all or none. Fails with no_space (bytes needed and available), out_of_memory, io, cancelled.
  Status create(Stream stream, uint32_t first_number, uint32_t bytes, size_t n, const Wait& wait,
                std::vector<PageHandle>* out);
  // A sealed page that is in a file only; a record that is not present makes a damaged page.
  PageHandle adopt(Stream stream, uint32_t number, uint32_t bytes, std::shared_ptr<PageFile> file,
                   const PageRecord& record);
  // Room in RAM for what is not a page; all of it together may take half of the budget. Fails as create does.
  Result<TierShare> share(uint64_t bytes, const Wait& wait);
  // Opens a page for writing: in the tier of its home and nowhere else, of one owner. A shared page is copied
  // first,
  // `*page` is the copy. Fails as create and as pin do.
  Status open_for_writing(PageHandle* page, const Wait& wait);
  // Its bytes do not change any more.
  void seal(std::span<const PageHandle> pages);

  // Pages of one home in its tier until unpin, all or none; counted in wait.own by the caller. Fails with
  // no_space, out_of_memory, io, device_lost, cancelled, and with corrupt when a page is damaged. `use` of
  // pages of KV: streamed or chosen; others keep theirs.
  Status pin(std::span<const PageHandle> pages, const Wait& wait, Retention use = Retention::streamed);
  // As pin, without waiting: false, and nothing changes, unless all of them are in place.
  bool pin_in_place(std::span<const PageHandle> pages);
  void unpin(std::span<const PageHandle> pages);
  // Starts bringing in pages, each where it is used, in their order, as far as there is room without waiting;
  // these are dropped last until they are pinned or no longer wanted. Returns how many of them are in place
  // or on their way; `started_bytes` grows by what is on its way because of this call.
  size_t want(std::span<const PageHandle> pages, uint64_t* started_bytes);
  void unwant(std::span<const PageHandle> pages);

  // In the address space of its home's tier, of a page that is pinned, in use, or open.
  uint8_t* data(const Page& page) const { return page.at(home_of(page).level()).frame.data; }

  // The fast way for a stream that is in the tier of its home as a whole: no page of it is dropped between
  // use and leave.
  struct LayerUse {
    std::span<const PageHandle> pages;  // consecutive numbers
    uint64_t seen_epoch = 0;            // of `refs`
  };
  // True: `refs`, [pages.size()] or none, have the addresses now. False: something is missing. `own` hears
  // what has arrived.
  bool use(LayerUse* layer, std::span<kernels::KvPageRef> refs, PassHolds* own);
  void leave(LayerUse* layer);

  // Writes what `file` does not have yet. Afterwards every page has a record there, see saved_record.
  Status save(std::span<const PageHandle> pages, const std::shared_ptr<PageFile>& file, const Wait& wait);
  // Not present where the page could not be saved: it is damaged.
  PageRecord saved_record(const Page& page, const PageFile& file) const;
  bool damaged(const Page& page) const;
  // Of these pages, on the device or in RAM now.
  uint64_t resident_bytes(std::span<const PageHandle> pages) const;
  // Pages leave the device and RAM, after they are in a file; open ones are sealed. What a running pass holds
  // stays; shared pages go too, and come back to whoever needs them.
  Status evict(std::span<const PageHandle> pages, const Wait& wait);

  // Returns when what is used fits the new budget; fails with no_space when it cannot, and the old one stays.
  // Fails too with unsupported (the device has no memory of its own) and cancelled.
  // `on_progress`(bytes given back, bytes to be given back) and `cancel` may be null.
  using BudgetProgress = std::function<void(uint64_t, uint64_t)>;
  Status set_budget(Level level, uint64_t bytes, const BudgetProgress& on_progress, const CancelFlag* cancel);
  uint64_t host_budget_bytes() const;
  // Whether the newest attempt to move a page down has failed: what lacks room then is not the budget of RAM.
  bool fails_to_move_down() const;
  // Most bytes that wanted pages of one sequence should take.
  uint64_t ahead_bytes() const;
  // How often wanted pages had to make room all the same.
  uint64_t n_given_up() const { return n_given_up_.load(std::memory_order_relaxed); }
  TierStatistics statistics() const;

 private:
  friend class PageHandle;
  friend class TierShare;
  using Lock = std::unique_lock<std::mutex>;
  // What the jobs of one save tell it.
  struct Save {
    uint32_t n_pending = 0;
    Status status;
  };
  // One page on its way. Owner: jobs_; used again.
  struct Job {
    PageJob transfer;  // between RAM and a file
    DeviceCopy copy;   // between RAM and the device
    Tiers* tiers = nullptr;
    Page* page = nullptr;
    std::shared_ptr<PageFile> file;  // a session file; null: the scratch file
    Save* save = nullptr;            // who waits for it; null: a spill or a read
    uint64_t failures_before = 0;    // of moving down, when a spill began
  };

  void release(Page* page);
  // A session file may end with its last page: outside the lock.
  static void free_copies(std::span<const SavedCopy> copies, uint32_t page_bytes);
  Status copy_bytes(const Page& from, Page& to);

  // All below: under the lock.
  Tier& home_of(const Page& page) { return page.stream.home == Home::top ? *top_ : host_; }
  const Tier& home_of(const Page& page) const { return page.stream.home == Home::top ? *top_ : host_; }
  void set_retention(Page& page, Retention retention);
  void count(const Page& page, int64_t change);
  // Pages of this size are about to come: what transfers work with must be large enough.
  Status expect_size(Lock& lock, uint32_t bytes, const Wait& wait);
  Page* new_page(Stream stream, uint32_t number, uint32_t bytes);
  void forget(Page* page);
  void relist(Page& page);
  // As relist, and frees frames that nothing is on its way to any more.
  void settle(Page& page);
  bool in_use(const Tier& tier, const Page& page) const;
  Status give_frame(Tier& tier, Page& page);
  void drop(Tier& tier, Page& page);

  // Room.
  // Drops until `bytes` more fit the budget; false when that is not enough.
  bool drop_to_fit(Tier& tier, uint64_t bytes);
  // As drop_to_fit, and takes the memory that moving down needs while there is room for it.
  bool drop_for(Tier& tier, uint64_t bytes);
  // Starts moving down what stands in the way.
  bool start_moving_down(Tier& tier);
  // No page of the tier is wanted any more; false: none was.
  bool give_up_wanted(const Tier& tier);
  // One wait for what drop_for could not find; fails with no_space when nothing can come any more. `n_own`:
  // of n_holds_, the caller's.
  Status await_room(Lock& lock, Tier& tier, uint64_t bytes, const Wait& wait, uint32_t n_own,
                    uint64_t failures_before);
  // As drop_for, waiting for movements and other passes.
  Status make_room(Lock& lock, Tier& tier, uint64_t bytes, const Wait& wait);
  Status no_room(const Tier& tier, uint64_t bytes) const;
  // Whoever keeps pages in place waits for room itself.
  bool all_wait_for_room(uint32_t n_own) const;
  // What does not fit a budget that is only tried is a reason against that budget; false: none is.
  bool refuse_tried();
  void tell_change();
  Status wait_for_change(Lock& lock, const Wait& wait);
  // A pass waits: as wait_for_change, helping with what the disk has read, and counted.
  Status stall(Lock& lock, const Wait& wait);

  // Bringing in.
  Status pin_at(Lock& lock, Tier& tier, std::span<const PageHandle> pages, const Wait& wait);
  Status fill_pinned(Lock& lock, Tier& tier, std::span<const PageHandle> pages, const Wait& wait);
  void unpin_at(Tier& tier, std::span<const PageHandle> pages);
  // A pass uses the page: what is known of its way here is told, once.
  static void tell_arrival(Page& page, PassHolds* own);
  // Starts the next movement of a page at rest that has a frame in `goal` to be filled; false: no room in
  // RAM.
  bool advance(Page& page, const Tier& goal, bool urgent);

  // Movements between RAM and files.
  uint64_t wanted_staging_bytes() const;
  bool disk_has_room() const;
  Status prepare_transfer();
  // Ends the transfer while it has nothing to do: its memory goes back. Gives the lock away meanwhile.
  void rest(Lock& lock);
  Status prepare_scratch();
  bool start_writes();
  // Room in `file` for the first pages of a run of `n`: as many as it finds a place for.
  static Result<uint64_t> place_run(PageFile& file, uint32_t page_bytes, uint32_t* n);
  // `file` null: the scratch file.
  void start_write(Page& page, const std::shared_ptr<PageFile>& file, uint64_t offset_bytes, Save* save);
  void start_read(Page& page, bool urgent);
  Status write_saved(Lock& lock, std::span<const PageHandle> pages, const std::shared_ptr<PageFile>& file,
                     const Wait& wait);
  void failed_to_write(Status status);
  static const PageRecord* find_saved(const Page& page, const PageFile& file);

  // Movements between RAM and the device.
  bool start_lowering();
  void start_copy(Page& page, Movement movement);
  // What has filled a frame in RAM goes on to the device, if that is where it is awaited.
  void go_on(Page& page);

  Job* take_job(Page& page, Movement movement);
  void queue(Job& job);
  void flush_copies();
  void flush_jobs();
  static void on_transferred(PageJob* job);
  static void on_copied(DeviceCopy* copy);
  static void on_done(Job* job);
  // Each true when somebody who waits should look again.
  bool finish(Job& job);
  void finish_write(Job& job);
  void finish_read(Job& job);
  void finish_copy(Job& job, Movement movement);

  Device& device_;
  DeviceLink* const link_;
  FileSystem& files_;
  DiskAccount& disk_;
  const TierOptions options_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Tier host_;
  std::optional<Tier> device_tier_;
  Tier* top_;
  std::vector<std::unique_ptr<Page[]>> page_blocks_;
  std::vector<Page*> free_pages_;
  uint64_t next_id_ = 1;
  // Of the pages that there are: few sizes.
  struct SizeCount {
    uint32_t bytes;
    uint64_t n;
  };
  std::vector<SizeCount> size_counts_;
  uint32_t largest_page_bytes_ = 0;
  uint64_t n_abstract_pages_ = 0;
  // There are abstracts while a sequence chooses.
  Reads reads() const { return n_abstract_pages_ > 0 ? Reads::chosen : Reads::whole; }
  uint64_t epoch_ = 1;  // counts changes of where pages are
  std::vector<const LayerUse*> uses_;
  uint32_t n_holds_ = 0;  // uses and groups of pins
  // A thread that found no room, with its part of n_holds_.
  struct RoomWait {
    uint32_t n_own;
    uint64_t seen_change;
  };
  std::vector<const RoomWait*> room_waits_;
  uint64_t n_changes_ = 0;  // after which there may be room
  uint32_t n_tried_ = 0;    // changes of budgets under way
  uint64_t n_refused_ = 0;  // how often one of them had to give way
  uint64_t n_wanted_ = 0;   // pages, ever
  std::atomic<uint64_t> n_given_up_{0};
  uint64_t shared_bytes_ = 0;
  uint32_t n_moving_ = 0;
  uint32_t n_writing_ = 0;
  uint32_t n_lowering_ = 0;
  uint32_t n_reading_ = 0;
  uint64_t reading_since_us_ = 0;  // of n_reading_ > 0
  uint32_t n_awaited_ = 0;         // pages
  uint32_t n_stalled_ = 0;         // threads that could help
  Status write_failure_;           // of moving down
  uint64_t n_write_failures_ = 0;
  Status link_failure_;  // stays
  std::deque<Job> jobs_;
  std::vector<Job*> free_jobs_;
  std::vector<PageJob*> queued_;
  std::vector<DeviceCopy*> queued_copies_;
  std::shared_ptr<PageFile> scratch_;
  std::shared_ptr<PageTransfer> transfer_;  // shared with who helps it
  TierStatistics statistics_;
};

}  // namespace leoam
