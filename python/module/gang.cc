// A function run by all members of a gang at the same time.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bindings.h"
#include "bytes.h"
#include "errors.h"
#include "interruptible.h"
#include "pickled.h"
#include "windlass/base/registry.h"
#include "windlass/engine/driver.h"
#include "windlass/engine/session.h"
#include "windlass/engine/task.h"

namespace nb = nanobind;

namespace windlass::python {
namespace {

constexpr const char* kGangKind = "python.gang";

// A pickled function applied to the task's place in its gang; the result is pickled. See
// windlass/_gang.py.
class GangTask final : public engine::TaskKind {
 public:
  std::int32_t version() const override { return 1; }

  Bytes Run(const engine::Task&, engine::TaskContext& context) const override {
    const auto function = FunctionOf(context, 0);
    if (context.gang() == nullptr) throw Error(ErrorCode::kInternal, "a gang's task ran alone");
    const engine::GangPlace place = *context.gang();
    // The function may keep the member beyond its end.
    const auto running = std::make_shared<engine::TaskContext*>(&context);
    const auto ended = std::shared_ptr<void>(nullptr, [running](void*) { *running = nullptr; });
    return CallPython("the function", [&] {
      const nb::object exchange = nb::cpp_function([running](const nb::bytes& message) {
        if (*running == nullptr) {
          throw Error(ErrorCode::kUsage, "the gang that this member was of has ended");
        }
        const std::string given(View(message));
        std::vector<std::string> all;
        {
          const nb::gil_scoped_release release;
          all = (*running)->Exchange(given);
        }
        nb::list messages;
        for (const std::string& one : all) messages.append(PythonBytes(one));
        return messages;
      });
      const auto result = nb::cast<nb::bytes>(
          nb::module_::import_("windlass._gang")
              .attr("call")(function->object, place.rank, place.size, place.address, exchange));
      return Bytes(std::string(View(result)));
    });
  }
};

// Runs the pickled function as a gang of `size`; gives the pickled results by rank. Throws the
// Error of the member that failed.
nb::list RunGang(const nb::bytes& function, int size, const std::string& engine,
                 const std::string& workers, int attempts, double time_limit) {
  const Bytes pickled{std::string(View(function))};
  const auto results = RunInterruptibly([&](const CancelToken& token) {
    const auto session = engine::StartSession(engine, engine::WorkerCount::Parse(workers));
    engine::Task task;
    task.kind = kGangKind;
    task.mode = engine::TaskMode::kOnce;
    task.attempts = attempts;
    task.time_limit = std::chrono::nanoseconds(static_cast<std::int64_t>(time_limit * 1e9));
    task.inputs = {session->Put(pickled)};
    return engine::DriveGang(
        *session, std::vector<engine::Task>(static_cast<std::size_t>(std::max(size, 0)), task),
        token);
  });
  nb::list list;
  for (const Bytes& result : results) list.append(PythonBytes(result.view()));
  return list;
}

}  // namespace

void BindGang(nb::module_& module) {
  Registry::Global().Add<engine::TaskKind>(kGangKind, std::make_shared<GangTask>());
  module.def("gang", &RunGang, nb::arg("function"), nb::arg("size"), nb::arg("engine"),
             nb::arg("workers"), nb::arg("attempts"), nb::arg("time_limit"));
}

}  // namespace windlass::python
