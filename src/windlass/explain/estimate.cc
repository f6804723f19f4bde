#include "windlass/explain/estimate.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>

#include "windlass/base/cancel.h"
#include "windlass/base/cpu_clock.h"
#include "windlass/explain/estimator.h"
#include "windlass/explain/explainer.h"
#include "windlass/explain/make_plan.h"
#include "windlass/explain/output.h"
#include "windlass/model/model.h"

namespace windlass::explain {
namespace {

constexpr double kMeasuredSeconds = 1.0;
constexpr std::int64_t kMeasuredRows = 20'000;
// Backgrounds of more rows than shap recommends for its own KernelExplainer.
constexpr std::int64_t kLargeBackground = 100;

struct Measured {
  std::int64_t rows = 0;
  double prepare_s = 0;
  double wall_s = 0;
  double cpu_s = 0;
  std::int64_t evaluations = 0;
};

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Explains 1, 2, 4, ... rows until the time is up; the last and largest part counts, by which
// caches are warm and tables filled.
Measured Measure(const PreparedPlan& prepared, table::Reader& reader) {
  Measured measured;
  auto start = Clock::now();
  const auto explainer = MakeExplainer(prepared.plan);
  measured.prepare_s = SecondsSince(start);
  start = Clock::now();
  table::Chunk chunk;
  const auto check = [] { ProcessCancelToken().Check(); };
  for (std::int64_t rows = 1; rows <= kMeasuredRows && SecondsSince(start) < kMeasuredSeconds;
       rows *= 2) {
    if (!reader.Next(rows, chunk)) break;
    Attributions out;
    const auto part_start = Clock::now();
    const double cpu = ThreadCpuSeconds();
    explainer->Explain(chunk.values, chunk.rows, check, out);
    if (chunk.rows < measured.rows) break;  // the last rows of the table
    measured.wall_s = SecondsSince(part_start);
    measured.cpu_s = ThreadCpuSeconds() - cpu;
    measured.rows = chunk.rows;
    measured.evaluations = out.model_evaluations;
  }
  return measured;
}

Json CheaperWays(const PreparedPlan& prepared, const Json& spec) {
  Json ways = Json::array();
  const Plan& plan = prepared.plan;
  const bool sums_over_background = plan.method == Method::kExact || IsSampled(plan.method);
  const bool owen = !plan.hierarchy.empty();
  if (prepared.shows_trees && plan.method != Method::kTree) {
    ways.push_back("--output margin: trees are exact there, and far faster");
  }
  if (sums_over_background && plan.background_rows() > kLargeBackground) {
    ways.push_back(fmt::format("--summarize 'kmeans({})': {:.1f} times fewer model evaluations",
                               kLargeBackground,
                               static_cast<double>(plan.background_rows()) / kLargeBackground));
  }
  if (sums_over_background && spec.at("groups").is_null() && plan.players() > 12 && !owen) {
    ways.push_back(fmt::format("--groups FILE: {} groups have a column each; 16 would be exact",
                               plan.players()));
  }
  if (owen && plan.method == Method::kExact &&
      ConsistentCoalitions(plan.hierarchy) >
          2 * AutoSamples(Method::kPermutation, plan.players())) {
    ways.push_back(fmt::format("--method permutation: a sample of {} of the {} coalitions",
                               AutoSamples(Method::kPermutation, plan.players()),
                               ConsistentCoalitions(plan.hierarchy)));
  }
  if (plan.method == Method::kExact && plan.players() >= 10 && !owen) {
    ways.push_back(fmt::format("--method msr: a sample of {} of the 2^{} coalitions",
                               AutoSamples(Method::kMsr, plan.players(), plan.interactions),
                               plan.players()));
  }
  if (IsSampled(plan.method) &&
      plan.nsamples > 2 * MinimumSamples(plan.method, plan.players(), plan.interactions)) {
    ways.push_back(fmt::format("--nsamples {}: half the evaluations, 1.4 times the errors",
                               plan.nsamples / 2));
  }
  if (plan.outputs.size() > 1 && plan.method == Method::kTree) {
    ways.push_back(fmt::format("--class NAME: one of {} outputs", plan.outputs.size()));
  }
  return ways;
}

}  // namespace

Json EstimateCost(const Json& spec, int workers) {
  PreparedPlan prepared = MakePlan(spec);
  model::AddReach(prepared.plan.model, prepared.reach);  // as a task does
  const auto reader = table::OpenTable(spec.at("data"), prepared.DataOptions());
  const std::optional<std::int64_t> rows = reader->rows();
  const Measured measured = Measure(prepared, *reader);
  Json expected;
  if (rows && measured.rows > 0) {
    const double parts = static_cast<double>(*rows) / static_cast<double>(measured.rows);
    expected = {{"model_evaluations",
                 static_cast<std::int64_t>(parts * static_cast<double>(measured.evaluations))},
                {"wall_s", measured.prepare_s + parts * measured.wall_s / workers},
                {"cpu_s", measured.prepare_s + parts * measured.cpu_s}};
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto width = static_cast<std::int64_t>(
      prepared.columns.size() + prepared.output_names.size() * (prepared.groups.size() + 1));
  const std::int64_t shown =
      std::min(rows.value_or(OutputWriter::kReportRows), OutputWriter::kReportRows);
  return {{"method", MethodName(prepared.plan.method)},
          {"reason", prepared.reason},
          {"notes", prepared.notes},
          {"groups", prepared.groups.size()},
          {"background_rows", prepared.plan.background_rows()},
          {"workers", workers},
          {"rows", rows ? Json(*rows) : Json()},
          {"measured",
           {{"rows", measured.rows},
            {"wall_s", measured.wall_s},
            {"model_evaluations", measured.evaluations}}},
          {"expected", expected},
          {"memory_bytes", usage.ru_maxrss * std::int64_t{1024} +
                               shown * width * static_cast<std::int64_t>(sizeof(double))},
          {"cheaper", CheaperWays(prepared, spec)}};
}

}  // namespace windlass::explain
