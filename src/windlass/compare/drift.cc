#include "windlass/compare/drift.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "windlass/base/error.h"
#include "windlass/compare/periods.h"

namespace windlass::compare {
namespace {

constexpr std::int64_t kDriftBlockRows = 4096;

// The folder that a run lies in, which is what users tell runs apart by.
std::string ShortName(const Explanation& run) {
  std::filesystem::path path(run.place);
  if (path.filename() == "attributions.parquet") path = path.parent_path();
  if (!path.has_filename()) path = path.parent_path();
  const std::string name = path.filename().string();
  return name.empty() || name == "." || name == ".." ? run.place : name;
}

std::vector<std::string> PeriodNames(const std::vector<Explanation>& runs) {
  std::vector<std::string> names;
  names.reserve(runs.size());
  for (const Explanation& run : runs) names.push_back(ShortName(run));
  if (std::set<std::string>(names.begin(), names.end()).size() == names.size()) return names;
  std::set<std::string> taken;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    names[i] = runs[i].place;
    while (!taken.insert(names[i]).second) names[i] += "'";
  }
  return names;
}

std::size_t ReferenceOf(const std::vector<Period>& periods, const std::string& name) {
  if (name.empty()) return 0;
  std::vector<std::string> names;
  names.reserve(periods.size());
  for (const Period& period : periods) names.push_back(period.name);
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("--reference {}: no period is called that{}",
                                                      name, Suggestion(name, names)));
  }
  return static_cast<std::size_t>(found - names.begin());
}

void CheckPeriods(const DriftResult& result, const std::string& where) {
  if (result.periods.size() < 2) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} has a single period, \"{}\"; drift needs two or more", where,
                            result.periods[0].name));
  }
}

// Periods whose rows all failed stay, with nothing to say, while there is a comparison.
void CheckRows(const DriftResult& result, const std::string& where) {
  const Period& reference = result.periods[result.reference];
  if (reference.rows == 0) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("the reference, period \"{}\" of {}, has no row with finite attributions "
                    "({} failed); --reference names another",
                    reference.name, where, reference.failed));
  }
  if (std::ranges::count_if(result.periods, [](const Period& of) { return of.rows > 0; }) < 2) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("of the periods of {} only \"{}\" has rows with finite attributions; "
                            "drift needs two or more",
                            where, reference.name));
  }
}

void CheckCells(std::size_t periods, const Layout& layout) {
  const std::size_t groups = layout.groups.size(), outputs = layout.outputs.size();
  if (periods * groups * outputs <= kMostCells) return;
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("{} periods of {} groups and {} outputs are {} cells; drift compares at "
                          "most {}: take fewer periods (--bins), group columns, or explain fewer "
                          "outputs",
                          periods, groups, outputs, periods * groups * outputs, kMostCells));
}

GroupPeriod GroupIn(const DriftResult& result, const std::vector<Totals>& totals, std::size_t k,
                    std::size_t g, std::size_t t) {
  const Totals& now = totals[t];
  const Totals& before = totals[result.reference];
  GroupPeriod group;
  group.mean = now.Of(k, Quantity::Phi(g));
  group.importance = now.Of(k, Quantity::Importance(g));
  group.compared =
      t != result.reference && result.periods[t].Has(g) && result.periods[result.reference].Has(g);
  if (!group.compared) return group;
  const double rounding = RoundingOf(before, now, k);
  group.mean_change = Independent(before.Of(k, Quantity::Phi(g)), group.mean, rounding);
  group.importance_change =
      Independent(before.Of(k, Quantity::Importance(g)), group.importance, rounding);
  group.distance = DistanceOf(before, now, k, g);
  return group;
}

OutputDrift OutputIn(const DriftResult& result, const std::vector<Totals>& totals, std::size_t k) {
  OutputDrift output;
  for (const Totals& period : totals) {
    output.prediction.push_back(period.Of(k, Quantity::kPrediction));
    output.base.push_back(period.Of(k, Quantity::kBase));
  }
  for (std::size_t g = 0; g < result.layout.groups.size(); ++g) {
    GroupDrift group{g, {}, 0};
    for (std::size_t t = 0; t < totals.size(); ++t) {
      group.periods.push_back(GroupIn(result, totals, k, g, t));
      group.drift = std::max(group.drift, group.periods.back().moved());
    }
    output.groups.push_back(std::move(group));
  }
  std::ranges::stable_sort(output.groups, std::greater{}, &GroupDrift::drift);
  return output;
}

std::size_t AdjustDrift(std::vector<OutputDrift>& outputs) {
  std::vector<double*> p;
  for (OutputDrift& output : outputs) {
    for (GroupDrift& group : output.groups) {
      for (GroupPeriod& period : group.periods) {
        if (!period.compared) continue;
        p.insert(p.end(), {&period.mean_change.p, &period.importance_change.p, &period.distance.p});
      }
    }
  }
  AdjustHolm(p);
  return p.size();
}

void Judge(const std::vector<Totals>& totals, const std::string& reference,
           const std::string& where, DriftResult& result) {
  for (std::size_t t = 0; t < totals.size(); ++t) {
    result.periods[t].rows = totals[t].rows();
    result.periods[t].failed = totals[t].failed();
  }
  CheckPeriods(result, where);
  result.reference = ReferenceOf(result.periods, reference);
  CheckRows(result, where);
  for (std::size_t k = 0; k < result.layout.outputs.size(); ++k) {
    result.outputs.push_back(OutputIn(result, totals, k));
  }
  result.tests = AdjustDrift(result.outputs);
}

std::vector<bool> GroupsOf(const RowMap& map, const Layout& layout) {
  std::vector<bool> has;
  for (std::size_t g = 0; g < layout.groups.size(); ++g) has.push_back(map.has(g));
  return has;
}

void Take(const RowMap& map, const Block& block, std::int64_t r, Row& row, Totals& totals) {
  if (map.Fill(block, r, row)) {
    totals.Add(row);
  } else {
    totals.Fail();
  }
}

// The periods of the rows of a run, which ascend, out of those of all rows of its data.
class PeriodsOfRows {
 public:
  PeriodsOfRows(PeriodReader& reader, const Explanation& run, const std::string& data)
      : reader_(reader), run_(run), data_(data) {}

  std::int64_t Of(std::int64_t row) {
    while (row >= first_ + std::ssize(periods_)) {
      first_ += std::ssize(periods_);
      if (!reader_.Next(kDriftBlockRows, periods_)) {
        periods_.clear();
        Mismatch(fmt::format("only {} rows, but row {} was explained", first_, row));
      }
    }
    last_ = row;
    return periods_[static_cast<std::size_t>(row - first_)];
  }

  // Rows that were not explained say that this is not the table that was.
  void CheckEnd() {
    std::int64_t rows = first_ + std::ssize(periods_);
    while (reader_.Next(kDriftBlockRows, periods_)) rows += std::ssize(periods_);
    if (rows != last_ + 1) Mismatch(fmt::format("{} rows, but {} were explained", rows, last_ + 1));
  }

 private:
  [[noreturn]] void Mismatch(const std::string& what) const {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} is not what {} explains: it has {}; --data names the table that "
                            "was explained",
                            data_, run_.path, what));
  }

  PeriodReader& reader_;
  const Explanation& run_;
  const std::string& data_;
  std::vector<std::int64_t> periods_;
  std::int64_t first_ = 0;
  std::int64_t last_ = -1;
};

Json ToJson(const Estimate& estimate) {
  const double half = HalfWidth(estimate);
  return {{"mean", Number(estimate.mean)},
          {"low", Number(estimate.mean - half)},
          {"high", Number(estimate.mean + half)}};
}

Json ToJson(const GroupPeriod& period, bool has) {
  if (!has) return nullptr;
  Json json = {{"mean", ToJson(period.mean)}, {"importance", ToJson(period.importance)}};
  const auto change = [&](const Change& of) {
    Json full = compare::ToJson(of);
    full.erase("a");
    full.erase("b");
    return full;
  };
  json["mean_change"] = period.compared ? change(period.mean_change) : Json();
  json["importance_change"] = period.compared ? change(period.importance_change) : Json();
  json["distance"] = period.compared ? compare::ToJson(period.distance) : Json();
  json["alarm"] = period.alarm();
  return json;
}

Json ToJson(const GroupDrift& group, const DriftResult& result) {
  Json periods = Json::array(), alarms = Json::array();
  for (std::size_t t = 0; t < group.periods.size(); ++t) {
    periods.push_back(ToJson(group.periods[t], result.periods[t].Has(group.group)));
    if (group.periods[t].alarm()) alarms.push_back(result.periods[t].name);
  }
  return {{"group", result.layout.groups[group.group]},
          {"drift", group.drift},
          {"alarms", std::move(alarms)},
          {"periods", std::move(periods)}};
}

// What of `result` is listed.
struct Listed {
  std::size_t outputs, groups;
};

Listed ListedOf(const DriftResult& result) {
  const std::size_t periods = result.periods.size();
  Listed listed{};
  listed.outputs =
      std::min(result.outputs.size(), std::max<std::size_t>(1, kListedCells / periods));
  const std::size_t room = std::max<std::size_t>(1, kListedCells / (periods * listed.outputs));
  listed.groups = std::min({result.layout.groups.size(), kListedGroups, room});
  return listed;
}

Json ToJson(const OutputDrift& output, std::size_t listed, const DriftResult& result) {
  Json groups = Json::array(), prediction = Json::array(), base = Json::array();
  std::size_t alarms = 0, moved = 0;
  for (std::size_t g = 0; g < output.groups.size(); ++g) {
    if (g < listed) groups.push_back(ToJson(output.groups[g], result));
    const std::size_t of = output.groups[g].alarms();
    alarms += of;
    moved += of > 0 ? 1 : 0;
  }
  for (std::size_t t = 0; t < result.periods.size(); ++t) {
    const bool has = result.periods[t].rows > 0;
    prediction.push_back(has ? ToJson(output.prediction[t]) : Json());
    base.push_back(has ? Number(output.base[t].mean) : Json());
  }
  return {{"prediction", std::move(prediction)}, {"base_value", std::move(base)},
          {"groups", std::move(groups)},         {"all_groups", output.groups.size()},
          {"all_groups_with_alarms", moved},     {"all_alarms", alarms}};
}

}  // namespace

std::size_t GroupDrift::alarms() const {
  return static_cast<std::size_t>(std::ranges::count_if(periods, &GroupPeriod::alarm));
}

bool GroupPeriod::alarm() const {
  return compared && std::min({mean_change.p, importance_change.p, distance.p}) < kLevel;
}

double GroupPeriod::moved() const {
  return compared ? std::max(std::abs(mean_change.change), distance.wasserstein) : 0;
}

DriftResult DriftOfRuns(const std::vector<Explanation>& runs, const std::string& reference,
                        const Tick& tick) {
  DriftResult result;
  result.runs = runs;
  result.layout = LayoutOf(runs);
  CheckCells(runs.size(), result.layout);
  const std::size_t sample = SampleRows(result.layout, runs.size());
  result.sampled = static_cast<std::int64_t>(sample);
  const std::vector<std::string> names = PeriodNames(runs);
  std::vector<Totals> totals(runs.size(), Totals(result.layout, sample));
  for (std::size_t t = 0; t < runs.size(); ++t) {
    result.periods.push_back(
        {names[t], 0, 0, GroupsOf(RowMap(runs[t], result.layout), result.layout)});
  }
  const Explanation& first = runs[ReferenceOf(result.periods, reference)];
  for (const Explanation& run : runs) CheckGroups(first, run);
  for (std::size_t t = 0; t < runs.size(); ++t) {
    const RowMap map(runs[t], result.layout);
    ExplanationReader reader(runs[t]);
    Block block;
    Row row;
    while (reader.Next(kDriftBlockRows, block)) {
      for (std::int64_t r = 0; r < block.rows; ++r) Take(map, block, r, row, totals[t]);
      tick(block.rows);
    }
  }
  Judge(totals, reference, "the runs", result);
  return result;
}

DriftResult DriftByColumn(const Explanation& run, const std::string& data,
                          const std::string& column, std::int64_t bins,
                          const std::string& reference, const Tick& tick) {
  const auto reader = OpenPeriods(data, column, bins);
  DriftResult result;
  result.runs = {run};
  result.by = column;
  result.layout = LayoutOf({run});
  CheckCells(reader->names().size(), result.layout);
  const std::size_t sample = SampleRows(result.layout, reader->names().size());
  result.sampled = static_cast<std::int64_t>(sample);
  const RowMap map(run, result.layout);
  for (const std::string& name : reader->names()) {
    result.periods.push_back({name, 0, 0, GroupsOf(map, result.layout)});
  }
  std::vector<Totals> totals(result.periods.size(), Totals(result.layout, sample));
  PeriodsOfRows periods(*reader, run, data);
  ExplanationReader rows(run);
  Block block;
  Row row;
  while (rows.Next(kDriftBlockRows, block)) {
    for (std::int64_t r = 0; r < block.rows; ++r) {
      const std::int64_t period = periods.Of(block.row[static_cast<std::size_t>(r)]);
      if (period == PeriodReader::kNone) {
        ++result.rows_without_period;
      } else {
        Take(map, block, r, row, totals[static_cast<std::size_t>(period)]);
      }
    }
    tick(block.rows);
  }
  periods.CheckEnd();
  Judge(totals, reference, fmt::format("column \"{}\" of {}", column, data), result);
  return result;
}

Json ToJson(const DriftResult& result) {
  Json runs = Json::array(), periods = Json::array(), outputs = Json::array();
  std::string link;
  for (const Explanation& run : result.runs) {
    runs.push_back(compare::ToJson(run));
    if (link.empty()) link = run.link;
  }
  for (const Period& period : result.periods) {
    periods.push_back(
        {{"period", period.name}, {"rows", period.rows}, {"failed_rows", period.failed}});
  }
  const Listed listed = ListedOf(result);
  for (std::size_t k = 0; k < listed.outputs; ++k) {
    outputs.push_back(ToJson(result.outputs[k], listed.groups, result));
    outputs.back()["output"] = result.layout.outputs[k];
  }
  Json left_out = Json::array();
  for (const Explanation& run : result.runs) {
    for (const std::string& output : run.outputs) {
      if (std::ranges::find(result.layout.outputs, output) == result.layout.outputs.end()) {
        left_out.push_back({{"place", run.place}, {"output", output}});
      }
    }
  }
  return {{"link", link.empty() ? Json() : Json(link)},
          {"links_unknown", LinksUnknown(result.runs)},
          {"other_values", OtherValues(result.runs)},
          {"runs", std::move(runs)},
          {"by", result.by.empty() ? Json() : Json(result.by)},
          {"periods", std::move(periods)},
          {"reference", result.periods[result.reference].name},
          {"rows_without_period", result.rows_without_period},
          {"sampled_rows", result.sampled},
          {"outputs_left_out", std::move(left_out)},
          {"correction", "Holm"},
          {"tests", result.tests},
          {"level", kLevel},
          {"all_outputs", result.outputs.size()},
          {"outputs", std::move(outputs)}};
}

}  // namespace windlass::compare
