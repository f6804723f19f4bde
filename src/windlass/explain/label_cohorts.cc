#include "windlass/explain/label_cohorts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "windlass/base/cancel.h"
#include "windlass/base/error.h"
#include "windlass/base/random.h"
#include "windlass/base/reservoir.h"
#include "windlass/explain/cohorts.h"
#include "windlass/table/table.h"

namespace windlass::explain {
namespace {

constexpr std::int64_t kReadRows = 16'384;
constexpr std::size_t kSampleRows = 65'536;
constexpr std::uint64_t kSampleStream = 0x6c6162656c73;

std::unique_ptr<table::Reader> OpenNumbers(const std::string& data, const std::string& column) {
  return table::OpenTable(data, {.columns = {column}, .ignore_others = true});
}

[[noreturn]] void NoMoreRows(const std::string& data) {
  throw Error(ErrorCode::kInvalidInput, fmt::format("{} became shorter while it was read", data));
}

class WordRows final : public LabelCohorts::Rows {
 public:
  WordRows(const std::string& data, const std::string& column, std::vector<int> of_label,
           int missing)
      : data_(data),
        reader_(table::OpenLabels(data, column, LabelCohorts::kMostLabels)),
        of_label_(std::move(of_label)),
        missing_(missing) {}

  std::vector<int> Next(std::int64_t rows) override {
    std::vector<int> cohorts;
    std::vector<std::int64_t> codes;
    while (std::ssize(cohorts) < rows) {
      if (!reader_->Next(rows - std::ssize(cohorts), codes)) NoMoreRows(data_);
      for (const std::int64_t code : codes) {
        // A label that was not there before is of a file that has changed: one of the others.
        cohorts.push_back(code < 0 || code >= std::ssize(of_label_) ? missing_ : of_label_[code]);
      }
    }
    return cohorts;
  }

 private:
  std::string data_;
  std::unique_ptr<table::LabelReader> reader_;
  std::vector<int> of_label_;
  int missing_;
};

class NumberRows final : public LabelCohorts::Rows {
 public:
  NumberRows(const std::string& data, const std::string& column, std::vector<double> numbers,
             int missing)
      : data_(data),
        reader_(OpenNumbers(data, column)),
        numbers_(std::move(numbers)),
        missing_(missing) {}

  std::vector<int> Next(std::int64_t rows) override {
    std::vector<int> cohorts;
    table::Chunk chunk;
    while (std::ssize(cohorts) < rows) {
      if (!reader_->Next(rows - std::ssize(cohorts), chunk)) NoMoreRows(data_);
      for (const double value : chunk.values) {
        const auto at = std::ranges::lower_bound(numbers_, value) - numbers_.begin();
        cohorts.push_back(std::isnan(value) ? missing_ : static_cast<int>(at));
      }
    }
    return cohorts;
  }

 private:
  std::string data_;
  std::unique_ptr<table::Reader> reader_;
  std::vector<double> numbers_;
  int missing_;
};

}  // namespace

LabelCohorts::LabelCohorts(std::string data, std::string column)
    : data_(std::move(data)),
      column_(std::move(column)),
      words_(table::OpenLabels(data_, column_, kMostLabels) != nullptr) {
  if (words_) {
    ReadWords();
  } else {
    ReadNumbers();
  }
  if (names_.empty()) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: column \"{}\" has no value in any row", data_, column_));
  }
  std::string missing = "missing";
  while (std::ranges::find(names_, missing) != names_.end()) missing += "_";
  names_.push_back(std::move(missing));
}

void LabelCohorts::ReadWords() {
  const auto reader = table::OpenLabels(data_, column_, kMostLabels);
  std::vector<std::int64_t> codes, rows;
  while (reader->Next(kReadRows, codes)) {
    ProcessCancelToken().Check();
    rows.resize(reader->labels().size());
    for (const std::int64_t code : codes) {
      if (code >= 0) ++rows[code];
    }
  }
  const std::vector<std::string>& labels = reader->labels();
  std::vector<std::size_t> order(labels.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    return rows[a] != rows[b] ? rows[a] > rows[b] : labels[a] < labels[b];
  });
  const std::size_t named = std::min<std::size_t>(order.size(), Cohorts::kNamed);
  std::ranges::sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(named), {},
                    [&](std::size_t label) -> const std::string& { return labels[label]; });
  of_label_.assign(labels.size(), static_cast<int>(named));
  for (std::size_t k = 0; k < named; ++k) {
    of_label_[order[k]] = static_cast<int>(k);
    names_.push_back(labels[order[k]]);
  }
  if (named == order.size()) return;
  std::string other = "other";
  while (std::ranges::find(names_, other) != names_.end()) other += "_";
  names_.push_back(std::move(other));
}

void LabelCohorts::ReadNumbers() {
  const auto reader = OpenNumbers(data_, column_);
  table::Chunk chunk;
  std::set<double> different;  // up to one more than have a name
  Reservoir kept{kSampleRows};
  std::vector<double> sample;
  while (reader->Next(kReadRows, chunk)) {
    ProcessCancelToken().Check();
    for (std::int64_t r = 0; r < chunk.rows; ++r) {
      const double value = chunk.values[r];
      if (std::isnan(value)) continue;
      if (std::ssize(different) <= Cohorts::kNamed) different.insert(value);
      const auto row = static_cast<std::uint64_t>(chunk.first_row + r);
      const auto slot = kept.Offer(Random(kSampleStream, row).Next());
      if (!slot) continue;
      sample.resize(kept.size());
      sample[*slot] = value;
    }
  }
  if (std::ssize(different) <= Cohorts::kNamed) {
    numbers_.assign(different.begin(), different.end());
    for (const double value : numbers_) names_.push_back(fmt::format("{}", value));
    return;
  }
  std::ranges::sort(sample);
  std::vector<std::pair<double, double>> weighted;
  for (const double value : sample) weighted.emplace_back(value, 1.0);
  numbers_ = CutsOf(weighted, Cohorts::kQuantiles);
  names_ = NamesOfParts(numbers_);
}

std::unique_ptr<LabelCohorts::Rows> LabelCohorts::Open() const {
  const int missing = static_cast<int>(names_.size()) - 1;
  if (words_) return std::make_unique<WordRows>(data_, column_, of_label_, missing);
  return std::make_unique<NumberRows>(data_, column_, numbers_, missing);
}

}  // namespace windlass::explain
