#include "windlass/engine/local.h"

#include <time.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "windlass/base/random.h"
#include "windlass/base/sync_point.h"

namespace windlass::engine {
namespace {

constexpr int kMaxWorkers = 1024;
constexpr std::size_t kCachedValues = 16;  // per session; the least recently used one goes first

double ThreadCpuSeconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Values made from inputs, each loaded by one thread while others that want it wait.
class WorkerCache {
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

class LocalSession final : public Session {
 public:
  explicit LocalSession(const LocalOptions& options)
      : options_(options), shuffle_(options.chaos.value_or(0), /*stream=*/0) {
    for (int i = 1; i < options_.workers; ++i) threads_.emplace_back([this] { WorkerLoop(); });
  }

  ~LocalSession() override {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
      queue_.clear();
      for (auto& [id, running] : running_) running.token.Cancel();
    }
    work_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  ObjectRef Put(Bytes object) override {
    const ObjectRef ref{HashOf(object.view()), object.size()};
    const std::lock_guard lock(mutex_);
    auto& held = objects_[ref.hash];
    if (held.uses++ == 0) held.bytes = std::move(object);
    return ref;
  }

  void Drop(const ObjectRef& ref) override {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(ref.hash);
    if (found != objects_.end() && --found->second.uses == 0) objects_.erase(found);
  }

  TaskId Submit(const Task& task) override {
    const TaskKind& kind = Registry::Global().Find<TaskKind>(task.kind);
    if (kind.version() != task.version) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("task kind \"{}\" is version {} here, version {} was asked for",
                              task.kind, kind.version(), task.version));
    }
    Queued queued;
    queued.task = options_.chaos ? Task::Decode(task.Encode()) : task;
    queued.kind = &kind;
    {
      const std::lock_guard lock(mutex_);
      for (const ObjectRef& ref : queued.task.inputs) queued.inputs.push_back(Find(ref));
      queued.id = ++last_id_;
      queue_.push_back(std::move(queued));
      ++under_way_;
    }
    work_.notify_one();
    return last_id_;
  }

  Completion Next(Deadline deadline) override {
    std::unique_lock lock(mutex_);
    for (;;) {
      DeliverEvents(lock);
      if (MayDeliver()) return TakeCompletion();
      if (under_way_ == 0) {
        throw Error(ErrorCode::kInternal, "Session::Next was called with no task under way");
      }
      if (!queue_.empty()) {  // the driver is a worker too
        RunOne(lock);
        continue;
      }
      if (done_.wait_until(lock, deadline) == std::cv_status::timeout && !MayDeliver()) {
        throw Error(ErrorCode::kDeadlineExceeded,
                    fmt::format("waited too long for {} tasks under way", under_way_));
      }
    }
  }

  Bytes Get(const ObjectRef& ref) override {
    const std::lock_guard lock(mutex_);
    return Find(ref);
  }

  void Cancel(TaskId id) override {
    {
      const std::lock_guard lock(mutex_);
      if (const auto running = running_.find(id); running != running_.end()) {
        running->second.token.Cancel();
        return;
      }
      const auto queued = std::ranges::find(queue_, id, &Queued::id);
      if (queued == queue_.end()) return;  // it has finished
      Completion completion;
      completion.id = id;
      completion.error = Error(ErrorCode::kCancelled, "the task was cancelled before it ran");
      completion.attempts = 0;
      queue_.erase(queued);
      completed_.push_back(std::move(completion));
    }
    done_.notify_all();
  }

  int Slots() const override { return options_.workers; }

  void OnEvent(EventHandler handler) override { on_event_ = std::move(handler); }

 private:
  struct Held {
    Bytes bytes;
    int uses = 0;
  };
  struct Queued {
    TaskId id = 0;
    Task task;
    const TaskKind* kind = nullptr;
    std::vector<Bytes> inputs;
  };
  struct Running {
    CancelToken token;
  };

  class Context final : public TaskContext {
   public:
    Context(LocalSession& session, const Queued& queued, CancelToken token)
        : session_(session), queued_(queued), token_(std::move(token)) {
      if (queued.task.time_limit.count() > 0) deadline_ = Clock::now() + queued.task.time_limit;
    }
    bool TimedOut() const { return deadline_ && Clock::now() >= *deadline_; }
    bool Cancelled() const override { return token_.cancelled() || TimedOut(); }
    void Event(const Json& event) override {
      const std::lock_guard lock(session_.mutex_);
      session_.events_.emplace_back(queued_.id, event);
      session_.done_.notify_all();
    }
    Bytes Input(std::size_t index) const override { return queued_.inputs.at(index); }

   protected:
    std::shared_ptr<const void> CachedErased(std::size_t index, const void* type,
                                             const ErasedLoad& load) override {
      return session_.cache_.Get(queued_.task.inputs.at(index).hash, type,
                                 [&] { return load(queued_.inputs[index]); });
    }

   private:
    LocalSession& session_;
    const Queued& queued_;
    CancelToken token_;
    std::optional<Deadline> deadline_;
  };

  Bytes Find(const ObjectRef& ref) const {
    const auto found = objects_.find(ref.hash);
    if (found == objects_.end()) {
      throw Error(ErrorCode::kNotFound,
                  fmt::format("object {} is not held by this session", ref.hash.Hex()));
    }
    return found->second.bytes;
  }

  // Chaos holds completions back until nothing else can finish, to have some to shuffle.
  bool MayDeliver() const {
    if (completed_.empty()) return false;
    return !options_.chaos || completed_.size() == under_way_ || completed_.size() >= 8;
  }

  Completion TakeCompletion() {
    const std::size_t index = options_.chaos ? shuffle_.Below(completed_.size()) : 0;
    Completion taken = std::move(completed_[index]);
    completed_.erase(completed_.begin() + static_cast<std::ptrdiff_t>(index));
    --under_way_;
    if (options_.chaos && taken.error) taken.error = Error::Decode(taken.error->Encode());
    return taken;
  }

  void DeliverEvents(std::unique_lock<std::mutex>& lock) {
    while (!events_.empty()) {
      const auto [id, event] = std::move(events_.front());
      events_.pop_front();
      if (!on_event_) continue;
      lock.unlock();
      on_event_(id, event);
      lock.lock();
    }
  }

  void WorkerLoop() {
    std::unique_lock lock(mutex_);
    for (;;) {
      work_.wait(lock, [this] { return closing_ || !queue_.empty(); });
      if (closing_) return;
      RunOne(lock);
    }
  }

  // Takes the oldest task and runs it with the lock released.
  void RunOne(std::unique_lock<std::mutex>& lock) {
    const Queued queued = std::move(queue_.front());
    queue_.pop_front();
    const CancelToken token = running_[queued.id].token;
    lock.unlock();
    Completion completion;
    completion.id = queued.id;
    const double cpu = ThreadCpuSeconds();
    const auto start = Clock::now();
    std::optional<Bytes> result;
    for (completion.attempts = 1;; ++completion.attempts) {
      completion.error.reset();
      result = Attempt(queued, token, completion.error);
      if (result || !completion.error->retryable() || token.cancelled() ||
          completion.attempts >= queued.task.attempts) {
        break;
      }
    }
    completion.wall_seconds = std::chrono::duration<double>(Clock::now() - start).count();
    completion.cpu_seconds = ThreadCpuSeconds() - cpu;
    if (result) completion.result = Put(std::move(*result));
    SyncPoint("engine.task.ran");
    lock.lock();
    running_.erase(queued.id);
    completed_.push_back(std::move(completion));
    done_.notify_all();
  }

  std::optional<Bytes> Attempt(const Queued& queued, const CancelToken& token,
                               std::optional<Error>& error) {
    Context context(*this, queued, token);
    try {
      if (options_.chaos) cache_.Clear();
      context.CheckCancelled();
      SyncPoint("engine.task.start");
      Bytes result = queued.kind->Run(queued.task, context);
      if (options_.chaos && queued.task.mode == TaskMode::kPure) {
        cache_.Clear();
        if (queued.kind->Run(queued.task, context) != result) {
          throw Error(ErrorCode::kInternal,
                      fmt::format("task kind \"{}\" is not pure: running it twice gave different "
                                  "bytes",
                                  queued.task.kind));
        }
      }
      return result;
    } catch (const Error& caught) {
      if (caught.code() == ErrorCode::kCancelled && context.TimedOut() && !token.cancelled()) {
        error = Error(ErrorCode::kDeadlineExceeded,
                      fmt::format("the task ran longer than its limit of {:.3g} s",
                                  std::chrono::duration<double>(queued.task.time_limit).count()));
      } else {
        error = caught;
      }
    } catch (const std::bad_alloc&) {
      error = Error(ErrorCode::kIo, "out of memory");
    } catch (const std::exception& caught) {
      error = Error(ErrorCode::kInternal, caught.what());
    }
    return std::nullopt;
  }

  const LocalOptions options_;
  Random shuffle_;
  WorkerCache cache_;
  EventHandler on_event_;

  std::mutex mutex_;  // guards all that follows
  std::condition_variable work_;
  std::condition_variable done_;
  std::deque<Queued> queue_;
  std::map<TaskId, Running> running_;
  std::vector<Completion> completed_;
  std::deque<std::pair<TaskId, Json>> events_;
  std::unordered_map<Hash, Held> objects_;
  TaskId last_id_ = 0;
  std::size_t under_way_ = 0;  // submitted and not yet taken by Next
  bool closing_ = false;

  std::vector<std::thread> threads_;
};

class LocalEngine final : public Engine {
 public:
  std::unique_ptr<Session> Start(const ObjectSpec& spec, int workers) const override {
    spec.AllowOnly({"chaos", "workers"});
    LocalOptions options;
    const std::int64_t wanted = spec.Integer("workers", workers);
    if (wanted < -1 || wanted > kMaxWorkers) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("workers must be -1 (sequential), 0 (one a core) or 1 to {}, not {}",
                              kMaxWorkers, wanted));
    }
    options.workers = wanted == 0 ? static_cast<int>(std::max(1u, std::thread::hardware_concurrency()))
                                  : std::max<int>(1, static_cast<int>(wanted));
    if (spec.options.contains("chaos")) {
      options.chaos = static_cast<std::uint64_t>(spec.Integer("chaos", 0));
    }
    return StartLocalSession(options);
  }
};

}  // namespace

std::unique_ptr<Session> StartLocalSession(const LocalOptions& options) {
  return std::make_unique<LocalSession>(options);
}

void RegisterLocalEngine(Registry& registry) {
  registry.Add<Engine>("local", std::make_shared<LocalEngine>());
}

}  // namespace windlass::engine
