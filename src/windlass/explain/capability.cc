#include "windlass/explain/capability.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <tuple>

#include "windlass/base/build_info.h"
#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/stopwatch.h"
#include "windlass/base/sync_point.h"
#include "windlass/explain/drive.h"
#include "windlass/explain/make_plan.h"
#include "windlass/explain/node_importance.h"
#include "windlass/explain/output.h"
#include "windlass/explain/report.h"
#include "windlass/explain/row_digest.h"
#include "windlass/explain/service.h"
#include "windlass/explain/shapley.h"
#include "windlass/explain/task.h"
#include "windlass/job/capability.h"
#include "windlass/job/progress.h"

namespace windlass::explain {

const job::Schema& ExplainSchema() {
  using job::FieldType;
  static const job::Schema schema(
      "explain", 1,
      {{"model",
        "what to explain: a path, oip:http://..., command:... (see docs/models.md)",
        {FieldType::kText},
        true},
       {"data", "the rows to explain: a path or URI of a table", {FieldType::kText}, true},
       {"background", "rows that stand for what is not known: a table", {FieldType::kText}},
       {"background_weights", "a column of the background that holds weights", {FieldType::kText}},
       {"summarize", "make the background smaller: kmeans(K) or sample(K)", {FieldType::kText}},
       {"groups",
        "from group name to columns: a JSON file, or the JSON itself",
        {FieldType::kText}},
       {"ignore",
        "columns of the data or the background that are no inputs of the model, as an id or a date",
        {FieldType::kTexts}},
       {"cohorts",
        "a column (an ignored one, too) or a group: importance is told of each part of the rows",
        {FieldType::kText}},
       {"coalitions",
        "a hierarchy of the groups, as JSON: Owen values (docs/explain.md)",
        {FieldType::kText}},
       {"link",
        "where attributions add up",
        {FieldType::kText},
        false,
        "identity",
        {"identity", "logit"}},
       {"method",
        "the algorithm",
        {FieldType::kText},
        false,
        "auto",
        {"auto", "linear", "tree", "exact", "kernel", "permutation", "leverage", "msr"}},
       {"tree_mode",
        "what a tree does not know: the background's values, or its training rows",
        {FieldType::kText},
        false,
        "interventional",
        {"interventional", "path"}},
       {"interactions",
        "2: pairs of groups as well (interactions.parquet)",
        {FieldType::kInteger},
        false,
        1,
        {},
        1.0,
        2.0},
       {"nsamples",
        "coalitions a row, at most, for methods that sample",
        {FieldType::kText, FieldType::kInteger},
        false,
        "auto",
        {"auto"},
        2.0},
       {"tolerance",
        "a sampled row stops when its 95 % intervals are within +-TOLERANCE",
        {FieldType::kNumber},
        false,
        nullptr,
        {},
        0.0},
       {"max_coalitions",
        "most coalitions a row for exact methods",
        {FieldType::kInteger},
        false,
        65536,
        {},
        1.0},
       {"l1_reg",
        "feature selection for method kernel: none, num_features(K), aic, bic",
        {FieldType::kText},
        false,
        "none"},
       {"seed", "of everything random", {FieldType::kInteger}, false, 0, {}, 0.0},
       {"output",
        "what to explain of the model",
        {FieldType::kText},
        false,
        "probability",
        {"probability", "margin"}},
       {"class",
        "one output, by name or 0-based index; all without it",
        {FieldType::kText, FieldType::kInteger}},
       {"on_error",
        "a row without a finite value: stop, or leave it NaN and go on",
        {FieldType::kText},
        false,
        "fail",
        {"fail", "row"}},
       {"clip",
        "keep probabilities within [CLIP, 1 - CLIP]",
        {FieldType::kNumber},
        false,
        0.0,
        {},
        0.0,
        0.5}},
      {"model", "data", "background", "groups", "coalitions"});
  return schema;
}

namespace {

class Explain final : public job::Capability {
 public:
  const job::Schema& schema() const override { return ExplainSchema(); }

  Json Run(const Json& spec, job::Context& context) const override {
    Stopwatch load, plan_watch, write;
    load.Start();
    PreparedPlan prepared = MakePlan(spec);
    const std::string data = spec.at("data");
    const auto reader = table::OpenTable(data, prepared.DataOptions());
    load.Stop();

    plan_watch.Start();
    const engine::ObjectRef plan = context.session().Put(prepared.plan.Encode());
    plan_watch.Stop();

    NodeImportance nodes(prepared.hierarchy, std::ssize(prepared.output_names));
    OutputWriter output(prepared, context.Output("attributions.parquet"),
                        prepared.plan.interactions ? context.Output("interactions.parquet") : "");
    context.progress().Begin("rows", reader->rows().value_or(0));
    RowDigest digest;
    RowsTimes times;
    const engine::DriveStats stats = DriveRows(
        prepared, plan, *reader, context.session(), context.token(),
        {context.batch(), spec.at("on_error") == "row", context.memo(), data},
        [&](const table::Chunk& chunk, const Attributions& attributions) {
          digest.Update(chunk.values);
          output.Append(chunk.rows, chunk.values.data(), attributions);
          nodes.Append(attributions);
          context.progress().Advance(chunk.rows);
          SyncPoint("explain.block");
        },
        times);
    context.Count(stats);
    write.Start();
    output.Close();
    Json summary = Summary(context.given(), prepared, output);
    AddNodes(prepared, nodes, summary);
    summary["data_digest"] = digest.Hex();
    WriteFileAtomically(context.Output("summary.json"), summary.dump(2) + "\n");
    write.Stop();

    Stopwatch report;
    report.Start();
    ReportData page = output.Report();
    page.windlass_version = Version();
    page.model = context.given().at("model");
    page.data = context.given().at("data");
    WriteFileAtomically(context.Output("report.html"), RenderReport(page));
    report.Stop();

    context.Timing("load", load.wall(), load.cpu());
    context.Timing("plan", plan_watch.wall(), plan_watch.cpu());
    context.Timing("read", times.read.wall());
    context.Timing("write", times.blocks.wall() + write.wall());
    context.Timing("report", report.wall(), report.cpu());
    // From loaded model and tables to attributions in memory. The clocks are not read at the same
    // instant, so that for a single row the difference may fall below zero.
    const auto compute = [&](double planned, double all, double read, double blocks) {
      return std::max(0.0, planned + all - read - blocks);
    };
    context.Timing(
        "compute",
        compute(plan_watch.wall(), times.all.wall(), times.read.wall(), times.blocks.wall()),
        compute(plan_watch.cpu(), times.all.cpu(), times.read.cpu(), times.blocks.cpu()));
    return summary;
  }

 private:
  // 1 and the number of groups that are certainly more important: their interval lies above.
  static std::int64_t Rank(std::span<const double> importance, std::span<const double> half_width,
                           std::size_t group) {
    std::int64_t rank = 1;
    for (std::size_t g = 0; g < importance.size(); ++g) {
      if (importance[g] - half_width[g] > importance[group] + half_width[group]) ++rank;
    }
    return rank;
  }

  static void AddSampling(const Plan& plan, const OutputWriter& output, Json& summary) {
    summary["nsamples"] = plan.nsamples;
    summary["coalitions"] = output.coalitions();
    const std::vector<double> ranked = output.MeanRanked();
    for (std::size_t k = 0; k < ranked.size(); ++k) {
      summary["outputs"][k]["mean_ranked"] = ranked[k];
    }
    if (plan.tolerance > 0) {
      summary["tolerance"] = {{"half_width", plan.tolerance},
                              {"coalitions_saved", output.coalitions_saved()},
                              {"rows_not_reached", output.rows_above_tolerance()}};
    }
  }

  // What the groups of each node of a hierarchy come to together.
  static void AddNodes(const PreparedPlan& prepared, const NodeImportance& nodes, Json& summary) {
    const std::vector<std::string>& names = prepared.hierarchy.names;
    if (names.empty()) return;
    const std::vector<double> mean_abs = nodes.MeanAbs();
    const auto players = PlayersOfNodes(prepared.hierarchy.hierarchy);
    for (std::size_t k = 0; k < prepared.output_names.size(); ++k) {
      Json& shown = summary["outputs"][k]["nodes"] = Json::array();
      for (std::size_t n = 0; n < names.size(); ++n) {
        Json groups = Json::array();
        for (const std::int32_t p : players[n]) groups.push_back(prepared.groups[p].name);
        shown.push_back({{"node", names[n]},
                         {"groups", std::move(groups)},
                         {"mean_abs", mean_abs[k * names.size() + n]}});
      }
    }
  }

  // The pairs of groups that interact most, the strongest first.
  static Json StrongestPairs(const PreparedPlan& prepared, const OutputWriter& output,
                             std::size_t k) {
    constexpr std::size_t kShown = 20;
    const std::int64_t players = std::ssize(prepared.groups), count = Pairs(players);
    const std::vector<double> all = output.PairImportance();
    const std::vector<double> half_width = output.PairHalfWidth();
    std::vector<std::tuple<double, std::int64_t, std::int64_t>> pairs;
    for (std::int64_t i = 0; i < players; ++i) {
      for (std::int64_t j = i + 1; j < players; ++j) {
        pairs.emplace_back(-all[k * count + PairIndex(i, j, players)], i, j);
      }
    }
    std::ranges::sort(pairs);
    Json shown = Json::array();
    for (const auto& [minus, i, j] : pairs) {
      if (shown.size() == kShown) break;
      shown.push_back(
          {{"groups", {prepared.groups[i].name, prepared.groups[j].name}}, {"mean_abs", -minus}});
      if (half_width.empty()) continue;
      shown.back()["half_width"] = half_width[k * count + PairIndex(i, j, players)];
    }
    return shown;
  }

  // Of output k, by cohort: rows, mean prediction and mean attributions.
  static Json CohortsOf(const PreparedPlan& prepared, const ReportCohorts& cohorts, std::size_t k) {
    const std::size_t count = cohorts.names.size(), players = prepared.groups.size();
    Json made = Json::array();
    for (std::size_t c = 0; c < count; ++c) {
      Json groups = Json::array();
      for (std::size_t g = 0; g < players; ++g) {
        const std::size_t i = (k * count + c) * players + g;
        groups.push_back({{"group", prepared.groups[g].name},
                          {"mean_abs", cohorts.mean_abs[i]},
                          {"mean", cohorts.mean[i]}});
        if (!cohorts.half_width.empty()) groups.back()["half_width"] = cohorts.half_width[i];
      }
      made.push_back({{"cohort", cohorts.names[c]},
                      {"rows", cohorts.rows[c]},
                      {"mean_prediction", cohorts.prediction[k * count + c]},
                      {"importance", std::move(groups)}});
    }
    return made;
  }

  static Json Summary(const Json& spec, const PreparedPlan& prepared, const OutputWriter& output) {
    const std::size_t players = prepared.groups.size();
    const std::vector<double> importance = output.Importance();
    Json by_output = Json::array();
    const std::vector<double> half_width = output.ImportanceHalfWidth();
    const ReportCohorts cohorts = output.CohortMeans();
    for (std::size_t k = 0; k < prepared.output_names.size(); ++k) {
      Json groups = Json::array();
      for (std::size_t g = 0; g < players; ++g) {
        groups.push_back(
            {{"group", prepared.groups[g].name}, {"mean_abs", importance[k * players + g]}});
        if (half_width.empty()) continue;
        groups.back()["half_width"] = half_width[k * players + g];
        groups.back()["rank"] = Rank(std::span(importance).subspan(k * players, players),
                                     std::span(half_width).subspan(k * players, players), g);
      }
      by_output.push_back({{"output", prepared.output_names[k]},
                           {"base_value", output.base_value()[k]},
                           {"importance", std::move(groups)}});
      if (prepared.plan.interactions) {
        by_output.back()["interactions"] = StrongestPairs(prepared, output, k);
      }
      if (prepared.cohorts) by_output.back()["cohorts"] = CohortsOf(prepared, cohorts, k);
    }
    Json summary = {{"spec", spec},
                    {"method", MethodName(prepared.plan.method)},
                    {"reason", prepared.reason},
                    {"notes", prepared.notes},
                    {"link", LinkName(prepared.plan.link)},
                    {"rows", output.rows()},
                    {"failed_rows", output.failed_rows()},
                    {"background_rows", prepared.plan.background_rows()},
                    {"groups", players},
                    {"model_evaluations", output.model_evaluations()},
                    {"outputs", std::move(by_output)},
                    {"versions", {{"windlass", Version()}, {"model_library", prepared.libraries}}}};
    if (prepared.plan.method == Method::kTree) {
      summary["tree_mode"] = prepared.plan.tree_path ? "path" : "interventional";
    }
    if (IsSampled(prepared.plan.method)) AddSampling(prepared.plan, output, summary);
    return summary;
  }
};

}  // namespace

void RegisterExplain(Registry& registry) {
  RegisterExplainTask(registry);
  RegisterExplainService(registry);
  registry.Add<job::Capability>("explain", std::make_shared<Explain>());
}

}  // namespace windlass::explain
