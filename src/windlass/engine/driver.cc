#include "windlass/engine/driver.h"

#include <algorithm>
#include <map>
#include <utility>

#include "windlass/base/sync_point.h"

namespace windlass::engine {
namespace {

class Driver {
 public:
  using Next = std::function<std::optional<DriveTask>()>;
  using Reduce = std::function<void(std::int64_t, const Bytes&)>;

  Driver(Session& session, const DriveOptions& options, const CancelToken& token,
         const Reduce& reduce)
      : session_(session), options_(options), token_(token), reduce_(reduce) {}

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
  struct InFlight {
    std::int64_t index;
    DriveTask task;
    std::optional<Hash> key;
  };

  // Results wait for earlier ones, so what is finished but not reduced counts as well.
  bool HasRoom() const {
    const auto limit = static_cast<std::size_t>(
        std::max(1, session_.Slots() * options_.in_flight_per_slot));
    return in_flight_.size() + waiting_.size() < limit;
  }

  bool SubmitNext(const Next& next) {
    std::optional<DriveTask> drive_task = next();
    if (!drive_task) return false;
    const std::int64_t index = stats_.tasks++;
    InFlight entry{index, std::move(*drive_task), std::nullopt};
    if (options_.memo != nullptr && entry.task.task.mode == TaskMode::kPure) {
      entry.key = TaskIdentity(entry.task.task, options_.libraries);
      if (const auto result = options_.memo->Recall(*entry.key)) {
        ++stats_.recalled;
        DropOwn(entry.task);
        Deliver(index, *result);
        return true;
      }
    }
    const TaskId id = session_.Submit(entry.task.task);
    in_flight_.emplace(id, std::move(entry));
    return true;
  }

  void Await() {
    const Completion completion = session_.Next(Clock::now() + options_.patience);
    const auto node = in_flight_.extract(completion.id);
    if (node.empty()) return;
    const InFlight& entry = node.mapped();
    DropOwn(entry.task);
    if (completion.error) throw Error(*completion.error);
    Deliver(entry.index, Finish(entry, completion));
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

  void DropOwn(const DriveTask& task) {
    for (const ObjectRef& ref : task.own) session_.Drop(ref);
  }

  // After an error: stop what runs, and remember what was done all the same.
  void Abandon() noexcept {
    try {
      for (const auto& [id, entry] : in_flight_) session_.Cancel(id);
      while (!in_flight_.empty()) {
        const Completion completion = session_.Next(Clock::now() + std::chrono::seconds(60));
        const auto node = in_flight_.extract(completion.id);
        if (!node.empty() && !completion.error) Finish(node.mapped(), completion);
      }
    } catch (const std::exception&) {
      // The first error is what the user must see; this one follows from it.
    }
  }

  Session& session_;
  const DriveOptions& options_;
  const CancelToken& token_;
  const Reduce& reduce_;
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

}  // namespace windlass::engine
