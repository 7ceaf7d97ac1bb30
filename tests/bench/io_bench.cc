// Random reads and sequential writes through an IoQueue, beside a bare loop over the same ring interface:
// what the disk gives, and how much of it arrives.
//
//   io_bench [FOLDER=.] [FILE_MIB=2048] [ROUNDS=5] [DEPTH=32] [MIB=256]
//
// All cases run once a round, rounds follow one another, medians are printed with the spread. Every case
// reads MIB of blocks in an order of its own; every byte that the queue read in the first round is compared.

#include <fcntl.h>
#include <liburing.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/io/file_system.h"

namespace {

using namespace leoam;  // NOLINT(google-build-using-namespace)

constexpr uint64_t kMib = uint64_t{1} << 20;
constexpr uint32_t kMaxRequest_bytes = 1 << 20;

[[noreturn]] void stop(const std::string& reason) {
  std::fprintf(stderr, "io_bench: %s\n", reason.c_str());
  std::exit(1);
}

void check(const Status& status) {
  if (!status.ok()) stop(status.message());
}

struct Memory {
  explicit Memory(size_t n) : bytes(n), data(static_cast<uint8_t*>(std::aligned_alloc(size_t{2} << 20, n))) {
    if (data == nullptr) stop("out of memory");
    std::memset(data, 0, n);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { std::free(data); }
  size_t bytes;
  uint8_t* data;
};

// What stands in the file at an offset, word by word.
uint64_t word_at(uint64_t offset_bytes) {
  return (offset_bytes / 8 + 1) * 0x9E3779B97F4A7C15u;
}

void fill(uint8_t* data, uint64_t offset_bytes, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 8) {
    const uint64_t word = word_at(offset_bytes + i);
    std::memcpy(data + i, &word, 8);
  }
}

bool matches(const uint8_t* data, uint64_t offset_bytes, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 8) {
    const uint64_t word = word_at(offset_bytes + i);
    if (std::memcmp(data + i, &word, 8) != 0) return false;
  }
  return true;
}

struct Times {
  double wall_s = 0;
  double cpu_s = 0;  // of the whole process, the kernel's part included
};

double cpu_now_s() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <class Work>
Times measure(const Work& work) {
  const double cpu_s = cpu_now_s();
  const auto start = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  return {wall.count(), cpu_now_s() - cpu_s};
}

struct Job {
  IoOperation operation;
  uint32_t request_bytes;
  std::vector<uint64_t> offsets;
};

// The reference: one ring, one registered buffer and file, the strongest set-up the kernel takes, nothing
// else.
void run_bare(const Job& job, int fd, uint32_t depth, const Memory& memory) {
  io_uring ring = {};
  if (io_uring_queue_init(depth, &ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN) < 0 &&
      io_uring_queue_init(depth, &ring, 0) < 0)
    stop("no io_uring here");
  const iovec buffer = {memory.data, memory.bytes};
  const bool fixed = io_uring_register_buffers(&ring, &buffer, 1) == 0;
  if (io_uring_register_files(&ring, &fd, 1) != 0) stop("files cannot be registered");
  size_t next = 0;
  uint32_t n_in_flight = 0;
  const auto start = [&](uint64_t slot) {
    io_uring_sqe* const entry = io_uring_get_sqe(&ring);
    uint8_t* const data = memory.data + slot * job.request_bytes;
    const uint64_t at = job.offsets[next++];
    if (job.operation == IoOperation::read && fixed)
      io_uring_prep_read_fixed(entry, 0, data, job.request_bytes, at, 0);
    else if (job.operation == IoOperation::read)
      io_uring_prep_read(entry, 0, data, job.request_bytes, at);
    else if (fixed)
      io_uring_prep_write_fixed(entry, 0, data, job.request_bytes, at, 0);
    else
      io_uring_prep_write(entry, 0, data, job.request_bytes, at);
    entry->flags |= IOSQE_FIXED_FILE;
    entry->user_data = slot;
    ++n_in_flight;
  };
  while (n_in_flight < depth && next < job.offsets.size()) start(n_in_flight);
  while (n_in_flight > 0) {
    if (io_uring_submit_and_wait(&ring, 1) < 0) stop("the ring failed");
    io_uring_cqe* batch[64];
    const unsigned n = io_uring_peek_batch_cqe(&ring, batch, 64);
    uint64_t slots[64];
    for (unsigned i = 0; i < n; ++i) {
      if (batch[i]->res != static_cast<int>(job.request_bytes)) stop("a bare transfer failed");
      slots[i] = batch[i]->user_data;
    }
    io_uring_cq_advance(&ring, n);
    n_in_flight -= n;
    for (unsigned i = 0; i < n && next < job.offsets.size(); ++i) start(slots[i]);
  }
  io_uring_queue_exit(&ring);
}

void run_queue(const Job& job, FileSystem& files, WritableFile& file, uint32_t depth, const Memory& memory,
               bool compare) {
  auto queue = files.create_queue(depth, {memory.data, memory.bytes});
  check(queue.status());
  std::vector<IoRequest> requests(depth);
  std::vector<IoRequest*> starting;
  std::vector<IoRequest*> done;
  size_t next = 0;
  const auto prepare = [&](IoRequest* request) {
    const auto slot = static_cast<size_t>(request - requests.data());
    request->operation = job.operation;
    request->file = &file;
    request->offset_bytes = job.offsets[next++];
    request->data = memory.data + slot * job.request_bytes;
    request->bytes = job.request_bytes;
    starting.push_back(request);
  };
  for (IoRequest& request : requests)
    if (next < job.offsets.size()) prepare(&request);
  (*queue)->submit(starting);
  while ((*queue)->n_in_flight() > 0) {
    done.clear();
    starting.clear();
    (*queue)->reap(true, &done);
    for (IoRequest* const request : done) {
      check(request->status);
      if (compare && !matches(request->data, request->offset_bytes, request->bytes))
        stop("wrong bytes were read");
      if (next < job.offsets.size()) prepare(request);
    }
    if (!starting.empty()) (*queue)->submit(starting);
  }
}

std::string text_of(uint32_t bytes) {
  return bytes >= kMib ? std::to_string(bytes / kMib) + " MiB" : std::to_string(bytes / 1024) + " KiB";
}

struct Way {
  const char* name;
  FileSystem* files;  // null: the bare loop
  WritableFile* file;
};

struct Row {
  Job job;
  size_t way;
  std::vector<double> rates;  // MB/s, by round
  std::vector<double> cpu;    // ms a GB
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  std::string folder = ".";
  uint64_t file_bytes = 2048 * kMib;
  uint64_t job_bytes = 256 * kMib;
  int n_rounds = 5;
  uint32_t depth = 32;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const size_t equals = argument.find('=');
    const std::string name(argument.substr(0, equals));
    const std::string value(equals == std::string_view::npos ? "" : argument.substr(equals + 1));
    if (name == "FOLDER") {
      folder = value;
      continue;
    }
    const uint64_t number = std::strtoull(value.c_str(), nullptr, 10);
    if (number == 0)
      stop("expected FOLDER=, FILE_MIB=, ROUNDS=, DEPTH= or MIB=, found " + std::string(argument));
    if (name == "FILE_MIB") file_bytes = number * kMib;
    if (name == "MIB") job_bytes = number * kMib;
    if (name == "ROUNDS") n_rounds = static_cast<int>(number);
    if (name == "DEPTH") depth = static_cast<uint32_t>(number);
  }

  const auto ring_files = create_file_system();
  const auto thread_files = create_file_system({false, true, true});
  const std::string own_folder = folder + "/io_bench-" + std::to_string(getpid());
  check(ring_files->make_private_folder(own_folder));
  const std::string path = own_folder + "/file";
  auto created = ring_files->open(path, OpenMode::create);
  check(created.status());
  const auto thread_file = thread_files->open(path, OpenMode::read_write);
  check(thread_file.status());
  const int fd = open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
  check(ring_files->remove(path));
  const std::vector<FileSystem::Fact> facts = ring_files->facts(own_folder);
  rmdir(own_folder.c_str());
  const std::vector<Way> ways = {{"bare", nullptr, nullptr},
                                 {"io_uring", ring_files.get(), created->get()},
                                 {"threads", thread_files.get(), thread_file->get()}};

  const Memory memory((size_t{depth} * kMaxRequest_bytes + 2 * kMib - 1) / (2 * kMib) * (2 * kMib));
  for (uint64_t at = 0; at < file_bytes; at += memory.bytes) {
    const size_t bytes = std::min<uint64_t>(memory.bytes, file_bytes - at);
    fill(memory.data, at, bytes);
    check((*created)->write_at(at, {memory.data, bytes}));
  }
  check((*created)->sync());
  for (const FileSystem::Fact& fact : facts) std::printf("%s: %s\n", fact.name.c_str(), fact.value.c_str());

  std::mt19937_64 random(1);
  std::vector<Row> rows;
  for (const uint32_t request_bytes : {24u << 10, 128u << 10, 1u << 20})
    for (size_t way = 0; way < ways.size(); ++way)
      rows.push_back({{IoOperation::read, request_bytes, {}}, way, {}, {}});
  for (size_t way = 0; way < ways.size(); ++way)
    rows.push_back({{IoOperation::write, kMaxRequest_bytes, {}}, way, {}, {}});

  for (int round = 0; round < n_rounds; ++round)
    for (size_t r = 0; r < rows.size(); ++r) {
      // The ways take turns at being first.
      Row& row = rows[r / ways.size() * ways.size() + (r + static_cast<size_t>(round)) % ways.size()];
      Job& job = row.job;
      const uint64_t n_places = file_bytes / job.request_bytes;
      job.offsets.clear();
      for (uint64_t i = 0; i < std::max<uint64_t>(1, job_bytes / job.request_bytes); ++i)
        job.offsets.push_back((job.operation == IoOperation::read ? random() : i) % n_places *
                              job.request_bytes);
      const Way& way = ways[row.way];
      if (round == 0 && way.files != nullptr && job.operation == IoOperation::read)
        run_queue(job, *way.files, *way.file, depth, memory, true);
      const Times times = measure([&] {
        if (way.files == nullptr)
          run_bare(job, fd, depth, memory);
        else
          run_queue(job, *way.files, *way.file, depth, memory, false);
      });
      const double bytes = static_cast<double>(job.offsets.size() * job.request_bytes);
      row.rates.push_back(bytes * 1e-6 / times.wall_s);
      row.cpu.push_back(times.cpu_s * 1e3 / (bytes * 1e-9));
    }
  close(fd);

  std::printf("file %.2f GiB, depth %u, %d rounds of %.0f MiB each; medians\n\n",
              static_cast<double>(file_bytes) / static_cast<double>(1024 * kMib), depth, n_rounds,
              static_cast<double>(job_bytes) / static_cast<double>(kMib));
  std::printf(
      "| transfer | way | MB/s | lowest to highest | of bare | CPU ms a GB |\n|---|---|---|---|---|---|\n");
  for (const Row& row : rows) {
    const Row& bare = rows[static_cast<size_t>(&row - rows.data()) / ways.size() * ways.size()];
    const auto [low, high] = std::minmax_element(row.rates.begin(), row.rates.end());
    std::printf("| %s, %s | %s | %.0f | %.0f to %.0f | %.2f | %.0f |\n",
                row.job.operation == IoOperation::read ? "random read" : "sequential write",
                text_of(row.job.request_bytes).c_str(), ways[row.way].name, median(row.rates), *low, *high,
                median(row.rates) / median(bare.rates), median(row.cpu));
  }
  return 0;
}
