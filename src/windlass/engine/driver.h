// The one loop that every capability drives its tasks with.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "windlass/base/export.h"
#include "windlass/engine/session.h"
#include "windlass/store/store.h"

namespace windlass::engine {

struct DriveOptions {
  store::Store* memo = nullptr;  // null: nothing is remembered or recalled
  std::string libraries;         // see TaskIdentity
  int in_flight_per_slot = 3;
  std::chrono::seconds patience{3600};  // for any one completion
};

struct DriveStats {
  std::int64_t tasks = 0;
  std::int64_t executed = 0;
  std::int64_t recalled = 0;  // found in the memo table
  double task_cpu_seconds = 0;
  double task_wall_seconds = 0;
};

// A task and the objects that were Put for it alone: they are dropped when it has finished.
struct DriveTask {
  Task task;
  std::vector<ObjectRef> own;
};

// Asks `next` for tasks until it gives none, keeps a bounded number of them in flight, and hands
// each result to `reduce` in the order in which `next` gave the tasks, whatever the order of
// completion. Results of pure tasks are looked up in, and added to, the memo table.
//
// When the token is cancelled, or a task fails, or `next` or `reduce` throw, no further task
// starts, those in flight are asked to stop, what finishes all the same is still remembered, and
// the first error is thrown.
WINDLASS_API DriveStats
Drive(Session& session, const DriveOptions& options, const CancelToken& token,
      const std::function<std::optional<DriveTask>()>& next,
      const std::function<void(std::int64_t index, const Bytes& result)>& reduce);

// Runs tasks as one gang and gives their results by rank. Nothing is remembered. Throws the gang's
// error, which names the task that failed; Error{kCancelled} once the token is cancelled and all of
// them have ended.
WINDLASS_API std::vector<Bytes> DriveGang(Session& session, const std::vector<Task>& tasks,
                                          const CancelToken& token);

}  // namespace windlass::engine
