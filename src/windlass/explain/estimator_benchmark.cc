// What sampling costs beside the model: 40 groups, one background row, a model of one addition.
#include <benchmark/benchmark.h>

#include "windlass/explain/game_testing_internal.h"
#include "windlass/explain/sampled.h"

namespace windlass::explain {
namespace {

constexpr int kPlayers = 40;
constexpr std::int64_t kRows = 16;

class FirstColumn final : public model::Model {
 public:
  std::int64_t columns() const override { return kPlayers; }
  std::vector<std::string> output_names() const override { return {"0"}; }
  void Predict(std::span<const double> x, std::int64_t rows, std::span<double> out) const override {
    for (std::int64_t r = 0; r < rows; ++r) out[r] = x[r * kPlayers] + x[r * kPlayers + 1];
  }
};

Plan BenchmarkPlan(Method method, std::int64_t nsamples) {
  Random random(1, 0);
  Plan plan = PlanOf(kPlayers, kPlayers, RandomValues(kPlayers, random), method);
  plan.nsamples = nsamples;
  return plan;
}

void Row(benchmark::State& state) {
  const Plan plan = BenchmarkPlan(static_cast<Method>(state.range(0)), state.range(1));
  const auto explainer = MakeSampledExplainer(plan, std::make_unique<FirstColumn>());
  Random random(2, 0);
  const std::vector<double> x = RandomValues(kRows * kPlayers, random);
  Attributions out;
  std::int64_t evaluations = 0;
  for (auto _ : state) {
    explainer->Explain(
        x, kRows, [] {}, out);
    evaluations += out.model_evaluations;
    benchmark::DoNotOptimize(out.phi.data());
  }
  state.SetLabel(std::string(MethodName(plan.method)));
  state.counters["s_an_evaluation"] = benchmark::Counter(
      static_cast<double>(evaluations), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(Row)
    ->ArgsProduct({{static_cast<int>(Method::kKernel), static_cast<int>(Method::kPermutation),
                    static_cast<int>(Method::kLeverage), static_cast<int>(Method::kMsr)},
                   {200, 2128}})
    ->Unit(benchmark::kMicrosecond);

// What a number of players needs once.
void Prepare(benchmark::State& state) {
  const Plan plan = BenchmarkPlan(static_cast<Method>(state.range(0)), 2128);
  for (auto _ : state) benchmark::DoNotOptimize(MakeEstimator(plan, kPlayers));
  state.SetLabel(std::string(MethodName(plan.method)));
}
BENCHMARK(Prepare)
    ->Arg(static_cast<int>(Method::kKernel))
    ->Arg(static_cast<int>(Method::kMsr))
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace windlass::explain
