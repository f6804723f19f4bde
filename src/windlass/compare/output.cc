#include "windlass/compare/output.h"

#include <algorithm>
#include <limits>

#include "windlass/base/page.h"
#include "windlass/table/table.h"

namespace windlass {
extern const std::string_view kDiffPage;   // web/dist/diff.html, by windlass_embed_file
extern const std::string_view kDriftPage;  // web/dist/drift.html
}  // namespace windlass

namespace windlass::compare {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
using Type = table::OutputColumn::Type;

// A line of a table that is written cell by cell, in the order of its columns.
class Lines {
 public:
  explicit Lines(std::vector<table::OutputColumn> columns)
      : columns_(std::move(columns)), values_(columns_.size()) {}

  Lines& Text(const std::string& value) {
    values_[Next()].texts.push_back(value);
    return *this;
  }
  Lines& Integer(std::int64_t value) {
    values_[Next()].integers.push_back(value);
    return *this;
  }
  Lines& Double(double value) {
    values_[Next()].doubles.push_back(value);
    return *this;
  }

  void Write(const std::filesystem::path& path) const {
    const auto writer = table::CreateParquet(path.string(), columns_);
    writer->Append(values_);
    writer->Close();
  }

 private:
  std::size_t Next() { return next_++ % columns_.size(); }

  std::vector<table::OutputColumn> columns_;
  std::vector<table::OutputValues> values_;
  std::size_t next_ = 0;
};

void AddDoubles(std::initializer_list<const char*> names, std::vector<table::OutputColumn>& to) {
  for (const char* name : names) to.push_back({name, Type::kDouble});
}

// The change with its interval, p-value and mark; nothing where it was not `tested`.
void AddChange(const Change& change, bool tested, Lines& lines) {
  lines.Double(change.change)
      .Double(change.change - change.half_width)
      .Double(change.change + change.half_width)
      .Double(tested ? change.p : kNothing)
      .Integer(tested && change.p < kLevel ? 1 : 0);
}

void AddDistance(const Distance& distance, bool tested, Lines& lines) {
  lines.Double(tested ? distance.wasserstein : kNothing)
      .Double(tested ? distance.ks : kNothing)
      .Double(tested ? distance.critical : kNothing)
      .Double(tested ? distance.p : kNothing)
      .Integer(tested && distance.p < kLevel ? 1 : 0);
}

void AddEstimate(const Estimate& estimate, bool has, Lines& lines) {
  const double half = HalfWidth(estimate);
  lines.Double(has ? estimate.mean : kNothing)
      .Double(has ? estimate.mean - half : kNothing)
      .Double(has ? estimate.mean + half : kNothing);
}

std::vector<table::OutputColumn> ChangeColumns(const std::string& name) {
  return {{name + "_change", Type::kDouble},
          {name + "_low", Type::kDouble},
          {name + "_high", Type::kDouble},
          {name + "_p", Type::kDouble},
          {name + "_certain", Type::kInt64}};
}

void Append(std::vector<table::OutputColumn> more, std::vector<table::OutputColumn>& to) {
  to.insert(to.end(), more.begin(), more.end());
}

const std::vector<table::OutputColumn> kDistanceColumns = {{"wasserstein", Type::kDouble},
                                                           {"ks", Type::kDouble},
                                                           {"ks_critical", Type::kDouble},
                                                           {"ks_p", Type::kDouble},
                                                           {"ks_certain", Type::kInt64}};

std::string Render(std::string_view page, const Json& document) {
  return FillPage(page, document.dump(/*indent=*/-1, /*indent_char=*/' ', /*ensure_ascii=*/false,
                                      Json::error_handler_t::replace));
}

}  // namespace

void WriteDiffTable(const DiffResult& result, const std::filesystem::path& path) {
  std::vector<table::OutputColumn> columns = {
      {"output", Type::kText}, {"group", Type::kText}, {"only_in", Type::kText}};
  AddDoubles({"mean_a", "mean_b"}, columns);
  Append(ChangeColumns("mean"), columns);
  AddDoubles({"importance_a", "importance_b"}, columns);
  Append(ChangeColumns("importance"), columns);
  Append(kDistanceColumns, columns);
  Lines lines(columns);
  for (std::size_t k = 0; k < result.outputs.size(); ++k) {
    std::vector<GroupDiff> groups = result.outputs[k].groups;
    std::ranges::sort(groups, {}, &GroupDiff::group);
    for (const GroupDiff& group : groups) {
      const bool tested = group.only == 0;
      lines.Text(result.layout.outputs[k]).Text(result.layout.groups[group.group]);
      lines.Text(tested ? "" : std::string(1, group.only));
      lines.Double(group.mean.a).Double(group.mean.b);
      AddChange(group.mean, tested, lines);
      lines.Double(group.importance.a).Double(group.importance.b);
      AddChange(group.importance, tested, lines);
      AddDistance(group.distance, tested, lines);
    }
  }
  lines.Write(path);
}

void WriteDriftTable(const DriftResult& result, const std::filesystem::path& path) {
  std::vector<table::OutputColumn> columns = {{"output", Type::kText},
                                              {"group", Type::kText},
                                              {"period", Type::kText},
                                              {"rows", Type::kInt64},
                                              {"alarm", Type::kInt64}};
  AddDoubles({"mean", "mean_low", "mean_high", "importance", "importance_low", "importance_high"},
             columns);
  Append(ChangeColumns("mean_against_reference"), columns);
  Append(ChangeColumns("importance_against_reference"), columns);
  Append(kDistanceColumns, columns);
  Lines lines(columns);
  for (std::size_t k = 0; k < result.outputs.size(); ++k) {
    std::vector<GroupDrift> groups = result.outputs[k].groups;
    std::ranges::sort(groups, {}, &GroupDrift::group);
    for (const GroupDrift& group : groups) {
      for (std::size_t t = 0; t < result.periods.size(); ++t) {
        const GroupPeriod& period = group.periods[t];
        const bool has = result.periods[t].Has(group.group);
        Change none;
        none.change = kNothing;
        lines.Text(result.layout.outputs[k]).Text(result.layout.groups[group.group]);
        lines.Text(result.periods[t].name).Integer(result.periods[t].rows);
        lines.Integer(period.alarm() ? 1 : 0);
        AddEstimate(period.mean, has, lines);
        AddEstimate(period.importance, has, lines);
        AddChange(period.compared ? period.mean_change : none, period.compared, lines);
        AddChange(period.compared ? period.importance_change : none, period.compared, lines);
        AddDistance(period.distance, period.compared, lines);
      }
    }
  }
  lines.Write(path);
}

std::string RenderDiff(Json summary) {
  summary["windlass_diff"] = kDiffVersion;
  return Render(kDiffPage, summary);
}

std::string RenderDrift(Json summary) {
  summary["windlass_drift"] = kDriftVersion;
  return Render(kDriftPage, summary);
}

}  // namespace windlass::compare
