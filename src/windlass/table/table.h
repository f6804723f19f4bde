// Columnar rows from files, as the numbers that models take: CSV, Parquet, Arrow IPC, npy, npz.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace windlass::table {

struct Column {
  std::string name;
  // Empty for a numeric column. A categorical (dictionary) column carries codes
  // 0..categories.size()-1 into this list.
  std::vector<std::string> categories;

  friend bool operator==(const Column&, const Column&) = default;
};

using Schema = std::vector<Column>;

// A run of rows, encoded: numbers as they are (booleans 0 and 1, nulls NaN), categories as codes.
struct Chunk {
  std::int64_t first_row = 0;
  std::int64_t rows = 0;
  std::vector<double> values;  // [rows, columns], row-major
};

// One pass over the rows of a table, in their order, in bounded memory.
class Reader {
 public:
  virtual ~Reader() = default;

  virtual const Schema& schema() const = 0;

  // The number of rows when the format tells before reading, as all but CSV and
  // Arrow streams do.
  virtual std::optional<std::int64_t> rows() const = 0;

  // Fills `chunk` with the next min(max_rows, rows left) rows and says whether there were any.
  // Throws Error{kInvalidInput} naming file, row and column for a cell that is no number, is
  // infinite, or is a category that is not in the schema.
  virtual bool Next(std::int64_t max_rows, Chunk& chunk) = 0;
};

struct ReadOptions {
  // Columns that must be there, in the order wanted; empty: all, as in the file. A missing one is
  // an error naming the nearest present one; further columns of the file are ignored only when
  // `ignore_others`, else an error names the first of them.
  std::vector<std::string> columns;
  bool ignore_others = false;
  // Categories that fix the codes of categorical columns (those of the background, or of the
  // model), by position in `columns`: cells get them by their value, text that is no dictionary
  // as well. Empty: the file's own dictionary, and text without one is refused.
  Schema codes;
  // What numbers are in a column that has categories in `codes`. False: an error. True, where
  // `codes` is a model's: categories that are numbers themselves get their codes by value, and for
  // categories that are words numbers are codes already.
  bool numbers_have_codes = false;
  // Whether infinite cells of floating-point columns are values (ends of intervals, say) instead of
  // errors. Parquet and Arrow IPC only.
  bool keep_infinite = false;
  // Columns that are passed over where the file has them.
  std::vector<std::string> ignored;
};

// Opens `uri`: a path or a URI of an Arrow file system (file://, s3://); the format is that of
// its ending (.csv, .parquet, .arrow, .feather, .ipc, .npy, .npz). An npy array of shape
// [rows, columns] has columns named "0".."n-1"; an npz must hold one two-dimensional array, or
// `uri` ends in "?array=NAME".
//
// Throws Error{kNotFound, kInvalidInput} naming the file and what would be right.
std::unique_ptr<Reader> OpenTable(const std::string& uri, const ReadOptions& options = {});

// The names of the columns of a table, without reading its rows.
std::vector<std::string> ColumnNames(const std::string& uri);

// The bytes of a small file of any kind (up to 64 MiB) at a path or URI as of OpenTable; empty
// where there is none. Throws Error{kIo, kInvalidInput} when it is there but cannot be read.
std::optional<std::string> ReadIfThere(const std::string& uri);

// One pass over a column of words or dates as labels: what each row has, written out.
class LabelReader {
 public:
  static constexpr std::int64_t kMissing = -1;

  virtual ~LabelReader() = default;

  // The different labels so far, in the order of their first rows. Dates and times as ISO 8601.
  virtual const std::vector<std::string>& labels() const = 0;

  // Fills `codes` with the next min(max_rows, rows left) positions in labels(), kMissing where
  // there is none, and says whether there were any rows.
  //
  // Throws Error{kInvalidInput} beyond `most` different labels.
  virtual bool Next(std::int64_t max_rows, std::vector<std::int64_t>& codes) = 0;
};

// Opens a column as labels; null where it holds numbers, which OpenTable reads. Throws as
// OpenTable.
std::unique_ptr<LabelReader> OpenLabels(const std::string& uri, const std::string& column,
                                        std::int64_t most);

// A column to write.
struct OutputColumn {
  enum class Type { kInt64, kDouble, kText };
  std::string name;
  Type type = Type::kDouble;
};

// Rows to write, column by column; only the vector that fits the column's type is used.
struct OutputValues {
  std::vector<std::int64_t> integers;
  std::vector<double> doubles;
  std::vector<std::string> texts;
};

// Writes one Parquet file in bounded memory. The bytes depend on the rows and the schema only,
// not on how the rows were cut into calls of Append (row groups of a fixed number of rows).
class Writer {
 public:
  virtual ~Writer() = default;  // without Close() the file is incomplete: the caller removes it

  // Every column brings the same number of rows. Throws Error{kIo} (a full disk).
  virtual void Append(const std::vector<OutputValues>& columns) = 0;
  virtual void Close() = 0;
};

std::unique_ptr<Writer> CreateParquet(const std::string& path,
                                      const std::vector<OutputColumn>& columns);

// The same as CSV (RFC 4180, with a header): numbers by the fewest digits that read back equal, NaN
// as an empty cell.
std::unique_ptr<Writer> CreateCsv(const std::string& path,
                                  const std::vector<OutputColumn>& columns);

}  // namespace windlass::table
