#include "windlass/engine/worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <list>
#include <mutex>
#include <new>
#include <utility>

#include "windlass/base/sync_point.h"
#include "windlass/engine/deadline_internal.h"

namespace windlass::engine {

// Values made from inputs, each loaded by one thread while others that want it wait.
class Worker::Cache {
 public:
  using Load = std::function<std::shared_ptr<const void>()>;

  std::shared_ptr<const void> Get(const Hash& input, const void* type, const Load& load) {
    std::shared_ptr<Slot> slot;
    {
      const std::lock_guard lock(mutex_);
      const auto found = std::ranges::find_if(
          slots_, [&](const auto& s) { return s->input == input && s->type == type; });
      if (found != slots_.end()) {
        slot = *found;
        slots_.erase(found);
      } else {
        slot = std::make_shared<Slot>(input, type);
      }
      slots_.push_front(slot);
      if (slots_.size() > kCachedValues) slots_.pop_back();
    }
    const std::lock_guard lock(slot->mutex);
    if (!slot->value) slot->value = load();  // when it throws, the next one tries again
    return slot->value;
  }

  void Clear() {
    const std::lock_guard lock(mutex_);
    slots_.clear();
  }

 private:
  static constexpr std::size_t kCachedValues = 16;  // the least recently used one goes first

  struct Slot {
    Slot(const Hash& i, const void* t) : input(i), type(t) {}
    Hash input;
    const void* type;
    std::mutex mutex;
    std::shared_ptr<const void> value;
  };
  std::mutex mutex_;
  std::list<std::shared_ptr<Slot>> slots_;
};

class Worker::Context final : public TaskContext {
 public:
  Context(Cache& cache, const Task& task, const TaskInputs& inputs, const CancelToken& token,
          const std::function<void(const Json&)>& send, const GangMember* gang)
      : cache_(cache), task_(task), inputs_(inputs), token_(token), send_(send), gang_(gang) {
    StartClock();
  }
  void StartClock() {
    deadline_.reset();
    if (task_.time_limit.count() > 0) deadline_ = After(task_.time_limit);
  }
  bool TimedOut() const { return deadline_ && Clock::now() >= *deadline_; }
  bool Cancelled() const override { return token_.cancelled() || TimedOut(); }
  void Event(const Json& event) override { send_(event); }
  Bytes Input(std::size_t index) const override {
    if (index >= inputs_.count) {
      throw Error(ErrorCode::kInternal,
                  fmt::format("task kind \"{}\" asked for input {}, but was given {}", task_.kind,
                              index, inputs_.count));
    }
    return inputs_.get(index);
  }
  const GangPlace* gang() const override { return gang_ == nullptr ? nullptr : &gang_->place; }
  std::vector<std::string> Exchange(const std::string& message) override {
    if (gang_ == nullptr) return TaskContext::Exchange(message);
    return gang_->exchange(message, [this] { return Cancelled(); });
  }

 protected:
  std::shared_ptr<const void> CachedErased(std::size_t index, const void* type,
                                           const ErasedLoad& load) override {
    if (index >= task_.inputs.size()) static_cast<void>(Input(index));  // says so
    Hash key = task_.inputs[index].hash;
    if (!task_.hints.empty()) {
      const std::string_view bytes(reinterpret_cast<const char*>(key.bytes.data()),
                                   key.bytes.size());
      key = Hasher().Field(bytes).Field(task_.hints).Finish();
    }
    return cache_.Get(key, type, [&] { return load(Input(index)); });
  }

 private:
  Cache& cache_;
  const Task& task_;
  const TaskInputs& inputs_;
  const CancelToken& token_;
  const std::function<void(const Json&)>& send_;
  const GangMember* const gang_;
  std::optional<Deadline> deadline_;
};

const TaskKind& KindOf(const Task& task) {
  const TaskKind& kind = Registry::Global().Find<TaskKind>(task.kind);
  if (kind.version() != task.version) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("task kind \"{}\" is version {} here, version {} was asked for",
                            task.kind, kind.version(), task.version));
  }
  return kind;
}

void CheckGang(const std::vector<Task>& tasks, int most) {
  if (tasks.empty()) throw Error(ErrorCode::kInvalidInput, "a gang of no task was submitted");
  if (tasks.size() > static_cast<std::size_t>(most)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("a gang of {} tasks needs as many workers at the same time, and there "
                            "are {}; ask for more (-w {})",
                            tasks.size(), most, tasks.size()));
  }
}

int GangAttempts(const std::vector<Task>& tasks) {
  return std::ranges::min_element(tasks, {}, &Task::attempts)->attempts;
}

Worker::Worker(bool chaos) : chaos_(chaos), cache_(std::make_unique<Cache>()) {}
Worker::~Worker() = default;

std::optional<Bytes> Worker::Run(const Task& task, const TaskInputs& inputs,
                                 const CancelToken& token,
                                 const std::function<void(const Json&)>& send,
                                 std::optional<Error>& error, const GangMember* gang) {
  Context context(*cache_, task, inputs, token, send, gang);
  try {
    context.CheckCancelled();
    SyncPoint("engine.task.start");
    Bytes result = RunChecked(task, context);
    SyncPoint("engine.task.ran");
    return result;
  } catch (const Error& caught) {
    if (caught.code() == ErrorCode::kCancelled && context.TimedOut() && !token.cancelled()) {
      error = Error(ErrorCode::kDeadlineExceeded,
                    fmt::format("the task ran longer than its limit of {:.3g} s",
                                std::chrono::duration<double>(task.time_limit).count()));
    } else {
      error = caught;
    }
  } catch (const std::bad_alloc&) {
    error = Error(ErrorCode::kIo, "out of memory");
  } catch (const std::exception& caught) {
    error = Error(ErrorCode::kInternal, caught.what());
  } catch (...) {
    error = Error(ErrorCode::kInternal,
                  fmt::format("task kind \"{}\" threw what is not an exception", task.kind));
  }
  return std::nullopt;
}

Bytes Worker::RunChecked(const Task& task, Context& context) {
  const TaskKind& kind = KindOf(task);
  if (!chaos_) return kind.Run(task, context);
  cache_->Clear();
  Bytes result = kind.Run(task, context);
  if (task.mode != TaskMode::kPure) return result;
  cache_->Clear();
  context.StartClock();  // the time limit is for one run
  if (kind.Run(task, context) != result) {
    throw Error(ErrorCode::kInternal,
                fmt::format("task kind \"{}\" is not pure: running it twice gave different bytes",
                            task.kind));
  }
  return result;
}

}  // namespace windlass::engine
