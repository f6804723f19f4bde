#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/table/coded_internal.h"
#include "windlass/table/encode_internal.h"
#include "windlass/table/number_internal.h"

namespace windlass::table {
namespace {

// Gives the numbers of one column their codes.
class NumberCodes {
 public:
  NumberCodes(CellPlace place, std::size_t column, const std::vector<std::string>& categories)
      : place_(std::move(place)), column_(column), count_(std::ssize(categories)) {
    for (std::size_t code = 0; code < categories.size(); ++code) {
      const ParsedNumber number = ParseNumber(categories[code]);
      if (number.state != ParsedNumber::State::kNumber || std::isnan(number.value)) {
        by_value_.clear();  // words
        return;
      }
      by_value_.emplace_back(number.value, static_cast<double>(code));
    }
    std::ranges::sort(by_value_);
  }

  void Apply(Chunk& chunk, std::size_t width) const {
    for (std::int64_t row = 0; row < chunk.rows; ++row) {
      double& cell = chunk.values[row * width + column_];
      if (std::isnan(cell)) continue;
      if (by_value_.empty()) {
        const bool is_code =
            cell >= 0 && cell < static_cast<double>(count_) && cell == std::floor(cell);
        if (!is_code) {
          Throw(chunk.first_row + row,
                fmt::format("{} is no code of the column's categories, which "
                            "are 0..{}",
                            cell, count_ - 1));
        }
        continue;
      }
      const auto found =
          std::ranges::lower_bound(by_value_, cell, {}, &std::pair<double, double>::first);
      if (found == by_value_.end() || found->first != cell) {
        Throw(chunk.first_row + row,
              fmt::format("{} does not occur among the column's {} categories ({}{})", cell, count_,
                          by_value_.front().first, count_ > 1 ? ", ..." : ""));
      }
      cell = found->second;
    }
  }

 private:
  [[noreturn]] void Throw(std::int64_t row, const std::string& what) const {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{}: {}", Describe(place_, row), what));
  }

  CellPlace place_;
  std::size_t column_;
  std::int64_t count_;
  std::vector<std::pair<double, double>> by_value_;  // (value, code); empty for words
};

class CodedReader final : public Reader {
 public:
  CodedReader(std::unique_ptr<Reader> reader, Schema schema, std::vector<NumberCodes> codes)
      : reader_(std::move(reader)), schema_(std::move(schema)), codes_(std::move(codes)) {}

  const Schema& schema() const override { return schema_; }
  std::optional<std::int64_t> rows() const override { return reader_->rows(); }

  bool Next(std::int64_t max_rows, Chunk& chunk) override {
    if (!reader_->Next(max_rows, chunk)) return false;
    for (const NumberCodes& codes : codes_) codes.Apply(chunk, schema_.size());
    return true;
  }

 private:
  std::unique_ptr<Reader> reader_;
  Schema schema_;
  std::vector<NumberCodes> codes_;
};

}  // namespace

std::unique_ptr<Reader> WithCodes(std::unique_ptr<Reader> reader, const std::string& uri,
                                  const ReadOptions& options) {
  if (!options.numbers_have_codes || options.codes.empty()) return reader;
  Schema schema = reader->schema();
  std::vector<NumberCodes> codes;
  for (std::size_t c = 0; c < std::min(schema.size(), options.codes.size()); ++c) {
    const std::vector<std::string>& categories = options.codes[c].categories;
    if (categories.empty() || !schema[c].categories.empty()) continue;
    codes.emplace_back(CellPlace{uri, schema[c].name}, c, categories);
    schema[c].categories = categories;
  }
  if (codes.empty()) return reader;
  return std::make_unique<CodedReader>(std::move(reader), std::move(schema), std::move(codes));
}

}  // namespace windlass::table
