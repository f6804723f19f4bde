#include "windlass/engine/driver.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "windlass/base/log.h"
#include "windlass/base/sync_point.h"
#include "windlass/engine/deadline_internal.h"
#include "windlass/engine/failed_task.h"

namespace windlass::engine {
namespace {

// Asks the tasks in flight to stop soon after the token was cancelled, while the driver's thread
// is inside Session::Next and may be running a task itself. It has to look again and again,
// because a signal handler can set a flag and do little else.
class Watcher {
 public:
  Watcher(Session& session, const CancelToken& token) : session_(session), token_(token) {}

  ~Watcher() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    stopped_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  // The thread starts with the first task: a job that is recalled whole needs none.
  void Add(TaskId id) {
    const std::lock_guard lock(mutex_);
    ids_.insert(id);
    if (thread_.joinable()) return;
    try {
      thread_ = std::thread([this] { Watch(); });
    } catch (const std::system_error& caught) {
      throw Error(ErrorCode::kIo,
                  fmt::format("the thread that watches for an interrupt could not be started: {}",
                              caught.what()));
    }
  }

  void Remove(TaskId id) {
    const std::lock_guard lock(mutex_);
    ids_.erase(id);
  }

 private:
  void Watch() {
    std::unique_lock lock(mutex_);
    while (!stopped_.wait_for(lock, kPeriod, [this] { return stop_; })) {
      if (!token_.cancelled()) continue;
      const std::set<TaskId> ids = ids_;
      lock.unlock();
      try {
        for (const TaskId id : ids) session_.Cancel(id);
      } catch (...) {
        // The driver cancels them again, and reports, as soon as Next gives it back control.
      }
      lock.lock();
    }
  }

  static constexpr std::chrono::milliseconds kPeriod{20};

  Session& session_;
  const CancelToken& token_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable stopped_;
  std::set<TaskId> ids_;
  bool stop_ = false;
  std::thread thread_;
};

class Driver {
 public:
  using Next = std::function<std::optional<DriveTask>()>;
  using Reduce = std::function<void(std::int64_t, const Bytes&)>;

  Driver(Session& session, const DriveOptions& options, const CancelToken& token,
         const Reduce& reduce)
      : session_(session),
        options_(options),
        token_(token),
        reduce_(reduce),
        watcher_(session, token) {}

  DriveStats Run(const Next& next) {
    try {
      bool more = true;
      while (more || !in_flight_.empty()) {
        token_.Check();
        while (more && HasRoom()) {
          more = SubmitNext(next);
          token_.Check();
        }
        if (!in_flight_.empty()) Await();
      }
    } catch (...) {
      Abandon();
      throw;
    }
    return stats_;
  }

 private:
  // Drops a task's own objects when it goes, however that comes about.
  class Own {
   public:
    Own(Session& session, std::vector<ObjectRef> refs)
        : session_(&session), refs_(std::move(refs)) {}
    Own(Own&& other) noexcept : session_(other.session_), refs_(std::exchange(other.refs_, {})) {}
    Own& operator=(Own&&) = delete;
    ~Own() {
      for (const ObjectRef& ref : refs_) {
        try {
          session_->Drop(ref);
        } catch (...) {
          // The object is kept too long, which harms no result.
        }
      }
    }

   private:
    Session* session_;
    std::vector<ObjectRef> refs_;
  };

  struct InFlight {
    std::int64_t index;
    Own own;
    Task task;
    std::optional<Hash> key;
  };

  // Results wait for earlier ones, so what is finished but not reduced counts as well.
  bool HasRoom() const {
    const std::int64_t limit = std::max<std::int64_t>(
        1, std::int64_t{session_.Slots()} * session_.Together() * options_.in_flight_per_slot);
    return in_flight_.size() + waiting_.size() < static_cast<std::size_t>(limit);
  }

  bool SubmitNext(const Next& next) {
    std::optional<DriveTask> given = next();
    if (!given) return false;
    InFlight entry{stats_.tasks++, Own(session_, std::move(given->own)), std::move(given->task),
                   std::nullopt};
    const Task& task = entry.task;
    if (options_.memo != nullptr && task.mode == TaskMode::kPure) {
      entry.key = TaskIdentity(task, options_.libraries);
      if (auto result = options_.memo->Recall(*entry.key)) {
        ++stats_.recalled;
        { const Own dropped = std::move(entry.own); }
        Deliver(entry.index, std::move(*result));
        return true;
      }
    }
    const TaskId id = session_.Submit(task);
    in_flight_.emplace(id, std::move(entry));
    watcher_.Add(id);
    return true;
  }

  void Await() {
    const Completion completion = session_.Next(After(options_.patience));
    std::optional<InFlight> entry = Take(completion);
    if (!entry) return;
    if (completion.error) {
      if (completion.error->code() == ErrorCode::kCancelled) token_.Check();  // says why
      Keep(entry->task, *completion.error);
      throw Error(*completion.error);
    }
    const std::int64_t index = entry->index;
    Bytes result = Finish(*entry, completion);
    entry.reset();  // its objects go before the reduction takes memory of its own
    Deliver(index, std::move(result));
  }

  // So that it can be run again by itself. Whatever goes wrong here must not hide the error.
  void Keep(const Task& task, const Error& error) const noexcept {
    if (options_.memo == nullptr) return;
    try {
      const std::string id = KeepFailedTask(*options_.memo, session_, task);
      Log(LogLevel::kInfo,
          fmt::format("task {} ({}) failed: {}; `windlass task replay {}` runs it again", id,
                      task.kind, error.what(), id));
    } catch (...) {
    }
  }

  // The task that completed, or nothing when an earlier Drive gave it up.
  std::optional<InFlight> Take(const Completion& completion) {
    watcher_.Remove(completion.id);
    auto node = in_flight_.extract(completion.id);
    if (!node.empty()) return std::move(node.mapped());
    if (!completion.error) session_.Drop(completion.result);
    return std::nullopt;
  }

  Bytes Finish(const InFlight& entry, const Completion& completion) {
    Bytes result = session_.Get(completion.result);
    session_.Drop(completion.result);
    ++stats_.executed;
    stats_.task_cpu_seconds += completion.cpu_seconds;
    stats_.task_wall_seconds += completion.wall_seconds;
    if (entry.key) {
      options_.memo->Remember(*entry.key, result);
      SyncPoint("driver.remembered");
    }
    return result;
  }

  void Deliver(std::int64_t index, Bytes result) {
#ifdef WINDLASS_PLANTED_COMPLETION_ORDER  // a defect that the invariance suite must catch
    reduce_(index, result);
    return;
#endif
    waiting_.emplace(index, std::move(result));
    while (!waiting_.empty() && waiting_.begin()->first == reduced_) {
      const Bytes ready = std::move(waiting_.begin()->second);
      waiting_.erase(waiting_.begin());
      reduce_(reduced_++, ready);
    }
  }

  // After an error: stop what runs, and remember what was done all the same. The first error is
  // what the user must see; those from here follow from it, and must not keep the rest from being
  // remembered.
  void Abandon() noexcept {
    const Deadline deadline = After(kDrainTime);
    try {
      for (const auto& [id, entry] : in_flight_) session_.Cancel(id);
    } catch (...) {
    }
    for (int failures = 0; !in_flight_.empty() && failures < kMaxFailures;) {
      try {
        const Completion completion = session_.Next(deadline);
        failures = 0;
        const std::optional<InFlight> entry = Take(completion);
        if (entry && !completion.error) Finish(*entry, completion);
      } catch (const Error& caught) {
        if (caught.code() == ErrorCode::kDeadlineExceeded) return;
        ++failures;
      } catch (...) {
        ++failures;
      }
    }
  }

  static constexpr std::chrono::seconds kDrainTime{60};
  static constexpr int kMaxFailures = 100;  // in a row: the session, not one task, is broken

  Session& session_;
  const DriveOptions& options_;
  const CancelToken& token_;
  const Reduce& reduce_;
  Watcher watcher_;
  DriveStats stats_;
  std::map<TaskId, InFlight> in_flight_;
  std::map<std::int64_t, Bytes> waiting_;
  std::int64_t reduced_ = 0;
};

}  // namespace

DriveStats Drive(Session& session, const DriveOptions& options, const CancelToken& token,
                 const std::function<std::optional<DriveTask>()>& next,
                 const std::function<void(std::int64_t, const Bytes&)>& reduce) {
  return Driver(session, options, token, reduce).Run(next);
}

std::vector<Bytes> DriveGang(Session& session, const std::vector<Task>& tasks,
                             const CancelToken& token) {
  token.Check();
  Watcher watcher(session, token);
  const std::vector<TaskId> ids = session.SubmitGang(tasks);
  watcher.Add(ids.front());
  std::vector<Bytes> results(ids.size());
  std::optional<Error> failed;
  for (std::size_t left = ids.size(); left > 0; --left) {
    const Completion completion = session.Next(Clock::now() + DriveOptions().patience);
    if (completion.error) {
      // Of the others: it says which one failed.
      if (!failed || failed->cause() == nullptr) failed = completion.error;
      continue;
    }
    const auto rank = static_cast<std::size_t>(std::ranges::find(ids, completion.id) - ids.begin());
    results.at(rank) = session.Get(completion.result);
    session.Drop(completion.result);
  }
  token.Check();
  if (failed) throw *failed;
  return results;
}

}  // namespace windlass::engine
