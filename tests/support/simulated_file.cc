#include "tests/support/simulated_file.h"

#include <algorithm>
#include <cstring>

#include "runtime/io/transfer.h"

namespace leoam::testing {
namespace {

constexpr uint64_t kSector_bytes = 512;

bool heads(std::mt19937_64* random) {
  return ((*random)() >> 32 & 1) != 0;
}

}  // namespace

Status SimulatedInode::grow(uint64_t bytes) {
  if (bytes > live_.size()) {
    const uint64_t more_bytes = bytes - live_.size();
    const uint64_t free_bytes =
        space_->capacity_bytes - std::min(space_->used_bytes.load(), space_->capacity_bytes);
    if (more_bytes > free_bytes)
      return Status::no_space(fmt::format("the disk is full: {} more bytes needed", more_bytes), more_bytes,
                              free_bytes);
  }
  space_->used_bytes += bytes - live_.size();
  live_.resize(bytes);
  return {};
}

Status SimulatedInode::write(uint64_t offset_bytes, std::span<const uint8_t> data) {
  const uint64_t end_bytes = offset_bytes + data.size();
  if (end_bytes > live_.size()) LEOAM_RETURN_IF_ERROR(grow(end_bytes));
  if (!data.empty()) std::memcpy(live_.data() + offset_bytes, data.data(), data.size());
  unsynced_.push_back({false, offset_bytes, {data.begin(), data.end()}});
  return {};
}

Status SimulatedInode::resize(uint64_t bytes) {
  LEOAM_RETURN_IF_ERROR(grow(bytes));
  unsynced_.push_back({true, bytes, {}});
  return {};
}

void SimulatedInode::sync() {
  if (unsynced_.empty()) return;
  durable_ = live_;
  unsynced_.clear();
}

void SimulatedInode::set_durable(std::vector<uint8_t> bytes) {
  space_->used_bytes += bytes.size() - live_.size();
  live_ = bytes;
  durable_ = std::move(bytes);
  unsynced_.clear();
}

std::vector<uint8_t> SimulatedInode::after_power_loss(std::mt19937_64* random, PowerLoss mode) const {
  if (mode == PowerLoss::keeps_all) return live_;
  std::vector<uint8_t> bytes = durable_;
  if (mode == PowerLoss::drops_unsynced) return bytes;
  const bool tears = mode == PowerLoss::tears_writes;
  std::vector<const Change*> order;
  for (const Change& change : unsynced_) order.push_back(&change);
  std::shuffle(order.begin(), order.end(), *random);
  const bool garbage = tears && heads(random);
  const auto resize_to = [&](uint64_t size) {
    const size_t before = bytes.size();
    bytes.resize(size);
    for (size_t i = before; garbage && i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>((*random)());
  };
  for (const Change* change : order) {
    if (change->resizes) {
      if (heads(random)) resize_to(change->at_bytes);
      continue;
    }
    const uint64_t step_bytes = tears ? kSector_bytes : std::max<uint64_t>(change->data.size(), 1);
    for (uint64_t done = 0; done < change->data.size(); done += step_bytes) {
      if (!heads(random)) continue;
      const uint64_t n_bytes = std::min<uint64_t>(step_bytes, change->data.size() - done);
      if (change->at_bytes + done + n_bytes > bytes.size()) resize_to(change->at_bytes + done + n_bytes);
      std::memcpy(bytes.data() + change->at_bytes + done, change->data.data() + done, n_bytes);
    }
  }
  return bytes;
}

SimulatedFile::~SimulatedFile() {
  const std::lock_guard<std::mutex> lock(space_->mutex);
  if (inode_->locked_by == this) inode_->locked_by = nullptr;
}

Result<uint64_t> SimulatedFile::size_bytes() const {
  const std::lock_guard<std::mutex> lock(space_->mutex);
  return static_cast<uint64_t>(inode_->bytes().size());
}

Status SimulatedFile::read_at(uint64_t offset_bytes, std::span<uint8_t> out) const {
  LEOAM_RETURN_IF_ERROR(check_transfer(offset_bytes, out.data(), out.size()));
  if (out.empty()) return {};
  const std::lock_guard<std::mutex> lock(space_->mutex);
  const std::vector<uint8_t>& bytes = inode_->bytes();
  if (offset_bytes > bytes.size() || out.size() > bytes.size() - offset_bytes)
    return error(ErrorKind::corrupt, "the file ends at offset {}: expected {} bytes at {}", bytes.size(),
                 out.size(), offset_bytes);
  std::memcpy(out.data(), bytes.data() + offset_bytes, out.size());
  return {};
}

Status SimulatedFile::write_at(uint64_t offset_bytes, std::span<const uint8_t> data) {
  LEOAM_RETURN_IF_ERROR(check_transfer(offset_bytes, data.data(), data.size()));
  LEOAM_RETURN_IF_ERROR(check_writable());
  const std::lock_guard<std::mutex> lock(space_->mutex);
  return inode_->write(offset_bytes, data);
}

Status SimulatedFile::resize(uint64_t bytes) {
  LEOAM_RETURN_IF_ERROR(check_writable());
  const std::lock_guard<std::mutex> lock(space_->mutex);
  return inode_->resize(bytes);
}

Status SimulatedFile::sync() {
  const std::lock_guard<std::mutex> lock(space_->mutex);
  inode_->sync();
  return {};
}

Status SimulatedFile::check_writable() const {
  if (writable_) return {};
  return error(ErrorKind::io, "the file is open for reading only");
}

}  // namespace leoam::testing
