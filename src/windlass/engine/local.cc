#include "windlass/engine/local.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "windlass/base/cpu_clock.h"
#include "windlass/base/random.h"
#include "windlass/base/sync_point.h"
#include "windlass/engine/deadline_internal.h"
#include "windlass/engine/local_gang_internal.h"
#include "windlass/engine/local_internal.h"
#include "windlass/engine/worker.h"

namespace windlass::engine {
namespace {

constexpr int kMaxWorkers = 1024;

class LocalSession final : public Session {
 public:
  explicit LocalSession(const LocalOptions& options)
      : options_(options),
        shuffle_(options.chaos.value_or(0), /*stream=*/0),
        worker_(/*chaos=*/options.chaos.has_value()) {
    if (options_.workers < 1 || options_.workers > kMaxWorkers) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("a local session has 1 to {} workers, not {}", kMaxWorkers,
                              options_.workers));
    }
    try {
      for (int i = 1; i < options_.workers; ++i) {
        SyncPoint("engine.thread.start");
        threads_.emplace_back([this] { WorkerLoop(); });
      }
    } catch (const std::system_error& caught) {
      Close();
      throw Error(ErrorCode::kIo,
                  fmt::format("only {} of {} worker threads could be started: {}", threads_.size(),
                              options_.workers - 1, caught.what()));
    } catch (...) {
      Close();
      throw;
    }
  }

  ~LocalSession() override { Close(); }

  std::size_t HeldObjects() const {
    const std::lock_guard lock(mutex_);
    return objects_.size();
  }

  ObjectRef Put(Bytes object) override {
    const ObjectRef ref{HashOf(object.view()), object.size()};
    const std::lock_guard lock(mutex_);
    auto& held = objects_[ref.hash];
    if (held.uses++ == 0) held.bytes = std::move(object);
    return ref;
  }

  void Drop(const ObjectRef& ref) override {
    Held last;  // freed after the lock: a large object takes a while
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(ref.hash);
    if (found == objects_.end() || --found->second.uses > 0) return;
    last = std::move(found->second);
    objects_.erase(found);
  }

  TaskId Submit(const Task& task) override {
    TaskId id = 0;
    {
      const std::lock_guard lock(mutex_);
      Queued queued = Prepared(task);
      id = Enqueue(std::move(queued));
    }
    work_.notify_one();
    return id;
  }

  std::vector<TaskId> SubmitGang(const std::vector<Task>& tasks) override {
    CheckGang(tasks, options_.workers);
    const auto gang =
        std::make_shared<LocalGang>(static_cast<int>(tasks.size()), GangAttempts(tasks));
    std::vector<TaskId> ids;
    {
      const std::lock_guard lock(mutex_);
      std::vector<Queued> members;
      for (const Task& task : tasks) {
        members.push_back(Prepared(task));
        members.back().gang = gang;
        members.back().rank = static_cast<int>(members.size()) - 1;
      }
      // Side by side in the queue: the next workers that are free wait for each other there, so
      // that nothing later keeps one of them.
      for (Queued& member : members) ids.push_back(Enqueue(std::move(member)));
    }
    work_.notify_all();
    return ids;
  }

  Completion Next(Deadline deadline) override {
    std::unique_lock lock(mutex_);
    for (;;) {
      DeliverEvents(lock);
      if (MayDeliver()) return TakeCompletion();
      if (under_way_ == 0) {
        throw Error(ErrorCode::kInternal, "Session::Next was called with no task under way");
      }
      if (Clock::now() >= deadline) {
        if (!completed_.empty()) return TakeCompletion();  // chaos held it back
        throw Error(ErrorCode::kDeadlineExceeded,
                    fmt::format("waited too long for {} tasks under way", under_way_));
      }
      if (queue_.empty()) {
        done_.wait_until(lock, deadline);
      } else {  // the driver is a worker too
        RunOne(lock);
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
      std::shared_ptr<LocalGang> gang;
      if (const auto running = running_.find(id); running != running_.end()) {
        running->second.token.Cancel();
        gang = running->second.gang;
        if (!gang) return;
      } else {
        const auto queued = std::ranges::find(queue_, id, &Queued::id);
        if (queued == queue_.end()) return;  // it has finished
        gang = queued->gang;
      }
      if (gang) gang->Cancel();
      const auto is_meant = [&](const Queued& one) {
        return gang ? one.gang == gang : one.id == id;
      };
      for (const Queued& queued : queue_) {
        if (!is_meant(queued)) continue;
        Completion completion;
        completion.id = queued.id;
        completion.error = Error(ErrorCode::kCancelled, "the task was cancelled before it ran");
        completion.attempts = 0;
        completed_.push_back(std::move(completion));
      }
      std::erase_if(queue_, is_meant);
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
    std::vector<Bytes> inputs;
    std::shared_ptr<LocalGang> gang;  // null: alone
    int rank = 0;
  };
  struct Running {
    CancelToken token;
    std::shared_ptr<LocalGang> gang;
  };

  Queued Prepared(const Task& task) const {
    KindOf(task);  // an unknown one is an error of the driver
    Queued queued;
    queued.task = options_.chaos ? Task::Decode(task.Encode()) : task;
    for (const ObjectRef& ref : queued.task.inputs) queued.inputs.push_back(Find(ref));
    return queued;
  }

  TaskId Enqueue(Queued queued) {
    queued.id = ++last_id_;
    queue_.push_back(std::move(queued));
    ++under_way_;
    return last_id_;
  }

  // Queued tasks are forgotten, running ones asked to stop and waited for.
  void Close() {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
      queue_.clear();
      for (auto& [id, running] : running_) {
        running.token.Cancel();
        if (running.gang) running.gang->Cancel();
      }
    }
    work_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  Bytes Find(const ObjectRef& ref) const {
    const auto found = objects_.find(ref.hash);
    if (found == objects_.end()) {
      throw Error(ErrorCode::kNotFound,
                  fmt::format("object {} is not held by this session", ref.hash.Hex()));
    }
    return found->second.bytes;
  }

  // Chaos holds completions back until some have gathered or nothing else can finish, to have
  // something to shuffle. What is queued runs before Next waits, so that this ends.
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
      const EventHandler handler = on_event_;  // it may set another one
      lock.unlock();
      handler(id, event);
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
    Queued queued = std::move(queue_.front());
    queue_.pop_front();
    Running& running = running_[queued.id];
    running.gang = queued.gang;
    const CancelToken token = running.token;
    lock.unlock();
    Completion completion;
    completion.id = queued.id;
    const double cpu = ThreadCpuSeconds();
    const auto start = Clock::now();
    std::optional<Bytes> result;
    if (queued.gang) {
      completion.error = queued.gang->Run(
          queued.rank,
          [&](const GangMember& member, const CancelToken& stop) {
            std::optional<Error> error;
            result = Attempt(queued, stop, &member, error);
            return error;
          },
          completion.attempts);
    } else {
      for (completion.attempts = 1;; ++completion.attempts) {
        completion.error.reset();
        result = Attempt(queued, token, nullptr, completion.error);
        if (!completion.error || !completion.error->retryable() || token.cancelled() ||
            completion.attempts >= queued.task.attempts) {
          break;
        }
      }
    }
    if (!completion.error) Keep(std::move(*result), completion);
    completion.wall_seconds = std::chrono::duration<double>(Clock::now() - start).count();
    completion.cpu_seconds = ThreadCpuSeconds() - cpu;
    queued.inputs.clear();  // before the lock: the last holder frees them
    lock.lock();
    running_.erase(queued.id);
    completed_.push_back(std::move(completion));
    done_.notify_all();
  }

  // Runs the task once and gives its result, or sets the error.
  std::optional<Bytes> Attempt(const Queued& queued, const CancelToken& token,
                               const GangMember* gang, std::optional<Error>& error) {
    TaskInputs inputs;
    inputs.count = queued.inputs.size();
    // In chaos a copy of its own, so that a view kept beyond it is found by a sanitizer.
    inputs.get = [&](std::size_t index) {
      const Bytes& input = queued.inputs[index];
      return options_.chaos ? Bytes(std::string(input.view())) : input;
    };
    const auto send = [&](const Json& event) {
      Json sent = options_.chaos ? ParseJson(CanonicalDump(event), "an event") : event;
      const std::lock_guard lock(mutex_);
      events_.emplace_back(queued.id, std::move(sent));
      done_.notify_all();
    };
    return worker_.Run(queued.task, inputs, token, send, error, gang);
  }

  void Keep(Bytes result, Completion& completion) {
    try {
      completion.result = Put(std::move(result));
    } catch (const std::bad_alloc&) {
      completion.error = Error(ErrorCode::kIo, "out of memory");
    }
  }

  const LocalOptions options_;
  Random shuffle_;
  Worker worker_;
  EventHandler on_event_;

  mutable std::mutex mutex_;  // guards all that follows
  std::condition_variable work_;
  std::condition_variable done_;
  std::deque<Queued> queue_;
  std::map<TaskId, Running> running_;
  std::deque<Completion> completed_;
  std::deque<std::pair<TaskId, Json>> events_;
  std::unordered_map<Hash, Held> objects_;
  TaskId last_id_ = 0;
  std::size_t under_way_ = 0;  // submitted and not yet taken by Next
  bool closing_ = false;

  std::vector<std::thread> threads_;
};

class LocalEngine final : public Engine {
 public:
  std::unique_ptr<Session> Start(const ObjectSpec& spec, WorkerCount workers) const override {
    spec.AllowOnly({"chaos", "workers"});
    if (!spec.location.empty()) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("the local engine has no location: \"local\", not \"local:{}\"",
                              spec.location));
    }
    LocalOptions options;
    const auto cores = static_cast<std::int64_t>(std::thread::hardware_concurrency());
    // A range: as many as there are cores, within it.
    const std::int64_t asked = workers.least == workers.most
                                   ? workers.least
                                   : std::clamp<std::int64_t>(cores, workers.least, workers.most);
    const std::int64_t wanted = spec.Integer("workers", asked);
    if (wanted < -1 || wanted > kMaxWorkers) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("workers must be -1 (sequential), 0 (one a core) or 1 to {}, not {}",
                              kMaxWorkers, wanted));
    }
    options.workers =
        static_cast<int>(std::clamp<std::int64_t>(wanted == 0 ? cores : wanted, 1, kMaxWorkers));
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

std::size_t HeldObjects(const Session& session) {
  return dynamic_cast<const LocalSession&>(session).HeldObjects();
}

void RegisterLocalEngine(Registry& registry) {
  registry.Add<Engine>("local", std::make_shared<LocalEngine>());
}

}  // namespace windlass::engine
