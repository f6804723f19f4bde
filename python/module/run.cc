// Specs run from Python, and functions mapped over items.
#include "windlass/job/run.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "bindings.h"
#include "bytes.h"
#include "errors.h"
#include "interruptible.h"
#include "pickled.h"
#include "windlass/base/json.h"
#include "windlass/base/registry.h"
#include "windlass/cluster/ray_engine.h"
#include "windlass/cluster/ray_run.h"
#include "windlass/engine/driver.h"
#include "windlass/engine/session.h"
#include "windlass/store/store.h"

namespace nb = nanobind;

namespace windlass::python {
namespace {

constexpr const char* kCallKind = "python.call";

// A pickled function applied to a pickled item; the result is pickled. See windlass/_map.py.
class CallTask final : public engine::TaskKind {
 public:
  std::int32_t version() const override { return 1; }

  Bytes Run(const engine::Task&, engine::TaskContext& context) const override {
    const auto function = FunctionOf(context, 0);
    const Bytes item = context.Input(1);
    return CallPython("the function", [&] {
      const auto result =
          nb::cast<nb::bytes>(nb::module_::import_("windlass._map")
                                  .attr("call")(function->object, PythonBytes(item.view())));
      return Bytes(std::string(View(result)));
    });
  }
};

// Calls the pickled function on each pickled item that next_item() gives until it gives None;
// on_result(index, pickled result) comes in the order of the items. Gives how many were called and
// how many were remembered.
std::tuple<std::int64_t, std::int64_t> Map(const nb::bytes& function, const std::string& libraries,
                                           const nb::object& next_item, const nb::object& on_result,
                                           const std::string& engine, const std::string& workers,
                                           bool memo, double time_limit) {
  const Bytes pickled{std::string(View(function))};
  const engine::DriveStats stats = RunInterruptibly([&](const CancelToken& token) {
    std::shared_ptr<store::Store> store;
    if (memo) store = store::Store::Open(store::DefaultPlace());
    const auto session = engine::StartSession(engine, engine::WorkerCount::Parse(workers));
    const engine::ObjectRef callee = session->Put(pickled);
    engine::DriveOptions options;
    options.memo = store.get();
    options.libraries = libraries;
    const auto done = engine::Drive(
        *session, options, token,
        [&]() -> std::optional<engine::DriveTask> {
          std::optional<Bytes> item;
          CallPython("the items", [&] {
            const nb::object given = next_item();
            if (!given.is_none()) item.emplace(std::string(View(nb::cast<nb::bytes>(given))));
          });
          if (!item) return std::nullopt;
          engine::Task task;
          task.kind = kCallKind;
          task.time_limit = std::chrono::nanoseconds(static_cast<std::int64_t>(time_limit * 1e9));
          const engine::ObjectRef input = session->Put(std::move(*item));
          task.inputs = {callee, input};
          return engine::DriveTask{std::move(task), {input}};
        },
        [&](std::int64_t index, const Bytes& result) {
          CallPython("taking a result", [&] { on_result(index, PythonBytes(result.view())); });
        });
    if (store) store->Seal();
    return done;
  });
  return {stats.executed, stats.recalled};
}

std::string Run(const std::string& spec, const std::string& out, const std::string& engine,
                const std::string& workers, std::int64_t batch, bool memo, bool progress) {
  const job::RunResult result = RunInterruptibly([&](const CancelToken& token) {
    job::RunOptions options;
    options.out = out;
    options.engine = engine;
    options.workers = engine::WorkerCount::Parse(workers);
    options.batch = batch;
    options.memo = memo;
    options.progress = progress ? job::Progress::DefaultStyle() : job::Progress::Style::kQuiet;
    options.token = token;
    const Json parsed = ParseJson(spec, "the spec");
    if (!cluster::RayEngine::Is(engine)) return job::Run(parsed, "the spec", options);
    return cluster::RunOnRay(parsed, "the spec", options, [](const std::string& text) {
      std::fputs(("windlass: " + text + "\n").c_str(), stderr);
    });
  });
  return Json{{"job", result.job_id}, {"result", result.result}, {"run", result.run}}.dump();
}

}  // namespace

void BindRun(nb::module_& module) {
  Registry::Global().Add<engine::TaskKind>(kCallKind, std::make_shared<CallTask>());
  module.def("map", &Map, nb::arg("function"), nb::arg("libraries"), nb::arg("next_item"),
             nb::arg("on_result"), nb::arg("engine"), nb::arg("workers"), nb::arg("memo"),
             nb::arg("time_limit"));
  module.def("run", &Run, nb::arg("spec"), nb::arg("out"), nb::arg("engine"), nb::arg("workers"),
             nb::arg("batch"), nb::arg("memo"), nb::arg("progress"));
}

}  // namespace windlass::python
