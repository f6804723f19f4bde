#include "windlass/job/record.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>

#include "windlass/base/file.h"
#include "windlass/base/log.h"
#include "windlass/job/folder_internal.h"
#include "windlass/job/index_internal.h"

namespace windlass::job {
namespace {

constexpr auto kWriteInterval = std::chrono::milliseconds(250);

}  // namespace

std::string NewJobId() {
  const std::time_t seconds = NowMs() / 1000;
  // The random end tells jobs of one second apart.
  return fmt::format("{:%Y%m%d-%H%M%S}-{}", fmt::gmtime(seconds), UniqueName().substr(0, 6));
}

std::unique_ptr<JobRecord> JobRecord::Begin(const std::filesystem::path& home, JobInfo info) {
  std::unique_ptr<JobRecord> record(new JobRecord);
  info.started_ms = NowMs();
  if (info.id.empty()) info.id = NewJobId();
  info.state = JobState::kPending;
  record->folder_ = JobsFolder(home) / info.id;
  record->info_ = std::move(info);
  MakeFolders(record->folder_);
  ::chmod(record->folder_.c_str(), 0700);  // specs and logs are the user's own business
  const std::filesystem::path lock = record->folder_ / "lock";
  record->lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (record->lock_ < 0 || ::flock(record->lock_, LOCK_EX | LOCK_NB) != 0) {
    throw Error(ErrorCode::kIo, fmt::format("cannot lock {}", lock.string()));
  }
  if (std::filesystem::exists(record->folder_ / "job.json")) {
    throw Error(ErrorCode::kUsage, fmt::format("there is a job {} already", record->info_.id));
  }
  record->Write();
  return record;
}

std::unique_ptr<JobRecord> JobRecord::Inherit(const std::filesystem::path& home,
                                              std::string_view id, int lock) {
  std::unique_ptr<JobRecord> record(new JobRecord);
  record->folder_ = JobsFolder(home) / id;
  struct stat held {
  }, wanted{};
  if (::fstat(lock, &held) != 0 || ::stat((record->folder_ / "lock").c_str(), &wanted) != 0 ||
      held.st_dev != wanted.st_dev || held.st_ino != wanted.st_ino) {
    throw Error(ErrorCode::kUsage,
                fmt::format("job {} was not begun for this process; windlass run --job {} runs its "
                            "spec again",
                            id, id));
  }
  ::fcntl(lock, F_SETFD, FD_CLOEXEC);
  record->lock_ = lock;
  record->info_ = ReadRecord(record->folder_);
  return record;
}

JobRecord::~JobRecord() {
  if (lock_ >= 0) ::close(lock_);
}

void JobRecord::Write() {
  WriteFileAtomically(folder_ / "job.json",
                      info_.ToJson().dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
  last_write_ = Clock::now();
}

void JobRecord::Start() {
  const std::lock_guard lock(mutex_);
  info_.state = JobState::kRunning;
  info_.process = ThisProcess();
  Write();
  if (WasAskedToStop(folder_)) {
    throw Error(ErrorCode::kCancelled, "asked to stop before it began");
  }
}

void JobRecord::SetProgress(const std::string& unit, std::int64_t done, std::int64_t total) {
  const std::lock_guard lock(mutex_);
  const bool first = info_.unit.empty();
  info_.unit = unit;
  info_.done = done;
  info_.total = total;
  if (first || Clock::now() - last_write_ >= kWriteInterval) Write();
}

void JobRecord::SetUrl(const std::string& url) {
  const std::lock_guard lock(mutex_);
  info_.url = url;
  Write();
}

void JobRecord::Finish() {
  info_.finished_ms = NowMs();
  Write();
  JobIndex(folder_.parent_path()).Append({&info_});
}

void JobRecord::Succeed(std::vector<std::string> outputs) {
  const std::lock_guard lock(mutex_);
  info_.state = JobState::kSucceeded;
  info_.outputs = std::move(outputs);
  Finish();
}

void JobRecord::Fail(const Error& error) {
  const std::lock_guard lock(mutex_);
  if (info_.ended()) return;
  const bool cancelled = error.code() == ErrorCode::kCancelled;
  Log(LogLevel::kInfo,
      fmt::format("job {} {}: {}", info_.id, cancelled ? "was cancelled" : "failed", error.what()));
  info_.state = cancelled ? JobState::kCancelled : JobState::kFailed;
  info_.failure = cancelled ? 0 : error.exit_code();
  info_.error = error.what();
  try {
    Finish();
  } catch (const Error& second) {  // the same full disk, say
    Log(LogLevel::kInfo, fmt::format("its record cannot be written: {}", second.what()));
  }
}

void JobRecord::NoteDeath(std::string_view how) {
  const std::lock_guard lock(mutex_);
  info_ = ReadRecord(folder_);
  if (info_.ended()) return;
  SetDied(info_, folder_, how);
  Finish();
}

void JobRecord::Remove() {
  const std::lock_guard lock(mutex_);
  std::error_code ignored;  // what is left is a finished job's record, which prune removes
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace windlass::job
