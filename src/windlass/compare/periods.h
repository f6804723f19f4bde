// Rows by the period that a column of their data names.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace windlass::compare {

// One reading of a column: the period of each row, in the order of rows.
class PeriodReader {
 public:
  static constexpr std::int64_t kNone = -1;  // a row without a value

  virtual ~PeriodReader() = default;

  virtual const std::vector<std::string>& names() const = 0;  // of the periods, in their order

  // Fills `periods` with those of the next min(max_rows, rows left) rows; false when none is left.
  virtual bool Next(std::int64_t max_rows, std::vector<std::int64_t>& periods) = 0;
};

constexpr std::int64_t kMostPeriods = 400;  // a year of days, and some

// Reads the column once to find its periods: its values, numbers ascending, words and dates (ISO
// 8601) by their text. `bins` > 0 cuts a column of numbers that has more different values than that
// into so many ranges of about equally many rows, named by their ends (rounded); beyond 65,536 rows
// their ends come from a random sample of so many, the same for every reading.
//
// Throws Error as OpenTable does (a column that is absent: with the nearest one), and
// Error{kInvalidInput} for more than kMostPeriods periods, no value at all, or bins of words.
std::unique_ptr<PeriodReader> OpenPeriods(const std::string& data, const std::string& column,
                                          std::int64_t bins);

}  // namespace windlass::compare
