#include "windlass/explain/cohorts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/json.h"

namespace windlass::explain {
namespace {

constexpr int kMissing = -1;
constexpr int kSeveral = -2;

// The group or column called `name`: its columns. A group goes before a column of its name, which
// it mostly holds.
std::vector<int> Resolve(std::string_view name, const table::Schema& columns,
                         std::span<const Group> groups) {
  std::vector<std::string> known;
  for (const Group& group : groups) {
    if (group.name == name) return group.columns;
    known.push_back(group.name);
  }
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (columns[c].name == name) return {static_cast<int>(c)};
    if (std::ranges::find(known, columns[c].name) == known.end()) known.push_back(columns[c].name);
  }
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("cohorts: \"{}\" is no column or group of the model's, nor a column "
                          "that --ignore passes over{}",
                          name, Suggestion(name, known)));
}

// All digits, or six where those are many and the cuts can still be told apart.
std::vector<std::string> TextsOf(const std::vector<double>& cuts) {
  constexpr std::size_t kReadable = 9;
  std::vector<std::string> exact, rounded;
  for (const double cut : cuts) {
    exact.push_back(fmt::format("{}", cut));
    rounded.push_back(exact.back().size() <= kReadable ? exact.back() : fmt::format("{:.6g}", cut));
  }
  return std::ranges::adjacent_find(rounded) == rounded.end() ? rounded : exact;
}

// "Country=Peru" of group "Country": "Peru".
std::vector<std::string> NamesOfColumns(std::string_view group, std::span<const int> indices,
                                        const table::Schema& columns) {
  const std::string prefix = std::string(group) + "=";
  std::vector<std::string> names;
  for (const int c : indices) {
    const std::string& name = columns[c].name;
    names.push_back(name.starts_with(prefix) ? name.substr(prefix.size()) : name);
  }
  names.emplace_back("none of these");
  return names;
}

}  // namespace

std::vector<double> CutsOf(std::span<const std::pair<double, double>> ascending, int quantiles) {
  if (ascending.empty()) return {};
  double total = 0;
  for (const auto& [value, weight] : ascending) total += weight;
  constexpr double kRounding = 1e-9;  // of sums of weights
  std::vector<double> cuts;
  double sum = 0;
  int next = 1;
  for (const auto& [value, weight] : ascending) {
    sum += weight;
    for (; next < quantiles && sum >= total * (next / static_cast<double>(quantiles) - kRounding);
         ++next) {
      if (cuts.empty() || cuts.back() < value) cuts.push_back(value);
    }
  }
  const double last = ascending.back().first;
  if (!cuts.empty() && cuts.back() == last) cuts.pop_back();
  if (cuts.empty()) {
    for (const auto& [value, weight] : ascending) {
      if (value < last) cuts = {value};
    }
  }
  return cuts;
}

std::vector<std::string> NamesOfParts(const std::vector<double>& cuts) {
  if (cuts.empty()) return {"all values"};
  const std::vector<std::string> texts = TextsOf(cuts);
  std::vector<std::string> names = {fmt::format("up to {}", texts[0])};
  for (std::size_t k = 1; k < cuts.size(); ++k) {
    names.push_back(fmt::format("above {}, up to {}", texts[k - 1], texts[k]));
  }
  names.push_back(fmt::format("above {}", texts.back()));
  return names;
}

Cohorts::Cohorts(std::string_view by, const table::Schema& columns, std::span<const Group> groups,
                 std::span<const double> background, std::span<const double> weights)
    : by_(by), columns_(Resolve(by, columns, groups)) {
  const std::size_t width = columns.size();
  if (columns_.size() > 1) {
    CheckOneHot(columns, background);
    SplitCategories(NamesOfColumns(by, columns_, columns), background, weights, width);
  } else if (!columns[columns_[0]].categories.empty()) {
    SplitCategories(columns[columns_[0]].categories, background, weights, width);
  } else {
    SplitNumbers(background, weights, width);
  }
  missing_ = static_cast<int>(names_.size());
  AddName("missing");
  several_ = static_cast<int>(names_.size());
  AddName("several values");
}

// A category may be called like a cohort of ours.
void Cohorts::AddName(std::string name) {
  while (std::ranges::find(names_, name) != names_.end()) name += "_";
  names_.push_back(std::move(name));
}

void Cohorts::CheckOneHot(const table::Schema& columns, std::span<const double> background) const {
  std::vector<std::string> own;
  bool fits = true;
  for (const int c : columns_) {
    own.push_back(columns[c].name);
    fits = fits && columns[c].categories.empty();
  }
  for (std::size_t row = 0; row < background.size(); row += columns.size()) {
    int set = 0;
    for (const int c : columns_) {
      const double value = background[row + c];
      fits = fits && (value == 0 || value == 1 || std::isnan(value));
      set += value == 1 ? 1 : 0;
    }
    fits = fits && set <= 1;
  }
  if (fits) return;
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("cohorts: group \"{}\" has several columns, and they are not the 0/1 "
                          "columns of one category; split by one of them, as \"{}\"",
                          by_, own.front()));
}

void Cohorts::SplitNumbers(std::span<const double> background, std::span<const double> weights,
                           std::size_t width) {
  if (weights.empty()) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("cohorts: \"{}\" is a number, which is cut at quartiles of the "
                            "background, and there is none; split by a categorical column, or "
                            "use --tree-mode interventional with a --background",
                            by_));
  }
  std::vector<std::pair<double, double>> values;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double value = background[i * width + columns_[0]];
    if (!std::isnan(value)) values.emplace_back(value, weights[i]);
  }
  std::ranges::sort(values);
  cuts_ = CutsOf(values, kQuantiles);
  names_ = NamesOfParts(cuts_);
}

void Cohorts::SplitCategories(std::span<const std::string> categories,
                              std::span<const double> background, std::span<const double> weights,
                              std::size_t width) {
  std::vector<double> frequency(categories.size(), 0.0);
  cohort_of_category_.assign(categories.size(), 0);  // CategoryOf asks for their number
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const int category = CategoryOf(&background[i * width]);
    if (category >= 0) frequency[category] += weights[i];
  }
  std::vector<int> order(categories.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](int a, int b) { return frequency[a] > frequency[b]; });
  const std::size_t named = std::min<std::size_t>(order.size(), kNamed);
  cohort_of_category_.assign(categories.size(), static_cast<int>(named));
  // Categories keep the order of their codes.
  std::sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(named));
  for (std::size_t k = 0; k < named; ++k) {
    cohort_of_category_[order[k]] = static_cast<int>(k);
    names_.push_back(categories[order[k]]);
  }
  if (named < order.size()) AddName("other");
}

int Cohorts::CategoryOf(const double* row) const {
  const int count = static_cast<int>(cohort_of_category_.size());
  if (columns_.size() == 1) {
    const double code = row[columns_[0]];
    return code >= 0 && code < count ? static_cast<int>(code) : kMissing;
  }
  int hot = count - 1;  // "none of these"
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    const double value = row[columns_[c]];
    if (value == 0) continue;
    if (std::isnan(value)) return kMissing;
    if (value != 1 || hot != count - 1) return kSeveral;
    hot = static_cast<int>(c);
  }
  return hot;
}

int Cohorts::Of(const double* row) const {
  if (cohort_of_category_.empty()) {
    const double value = row[columns_[0]];
    if (std::isnan(value)) return missing_;
    return static_cast<int>(std::ranges::lower_bound(cuts_, value) - cuts_.begin());
  }
  const int category = CategoryOf(row);
  if (category == kMissing) return missing_;
  return category == kSeveral ? several_ : cohort_of_category_[category];
}

CohortSums::CohortSums(const Cohorts& cohorts, std::size_t outputs, std::size_t groups,
                       bool intervals)
    : cohorts_(cohorts),
      outputs_(outputs),
      groups_(groups),
      rows_(cohorts.names().size(), 0),
      prediction_(rows_.size() * outputs, 0.0),
      absolute_(rows_.size() * outputs * groups, 0.0),
      phi_(absolute_.size(), 0.0),
      half_width_(intervals ? absolute_.size() : 0, 0.0) {}

int CohortSums::Add(const double* values, const double* prediction, const double* phi,
                    const double* half_width) {
  const int cohort = cohorts_.Of(values);
  AddTo(cohort, prediction, phi, half_width);
  return cohort;
}

void CohortSums::AddTo(int cohort, const double* prediction, const double* phi,
                       const double* half_width) {
  const std::size_t width = outputs_ * groups_;
  ++rows_[cohort];
  for (std::size_t k = 0; k < outputs_; ++k) prediction_[cohort * outputs_ + k] += prediction[k];
  for (std::size_t i = 0; i < width; ++i) {
    absolute_[cohort * width + i] += std::abs(phi[i]);
    phi_[cohort * width + i] += phi[i];
    if (!half_width_.empty()) half_width_[cohort * width + i] += half_width[i];
  }
}

ReportCohorts CohortSums::Means(std::span<const int> member) const {
  ReportCohorts means;
  means.by = cohorts_.by();
  std::vector<int> present;
  std::vector<int> place(rows_.size(), -1);
  for (std::size_t c = 0; c < rows_.size(); ++c) {
    if (rows_[c] == 0) continue;
    place[c] = static_cast<int>(present.size());
    present.push_back(static_cast<int>(c));
    means.names.push_back(cohorts_.names()[c]);
    means.rows.push_back(rows_[c]);
  }
  for (std::size_t k = 0; k < outputs_; ++k) {
    for (const int c : present) {
      const auto count = static_cast<double>(rows_[c]);
      means.prediction.push_back(prediction_[c * outputs_ + k] / count);
      for (std::size_t g = 0; g < groups_; ++g) {
        const std::size_t i = (c * outputs_ + k) * groups_ + g;
        means.mean_abs.push_back(absolute_[i] / count);
        means.mean.push_back(phi_[i] / count);
        if (!half_width_.empty()) means.half_width.push_back(half_width_[i] / count);
      }
    }
  }
  for (const int c : member) means.member.push_back(place[c]);
  return means;
}

}  // namespace windlass::explain
