// Runs tasks in this process, whatever engine brought them here.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "windlass/base/bytes.h"
#include "windlass/base/cancel.h"
#include "windlass/base/error.h"
#include "windlass/base/export.h"
#include "windlass/base/json.h"
#include "windlass/engine/task.h"

namespace windlass::engine {

// The kind of a task. Throws Error{kNotFound} for one that is unknown here, Error{kUnsupported}
// for another version of it.
WINDLASS_API const TaskKind& KindOf(const Task& task);

// Throws Error{kInvalidInput} for a gang of no task, or of more than `most`.
WINDLASS_API void CheckGang(const std::vector<Task>& tasks, int most);

// How often a gang may run in all: the least that its tasks say.
WINDLASS_API int GangAttempts(const std::vector<Task>& tasks);

// A running task's inputs, fetched when it asks for them.
struct TaskInputs {
  std::size_t count = 0;
  std::function<Bytes(std::size_t index)> get;  // may throw Error; thread safe
};

// A running task's place in its gang and the rendezvous there; see TaskContext::Exchange.
struct GangMember {
  GangPlace place;
  std::function<std::vector<std::string>(const std::string& message,
                                         const std::function<bool()>& stop)>
      exchange;  // gives up with Error{kCancelled} when `stop` says so
};

// Holds what tasks made from their inputs (TaskContext::Cached) for later ones. Thread safe.
class WINDLASS_API Worker {
 public:
  // `chaos`: caches are emptied before every task, and pure tasks run twice (results that differ
  // are an Error{kInternal}).
  explicit Worker(bool chaos = false);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Runs the task once and gives its result, or nothing and sets `error`: whatever the task
  // threw, Error{kDeadlineExceeded} when it ran longer than its limit, Error{kCancelled} after
  // `token`. Throws nothing itself. `send` is called for each event, from the task's thread.
  // `gang`: null for a task alone.
  std::optional<Bytes> Run(const Task& task, const TaskInputs& inputs, const CancelToken& token,
                           const std::function<void(const Json&)>& send,
                           std::optional<Error>& error, const GangMember* gang = nullptr);

 private:
  class Cache;
  class Context;

  Bytes RunChecked(const Task& task, Context& context);

  const bool chaos_;
  std::unique_ptr<Cache> cache_;
};

}  // namespace windlass::engine
