// What a task costs beside its work: submitting it, running nothing, taking its completion.
#include <benchmark/benchmark.h>

#include "windlass/engine/driver.h"
#include "windlass/engine/testing_internal.h"

namespace windlass::engine {
namespace {

Task Nothing() {
  static const Task task = TaskThat([](const Task&, TaskContext&) { return Bytes(); });
  return task;
}

// One task at a time: the whole way there and back.
void BM_SubmitAndTake(benchmark::State& state) {
  const auto session = Local(static_cast<int>(state.range(0)));
  const Task task = Nothing();
  for (auto _ : state) {
    session->Submit(task);
    session->Drop(session->Next(Deadline::max()).result);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_SubmitAndTake)->Arg(1)->Arg(2)->UseRealTime()->MeasureProcessCPUTime();

// As the driver loop runs them: three in flight a slot, reduced in order.
void BM_Drive(benchmark::State& state) {
  constexpr int kTasks = 10000;
  const auto session = Local(static_cast<int>(state.range(0)));
  const Task task = Nothing();
  for (auto _ : state) {
    int left = kTasks;
    Drive(
        *session, {}, CancelToken(),
        [&]() -> std::optional<DriveTask> {
          if (left-- == 0) return std::nullopt;
          return DriveTask{task, {}};
        },
        [](std::int64_t, const Bytes&) {});
  }
  state.SetItemsProcessed(state.iterations() * kTasks);
}
BENCHMARK(BM_Drive)->Arg(1)->Arg(2)->UseRealTime()->MeasureProcessCPUTime();

}  // namespace
}  // namespace windlass::engine
