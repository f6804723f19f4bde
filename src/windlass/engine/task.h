// A task: a registered kind, small arguments, references to immutable inputs.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/bytes.h"
#include "windlass/base/cancel.h"
#include "windlass/base/export.h"
#include "windlass/base/hash.h"
#include "windlass/base/json.h"
#include "windlass/base/registry.h"

namespace windlass::engine {

// An immutable object that a session holds, by content.
struct ObjectRef {
  Hash hash;
  std::uint64_t size = 0;

  friend bool operator==(const ObjectRef&, const ObjectRef&) = default;
};

// Pure tasks give the same bytes each time: retried freely, remembered. Once tasks are retried
// only if `attempts` says so, and never remembered.
enum class TaskMode : std::uint8_t { kPure = 0, kOnce = 1 };

struct WINDLASS_API Task {
  std::string kind;
  std::int32_t version = 1;  // of the kind: part of the identity
  TaskMode mode = TaskMode::kPure;
  std::string arguments;          // small; its bytes are part of the identity
  std::vector<ObjectRef> inputs;  // their hashes are part of the identity
  std::string hints;  // how to get at the result, never what it is (an address, a time-out); small,
                      // no secrets, no part of the identity
  std::chrono::nanoseconds time_limit{0};  // zero: none
  std::int32_t attempts = 1;               // how often it may run in all when it fails retryably

  std::string Encode() const;
  static Task Decode(std::string_view bytes);
};

// The memo key: hash(key version, kind, kind version, arguments, input hashes, `libraries`).
// `libraries` names the versions of foreign code whose arithmetic the result depends on.
Hash TaskIdentity(const Task& task, std::string_view libraries);

// A task's place in its gang: tasks that run at the same time, and fail and are retried as one.
struct GangPlace {
  int rank = 0;
  int size = 1;
  std::string address;  // at which other members reach the machine of this one, without a port
};

// What a running task may ask of the worker it runs on.
class WINDLASS_API TaskContext {
 public:
  virtual ~TaskContext() = default;

  // True once the task was cancelled or its time limit has passed: return soon (by throwing
  // through CheckCancelled).
  virtual bool Cancelled() const = 0;
  void CheckCancelled() const;

  // Tells the driver something while the task still runs.
  virtual void Event(const Json& event) = 0;

  virtual Bytes Input(std::size_t index) const = 0;

  // Null for a task that was submitted alone.
  virtual const GangPlace* gang() const { return nullptr; }

  // The gang's rendezvous: gives each member the messages of all of them, by rank, once all have
  // called it, the n-th call of one together with the n-th calls of the others. For what members
  // need to find each other (a port, a token), not for data. Throws Error{kCancelled} when the task
  // is to stop, because another member failed for instance, {kInternal} when a member has ended
  // without calling it, or where there is no gang.
  virtual std::vector<std::string> Exchange(const std::string& message);

  // A value made from an input once a worker and kept as long as it is of use: `load` runs when
  // the worker does not have it. Keyed by the input's content, the task's hints and T; it may
  // vanish between tasks, so it can hold nothing but what follows from the input.
  template <typename T>
  std::shared_ptr<const T> Cached(
      std::size_t index, const std::function<std::shared_ptr<const T>(const Bytes&)>& load) {
    static const char type_key = 0;  // its address stands for T
    return std::static_pointer_cast<const T>(CachedErased(
        index, &type_key,
        [&load](const Bytes& bytes) -> std::shared_ptr<const void> { return load(bytes); }));
  }

 protected:
  using ErasedLoad = std::function<std::shared_ptr<const void>(const Bytes&)>;
  virtual std::shared_ptr<const void> CachedErased(std::size_t index, const void* type_key,
                                                   const ErasedLoad& load) = 0;
};

// A kind of task. Run returns the result's bytes or throws Error.
class TaskKind : public Registrable {
 public:
  static constexpr std::string_view kRegistryKind = "task kind";

  virtual std::int32_t version() const = 0;
  virtual Bytes Run(const Task& task, TaskContext& context) const = 0;
};

}  // namespace windlass::engine
