#include "windlass/explain/service.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "windlass/base/byte_reader.h"
#include "windlass/base/error.h"
#include "windlass/explain/capability.h"
#include "windlass/explain/explainer.h"
#include "windlass/explain/make_plan.h"
#include "windlass/explain/shapley.h"
#include "windlass/job/service.h"

namespace windlass::explain {
namespace {

constexpr std::size_t kInfer = 0;

// What "explain" gives, in this order; those from kHalfWidth on only where the plan has them.
enum ExplainOutput : std::size_t { kAttributions, kPrediction, kBaseValue, kGroups, kOptional };

class ExplainService final : public job::Service {
 public:
  // Throws Error{kCorrupt}.
  explicit ExplainService(const Bytes& bytes) {
    ByteReader reader(bytes.view(), "a service of explanations");
    const Json known = ParseJson(reader.ReadString(), "a service of explanations");
    Plan plan = Plan::Decode(Bytes(reader.ReadString()));
    reader.Finish();
    std::vector<std::string> groups_names;
    try {
      model::AddReach(plan.model, known.at("reach").get<std::string>());
      accepts_missing_ = known.at("accepts_missing");
      go_on_ = known.at("go_on");
      described_ = known.at("described");
      for (const Json& group : described_.at("groups")) groups_names.push_back(group.at("name"));
      for (const Json& column : known.at("columns")) {
        columns_.push_back({column.at("name"), column.at("categories")});
      }
    } catch (const Json::exception&) {
      throw Error(ErrorCode::kCorrupt, "what a service of explanations needs cannot be read");
    }
    explainer_ = MakeExplainer(plan);
    model_ = model::LoadModel(plan.model);
    const std::int64_t outputs = std::ssize(plan.outputs);
    const std::int64_t players = plan.players();
    operations_.push_back({"infer", {{"predict", {model_->outputs()}}}});
    job::ServiceOutput base_value{"base_value", {outputs}, false};
    base_value.numbers.assign(explainer_->base_value().begin(), explainer_->base_value().end());
    job::ServiceOutput groups{"groups", {players}, false};
    groups.words = std::move(groups_names);
    operations_.push_back({"explain",
                           {{"attributions", {outputs, players}},
                            {"prediction", {outputs}},
                            std::move(base_value),
                            std::move(groups)}});
    auto& explain = operations_.back().outputs;
    intervals_ = HasIntervals(plan);
    if (intervals_) explain.push_back({"half_width", {outputs, players}});
    interactions_ = plan.interactions;
    if (interactions_) explain.push_back({"interactions", {outputs, Pairs(players)}});
    // A library's blocking may depend on how many rows it is given.
    alone_ = !model_->library().empty();
  }

  const std::vector<job::ServiceColumn>& columns() const override { return columns_; }
  bool accepts_missing() const override { return accepts_missing_; }
  const std::vector<job::ServiceOperation>& operations() const override { return operations_; }

  Json Describe() const override { return described_; }

  void Run(std::size_t operation, std::span<const double> x, std::int64_t rows,
           const std::function<void()>& check, job::ServiceResult& result) const override {
    result.values.resize(operations_[operation].outputs.size());
    if (operation == kInfer) {
      Predict(x, rows, check, result.values[0]);
    } else {
      Explain(x, rows, check, result);
    }
  }

 private:
  void Predict(std::span<const double> x, std::int64_t rows, const std::function<void()>& check,
               std::vector<double>& out) const {
    const std::size_t columns = columns_.size();
    const auto width = static_cast<std::size_t>(model_->outputs());
    out.resize(static_cast<std::size_t>(rows) * width);
    if (!alone_) {
      model_->Predict(x, rows, out);
      return;
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      check();
      const auto row = static_cast<std::size_t>(r);
      model_->Predict(x.subspan(row * columns, columns), 1,
                      std::span(out).subspan(row * width, width));
    }
  }

  void Explain(std::span<const double> x, std::int64_t rows, const std::function<void()>& check,
               job::ServiceResult& result) const {
    Attributions found;
    explainer_->Explain(x, rows, check, found);
    if (!go_on_) {
      for (Failure& failure : found.failures) {
        result.failures.push_back({failure.row, std::move(failure.why)});
      }
    }
    result.values[kAttributions] = std::move(found.phi);
    result.values[kPrediction] = std::move(found.prediction);
    std::size_t next = kOptional;
    if (intervals_) result.values[next++] = std::move(found.half_width);
    if (interactions_) result.values[next++] = std::move(found.interactions);
  }

  Json described_;
  bool accepts_missing_ = false;
  bool go_on_ = false;  // a row without attributions stays NaN
  bool intervals_ = false;
  bool interactions_ = false;
  bool alone_ = false;
  std::shared_ptr<const Explainer> explainer_;
  std::unique_ptr<model::Model> model_;
  std::vector<job::ServiceColumn> columns_;
  std::vector<job::ServiceOperation> operations_;
};

class ExplainServiceKind final : public job::ServiceKind {
 public:
  // Those of explain but for its rows.
  std::vector<job::Field> fields() const override {
    std::vector<job::Field> fields;
    for (job::Field field : ExplainSchema().fields()) {
      if (field.name == "cohorts") continue;
      if (field.name == "data") {
        field.required = false;
        field.help = "a table with the columns of the rows, where there is no background";
      }
      fields.push_back(std::move(field));
    }
    return fields;
  }

  std::vector<std::string> inputs() const override { return ExplainSchema().inputs(); }

  Bytes Prepare(const Json& spec) const override {
    Json whole = spec;
    whole["cohorts"] = nullptr;
    if (whole.at("data").is_null()) whole["data"] = whole.at("background");
    if (whole.at("data").is_null()) {
      throw Error(ErrorCode::kInvalidInput,
                  "no background: --background TABLE gives rows that stand for what is not known "
                  "(trees with --tree-mode path need none, but --data for the columns' names)");
    }
    const PreparedPlan prepared = MakePlan(whole);
    Json groups = Json::array();
    for (const Group& group : prepared.groups) {
      groups.push_back({{"name", group.name}, {"columns", group.columns}});
    }
    Json columns = Json::array();
    for (const table::Column& column : prepared.columns) {
      columns.push_back({{"name", column.name}, {"categories", column.categories}});
    }
    const Json known = {{"columns", std::move(columns)},
                        {"accepts_missing", prepared.accepts_missing},
                        {"go_on", whole.at("on_error") == "row"},
                        {"reach", prepared.reach},
                        {"described",
                         {{"method", MethodName(prepared.plan.method)},
                          {"reason", prepared.reason},
                          {"notes", prepared.notes},
                          {"link", LinkName(prepared.plan.link)},
                          {"outputs", prepared.output_names},
                          {"groups", std::move(groups)}}}};
    std::string bytes;
    AppendString(bytes, CanonicalDump(known));
    AppendString(bytes, prepared.plan.Encode().view());
    return Bytes(std::move(bytes));
  }

  std::unique_ptr<const job::Service> Make(const Bytes& prepared) const override {
    return std::make_unique<ExplainService>(prepared);
  }
};

}  // namespace

void RegisterExplainService(Registry& registry) {
  registry.Add<job::ServiceKind>("explain", std::make_shared<ExplainServiceKind>());
}

}  // namespace windlass::explain
