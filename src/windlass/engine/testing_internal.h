// For the tests of this folder: task kinds made of lambdas, gates between threads, caught errors.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/registry.h"
#include "windlass/engine/local.h"
#include "windlass/engine/session.h"
#include "windlass/engine/task.h"

namespace windlass::engine {

using RunFunction = std::function<Bytes(const Task&, TaskContext&)>;

class LambdaKind final : public TaskKind {
 public:
  LambdaKind(RunFunction run, std::int32_t version) : run_(std::move(run)), version_(version) {}
  std::int32_t version() const override { return version_; }
  Bytes Run(const Task& task, TaskContext& context) const override { return run_(task, context); }

 private:
  RunFunction run_;
  std::int32_t version_;
};

// A task of a new kind, registered for good: its sessions must end before what `run` refers to.
inline Task TaskThat(RunFunction run, std::int32_t version = 1) {
  static std::atomic<int> kinds = 0;
  Task task;
  task.kind = "test-" + std::to_string(++kinds);
  task.version = version;
  Registry::Global().Add<TaskKind>(task.kind,
                                   std::make_shared<LambdaKind>(std::move(run), version));
  return task;
}

inline Task With(Task task, std::string arguments, std::vector<ObjectRef> inputs = {}) {
  task.arguments = std::move(arguments);
  task.inputs = std::move(inputs);
  return task;
}

// A task that returns its arguments.
inline Task Echo() {
  static const Task task = TaskThat([](const Task& t, TaskContext&) { return Bytes(t.arguments); });
  return task;
}

// Opened once; whoever waits longer than a minute says so instead of hanging.
class Gate {
 public:
  void Open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    if (!opened_.wait_for(lock, std::chrono::minutes(1), [this] { return open_; })) {
      throw Error(ErrorCode::kDeadlineExceeded, "a gate of this test was never opened");
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

// What a well-behaved long task does: it computes, and looks whether it should stop.
[[noreturn]] inline void RunUntilCancelled(TaskContext& context) {
  for (;;) {
    context.CheckCancelled();
    std::this_thread::yield();
  }
}

inline std::unique_ptr<Session> Local(int workers, std::optional<std::uint64_t> chaos = {}) {
  return StartLocalSession({workers, chaos});
}

inline Deadline Soon() { return Clock::now() + std::chrono::minutes(1); }
inline Deadline Past() { return Clock::now() - std::chrono::seconds(1); }

// The Error that `body` throws.
template <typename Body>
std::optional<Error> Caught(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

// For EXPECT_EQ: the code of a caught error by name, "no error" when there was none.
inline std::string CodeOf(const std::optional<Error>& error) {
  return error ? std::string(ErrorCodeName(error->code())) : "no error";
}

inline std::string Text(const Bytes& bytes) { return std::string(bytes.view()); }

}  // namespace windlass::engine
