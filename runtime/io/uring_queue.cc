#include "runtime/io/uring_queue.h"

#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <optional>

#include "runtime/io/signal_guard.h"
#include "runtime/io/system_reason.h"
#include "runtime/io/transfer.h"

namespace leoam {
namespace {

// The kernel registers at most this much as one buffer.
constexpr size_t kMaxRegistered_bytes = size_t{1} << 30;
// About a second in all before a submission is given up.
constexpr int kSubmitAttempts = 10;

void sleep_us(int64_t us) {
  const timespec time = {us / 1000000, us % 1000000 * 1000};
  nanosleep(&time, nullptr);
}

// A ring that needs no interrupt of the submitting thread, where the kernel knows that. SINGLE_ISSUER would
// bind the queue to one thread, which its rule does not.
int open_ring(uint32_t depth, io_uring* ring) {
  io_uring_params params = {};
  params.flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
  int result = io_uring_queue_init_params(depth, ring, &params);
  if (result == -EINVAL) {
    params = {};
    result = io_uring_queue_init_params(depth, ring, &params);
  }
  return result;
}

bool knows_operations(io_uring* ring) {
  io_uring_probe* const probe = io_uring_get_probe_ring(ring);
  if (probe == nullptr) return false;
  const bool known =
      io_uring_opcode_supported(probe, IORING_OP_READ) && io_uring_opcode_supported(probe, IORING_OP_WRITE);
  io_uring_free_probe(probe);
  return known;
}

// Failures that say nothing about the disk: the same transfer may succeed by a plain call.
bool is_about_the_ring(int code) {
  return code == EINTR || code == EAGAIN || code == ECANCELED || code == EINVAL || code == EOPNOTSUPP ||
         code == ENOMEM || code == EBADF;
}

}  // namespace

UringQueue::Outcome UringQueue::create(uint32_t depth, std::span<uint8_t> staging) {
  Outcome outcome;
  std::unique_ptr<UringQueue> queue(new UringQueue(depth));
  queue->finished_.reserve(depth);
  outcome.refusal = -open_ring(depth, &queue->ring_);
  if (outcome.refusal != 0) return outcome;
  queue->ring_open_ = true;
  // Kernels before 5.6 have rings without plain reads.
  if (!knows_operations(&queue->ring_)) {
    outcome.refusal = ENOSYS;
    return outcome;
  }
  int ignored = 0;
  queue->files_ = RegisteredFiles::create(queue->ring_.ring_fd, &ignored);
  if (!staging.empty()) {
    const iovec buffer = {staging.data(), staging.size()};
    outcome.staging_refusal = staging.size() > kMaxRegistered_bytes
                                  ? EFBIG
                                  : -ring_register(queue->ring_.ring_fd, IORING_REGISTER_BUFFERS, &buffer, 1);
    if (outcome.staging_refusal == 0) queue->staging_ = staging;
  }
  outcome.queue = std::move(queue);
  return outcome;
}

UringQueue::~UringQueue() {
  if (!ring_open_) return;
  std::vector<IoRequest*> done;
  while (n_with_kernel_ > 0) reap(true, &done);
  if (files_) files_->close();
  io_uring_queue_exit(&ring_);
}

void UringQueue::submit(std::span<IoRequest* const> requests) {
  uint32_t n_prepared = 0;
  for (IoRequest* const request : requests) {
    request->status = check_transfer(request->offset_bytes, request->data, request->bytes);
    if (request->status.ok() && n_in_flight() + n_prepared >= depth_)
      request->status = error(ErrorKind::invalid_argument, "more than {} requests in flight", depth_);
    if (!request->status.ok() || request->bytes == 0) {
      finished_.push_back(request);
      continue;
    }
    prepare(request);
    ++n_prepared;
  }
  give_to_kernel(n_prepared);
}

void UringQueue::prepare(IoRequest* request) {
  auto* const file = static_cast<OsFile*>(request->file);
  // There is room: the ring has depth_ entries, and what was prepared before is with the kernel or taken
  // back.
  io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
  const bool write = request->operation == IoOperation::write;
  // Addresses as numbers: comparing pointers of different objects means nothing.
  const auto first = reinterpret_cast<uintptr_t>(staging_.data());
  const auto data = reinterpret_cast<uintptr_t>(request->data);
  const bool staged =
      data >= first && data - first <= staging_.size() && request->bytes <= staging_.size() - (data - first);
  const int slot = files_ ? files_->slot_of(*file) : -1;
  const int fd = slot >= 0 ? slot : file->fd();
  if (staged && write)
    io_uring_prep_write_fixed(entry, fd, request->data, request->bytes, request->offset_bytes, 0);
  if (staged && !write)
    io_uring_prep_read_fixed(entry, fd, request->data, request->bytes, request->offset_bytes, 0);
  if (!staged && write) io_uring_prep_write(entry, fd, request->data, request->bytes, request->offset_bytes);
  if (!staged && !write) io_uring_prep_read(entry, fd, request->data, request->bytes, request->offset_bytes);
  if (slot >= 0) entry->flags |= IOSQE_FIXED_FILE;
  io_uring_sqe_set_data(entry, request);
  n_writes_ += write;
}

void UringQueue::give_to_kernel(uint32_t n_prepared) {
  std::optional<FileSizeSignalGuard> guard;
  if (n_writes_ > 0) guard.emplace();
  int n_refusals = 0;
  while (n_prepared > 0) {
    const int result = io_uring_submit(&ring_);
    if (result > 0) {
      n_prepared -= static_cast<uint32_t>(result);
      n_with_kernel_ += static_cast<uint32_t>(result);
      n_refusals = 0;
      continue;
    }
    if (result == -EINTR) continue;
    // EAGAIN, EBUSY and ENOMEM pass when others have finished.
    const bool may_pass = result == 0 || result == -EAGAIN || result == -EBUSY || result == -ENOMEM;
    if (!may_pass || ++n_refusals == kSubmitAttempts) {
      take_back(result);
      return;
    }
    sleep_us(int64_t{1000} << n_refusals);
  }
}

// The kernel looks at the submission ring only when it is called: what it did not take is still ours.
void UringQueue::take_back(int result) {
  io_uring_sq& sq = ring_.sq;
  const unsigned first = *sq.khead;
  for (unsigned at = first; at != sq.sqe_tail; ++at) {
    IoRequest* request = nullptr;
    std::memcpy(&request, &sq.sqes[at & sq.ring_mask].user_data,
                sizeof(request));  // NOLINT(bugprone-sizeof-expression)
    n_writes_ -= request->operation == IoOperation::write;
    request->status =
        error(ErrorKind::io, "the system does not take the request: {}", system_reason(-result));
    finished_.push_back(request);
  }
  sq.sqe_head = sq.sqe_tail = *sq.ktail = first;
}

void UringQueue::reap(bool wait, std::vector<IoRequest*>* done) {
  const size_t n_before = done->size();
  done->insert(done->end(), finished_.begin(), finished_.end());
  finished_.clear();
  take_completions(done);
  while (wait && done->size() == n_before && n_with_kernel_ > 0) {
    wait_for_one();
    take_completions(done);
  }
}

void UringQueue::wait_for_one() {
  std::optional<FileSizeSignalGuard> guard;
  if (n_writes_ > 0) guard.emplace();
  io_uring_cqe* ignored = nullptr;
  const int result = io_uring_wait_cqe(&ring_, &ignored);
  // Should the system refuse to wait, completions still arrive: their buffers cannot be given back before.
  if (result < 0 && result != -EINTR) sleep_us(1000);
}

void UringQueue::take_completions(std::vector<IoRequest*>* done) {
  constexpr unsigned kBatch = 64;
  io_uring_cqe* batch[kBatch];
  while (const unsigned n = io_uring_peek_batch_cqe(&ring_, batch, kBatch)) {
    for (unsigned i = 0; i < n; ++i) {
      auto* const request = static_cast<IoRequest*>(io_uring_cqe_get_data(batch[i]));
      const int result = batch[i]->res;
      --n_with_kernel_;
      n_writes_ -= request->operation == IoOperation::write;
      finish(request, result);
      done->push_back(request);
    }
    io_uring_cq_advance(&ring_, n);
  }
}

void UringQueue::finish(IoRequest* request, int result) {
  if (result >= 0 && static_cast<uint32_t>(result) == request->bytes) return;
  // A short transfer is continued, and what the ring or O_DIRECT did not take is done again, by plain calls:
  // it is rare, and they know every case.
  if (result >= 0 || is_about_the_ring(-result))
    request->status = transfer(*request);
  else
    request->status = static_cast<OsFile*>(request->file)
                          ->failure(request->operation, request->offset_bytes, request->bytes, -result);
}

}  // namespace leoam
