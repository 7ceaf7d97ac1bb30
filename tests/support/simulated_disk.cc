#include "tests/support/simulated_disk.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <stdexcept>
#include <thread>

#include "tests/support/simulated_file.h"
#include "tests/support/synchronous_queue.h"

namespace leoam::testing {
namespace {

using Inode = std::shared_ptr<SimulatedInode>;
using Lock = std::lock_guard<std::mutex>;

std::string folder_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

std::string without_slash(const std::string& folder) {
  return folder.size() > 1 && folder.back() == '/' ? folder.substr(0, folder.size() - 1) : folder;
}

}  // namespace

struct SimulatedDisk::State {
  // A name's new file, or null: the name is gone. A rename is two of them.
  struct NameChange {
    std::vector<std::pair<std::string, Inode>> names;
  };

  std::shared_ptr<SimulatedSpace> space = std::make_shared<SimulatedSpace>();
  std::set<std::string> folders = {"/"};
  std::map<std::string, Inode> live;
  std::map<std::string, Inode> durable;
  std::vector<NameChange> unsynced;

  static void apply(const NameChange& change, std::map<std::string, Inode>* names) {
    for (const auto& [path, inode] : change.names) {
      if (inode)
        (*names)[path] = inode;
      else
        names->erase(path);
    }
  }
  void change_names(NameChange change) {
    apply(change, &live);
    unsynced.push_back(std::move(change));
  }
  bool has_folder_of(const std::string& path) const { return folders.count(folder_of(path)) != 0; }
  SimulatedInode& at(const std::string& path) const {
    const auto found = live.find(path);
    if (found == live.end()) throw std::invalid_argument("no file " + path + " on the simulated disk");
    return *found->second;
  }
};

SimulatedDisk::SimulatedDisk(uint64_t capacity_bytes) : state_(std::make_shared<State>()) {
  state_->space->capacity_bytes = capacity_bytes;
}

SimulatedDisk::~SimulatedDisk() = default;

Result<std::unique_ptr<WritableFile>> SimulatedDisk::open(const std::string& path, OpenMode mode) {
  const Lock lock(state_->space->mutex);
  const auto found = state_->live.find(path);
  Inode inode;
  if (mode == OpenMode::create) {
    if (!state_->has_folder_of(path)) return error(ErrorKind::not_found, "no folder of {}", path);
    if (found != state_->live.end()) return error(ErrorKind::busy, "{} exists", path);
    inode = std::make_shared<SimulatedInode>(state_->space);
    state_->change_names({{{path, inode}}});
  } else {
    if (state_->folders.count(path) != 0)
      return error(ErrorKind::unsupported, "{} is not a regular file", path);
    if (found == state_->live.end()) return error(ErrorKind::not_found, "{} does not exist", path);
    inode = found->second;
  }
  return std::unique_ptr<WritableFile>(new SimulatedFile(state_->space, inode, mode != OpenMode::read_only));
}

Result<std::unique_ptr<WritableFile>> SimulatedDisk::create_unnamed(const std::string& folder) {
  const Lock lock(state_->space->mutex);
  if (state_->folders.count(without_slash(folder)) == 0)
    return error(ErrorKind::not_found, "no folder {}", folder);
  return std::unique_ptr<WritableFile>(
      new SimulatedFile(state_->space, std::make_shared<SimulatedInode>(state_->space), true));
}

// Waits a little: what is on its way may still hold a file that was closed.
Status SimulatedDisk::lock(WritableFile& file, const std::string& path) {
  auto& opened = static_cast<SimulatedFile&>(file);
  SimulatedInode& inode = opened.inode();
  constexpr int kAttempts = 50;
  for (int attempt = 0;; ++attempt) {
    {
      const Lock lock(state_->space->mutex);
      if (inode.locked_by == nullptr || inode.locked_by == &file) {
        const auto found = state_->live.find(path);
        if (found == state_->live.end() || found->second.get() != &inode)
          return error(ErrorKind::busy, "{} was replaced while it was being opened", path);
        inode.locked_by = &file;
        return {};
      }
    }
    if (attempt == kAttempts) return error(ErrorKind::busy, "another handle holds {}", path);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

Status SimulatedDisk::make_private_folder(const std::string& path) {
  const Lock lock(state_->space->mutex);
  for (std::string folder = without_slash(path); folder != "/"; folder = folder_of(folder)) {
    if (state_->live.count(folder) != 0) return error(ErrorKind::io, "{} is not a folder", folder);
    state_->folders.insert(folder);
  }
  return {};
}

Status SimulatedDisk::rename(const std::string& from, const std::string& to) {
  const Lock lock(state_->space->mutex);
  const auto found = state_->live.find(from);
  if (found == state_->live.end() || !state_->has_folder_of(to))
    return error(ErrorKind::not_found, "{} or the folder of {} does not exist", from, to);
  if (from != to) state_->change_names({{{from, nullptr}, {to, found->second}}});
  return {};
}

Status SimulatedDisk::remove(const std::string& path) {
  const Lock lock(state_->space->mutex);
  if (state_->live.count(path) == 0) return error(ErrorKind::not_found, "{} does not exist", path);
  state_->change_names({{{path, nullptr}}});
  return {};
}

Status SimulatedDisk::sync_folder(const std::string& path) {
  const Lock lock(state_->space->mutex);
  const std::string folder = without_slash(path);
  if (state_->folders.count(folder) == 0) return error(ErrorKind::not_found, "no folder {}", path);
  std::vector<State::NameChange> others;
  for (State::NameChange& change : state_->unsynced) {
    bool inside = false;
    for (const auto& [name, inode] : change.names) inside |= folder_of(name) == folder;
    if (inside)
      State::apply(change, &state_->durable);
    else
      others.push_back(std::move(change));
  }
  state_->unsynced = std::move(others);
  return {};
}

Result<uint64_t> SimulatedDisk::free_bytes(const std::string& folder) {
  const Lock lock(state_->space->mutex);
  if (state_->folders.count(without_slash(folder)) == 0)
    return error(ErrorKind::not_found, "no folder {}", folder);
  const SimulatedSpace& space = *state_->space;
  return space.capacity_bytes - std::min(space.used_bytes.load(), space.capacity_bytes);
}

Result<std::unique_ptr<IoQueue>> SimulatedDisk::create_queue(uint32_t depth, std::span<uint8_t> /*staging*/) {
  if (depth == 0) return error(ErrorKind::invalid_argument, "depth: expected 1 or more, found 0");
  return std::unique_ptr<IoQueue>(new SynchronousQueue(depth));
}

std::vector<FileSystem::Fact> SimulatedDisk::facts(const std::string& /*folder*/) {
  const std::string value = "no: a simulated disk";
  return {{"io_uring", value}, {"registered buffers", value}, {"O_DIRECT", value}, {"O_TMPFILE", value}};
}

std::unique_ptr<SimulatedDisk> SimulatedDisk::crashed(uint64_t seed, PowerLoss mode) const {
  std::mt19937_64 random(seed);
  const Lock lock(state_->space->mutex);
  std::map<std::string, Inode> names = mode == PowerLoss::keeps_all ? state_->live : state_->durable;
  if (mode == PowerLoss::keeps_some || mode == PowerLoss::tears_writes)
    for (const State::NameChange& change : state_->unsynced)
      if ((random() >> 32 & 1) != 0) State::apply(change, &names);
  auto next = std::make_unique<SimulatedDisk>(state_->space->capacity_bytes);
  next->state_->folders = state_->folders;
  // Two names of one file: a rename of which only the new name came through by another change.
  std::map<SimulatedInode*, Inode> copies;
  for (const auto& [path, inode] : names) {
    Inode& copy = copies[inode.get()];
    if (!copy) {
      copy = std::make_shared<SimulatedInode>(next->state_->space);
      copy->set_durable(inode->after_power_loss(&random, mode));
    }
    next->state_->live[path] = copy;
    next->state_->durable[path] = copy;
  }
  return next;
}

void SimulatedDisk::set_capacity(uint64_t bytes) {
  const Lock lock(state_->space->mutex);
  state_->space->capacity_bytes = bytes;
}

std::vector<std::string> SimulatedDisk::files() const {
  const Lock lock(state_->space->mutex);
  std::vector<std::string> names;
  for (const auto& [path, inode] : state_->live) names.push_back(path);
  return names;
}

std::vector<uint8_t> SimulatedDisk::contents(const std::string& path) const {
  const Lock lock(state_->space->mutex);
  return state_->at(path).bytes();
}

void SimulatedDisk::set_contents(const std::string& path, std::vector<uint8_t> bytes) {
  const Lock lock(state_->space->mutex);
  Inode& inode = state_->live[path];
  if (!inode) inode = std::make_shared<SimulatedInode>(state_->space);
  inode->set_durable(std::move(bytes));
  state_->durable[path] = inode;
}

void SimulatedDisk::flip_bit(const std::string& path, uint64_t bit) {
  std::vector<uint8_t> bytes = contents(path);
  bytes.at(bit / 8) ^= static_cast<uint8_t>(1u << bit % 8);
  set_contents(path, std::move(bytes));
}

void SimulatedDisk::truncate(const std::string& path, uint64_t n_bytes) {
  std::vector<uint8_t> bytes = contents(path);
  bytes.resize(std::min<uint64_t>(n_bytes, bytes.size()));
  set_contents(path, std::move(bytes));
}

void SimulatedDisk::extend(const std::string& path, uint64_t n_bytes, uint8_t fill) {
  std::vector<uint8_t> bytes = contents(path);
  bytes.resize(bytes.size() + n_bytes, fill);
  set_contents(path, std::move(bytes));
}

void SimulatedDisk::copy_range(const std::string& path, uint64_t from_bytes, uint64_t to_bytes,
                               uint64_t n_bytes) {
  std::vector<uint8_t> bytes = contents(path);
  const std::vector<uint8_t> before = bytes;
  for (uint64_t i = 0; i < n_bytes; ++i) bytes.at(to_bytes + i) = before.at(from_bytes + i);
  set_contents(path, std::move(bytes));
}

void SimulatedDisk::swap_ranges(const std::string& path, uint64_t first_bytes, uint64_t second_bytes,
                                uint64_t n_bytes) {
  std::vector<uint8_t> bytes = contents(path);
  for (uint64_t i = 0; i < n_bytes; ++i) std::swap(bytes.at(first_bytes + i), bytes.at(second_bytes + i));
  set_contents(path, std::move(bytes));
}

}  // namespace leoam::testing
