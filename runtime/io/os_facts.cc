#include <cerrno>

#include "runtime/base/aligned_buffer.h"
#include "runtime/io/os_file_system.h"
#include "runtime/io/system_reason.h"
#include "runtime/io/uring_queue.h"

namespace leoam {
namespace {

// As much as a transfer of pages registers.
constexpr size_t kProbe_bytes = size_t{4} << 20;
constexpr uint32_t kProbeDepth = 32;

const char* const kYes = "yes";
const char* const kSwitchedOff = "no: switched off";

std::string no(const std::string& reason) {
  return "no: " + reason;
}

std::string staging_fact(int refusal) {
  if (refusal == 0) return kYes;
  if (refusal == ENOMEM) return no("not enough locked memory is allowed (RLIMIT_MEMLOCK)");
  return no(system_reason(refusal));
}

// What one block says, written and read back.
std::string direct_fact(OsFile& file, std::span<uint8_t> memory) {
  if (!file.direct()) return no("the file system refuses it");
  const uintptr_t address = reinterpret_cast<uintptr_t>(memory.data());
  const std::span<uint8_t> block =
      memory.subspan((kIoBlock_bytes - address % kIoBlock_bytes) % kIoBlock_bytes, kIoBlock_bytes);
  Status status = file.write_at(0, block);
  if (status.ok()) status = file.read_at(0, block);
  if (!status.ok()) return no(status.message());
  return file.direct() ? kYes : no("the file system refuses transfers of 4096 bytes");
}

}  // namespace

std::vector<FileSystem::Fact> OsFileSystem::facts(const std::string& folder) {
  std::string ring = kSwitchedOff;
  std::string staging = kSwitchedOff;
  Result<AlignedBuffer> memory = AlignedBuffer::allocate(kProbe_bytes);
  if (options_.io_uring && memory.ok()) {
    const UringQueue::Outcome outcome = UringQueue::create(kProbeDepth, {memory->data(), memory->bytes()});
    ring = outcome.queue ? kYes : no(system_reason(outcome.refusal));
    staging = outcome.queue ? staging_fact(outcome.staging_refusal) : no("io_uring is not used");
  }
  std::string direct = kSwitchedOff;
  std::string unnamed = kSwitchedOff;
  Result<Unnamed> file = open_unnamed(folder);
  if (options_.unnamed && !file.ok()) unnamed = no(file.status().message());
  if (options_.unnamed && file.ok()) unnamed = file->refusal == 0 ? kYes : no(system_reason(file->refusal));
  if (options_.direct && !file.ok()) direct = no(file.status().message());
  if (options_.direct && file.ok() && memory.ok())
    direct = direct_fact(*file->file, {memory->data(), memory->bytes()});
  return {{"io_uring", ring}, {"registered buffers", staging}, {"O_DIRECT", direct}, {"O_TMPFILE", unnamed}};
}

}  // namespace leoam
