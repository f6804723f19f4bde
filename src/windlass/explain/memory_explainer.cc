#include "windlass/explain/memory_explainer.h"

#include <iterator>
#include <utility>

#include "windlass/explain/drive.h"
#include "windlass/explain/make_plan.h"
#include "windlass/explain/task.h"
#include "windlass/job/run.h"

namespace windlass::explain {
namespace {

template <typename T>
void Append(std::vector<T>& all, const std::vector<T>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

void Append(Explanation& all, const table::Chunk& chunk, const Attributions& block) {
  Attributions& to = all.attributions;
  to.base_value = block.base_value;
  Append(to.prediction, block.prediction);
  Append(to.phi, block.phi);
  Append(to.half_width, block.half_width);
  Append(to.ranked, block.ranked);
  Append(to.interactions, block.interactions);
  Append(to.interactions_half_width, block.interactions_half_width);
  to.model_evaluations += block.model_evaluations;
  to.coalitions += block.coalitions;
  to.coalitions_saved += block.coalitions_saved;
  to.rows_above_tolerance += block.rows_above_tolerance;
  for (const Failure& failure : block.failures) {
    to.failures.push_back({all.rows + failure.row, failure.why});
  }
  Append(all.values, chunk.values);
  all.rows += chunk.rows;
}

}  // namespace

MemoryExplainer::MemoryExplainer(const Json& spec, std::string_view what, std::string_view engine,
                                 engine::WorkerCount workers) {
  const Json normal = job::Normalise(spec, what);
  go_on_ = normal.at("on_error") == "row";
  prepared_ = std::make_unique<PreparedPlan>(MakePlan(normal));
  session_ = engine::StartSession(engine, workers);
  plan_ = session_->Put(prepared_->plan.Encode());
}

MemoryExplainer::~MemoryExplainer() = default;

Explanation MemoryExplainer::Explain(const std::string& data, std::int64_t batch,
                                     const CancelToken& token) {
  const auto reader = table::OpenTable(data, prepared_->DataOptions());
  Explanation all;
  all.columns = std::ssize(prepared_->columns);
  all.attributions.outputs = std::ssize(prepared_->output_names);
  all.attributions.players = std::ssize(prepared_->groups);
  RowsTimes times;
  DriveRows(
      *prepared_, plan_, *reader, *session_, token, {batch, go_on_, nullptr, data},
      [&](const table::Chunk& chunk, const Attributions& block) { Append(all, chunk, block); },
      times);
  return all;
}

std::vector<double> MemoryExplainer::BaseValue(const CancelToken& token) {
  const Plan& plan = prepared_->plan;
  if (plan.background_rows() == 0) {
    throw Error(ErrorCode::kUsage, "without a background only explanations tell the base value");
  }
  const std::vector<double> row(plan.background.begin(), plan.background.begin() + plan.columns);
  const engine::ObjectRef rows = session_->Put(EncodeRows(1, plan.columns, row));
  bool given = false;
  std::vector<double> base_value;
  engine::Drive(
      *session_, {}, token,
      [&]() -> std::optional<engine::DriveTask> {
        if (std::exchange(given, true)) return std::nullopt;
        return engine::DriveTask{MakeExplainTask(plan_, rows, prepared_->reach), {rows}};
      },
      [&](std::int64_t, const Bytes& result) {
        base_value = DecodeAttributions(result).base_value;
      });
  return base_value;
}

Json MemoryExplainer::Describe() const {
  Json groups = Json::array();
  for (const Group& group : prepared_->groups) {
    groups.push_back({{"name", group.name}, {"columns", group.columns}});
  }
  Json columns = Json::array();
  for (const table::Column& column : prepared_->columns) {
    columns.push_back({{"name", column.name}, {"categories", column.categories}});
  }
  Json described = {{"method", MethodName(prepared_->plan.method)},
                    {"reason", prepared_->reason},
                    {"notes", prepared_->notes},
                    {"groups", std::move(groups)},
                    {"columns", std::move(columns)},
                    {"outputs", prepared_->output_names},
                    {"background_rows", prepared_->plan.background_rows()}};
  if (IsSampled(prepared_->plan.method)) described["nsamples"] = prepared_->plan.nsamples;
  return described;
}

}  // namespace windlass::explain
