// What a suggestion and its observation cost after so many trials in eight dimensions: CPU seconds,
// the median, the 99th percentile and the most of the last hundred, refits included.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <vector>

#include "windlass/base/cpu_clock.h"
#include "windlass/tune/tuner.h"

namespace windlass::tune {
namespace {

constexpr int kMeasured = 100;

double Score(const Point& point) {
  double sum = 0;
  for (const double x : point) sum -= (x - 0.3) * (x - 0.3) * (1 + x);
  return sum;
}

void BM_SuggestAndObserve(benchmark::State& state, const char* name) {
  static const bool once = [] {
    RegisterTuners(Registry::Global());
    return true;
  }();
  benchmark::DoNotOptimize(once);
  Json document = Json::object();
  for (int i = 0; i < 8; ++i) {
    document["x" + std::to_string(i)] = {{"type", "float"}, {"low", 0}, {"high", 1}};
  }
  const Space space = Space::Parse(document);
  const int trials = static_cast<int>(state.range(0));
  for (auto _ : state) {
    const auto tuner = MakeTuner(name, space, 1);
    // An eighth of the trials before those measured are its own, so that a refit falls where it
    // would; the first ones are given.
    const int given = trials > kMeasured ? trials - std::max(kMeasured, trials / 8) : 0;
    for (int i = 0; i < given; ++i) {
      Random random(7, static_cast<std::uint64_t>(i));
      const Point point = space.Sample(random);
      tuner->Observe({-1 - i, point, Score(point)});
    }
    std::vector<double> seconds;
    for (int i = given; i < trials; ++i) {
      const double start = ThreadCpuSeconds();
      const Suggestion one = tuner->Suggest(1)[0];
      tuner->Observe({i - given, one.point, Score(one.point)});
      if (i >= trials - kMeasured) seconds.push_back(ThreadCpuSeconds() - start);
    }
    std::ranges::sort(seconds);
    state.counters["median"] = seconds[seconds.size() / 2];
    state.counters["p99"] = seconds[(seconds.size() * 99 - 1) / 100];
    state.counters["max"] = seconds.back();
  }
}

void Measure(const char* tuner) {
  auto* one = benchmark::RegisterBenchmark(tuner, BM_SuggestAndObserve, tuner);
  one->Arg(100)->Arg(500)->Arg(1000)->Arg(2000)->Iterations(1)->Unit(benchmark::kSecond);
}

[[maybe_unused]] const bool measured = [] {
  for (const char* tuner : {"uniform", "gp", "gp-ei", "gp-lcb", "gp-pi", "gp-hedge", "gcp",
                            "gcp-ei", "sobol", "grid", "tpe", "cma-es", "forest-ei"}) {
    Measure(tuner);
  }
  return true;
}();

}  // namespace
}  // namespace windlass::tune
