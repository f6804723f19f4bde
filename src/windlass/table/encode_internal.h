// One column of Arrow arrays, as doubles.
#pragma once

#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace windlass::table {

// How the cells of a file's column become numbers.
enum class ColumnKind {
  kNumber,       // an Arrow number, boolean or decimal, or a dictionary of those
  kCategory,     // a dictionary of text, or text that is to have the codes of one
  kTextNumber,   // text that spells numbers (CSV)
  kTextBoolean,  // text that spells true or false (CSV)
};

// The kind of an Arrow column. Throws Error{kInvalidInput} naming the file, the column and what is
// supported for dates, times, binary and nested types.
ColumnKind KindOfType(const arrow::DataType& type, const std::string& file,
                      const std::string& column);

// Where a cell is, for messages.
struct CellPlace {
  std::string file;
  std::string column;
};

// `file: row 7 (counted from 0), column "Age"`.
std::string Describe(const CellPlace& place, std::int64_t row);

// Encodes arrays of one column, one after the other.
class ColumnEncoder {
 public:
  virtual ~ColumnEncoder() = default;

  // Makes `array` the one to encode. `first_row` is the file's row (from 0) of its first element.
  // The array must outlive the encoding; it must have passed arrow::Array::ValidateFull unless the
  // reader that made it checks what it makes.
  virtual void SetArray(const arrow::Array& array, std::int64_t first_row) = 0;

  // Writes elements [from, from + count) to out[0], out[stride], ... Nulls become NaN.
  //
  // Throws Error{kInvalidInput} naming file, row and column for an infinite cell, an integer that
  // a double does not hold, text that is no number, or a category that is not known.
  virtual void Encode(std::int64_t from, std::int64_t count, double* out, std::int64_t stride) = 0;
};

// `categories`: of a kCategory column, in the order of their codes. `keep_infinite`: see
// ReadOptions.
std::unique_ptr<ColumnEncoder> MakeEncoder(ColumnKind kind, const arrow::DataType& type,
                                           CellPlace place,
                                           const std::vector<std::string>& categories,
                                           bool keep_infinite = false);

// The text of a cell of a text column or of a dictionary of text; empty for a missing one.
std::optional<std::string_view> TextOfCell(const arrow::Array& array, std::int64_t i);

// Gathers the categories of one dictionary column over a first pass.
class CategoryCollector {
 public:
  explicit CategoryCollector(CellPlace place) : place_(std::move(place)) {}

  // Throws Error{kInvalidInput} naming file and column for a dictionary in which a value is
  // missing or stands twice, so that codes and values do not belong to each other one by one.
  void Add(const arrow::Array& array);

  // In the order of the dictionaries, each adding what is new in it.
  std::vector<std::string> Finish() { return std::move(categories_); }

 private:
  CellPlace place_;
  std::shared_ptr<arrow::Array> seen_;
  std::unordered_set<std::string> known_;
  std::vector<std::string> categories_;
};

}  // namespace windlass::table
