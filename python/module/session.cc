// Engines that are written in Python, and the worker that their processes run tasks with.
#include "windlass/engine/session.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bindings.h"
#include "bytes.h"
#include "errors.h"
#include "windlass/base/cancel.h"
#include "windlass/base/cpu_clock.h"
#include "windlass/base/hash.h"
#include "windlass/base/json.h"
#include "windlass/base/registry.h"
#include "windlass/base/sync_point.h"
#include "windlass/engine/worker.h"

namespace nb = nanobind;

namespace windlass::python {
namespace {

using engine::ObjectRef;
using engine::Task;
using engine::TaskId;

std::string_view BytesOf(const Hash& hash) {
  return {reinterpret_cast<const char*>(hash.bytes.data()), hash.bytes.size()};
}

Hash HashFrom(const nb::bytes& bytes) {
  Hash hash;
  if (bytes.size() != hash.bytes.size()) {
    throw Error(ErrorCode::kInternal, "an engine in Python named an object by no hash");
  }
  std::copy_n(static_cast<const std::uint8_t*>(bytes.data()), hash.bytes.size(),
              hash.bytes.begin());
  return hash;
}

// Longer than anybody waits, and within what Python's clocks take.
constexpr double kLongWait = 1e6;

// How often a task that waits for its gang looks whether it should stop.
constexpr double kLookSeconds = 0.1;

// A session whose methods are those of a Python object, see windlass/ray/session.py. What is
// counted and checked is counted and checked here; Python moves bytes.
class PythonSession final : public engine::Session {
 public:
  explicit PythonSession(nb::object session) : session_(std::move(session)) {}

  ~PythonSession() override {
    const nb::gil_scoped_acquire gil;
    try {
      session_.attr("close")();
    } catch (nb::python_error& raised) {
      raised.discard_as_unraisable("closing a session");
    }
    session_.reset();
  }

  ObjectRef Put(Bytes object) override {
    const ObjectRef ref{HashOf(object.view()), object.size()};
    if (uses_[ref.hash]++ > 0) return ref;
    CallPython("the engine's put", [&] {
      session_.attr("put")(PythonBytes(BytesOf(ref.hash)), PythonBytes(object.view()));
    });
    return ref;
  }

  void Drop(const ObjectRef& ref) override {
    const auto found = uses_.find(ref.hash);
    if (found == uses_.end() || --found->second > 0) return;
    uses_.erase(found);
    CallPython("the engine's drop", [&] { session_.attr("drop")(PythonBytes(BytesOf(ref.hash))); });
  }

  TaskId Submit(const Task& task) override {
    CheckTask(task);
    const TaskId id = ++last_id_;
    CallPython("the engine's submit", [&] { session_.attr("submit")(*Described(id, task)); });
    ++under_way_;
    return id;
  }

  std::vector<TaskId> SubmitGang(const std::vector<Task>& tasks) override {
    engine::CheckGang(tasks, CallPython("the engine's most", [&] {
                        return nb::cast<int>(session_.attr("most_at_once")());
                      }));
    for (const Task& task : tasks) CheckTask(task);
    std::vector<TaskId> ids;
    CallPython("the engine's submit_gang", [&] {
      nb::list members;
      for (const Task& task : tasks) {
        ids.push_back(++last_id_);
        members.append(Described(ids.back(), task));
      }
      session_.attr("submit_gang")(members, engine::GangAttempts(tasks));
    });
    under_way_ += ids.size();
    return ids;
  }

  engine::Completion Next(Deadline deadline) override {
    for (;;) {
      if (under_way_ == 0) {
        throw Error(ErrorCode::kInternal, "Session::Next was called with no task under way");
      }
      const double wait = std::chrono::duration<double>(deadline - Clock::now()).count();
      std::optional<std::pair<TaskId, Json>> event;
      std::optional<engine::Completion> completion;
      CallPython("the engine's next", [&] {
        const nb::object found = session_.attr("next")(std::clamp(wait, 0.0, kLongWait));
        if (found.is_none()) return;
        const auto parts = nb::cast<nb::tuple>(found);
        if (parts.size() == 2) {
          event.emplace(nb::cast<TaskId>(parts[0]),
                        ParseJson(nb::cast<std::string>(parts[1]), "an event"));
        } else {
          completion = CompletionFrom(parts);
        }
      });
      if (event && on_event_) on_event_(event->first, event->second);
      if (completion) {
        --under_way_;
        return std::move(*completion);
      }
      if (!event && Clock::now() >= deadline) {
        throw Error(ErrorCode::kDeadlineExceeded,
                    "waited too long for " + std::to_string(under_way_) + " tasks under way");
      }
    }
  }

  Bytes Get(const ObjectRef& ref) override {
    if (!uses_.contains(ref.hash)) {
      throw Error(ErrorCode::kNotFound, "the session does not hold the object " + ref.hash.Hex());
    }
    Bytes object = CallPython("the engine's get", [&] {
      const auto bytes = nb::cast<nb::bytes>(session_.attr("get")(PythonBytes(BytesOf(ref.hash))));
      return Bytes(std::string(View(bytes)));
    });
    if (object.size() != ref.size || HashOf(object.view()) != ref.hash) {
      throw Error(ErrorCode::kCorrupt,
                  "an object came back from a worker as other bytes: " + ref.hash.Hex());
    }
    return object;
  }

  void Cancel(TaskId id) override {
    CallPython("the engine's cancel", [&] { session_.attr("cancel")(id); });
  }

  int Slots() const override {
    return CallPython("the engine's slots",
                      [&] { return nb::cast<int>(session_.attr("slots")()); });
  }

  int Together() const override {
    return CallPython("the engine's together",
                      [&] { return nb::cast<int>(session_.attr("together")()); });
  }

  void OnEvent(EventHandler handler) override { on_event_ = std::move(handler); }

 private:
  void CheckTask(const Task& task) const {
    engine::KindOf(task);  // an unknown one is an error of the driver
    for (const ObjectRef& input : task.inputs) {
      if (!uses_.contains(input.hash)) {
        throw Error(ErrorCode::kNotFound,
                    "the session does not hold the object " + input.hash.Hex());
      }
    }
  }

  // (id, encoded task, hashes of its inputs, kind, whether it is pure, attempts, seconds it may
  // run)
  static nb::tuple Described(TaskId id, const Task& task) {
    nb::list inputs;
    for (const ObjectRef& input : task.inputs) inputs.append(PythonBytes(BytesOf(input.hash)));
    return nb::make_tuple(id, PythonBytes(task.Encode()), inputs, task.kind,
                          task.mode == engine::TaskMode::kPure, task.attempts,
                          std::chrono::duration<double>(task.time_limit).count());
  }

  // (id, encoded error or None, hash, size, attempts, wall seconds, CPU seconds)
  engine::Completion CompletionFrom(const nb::tuple& parts) {
    engine::Completion completion;
    completion.id = nb::cast<TaskId>(parts[0]);
    if (!parts[1].is_none()) {
      completion.error = Error::Decode(View(nb::cast<nb::bytes>(parts[1])));
    } else {
      completion.result = {HashFrom(nb::cast<nb::bytes>(parts[2])),
                           nb::cast<std::uint64_t>(parts[3])};
      ++uses_[completion.result.hash];
    }
    completion.attempts = nb::cast<int>(parts[4]);
    completion.wall_seconds = nb::cast<double>(parts[5]);
    completion.cpu_seconds = nb::cast<double>(parts[6]);
    return completion;
  }

  nb::object session_;
  EventHandler on_event_;
  std::unordered_map<Hash, int> uses_;
  TaskId last_id_ = 0;
  std::size_t under_way_ = 0;
};

// An engine whose sessions a Python function makes: f(location, options, least, most).
class PythonEngine final : public engine::Engine {
 public:
  explicit PythonEngine(nb::object start) : start_(std::move(start)) {}
  ~PythonEngine() override { start_.release(); }  // the registry outlives the interpreter

  std::unique_ptr<engine::Session> Start(const ObjectSpec& spec,
                                         engine::WorkerCount workers) const override {
    return CallPython("starting the engine", [&] {
      return std::make_unique<PythonSession>(
          start_(spec.location, spec.options, workers.least, workers.most));
    });
  }

 private:
  nb::object start_;
};

// What a worker's process runs tasks with.
class TaskRunner {
 public:
  // Runs an encoded task. `fetch(index)` gives an input's bytes when the task asks for it; `send`
  // gets the text of each event. `place`: None, or the task's place in a gang: (rank, size,
  // address, give, take), where give(bytes) sends a message and take(seconds) gives those of all
  // members, or None when they are not there in time. Gives (encoded error or None, result or
  // None, its hash or None, wall seconds, CPU seconds).
  nb::tuple Run(std::uint64_t id, const nb::bytes& encoded, std::size_t inputs,
                const nb::object& fetch, const nb::object& send, const nb::object& place) {
    const CancelToken token = TokenOf(id);
    std::optional<engine::GangMember> gang;
    if (!place.is_none()) gang = MemberFrom(nb::cast<nb::tuple>(place));
    std::optional<Error> error;
    std::optional<Bytes> result;
    Hash hash;
    double wall = 0, cpu = 0;
    const std::string task_bytes(View(encoded));
    {
      const nb::gil_scoped_release release;
      const auto start = Clock::now();
      const double cpu_start = ThreadCpuSeconds();
      try {
        const Task task = Task::Decode(task_bytes);
        const engine::TaskInputs from{inputs, [&](std::size_t index) {
                                        return CallPython("fetching a task's input", [&] {
                                          const auto bytes = nb::cast<nb::bytes>(fetch(index));
                                          return Bytes(std::string(View(bytes)));
                                        });
                                      }};
        result = worker_.Run(
            task, from, token,
            [&](const Json& event) {
              CallPython("sending an event", [&] { send(CanonicalDump(event)); });
            },
            error, gang ? &*gang : nullptr);
      } catch (const Error& caught) {
        error = caught;
      }
      wall = std::chrono::duration<double>(Clock::now() - start).count();
      cpu = ThreadCpuSeconds() - cpu_start;
      if (result) hash = HashOf(result->view());
    }
    {
      const nb::ft_lock_guard guard(mutex_);
      tokens_.erase(id);
    }
    if (!result) {
      return nb::make_tuple(PythonBytes(error->Encode()), nb::none(), nb::none(), wall, cpu);
    }
    return nb::make_tuple(nb::none(), PythonBytes(result->view()), PythonBytes(BytesOf(hash)), wall,
                          cpu);
  }

  // Asks a task to stop, or not to begin when it has yet to come.
  void Cancel(std::uint64_t id) { TokenOf(id).Cancel(); }

 private:
  static engine::GangMember MemberFrom(const nb::tuple& place) {
    engine::GangMember member;
    member.place = {nb::cast<int>(place[0]), nb::cast<int>(place[1]),
                    nb::cast<std::string>(place[2])};
    member.exchange = [give = nb::object(place[3]), take = nb::object(place[4])](
                          const std::string& message, const std::function<bool()>& stop) {
      CallPython("giving a gang's message", [&] { give(PythonBytes(message)); });
      std::optional<std::vector<std::string>> all;
      while (!all) {
        if (stop()) throw Error(ErrorCode::kCancelled, "the task's gang was stopped");
        CallPython("taking a gang's messages", [&] {
          const nb::object taken = take(kLookSeconds);
          if (taken.is_none()) return;
          all.emplace();
          for (const nb::handle one : taken) {
            all->emplace_back(View(nb::cast<nb::bytes>(one)));
          }
        });
      }
      return *all;
    };
    return member;
  }

  CancelToken TokenOf(std::uint64_t id) {
    const nb::ft_lock_guard guard(mutex_);
    return tokens_[id];
  }

  engine::Worker worker_;
  nb::ft_mutex mutex_;
  std::map<std::uint64_t, CancelToken> tokens_;  // guarded by the GIL
};

}  // namespace

void BindEngines(nb::module_& module) {
  module.def(
      "register_engine",
      [](const std::string& name, nb::object start) {
        Registry::Global().Add<engine::Engine>(name,
                                               std::make_shared<PythonEngine>(std::move(start)));
      },
      nb::arg("name"), nb::arg("start"),
      "Registers an engine: start(location, options, least, most) gives its session.");
  module.def(
      "encode_error",
      [](const std::string& code, const std::string& message, const nb::object& cause) {
        if (cause.is_none()) return PythonBytes(Error(ErrorCodeOf(code), message).Encode());
        const Error because = Error::Decode(View(nb::cast<nb::bytes>(cause)));
        return PythonBytes(Error(because.code(), message, because).Encode());
      },
      nb::arg("code"), nb::arg("message"), nb::arg("cause") = nb::none(),
      "An error as completions carry it. cause: another one, whose code it then has.");
  module.def("arm_sync_points", &ArmSyncPointsFromEnvironment,
             "Arms what WINDLASS_SYNC_POINTS names: for tests of a worker's process.");
  nb::class_<TaskRunner>(module, "TaskRunner")
      .def(nb::init<>())
      .def("run", &TaskRunner::Run, nb::arg("id"), nb::arg("task"), nb::arg("inputs"),
           nb::arg("fetch"), nb::arg("send"), nb::arg("place") = nb::none())
      .def("cancel", &TaskRunner::Cancel, nb::arg("id"));
}

}  // namespace windlass::python
