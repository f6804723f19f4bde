#include "windlass/explain/output.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "windlass/base/random.h"
#include "windlass/explain/shapley.h"

namespace windlass::explain {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::uint64_t kShownStream = 0x73686f776e21;

// Columns of a table that is written; a file with two of a name is of no use.
class ColumnList {
 public:
  using Type = table::OutputColumn::Type;

  ColumnList() {
    Add("row", Type::kInt64);
    Add("output", Type::kText);
    Add("base_value");
    Add("prediction");
  }

  // A group may be called like one of ours.
  void Add(std::string name, Type type = Type::kDouble) {
    while (!taken_.insert(name).second) name += "_";
    columns_.push_back({std::move(name), type});
  }
  // NAME.low and NAME.high of `count` columns from `first` on.
  void AddIntervals(std::size_t first, std::size_t count) {
    for (std::size_t c = first; c < first + count; ++c) {
      const std::string name = columns_[c].name;
      Add(name + ".low");
      Add(name + ".high");
    }
  }
  std::size_t size() const { return columns_.size(); }
  std::vector<table::OutputColumn> Take() { return std::move(columns_); }

 private:
  std::vector<table::OutputColumn> columns_;
  std::set<std::string> taken_;
};

std::vector<table::OutputColumn> AttributionColumns(const PreparedPlan& prepared) {
  ColumnList columns;
  const bool intervals = HasIntervals(prepared.plan);
  if (intervals) columns.Add("ranked", ColumnList::Type::kInt64);
  const std::size_t first = columns.size();
  for (const Group& group : prepared.groups) columns.Add(group.name);
  if (intervals) columns.AddIntervals(first, prepared.groups.size());
  return columns.Take();
}

std::vector<table::OutputColumn> InteractionColumns(const PreparedPlan& prepared) {
  ColumnList columns;
  const auto& groups = prepared.groups;
  for (const Group& group : groups) columns.Add(group.name);
  const std::size_t first = columns.size();
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (std::size_t j = i + 1; j < groups.size(); ++j) {
      columns.Add(groups[i].name + "*" + groups[j].name);
    }
  }
  if (HasIntervals(prepared.plan)) columns.AddIntervals(first, columns.size() - first);
  return columns.Take();
}

}  // namespace

OutputWriter::OutputWriter(const PreparedPlan& prepared, const std::filesystem::path& attributions,
                           const std::filesystem::path& interactions)
    : prepared_(prepared),
      base_value_(prepared.output_names.size(), kNaN),
      writer_(table::CreateParquet(attributions.string(), AttributionColumns(prepared))),
      absolute_(prepared.output_names.size() * prepared.groups.size(), 0.0) {
  if (HasIntervals(prepared.plan)) {
    half_width_.assign(absolute_.size(), 0.0);
    ranked_.assign(prepared.output_names.size(), 0.0);
  }
  if (prepared.cohorts) {
    cohorts_.emplace(*prepared.cohorts, prepared.output_names.size(), prepared.groups.size(),
                     HasIntervals(prepared.plan));
    if (prepared.label_cohorts) labels_ = prepared.label_cohorts->Open();
  }
  if (!prepared.plan.interactions) return;
  pairs_writer_ = table::CreateParquet(interactions.string(), InteractionColumns(prepared));
  absolute_pairs_.assign(prepared.output_names.size() * Pairs(std::ssize(prepared.groups)), 0.0);
  if (HasIntervals(prepared.plan)) pairs_half_width_.assign(absolute_pairs_.size(), 0.0);
}

void OutputWriter::Append(std::int64_t rows, const double* values,
                          const Attributions& attributions) {
  const std::size_t outputs = prepared_.output_names.size();
  const std::size_t players = prepared_.groups.size();
  base_value_ = attributions.base_value;
  const std::size_t lines = static_cast<std::size_t>(rows) * outputs;
  const bool intervals = !half_width_.empty();
  const std::size_t first = intervals ? 5 : 4;
  std::vector<table::OutputValues> columns(first + (intervals ? 3 : 1) * players);
  for (std::size_t line = 0; line < lines; ++line) {
    columns[0].integers.push_back(rows_ + static_cast<std::int64_t>(line / outputs));
    columns[1].texts.push_back(prepared_.output_names[line % outputs]);
    columns[2].doubles.push_back(base_value_[line % outputs]);
  }
  columns[3].doubles = attributions.prediction;
  if (intervals) columns[4].integers.assign(attributions.ranked.begin(), attributions.ranked.end());
  for (std::size_t g = 0; g < players; ++g) {
    auto& column = columns[first + g].doubles;
    column.resize(lines);
    for (std::size_t line = 0; line < lines; ++line) {
      column[line] = attributions.phi[line * players + g];
    }
    if (!intervals) continue;
    auto& low = columns[first + players + 2 * g].doubles;
    auto& high = columns[first + players + 2 * g + 1].doubles;
    low.resize(lines);
    high.resize(lines);
    for (std::size_t line = 0; line < lines; ++line) {
      const double half_width = attributions.half_width[line * players + g];
      low[line] = column[line] - half_width;
      high[line] = column[line] + half_width;
    }
  }
  writer_->Append(columns);
  if (pairs_writer_ != nullptr) AppendPairs(std::move(columns), attributions);
  std::set<std::int64_t> failed;
  for (const Failure& failure : attributions.failures) failed.insert(failure.row);
  const std::size_t width = outputs * players;
  const std::vector<int> known = labels_ != nullptr ? labels_->Next(rows) : std::vector<int>();
  for (std::int64_t r = 0; r < rows; ++r) {
    if (!failed.contains(r)) {
      const double* phi = &attributions.phi[r * width];
      for (std::size_t i = 0; i < width; ++i) absolute_[i] += std::abs(phi[i]);
      if (intervals) {
        for (std::size_t i = 0; i < width; ++i) {
          half_width_[i] += attributions.half_width[r * width + i];
        }
        for (std::size_t k = 0; k < outputs; ++k) {
          ranked_[k] += attributions.ranked[r * outputs + k];
        }
      }
      const std::size_t pairs = absolute_pairs_.size();
      for (std::size_t i = 0; i < pairs; ++i) {
        absolute_pairs_[i] += std::abs(attributions.interactions[r * pairs + i]);
      }
      for (std::size_t i = 0; i < pairs_half_width_.size(); ++i) {
        pairs_half_width_[i] += attributions.interactions_half_width[r * pairs + i];
      }
      const double* row = values + r * static_cast<std::int64_t>(prepared_.columns.size());
      Offer(row, attributions, r, AddToCohort(row, attributions, r, known));
    }
  }
  rows_ += rows;
  failed_rows_ += static_cast<std::int64_t>(failed.size());
  model_evaluations_ += attributions.model_evaluations;
  coalitions_ += attributions.coalitions;
  coalitions_saved_ += attributions.coalitions_saved;
  rows_above_tolerance_ += attributions.rows_above_tolerance;
}

int OutputWriter::AddToCohort(const double* values, const Attributions& attributions,
                              std::int64_t r, const std::vector<int>& known) {
  if (!cohorts_) return 0;
  const std::size_t outputs = prepared_.output_names.size();
  const std::size_t width = outputs * prepared_.groups.size();
  const double* prediction = &attributions.prediction[r * outputs];
  const double* phi = &attributions.phi[r * width];
  const double* half_width = half_width_.empty() ? nullptr : &attributions.half_width[r * width];
  if (known.empty()) return cohorts_->Add(values, prediction, phi, half_width);
  cohorts_->AddTo(known[r], prediction, phi, half_width);
  return known[r];
}

void OutputWriter::Offer(const double* values, const Attributions& attributions, std::int64_t r,
                         int cohort) {
  const auto slot = kept_.Offer(Random(kShownStream, static_cast<std::uint64_t>(rows_ + r)).Next());
  if (!slot) return;
  const std::size_t outputs = prepared_.output_names.size();
  const std::size_t width = outputs * prepared_.groups.size();
  Shown shown;
  shown.row = rows_ + r;
  shown.prediction.assign(&attributions.prediction[r * outputs],
                          &attributions.prediction[r * outputs] + outputs);
  shown.phi.assign(&attributions.phi[r * width], &attributions.phi[r * width] + width);
  shown.values.assign(values, values + prepared_.columns.size());
  shown.cohort = cohort;
  if (!half_width_.empty()) {
    const double* half_width = &attributions.half_width[r * width];
    shown.half_width.assign(half_width, half_width + width);
    const std::int32_t* ranked = &attributions.ranked[r * outputs];
    shown.ranked.assign(ranked, ranked + outputs);
  }
  if (*slot == shown_.size()) shown_.emplace_back();
  shown_[*slot] = std::move(shown);
}

// `columns` are those of the attributions.
void OutputWriter::AppendPairs(std::vector<table::OutputValues> columns,
                               const Attributions& attributions) {
  const std::int64_t players = std::ssize(prepared_.groups), pairs = Pairs(players);
  const std::int64_t lines = std::ssize(attributions.prediction);
  const bool intervals = HasIntervals(prepared_.plan);
  if (intervals) columns.erase(columns.begin() + 4);  // ranked
  columns.resize(4 + players + (intervals ? 3 : 1) * pairs);
  for (std::int64_t i = 0; i < players; ++i) {
    for (std::int64_t j = i + 1; j < players; ++j) {
      const std::int64_t pair = PairIndex(i, j, players);
      std::vector<double>& to = columns[4 + players + pair].doubles;
      to.resize(lines);
      for (std::int64_t line = 0; line < lines; ++line) {
        to[line] = attributions.interactions[line * pairs + pair];
        columns[4 + i].doubles[line] -= to[line] / 2;
        columns[4 + j].doubles[line] -= to[line] / 2;
      }
      if (!intervals) continue;
      std::vector<double>& low = columns[4 + players + pairs + 2 * pair].doubles;
      std::vector<double>& high = columns[4 + players + pairs + 2 * pair + 1].doubles;
      low = high = to;
      for (std::int64_t line = 0; line < lines; ++line) {
        low[line] -= attributions.interactions_half_width[line * pairs + pair];
        high[line] += attributions.interactions_half_width[line * pairs + pair];
      }
    }
  }
  pairs_writer_->Append(columns);
}

void OutputWriter::Close() {
  writer_->Close();
  if (pairs_writer_ != nullptr) pairs_writer_->Close();
}

std::vector<double> OutputWriter::Mean(std::vector<double> sums) const {
  const double count = static_cast<double>(std::max<std::int64_t>(1, rows_ - failed_rows_));
  for (double& value : sums) value /= count;
  return sums;
}

std::vector<double> OutputWriter::Importance() const { return Mean(absolute_); }
std::vector<double> OutputWriter::PairImportance() const { return Mean(absolute_pairs_); }
std::vector<double> OutputWriter::PairHalfWidth() const { return Mean(pairs_half_width_); }
std::vector<double> OutputWriter::ImportanceHalfWidth() const { return Mean(half_width_); }
std::vector<double> OutputWriter::MeanRanked() const { return Mean(ranked_); }

// One column: its number or category. Several 0/1 columns of which at most one is 1, as one-hot
// encoding makes: which one it is. Anything else has no single value to show.
void OutputWriter::FillGroup(std::size_t g, ReportGroup& described, std::vector<double>& value,
                             const std::vector<const Shown*>& shown) const {
  const Group& group = prepared_.groups[g];
  described.name = group.name;
  for (const int column : group.columns) {
    described.columns.push_back(prepared_.columns[column].name);
  }
  value.assign(shown.size(), kNaN);
  if (group.columns.size() == 1) {
    described.categories = prepared_.columns[group.columns[0]].categories;
    for (std::size_t i = 0; i < shown.size(); ++i) value[i] = shown[i]->values[group.columns[0]];
    return;
  }
  bool other = false;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    double hot = -1;
    for (std::size_t c = 0; c < group.columns.size(); ++c) {
      const double x = shown[i]->values[group.columns[c]];
      if (x == 0) continue;
      if (x != 1 || hot >= 0) {  // not one-hot
        value.assign(shown.size(), kNaN);
        return;
      }
      hot = static_cast<double>(c);
    }
    other = other || hot < 0;
    value[i] = hot >= 0 ? hot : static_cast<double>(group.columns.size());
  }
  const std::string prefix = group.name + "=";
  for (const std::string& name : described.columns) {
    described.categories.push_back(name.starts_with(prefix) ? name.substr(prefix.size()) : name);
  }
  if (other) described.categories.push_back("none of these");
}

std::vector<const OutputWriter::Shown*> OutputWriter::Sorted() const {
  std::vector<const Shown*> shown;
  for (const Shown& row : shown_) shown.push_back(&row);
  std::ranges::sort(shown, {}, &Shown::row);
  return shown;
}

ReportCohorts OutputWriter::CohortMeans() const {
  if (!cohorts_) return {};
  std::vector<int> member;
  for (const Shown* row : Sorted()) member.push_back(row->cohort);
  return cohorts_->Means(member);
}

ReportData OutputWriter::Report() const {
  const std::vector<const Shown*> shown = Sorted();
  ReportData data;
  data.link = LinkName(prepared_.plan.link);
  data.method = MethodName(prepared_.plan.method);
  data.reason = prepared_.reason;
  data.margin = prepared_.plan.margin;
  data.notes = prepared_.notes;
  data.rows = rows_;
  data.model_evaluations = model_evaluations_;
  data.outputs = prepared_.output_names;
  data.importance = Importance();
  data.importance_half_width = ImportanceHalfWidth();
  data.interactions = PairImportance();
  data.cohorts = CohortMeans();
  data.base_value = base_value_;
  const std::size_t players = prepared_.groups.size();
  data.groups.resize(players);
  data.value.assign(shown.size() * players, kNaN);
  std::vector<double> value;
  for (std::size_t g = 0; g < players; ++g) {
    FillGroup(g, data.groups[g], value, shown);
    for (std::size_t i = 0; i < shown.size(); ++i) data.value[i * players + g] = value[i];
  }
  for (const Shown* row : shown) {
    data.row.push_back(row->row);
    data.prediction.insert(data.prediction.end(), row->prediction.begin(), row->prediction.end());
    data.phi.insert(data.phi.end(), row->phi.begin(), row->phi.end());
    data.half_width.insert(data.half_width.end(), row->half_width.begin(), row->half_width.end());
    data.ranked.insert(data.ranked.end(), row->ranked.begin(), row->ranked.end());
  }
  return data;
}

}  // namespace windlass::explain
