#include "tests/support/session_scenario.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>

#include "runtime/store/page_transfer.h"
#include "tests/support/session_model.h"

namespace leoam::testing {
namespace {

enum Scenario { kCreate, kAppend, kRewind, kDamaged, kCompact, kTransfer };

struct World {
  FileSystem& files;
  std::string path;
  Journal* journal;
  DiskAccount account{UINT64_MAX};
  SecretKey key = test_key();
};

Status save(World& world, SessionModel& model, SessionFile& file) {
  world.journal->attempt(model.tokens());
  LEOAM_RETURN_IF_ERROR(model.save(file));
  world.journal->acknowledge();
  return {};
}

Result<std::unique_ptr<SessionFile>> open(World& world) {
  const SessionIdentity identity = small_identity();
  return SessionFile::open(world.files, world.path, &world.key, &identity, world.account,
                           OpenMode::read_write);
}

Status create(World& world, uint32_t n_tokens) {
  LEOAM_ASSIGN_OR_RETURN(const auto file, SessionFile::create(world.files, world.path, &world.key,
                                                              small_identity(), world.account));
  SessionModel model;
  model.append(n_tokens, 1);
  return save(world, model, *file);
}

Status append(World& world) {
  LEOAM_ASSIGN_OR_RETURN(auto file, open(world));
  SessionModel model = SessionModel::of(*file);
  for (uint32_t round = 0; round < 3; ++round) {
    model.append(9, 100 + round);
    LEOAM_RETURN_IF_ERROR(save(world, model, *file));
  }
  file.reset();
  LEOAM_ASSIGN_OR_RETURN(file, open(world));
  // Somebody else may have been the owner in between.
  model = SessionModel::of(*file);
  model.append(1, 200);
  return save(world, model, *file);
}

// Commits enough that the log needs another segment, and takes tokens back.
Status rewind(World& world) {
  LEOAM_ASSIGN_OR_RETURN(const auto file, open(world));
  SessionModel model = SessionModel::of(*file);
  for (uint32_t round = 0; round < 4; ++round) {
    model.rewind(model.tokens().size() * 2 / 3 + 1);
    model.append(5 + round, 300 + round);
    LEOAM_RETURN_IF_ERROR(save(world, model, *file));
  }
  return {};
}

Status compact(World& world) {
  world.journal->attempt(*world.journal->acknowledged);
  LEOAM_RETURN_IF_ERROR(SessionFile::compact(world.files, world.path, &world.key, world.account));
  world.journal->acknowledge();
  return append(world);
}

// Pages through the transfer's queue, as the engine moves them.
class Pages {
 public:
  explicit Pages(SessionFile& file) : file_(file) {}

  Status move(FileSystem& files, IoOperation operation) {
    LEOAM_ASSIGN_OR_RETURN(const auto transfer, PageTransfer::create(files, {.staging_bytes = 1 << 17}));
    std::vector<PageJob*> list;
    for (size_t i = 0; i < jobs_.size(); ++i) {
      jobs_[i].operation = operation;
      jobs_[i].page = bytes_[i].data();
      jobs_[i].done = [](PageJob* job) { ++*static_cast<std::atomic<size_t>*>(job->user_data); };
      jobs_[i].user_data = &n_done_;
      list.push_back(&jobs_[i]);
    }
    n_done_ = 0;
    transfer->submit(list);
    while (n_done_ != list.size()) std::this_thread::yield();
    for (PageJob& job : jobs_) LEOAM_RETURN_IF_ERROR(job.status.clone());
    return {};
  }

  Status write(FileSystem& files, const std::vector<LoggedToken>& tokens, std::vector<StreamIndex>* layers) {
    const SessionIdentity identity = small_identity();
    const auto n_pages = static_cast<uint32_t>(tokens.size() / identity.page_tokens);
    jobs_.resize(n_pages);
    LEOAM_ASSIGN_OR_RETURN(const uint64_t place, file_.allocate(identity.page_bytes, n_pages));
    for (uint32_t page = 0; page < n_pages; ++page) {
      bytes_.push_back(SessionModel::page(identity, tokens, 0, page));
      jobs_[page].file = &file_;
      jobs_[page].identity = {0, 0, page};
      jobs_[page].record.offset_bytes = place + page * PageFile::stored_bytes(identity.page_bytes);
      jobs_[page].page_bytes = identity.page_bytes;
    }
    LEOAM_RETURN_IF_ERROR(move(files, IoOperation::write));
    layers->assign(identity.n_layers, {});
    for (const PageJob& job : jobs_) layers->front().pages.push_back(job.record);
    return {};
  }

 private:
  SessionFile& file_;
  std::vector<PageJob> jobs_;
  std::vector<std::vector<uint8_t>> bytes_;
  std::atomic<size_t> n_done_{0};
};

Status transfer(World& world) {
  LEOAM_ASSIGN_OR_RETURN(const auto file, SessionFile::create(world.files, world.path, &world.key,
                                                              small_identity(), world.account));
  SessionModel model;
  model.append(60, 5);
  Pages pages(*file);
  std::vector<StreamIndex> layers;
  LEOAM_RETURN_IF_ERROR(pages.write(world.files, model.tokens(), &layers));
  SessionCommit commit;
  commit.tokens = model.tokens();
  commit.n_kv_tokens = 60;
  commit.streams = layers;
  world.journal->attempt(model.tokens());
  LEOAM_RETURN_IF_ERROR(file->commit(commit));
  world.journal->acknowledge();
  return pages.move(world.files, IoOperation::read);
}

// Both copies of nothing, one copy of something: what a single bad place can do.
void damage(World& world) {
  const auto file = world.files.open(world.path, OpenMode::read_write);
  const auto blocks = BlockBuffer::create(kIoBlock_bytes);
  std::ranges::fill(blocks->span(), uint8_t{0x5a});
  for (const uint64_t place : {uint64_t{0}, kHead_bytes}) (void)(*file)->write_at(place, blocks->span()).ok();
  (void)(*file)->sync().ok();
}

std::string check_use(World& world, std::unique_ptr<SessionFile> file) {
  SessionModel model = SessionModel::of(*file);
  model.append(6, 999);
  if (const Status status = model.save(*file); !status.ok())
    return "a later commit fails: " + status.message();
  file.reset();
  const auto again = open(world);
  if (!again.ok()) return "it cannot be opened after a later commit: " + again.status().message();
  if ((*again)->tokens() != model.tokens()) return "a later commit is lost";
  return SessionModel::compare(**again).n_wrong_pages == 0 ? "" : "wrong pages after a later commit";
}

}  // namespace

int fault_rounds() {
  const char* rounds = std::getenv("LEOAM_FAULT_ROUNDS");
  return rounds ? std::max(1, std::atoi(rounds)) : 1;
}

const char* scenario_name(int scenario) {
  static constexpr const char* kNames[kScenarios] = {"create",  "append",  "rewind",
                                                     "damaged", "compact", "transfer"};
  return kNames[scenario];
}

void prepare_scenario(int scenario, FileSystem& files, const std::string& path, Journal* journal) {
  World world{files, path, journal};
  if (scenario == kCreate || scenario == kTransfer) return;
  (void)create(world, 21).ok();
  if (scenario == kRewind) {
    const auto file = open(world);
    SessionModel model = SessionModel::of(**file);
    // One record a block: the first segment is nearly full then.
    for (uint32_t round = 0; round < 12; ++round) {
      model.append(2, 50 + round);
      (void)save(world, model, **file).ok();
    }
  }
  if (scenario == kDamaged) damage(world);
}

Status run_scenario(int scenario, FileSystem& files, const std::string& path, Journal* journal) {
  World world{files, path, journal};
  switch (scenario) {
    case kCreate:
      return create(world, 30);
    case kAppend:
    case kDamaged:
      return append(world);
    case kRewind:
      return rewind(world);
    case kCompact:
      return compact(world);
    default:
      return transfer(world);
  }
}

std::string check_recovery(FileSystem& files, const std::string& path, const Journal& journal) {
  Journal ignored;
  World world{files, path, &ignored};
  auto file = open(world);
  if (file.status().kind() == ErrorKind::not_found && !journal.acknowledged) return "";
  if (!file.ok()) return "it cannot be opened: " + file.status().message();
  const std::vector<LoggedToken>& tokens = (*file)->tokens();
  if (tokens != journal.acknowledged && tokens != journal.attempted)
    return fmt::format("{}; acknowledged: {}; attempted: {}", describe(tokens),
                       journal.acknowledged ? describe(*journal.acknowledged) : "none",
                       journal.attempted ? describe(*journal.attempted) : "none");
  const SessionModel::Comparison pages = SessionModel::compare(**file);
  if (pages.n_wrong_pages > 0) return fmt::format("{} wrong pages were accepted", pages.n_wrong_pages);
  return check_use(world, std::move(*file));
}

bool is_documented(const Status& status) {
  switch (status.kind()) {
    case ErrorKind::ok:
      return true;
    case ErrorKind::io:
    case ErrorKind::no_space:
    case ErrorKind::busy:
    case ErrorKind::corrupt:
    case ErrorKind::not_found:
    case ErrorKind::unsupported:
    case ErrorKind::out_of_memory:
      return !status.message().empty();
    default:
      return false;
  }
}

}  // namespace leoam::testing
