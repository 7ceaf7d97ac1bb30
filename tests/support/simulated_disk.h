// SimulatedDisk: a FileSystem in memory that models a disk with a volatile cache, for what real ones do
// rarely: losing power, and damage.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/io/file_system.h"

namespace leoam::testing {

// What power loss leaves of what was not synced.
enum class PowerLoss {
  keeps_all,       // as after SIGKILL
  drops_unsynced,  // nothing
  keeps_some,      // any subset of the writes, in any order, each whole
  tears_writes,    // the same by sectors of 512 bytes; never-written parts of a file may hold anything
};
inline constexpr PowerLoss kAllPowerLosses[] = {PowerLoss::keeps_all, PowerLoss::drops_unsynced,
                                                PowerLoss::keeps_some, PowerLoss::tears_writes};

// A file's data and size are durable after its sync; names (created, renamed, removed) after sync_folder of
// their folder, and only then: each is lost or kept on its own, a rename as a whole. Folders are durable at
// once. The root folder exists. Thread rule: as FileSystem; damage and crashed() too.
class SimulatedDisk final : public FileSystem {
 public:
  explicit SimulatedDisk(uint64_t capacity_bytes = UINT64_MAX);
  ~SimulatedDisk() override;

  Result<std::unique_ptr<WritableFile>> open(const std::string& path, OpenMode mode) override;
  Result<std::unique_ptr<WritableFile>> create_unnamed(const std::string& folder) override;
  Status lock(WritableFile& file, const std::string& path) override;
  Status make_private_folder(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_folder(const std::string& path) override;
  Result<uint64_t> free_bytes(const std::string& folder) override;
  // Carries requests out when they are submitted.
  Result<std::unique_ptr<IoQueue>> create_queue(uint32_t depth, std::span<uint8_t> staging) override;
  std::vector<Fact> facts(const std::string& folder) override;

  // The disk as the next start finds it; the same for the same seed. This one goes on.
  std::unique_ptr<SimulatedDisk> crashed(uint64_t seed, PowerLoss mode) const;
  void set_capacity(uint64_t bytes);

  // Names of all files, sorted. What follows needs the file to be there; changes are durable.
  std::vector<std::string> files() const;
  std::vector<uint8_t> contents(const std::string& path) const;
  void set_contents(const std::string& path, std::vector<uint8_t> bytes);  // or creates it
  void flip_bit(const std::string& path, uint64_t bit);
  void truncate(const std::string& path, uint64_t bytes);
  void extend(const std::string& path, uint64_t bytes, uint8_t fill);
  void copy_range(const std::string& path, uint64_t from_bytes, uint64_t to_bytes, uint64_t bytes);
  void swap_ranges(const std::string& path, uint64_t first_bytes, uint64_t second_bytes, uint64_t bytes);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace leoam::testing
