#include "windlass/explain/task.h"

#include <memory>
#include <span>

#include "windlass/base/byte_reader.h"
#include "windlass/explain/plan.h"

namespace windlass::explain {
namespace {

constexpr std::string_view kKind = "explain.rows";
constexpr std::int32_t kVersion = 6;  // raise it when the same input would give other bytes

class ExplainTask final : public engine::TaskKind {
 public:
  std::int32_t version() const override { return kVersion; }

  Bytes Run(const engine::Task& task, engine::TaskContext& context) const override {
    const auto explainer = context.Cached<Explainer>(0, [&](const Bytes& bytes) {
      Plan plan = Plan::Decode(bytes);
      model::AddReach(plan.model, task.hints);
      return MakeExplainer(plan);
    });
    const Bytes input = context.Input(1);
    ByteReader reader(input.view(), "a block of rows");
    const auto rows = reader.Read<std::int64_t>();
    const auto columns = reader.Read<std::int64_t>();
    const std::string_view values = reader.Take(sizeof(double) * rows * columns);
    reader.Finish();
    // The header is two words, so the values lie aligned in the string's buffer.
    const std::span<const double> x(reinterpret_cast<const double*>(values.data()),
                                    static_cast<std::size_t>(rows * columns));
    Attributions out;
    explainer->Explain(
        x, rows, [&] { context.CheckCancelled(); }, out);
    // The driver takes the base values from here, so that it need not prepare an explainer.
    out.base_value.assign(explainer->base_value().begin(), explainer->base_value().end());
    return EncodeAttributions(out);
  }
};

}  // namespace

Bytes EncodeRows(std::int64_t rows, std::int64_t columns, const std::vector<double>& values) {
  std::string out;
  out.reserve(2 * sizeof(std::int64_t) + sizeof(double) * values.size());
  AppendRaw(out, rows);
  AppendRaw(out, columns);
  AppendRaw(out, std::span(values));
  return Bytes(std::move(out));
}

Bytes EncodeAttributions(const Attributions& attributions) {
  std::string out;
  AppendRaw(out, attributions.model_evaluations);
  AppendVector(out, attributions.base_value);
  AppendVector(out, attributions.prediction);
  AppendVector(out, attributions.phi);
  AppendVector(out, attributions.interactions);
  AppendVector(out, attributions.interactions_half_width);
  AppendVector(out, attributions.half_width);
  AppendVector(out, attributions.ranked);
  AppendRaw(out, attributions.coalitions);
  AppendRaw(out, attributions.coalitions_saved);
  AppendRaw(out, attributions.rows_above_tolerance);
  AppendRaw(out, static_cast<std::uint64_t>(attributions.failures.size()));
  for (const Failure& failure : attributions.failures) {
    AppendRaw(out, failure.row);
    AppendString(out, failure.why);
  }
  return Bytes(std::move(out));
}

Attributions DecodeAttributions(const Bytes& bytes) {
  ByteReader reader(bytes.view(), "attributions");
  Attributions attributions;
  attributions.model_evaluations = reader.Read<std::int64_t>();
  attributions.base_value = reader.ReadVector<double>();
  attributions.prediction = reader.ReadVector<double>();
  attributions.phi = reader.ReadVector<double>();
  attributions.interactions = reader.ReadVector<double>();
  attributions.interactions_half_width = reader.ReadVector<double>();
  attributions.half_width = reader.ReadVector<double>();
  attributions.ranked = reader.ReadVector<std::int32_t>();
  attributions.coalitions = reader.Read<std::int64_t>();
  attributions.coalitions_saved = reader.Read<std::int64_t>();
  attributions.rows_above_tolerance = reader.Read<std::int64_t>();
  for (auto left = reader.Read<std::uint64_t>(); left > 0; --left) {
    const auto row = reader.Read<std::int64_t>();
    attributions.failures.push_back({row, reader.ReadString()});
  }
  reader.Finish();
  return attributions;
}

engine::Task MakeExplainTask(const engine::ObjectRef& plan, const engine::ObjectRef& rows,
                             const std::string& reach) {
  engine::Task task;
  task.hints = reach;
  task.kind = kKind;
  task.version = kVersion;
  task.inputs = {plan, rows};
  return task;
}

void RegisterExplainTask(Registry& registry) {
  registry.Add<engine::TaskKind>(kKind, std::make_shared<ExplainTask>());
}

}  // namespace windlass::explain
