#include "tests/support/fault_file_system.h"

#include "tests/runtime/io/back_end.h"

namespace leoam {
namespace {

using testing::FaultFileSystem;
using testing::FaultKind;
using testing::FaultOperation;
using testing::FaultPlan;
using testing::kAllFaultKinds;
using testing::SimulatedDisk;

// One of every operation; returns the kind of each outcome.
std::vector<ErrorKind> scenario(FaultFileSystem& files) {
  std::vector<ErrorKind> kinds;
  const auto note = [&](const Status& status) { kinds.push_back(status.kind()); };
  const Blocks block(2, 1);
  note(files.make_private_folder("/s"));
  auto file = files.open("/s/a", OpenMode::create);
  note(file.ok() ? Status() : file.status().clone());
  if (file.ok()) {
    note(files.lock(**file, "/s/a"));
    note((*file)->write_at(0, block.span()));
    note((*file)->read_at(0, block.span()));
    note((*file)->sync());
    note((*file)->resize(3 * kIoBlock_bytes));
    note((*file)->size_bytes().status().clone());
    auto queue = files.create_queue(32, {});
    note(queue.ok() ? Status() : queue.status().clone());
    for (const IoOperation operation : {IoOperation::write, IoOperation::read}) {
      if (!queue.ok()) continue;
      IoRequest request = {operation, file->get(), 0, block.data(), static_cast<uint32_t>(block.bytes()),
                           nullptr,   {}};
      IoRequest* const one = &request;
      (*queue)->submit({&one, 1});
      EXPECT_EQ((*queue)->n_in_flight(), 1u);
      std::vector<IoRequest*> done;
      (*queue)->reap(true, &done);
      EXPECT_EQ(done, std::vector<IoRequest*>{one});
      EXPECT_EQ((*queue)->n_in_flight(), 0u);
      note(request.status);
    }
  }
  note(files.rename("/s/a", "/s/b"));
  note(files.remove("/s/b"));
  note(files.sync_folder("/s"));
  note(files.free_bytes("/s").status().clone());
  note(files.create_unnamed("/s").status().clone());
  note(files.point());
  return kinds;
}

TEST(FaultFileSystem, WithoutAPlanNothingFailsAndEverythingIsCounted) {
  SimulatedDisk disk;
  std::vector<uint64_t> steps;
  FaultPlan plan;
  plan.before_step = [&](uint64_t step, FaultOperation) { steps.push_back(step); };
  FaultFileSystem files(disk, plan);
  for (const ErrorKind kind : scenario(files)) EXPECT_EQ(kind, ErrorKind::ok);
  using Op = FaultOperation;
  EXPECT_EQ(files.trace(),
            (std::vector<Op>{Op::make_folder, Op::open, Op::lock, Op::write, Op::read, Op::sync, Op::resize,
                             Op::size, Op::create_queue, Op::queue_write, Op::queue_read, Op::rename,
                             Op::remove, Op::sync_folder, Op::free_bytes, Op::create_unnamed, Op::point}));
  EXPECT_EQ(files.n_steps(), 17u);
  for (uint64_t i = 0; i < steps.size(); ++i) EXPECT_EQ(steps[i], i + 1);
  EXPECT_FALSE(files.has_failed());
}

TEST(FaultFileSystem, EveryStepFailsInEveryWay) {
  for (const FaultKind kind : kAllFaultKinds)
    for (uint64_t n = 1; n <= 17; ++n) {
      SimulatedDisk disk;
      FaultFileSystem files(disk, {n, kind, false, {}});
      const std::vector<ErrorKind> kinds = scenario(files);
      ASSERT_TRUE(files.has_failed());
      // Only a file or a queue that is missing makes the scenario shorter before step n.
      const ErrorKind found = kinds[n - 1];
      const FaultOperation operation = files.trace()[n - 1];
      if (kind == FaultKind::interrupted) {
        EXPECT_EQ(found, ErrorKind::ok);
      } else if (kind == FaultKind::no_space && found != ErrorKind::io) {
        EXPECT_EQ(found, ErrorKind::no_space) << fault_operation_name(operation);
      } else {
        EXPECT_EQ(found, ErrorKind::io) << fault_operation_name(operation);
      }
    }
}

TEST(FaultFileSystem, AFaultMayStay) {
  SimulatedDisk disk;
  FaultFileSystem files(disk, {7, FaultKind::io, true, {}});
  const std::vector<ErrorKind> kinds = scenario(files);
  for (size_t i = 0; i < kinds.size(); ++i) EXPECT_EQ(kinds[i], i < 6 ? ErrorKind::ok : ErrorKind::io) << i;
}

TEST(FaultFileSystem, AShortTransferDoesItsFirstHalf) {
  SimulatedDisk disk;
  FaultFileSystem files(disk, {3, FaultKind::short_then_error, false, {}});
  const auto file = files.open("/a", OpenMode::create);
  EXPECT_OK((*file)->write_at(0, Blocks(4, 1).span()));
  EXPECT_KIND((*file)->write_at(0, Blocks(4, 2).span()), io);
  Blocks read(4);
  EXPECT_OK((*file)->read_at(0, read.span()));
  EXPECT_EQ(std::memcmp(read.data(), Blocks(4, 2).data(), 2 * kIoBlock_bytes), 0);
  EXPECT_EQ(std::memcmp(read.span(2, 2).data(), Blocks(4, 1).span(2, 2).data(), 2 * kIoBlock_bytes), 0);
}

TEST(FaultFileSystem, AFailedSyncSpoilsTheHandle) {
  SimulatedDisk disk;
  FaultFileSystem files(disk, {2, FaultKind::no_space, false, {}});
  const auto file = files.open("/a", OpenMode::create);
  EXPECT_KIND((*file)->sync(), no_space);
  EXPECT_KIND((*file)->sync(), io);
  EXPECT_OK((*files.open("/a", OpenMode::read_write))->sync());
}

TEST(FaultFileSystem, AQueueMixesWhatFailsWithWhatPasses) {
  for (const bool threads : {false, true}) {
    SimulatedDisk disk;
    const auto real = create_file_system({false, true, true});
    const testing::TempFolder folder;
    FileSystem& below = threads ? *real : disk;
    // Steps: the file, the queue, then requests 1 to 32, of which the 17th on fail.
    FaultFileSystem files(below, {2 + 17, FaultKind::io, true, {}});
    const auto file = files.create_unnamed(threads ? folder.path() : "/");
    const auto queue = files.create_queue(32, {});
    const Blocks blocks(32, 1);
    std::vector<IoRequest> requests(32);
    std::vector<IoRequest*> pointers;
    for (size_t i = 0; i < 32; ++i) {
      requests[i] = {IoOperation::write,
                     file->get(),
                     i * kIoBlock_bytes,
                     blocks.span(i, 1).data(),
                     kIoBlock_bytes,
                     nullptr,
                     {}};
      pointers.push_back(&requests[i]);
    }
    (*queue)->submit(pointers);
    EXPECT_EQ((*queue)->n_in_flight(), 32u);
    std::vector<IoRequest*> done;
    while ((*queue)->n_in_flight() > 0) (*queue)->reap(true, &done);
    EXPECT_EQ(done.size(), 32u);
    for (size_t i = 0; i < 32; ++i) EXPECT_EQ(requests[i].status.ok(), i < 16) << i;
  }
}

}  // namespace
}  // namespace leoam
