// Time of a row of Adult by the model-agnostic explainers, in one thread, and how many rows the
// model is asked for. Run with WINDLASS_SOURCE naming the source folder (default: here).
#include <benchmark/benchmark.h>

#include "windlass/explain/adult_testing_internal.h"
#include "windlass/explain/exact.h"
#include "windlass/explain/sampled.h"

namespace windlass::explain {
namespace {

constexpr std::int64_t kRows = 64;

void Explain(benchmark::State& state, const Adult& adult, const Explainer& explainer) {
  Attributions out;
  for (auto _ : state) {
    explainer.Explain(
        std::span(adult.rows).first(kRows * adult.plan.columns), kRows, [] {}, out);
    benchmark::DoNotOptimize(out.phi.data());
  }
  state.counters["s_a_row"] =
      benchmark::Counter(static_cast<double>(state.iterations() * kRows),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["evaluations_a_row"] = static_cast<double>(out.model_evaluations) / kRows;
}

void AdultExact(benchmark::State& state) {
  Adult adult;
  adult.plan.method = Method::kExact;
  Explain(state, adult, *MakeExactExplainer(adult.plan, adult.model()));
}
BENCHMARK(AdultExact)->Unit(benchmark::kMillisecond);

void AdultKernel(benchmark::State& state) {
  Adult adult;
  adult.plan.method = Method::kKernel;
  adult.plan.nsamples = state.range(0);
  Explain(state, adult, *MakeSampledExplainer(adult.plan, adult.model()));
}
BENCHMARK(AdultKernel)->Arg(24)->Arg(512)->Arg(2072)->Unit(benchmark::kMillisecond);

// The plan's part: design, regression, background.
void AdultKernelPlan(benchmark::State& state) {
  Adult adult;
  adult.plan.method = Method::kKernel;
  adult.plan.nsamples = 2072;
  for (auto _ : state) {
    benchmark::DoNotOptimize(MakeSampledExplainer(adult.plan, adult.model()));
  }
}
BENCHMARK(AdultKernelPlan)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace windlass::explain
