#include "windlass/compare/capability.h"

#include <fmt/format.h>

#include <memory>

#include "windlass/base/build_info.h"
#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/compare/diff.h"
#include "windlass/compare/drift.h"
#include "windlass/compare/output.h"
#include "windlass/compare/periods.h"
#include "windlass/job/capability.h"
#include "windlass/job/progress.h"

namespace windlass::compare {
namespace {

using job::FieldType;

const job::Schema& DiffSchema() {
  static const job::Schema schema(
      "explain_diff", 1,
      {{"a",
        "the explanation before: the --out folder of a windlass explain, or its "
        "attributions.parquet",
        {FieldType::kText},
        true},
       {"b", "the explanation after", {FieldType::kText}, true},
       {"pairing",
        "whether rows are the same on both sides",
        {FieldType::kText},
        false,
        "auto",
        {"auto", "paired", "independent"}}},
      {"a", "b"});
  return schema;
}

const job::Schema& DriftSchema() {
  static const job::Schema schema(
      "explain_drift", 1,
      {{"runs",
        "explanations, a period each, in their order; or one whose data name periods (by)",
        {FieldType::kTexts},
        true},
       {"by", "the column of the data that names the period of a row", {FieldType::kText}},
       {"data",
        "the table that was explained; default: what the run's summary.json names",
        {FieldType::kText}},
       {"bins",
        "cut a column of numbers into so many periods of equally many rows",
        {FieldType::kInteger},
        false,
        nullptr,
        {},
        2.0,
        static_cast<double>(kMostPeriods)},
       {"reference",
        "the period that others are compared with; default: the first",
        {FieldType::kText}}},
      {"runs", "data"});
  return schema;
}

// Stops when the user does, and shows how far the job is.
Tick TickOf(job::Context& context) {
  return [&context](std::int64_t rows) {
    context.token().Check();
    context.progress().Advance(rows);
  };
}

std::int64_t RowsOf(const Explanation& run) { return ExplanationReader(run).rows().value_or(0); }

void WriteSummary(const Json& summary, job::Context& context) {
  WriteFileAtomically(context.Output("summary.json"), summary.dump(2) + "\n");
}

std::string TextOr(const Json& spec, const char* key, const std::string& otherwise) {
  return spec.at(key).is_string() ? spec.at(key).get<std::string>() : otherwise;
}

class ExplainDiff final : public job::Capability {
 public:
  const job::Schema& schema() const override { return DiffSchema(); }

  Json Run(const Json& spec, job::Context& context) const override {
    const Explanation a = OpenExplanation(spec.at("a")), b = OpenExplanation(spec.at("b"));
    context.progress().Begin("rows", RowsOf(a) + RowsOf(b));
    const DiffResult result = Diff(a, b, spec.at("pairing"), TickOf(context));
    WriteDiffTable(result, context.Output("diff.parquet"));
    Json summary = ToJson(result);
    summary["spec"] = context.given();
    summary["versions"] = {{"windlass", Version()}};
    WriteSummary(summary, context);
    WriteFileAtomically(context.Output("report.html"), RenderDiff(summary));
    return summary;
  }
};

class ExplainDrift final : public job::Capability {
 public:
  const job::Schema& schema() const override { return DriftSchema(); }

  Json Run(const Json& spec, job::Context& context) const override {
    CheckFields(spec);
    std::vector<Explanation> runs;
    std::int64_t rows = 0;
    for (const Json& place : spec.at("runs")) {
      runs.push_back(OpenExplanation(place));
      rows += RowsOf(runs.back());
    }
    context.progress().Begin("rows", rows);
    const DriftResult result = Compute(spec, runs, TickOf(context));
    WriteDriftTable(result, context.Output("drift.parquet"));
    Json summary = ToJson(result);
    summary["spec"] = context.given();
    summary["versions"] = {{"windlass", Version()}};
    WriteSummary(summary, context);
    WriteFileAtomically(context.Output("report.html"), RenderDrift(summary));
    return summary;
  }

 private:
  static void CheckFields(const Json& spec) {
    const std::size_t runs = spec.at("runs").size();
    const auto refuse = [](const std::string& what) { throw Error(ErrorCode::kUsage, what); };
    if (spec.at("by").is_null()) {
      if (runs < 2) {
        refuse(
            fmt::format("drift needs two explanations or more, a period each, but {} given; or "
                        "one and --by COLUMN, whose values name the periods",
                        runs == 0 ? "none was" : "one was"));
      }
      if (!spec.at("data").is_null())
        refuse("--data goes with --by COLUMN, which is a column of it");
      if (!spec.at("bins").is_null()) refuse("--bins goes with --by COLUMN, which it cuts");
    } else if (runs != 1) {
      refuse(fmt::format("--by cuts one explanation into periods, but {} are given", runs));
    }
    if (static_cast<std::int64_t>(runs) > kMostPeriods) {
      refuse(fmt::format("{} explanations are given; at most {} periods are compared", runs,
                         kMostPeriods));
    }
  }

  static DriftResult Compute(const Json& spec, const std::vector<Explanation>& runs,
                             const Tick& tick) {
    const std::string reference = TextOr(spec, "reference", "");
    if (spec.at("by").is_null()) return DriftOfRuns(runs, reference, tick);
    const std::string data = TextOr(spec, "data", runs[0].data);
    if (data.empty()) {
      throw Error(ErrorCode::kUsage,
                  fmt::format("{} has no summary.json that names its data; --data says which table "
                              "was explained",
                              runs[0].place));
    }
    const std::int64_t bins = spec.at("bins").is_null() ? 0 : spec.at("bins").get<std::int64_t>();
    return WithContext(
        [&] { return DriftByColumn(runs[0], data, spec.at("by"), bins, reference, tick); },
        [&] { return fmt::format("--by {}", spec.at("by").get<std::string>()); });
  }
};

}  // namespace

void RegisterCompare(Registry& registry) {
  registry.Add<job::Capability>("explain_diff", std::make_shared<ExplainDiff>());
  registry.Add<job::Capability>("explain_drift", std::make_shared<ExplainDrift>());
}

}  // namespace windlass::compare
