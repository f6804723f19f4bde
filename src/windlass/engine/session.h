// The one seam that lets the same driver run anywhere: a driver's own queue of completions.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/bytes.h"
#include "windlass/base/cancel.h"
#include "windlass/base/error.h"
#include "windlass/base/export.h"
#include "windlass/base/object_spec.h"
#include "windlass/engine/task.h"

namespace windlass::engine {

using TaskId = std::uint64_t;

// One finished task: the result's reference, or an error.
struct Completion {
  TaskId id = 0;
  std::optional<Error> error;
  ObjectRef result;  // valid when there is no error
  int attempts = 1;
  double wall_seconds = 0;
  double cpu_seconds = 0;
};

// Driven from one thread; only Cancel may be called from others.
class WINDLASS_API Session {
 public:
  virtual ~Session() = default;

  // Makes an object known to the workers: once an object, however many tasks read it.
  virtual ObjectRef Put(Bytes object) = 0;

  // Forgets an object that no later task will read. Running tasks keep what they hold.
  virtual void Drop(const ObjectRef& ref) = 0;

  // Queues a task and returns at once. Throws Error{kNotFound} for an unknown kind or an input
  // that the session does not hold, Error{kUnsupported} for another version of the kind.
  virtual TaskId Submit(const Task& task) = 0;

  // Queues tasks that run at the same time or not at all, each with its place (TaskContext::gang),
  // and returns at once. They complete one by one, after all of them have ended. When one fails,
  // the others are asked to stop; they run again together when the fault allows it and the least
  // `attempts` of them does, and else all of them complete with an error: the one that failed with
  // its own, the others with one that names it. Cancelling one cancels all.
  // Throws Error as Submit does, and Error{kInvalidInput} for no task, or more of them than may
  // ever run at the same time.
  virtual std::vector<TaskId> SubmitGang(const std::vector<Task>& tasks) = 0;

  // The next finished task, in whatever order they finish.
  // Throws Error{kDeadlineExceeded} saying how many tasks it waited for, Error{kInternal} when
  // none is under way, and what an event handler throws. A deadline in the past gives what has
  // finished already. Where the driver's thread runs tasks itself, none starts after the deadline
  // and one that has started is not cut short.
  virtual Completion Next(Deadline deadline) = 0;

  // The bytes of a result or of a Put object. Throws Error{kNotFound}.
  virtual Bytes Get(const ObjectRef& ref) = 0;

  // Asks one task to stop; it still completes, with Error{kCancelled}, unless it was faster.
  virtual void Cancel(TaskId id) = 0;

  // How many tasks run at the same time now; may change.
  virtual int Slots() const = 0;

  // How many tasks each of them takes at a time, because tasks are small; may change.
  virtual int Together() const { return 1; }

  // Events that running tasks sent: called from within Next, on the driver's thread, a task's in
  // the order it sent them and all before its completion. A task that is retried sends them again.
  using EventHandler = std::function<void(TaskId, const Json&)>;
  virtual void OnEvent(EventHandler handler) = 0;
};

// How many tasks are to run at the same time, as -w says: a number, "MIN:MAX" where the engine may
// find workers while it runs, 0 for as many as there are cores, -1 for one after the other.
struct WINDLASS_API WorkerCount {
  int least = 0;
  int most = 0;  // as `least` but for MIN:MAX

  // Throws Error{kUsage} saying what is wanted.
  static WorkerCount Parse(std::string_view text);
  std::string Text() const;
};

// Makes sessions from an engine string: `local`, `local?workers=4`, `local?chaos=SEED`.
class WINDLASS_API Engine : public Registrable {
 public:
  static constexpr std::string_view kRegistryKind = "engine";
  virtual std::unique_ptr<Session> Start(const ObjectSpec& spec, WorkerCount workers) const = 0;
};

// Throws Error{kNotFound} naming the known engines.
WINDLASS_API std::unique_ptr<Session> StartSession(std::string_view engine, WorkerCount workers);

}  // namespace windlass::engine
