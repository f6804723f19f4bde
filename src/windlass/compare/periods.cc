#include "windlass/compare/periods.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "windlass/base/cancel.h"
#include "windlass/base/error.h"
#include "windlass/base/random.h"
#include "windlass/base/reservoir.h"
#include "windlass/table/table.h"

namespace windlass::compare {
namespace {

constexpr std::int64_t kReadRows = 16'384;
constexpr std::size_t kQuantileRows = 65'536;
constexpr std::uint64_t kQuantileStream = 0x71756131;

[[noreturn]] void Refuse(const std::string& data, const std::string& column,
                         const std::string& what) {
  throw Error(ErrorCode::kInvalidInput, fmt::format("{}: column \"{}\" {}", data, column, what));
}

// Words or dates: read once for their order, then again.
class LabelPeriods final : public PeriodReader {
 public:
  LabelPeriods(const std::string& data, const std::string& column) {
    const auto first = table::OpenLabels(data, column, kMostPeriods);
    std::vector<std::int64_t> codes;
    while (first->Next(kReadRows, codes)) ProcessCancelToken().Check();
    const std::vector<std::string>& labels = first->labels();
    if (labels.empty()) Refuse(data, column, "has no value in any row");
    names_ = labels;
    std::ranges::sort(names_);
    for (const std::string& label : labels) {
      period_.push_back(std::ranges::lower_bound(names_, label) - names_.begin());
    }
    reader_ = table::OpenLabels(data, column, kMostPeriods);
  }

  const std::vector<std::string>& names() const override { return names_; }

  bool Next(std::int64_t max_rows, std::vector<std::int64_t>& periods) override {
    if (!reader_->Next(max_rows, periods)) return false;
    for (std::int64_t& code : periods) {
      if (code != table::LabelReader::kMissing) code = period_.at(static_cast<std::size_t>(code));
    }
    return true;
  }

 private:
  std::vector<std::string> names_;
  std::vector<std::int64_t> period_;  // of each label, in the order of first rows
  std::unique_ptr<table::LabelReader> reader_;
};

// What a first reading of a column of numbers finds.
struct Numbers {
  std::set<double> different;  // up to kMostPeriods + 1 of them
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  Reservoir kept{kQuantileRows};
  std::vector<double> sample;

  void Add(double value, std::uint64_t key) {
    low = std::min(low, value);
    high = std::max(high, value);
    if (std::ssize(different) <= kMostPeriods) different.insert(value);
    const auto slot = kept.Offer(key);
    if (!slot) return;
    sample.resize(kept.size());
    sample[*slot] = value;
  }
};

class NumberPeriods final : public PeriodReader {
 public:
  NumberPeriods(const std::string& data, const std::string& column, std::int64_t bins)
      : data_(data), column_(column) {
    const Numbers found = ReadAll();
    if (found.different.empty()) Refuse(data, column, "has no value in any row");
    const auto different = std::ssize(found.different);
    if (bins > 0 && different > bins) {
      Cut(found, bins);
    } else if (different > kMostPeriods) {
      Refuse(data, column,
             fmt::format("has more than {} different values; --bins 12 cuts it into "
                         "12 periods of equally many rows",
                         kMostPeriods));
    } else {
      starts_.assign(found.different.begin(), found.different.end());
      for (const double value : starts_) names_.push_back(fmt::format("{}", value));
    }
    reader_ = Open();
  }

  const std::vector<std::string>& names() const override { return names_; }

  bool Next(std::int64_t max_rows, std::vector<std::int64_t>& periods) override {
    if (!reader_->Next(max_rows, chunk_)) return false;
    periods.resize(static_cast<std::size_t>(chunk_.rows));
    for (std::size_t r = 0; r < periods.size(); ++r) {
      const double value = chunk_.values[r];
      periods[r] = std::isnan(value)
                       ? kNone
                       : std::ranges::upper_bound(starts_, value) - starts_.begin() - 1;
    }
    return true;
  }

 private:
  std::unique_ptr<table::Reader> Open() const {
    return table::OpenTable(data_, {.columns = {column_}, .ignore_others = true});
  }

  Numbers ReadAll() const {
    Numbers found;
    const auto reader = Open();
    table::Chunk chunk;
    while (reader->Next(kReadRows, chunk)) {
      ProcessCancelToken().Check();
      for (std::int64_t r = 0; r < chunk.rows; ++r) {
        const double value = chunk.values[static_cast<std::size_t>(r)];
        if (std::isnan(value)) continue;
        found.Add(value,
                  Random(kQuantileStream, static_cast<std::uint64_t>(chunk.first_row + r)).Next());
      }
    }
    return found;
  }

  void Cut(const Numbers& found, std::int64_t bins) {
    std::vector<double> values = found.sample;
    std::ranges::sort(values);
    starts_ = {found.low};
    for (std::int64_t i = 1; i < bins; ++i) {
      const double start =
          values[values.size() * static_cast<std::size_t>(i) / static_cast<std::size_t>(bins)];
      if (start > starts_.back()) starts_.push_back(start);
    }
    for (int digits = 4; digits <= 17 && names_.empty(); ++digits) Name(found.high, digits);
  }

  // Ranges by their ends in so few digits that all starts differ.
  void Name(double high, int digits) {
    std::vector<std::string> ends;
    for (const double start : starts_) ends.push_back(fmt::format("{:.{}g}", start, digits));
    if (std::set<std::string>(ends.begin(), ends.end()).size() < ends.size()) return;
    ends.push_back(fmt::format("{:.{}g}", high, digits));
    for (std::size_t i = 0; i < starts_.size(); ++i) {
      const char* end = i + 1 == starts_.size() ? "]" : ")";
      names_.push_back(fmt::format("[{}, {}{}", ends[i], ends[i + 1], end));
    }
  }

  std::string data_, column_;
  std::vector<double> starts_;  // of the periods, ascending
  std::vector<std::string> names_;
  std::unique_ptr<table::Reader> reader_;
  table::Chunk chunk_;
};

}  // namespace

std::unique_ptr<PeriodReader> OpenPeriods(const std::string& data, const std::string& column,
                                          std::int64_t bins) {
  if (table::OpenLabels(data, column, kMostPeriods) == nullptr) {
    return std::make_unique<NumberPeriods>(data, column, bins);
  }
  if (bins > 0) {
    Refuse(data, column,
           "holds words or dates, which --bins does not cut; leave --bins out, or "
           "write a column of numbers");
  }
  return std::make_unique<LabelPeriods>(data, column);
}

}  // namespace windlass::compare
