#include <arrow/api.h>
#include <arrow/csv/api.h>
#include <arrow/csv/invalid_row.h>
#include <arrow/io/interfaces.h>
#include <arrow/io/memory.h>
#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/table/arrow_errors_internal.h"
#include "windlass/table/arrow_table_internal.h"
#include "windlass/table/columns_internal.h"
#include "windlass/table/number_internal.h"

namespace windlass::table {
namespace {

// Bytes parsed at a time; a row must fit, so wide tables get larger blocks.
constexpr std::int64_t kLeastBlockBytes = 1 << 20;
constexpr std::int64_t kLongestFirstLine = 64 << 20;
constexpr std::int64_t kRowsPerBlock = 16;

// The first row that has another number of cells than the header, as Arrow's parser met it.
struct RaggedRow {
  std::int64_t number = 0;  // counted from 1, the header included; 0: none
  int expected = 0;
  int found = 0;
};

[[noreturn]] void ThrowRagged(const std::string& name, const RaggedRow& row) {
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("{}: row {} (counted from 0, without the header) has {} {}, but the "
                          "header names {} columns",
                          name, row.number - 2, row.found, row.found == 1 ? "cell" : "cells",
                          row.expected));
}

[[noreturn]] void ThrowCsv(const arrow::Status& status, const std::string& name,
                           const RaggedRow& ragged) {
  if (ragged.number > 0) ThrowRagged(name, ragged);
  if (status.IsInvalid() || status.IsTypeError()) {
    if (status.message().find("Empty CSV file") != std::string::npos) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{} holds no header: the first line must name the columns", name));
    }
    const bool is_utf8 = status.message().find("UTF8") != std::string::npos;
    const std::string detail = status.message().substr(0, status.message().find('\n'));
    throw Error(ErrorCode::kInvalidInput,
                is_utf8
                    ? fmt::format("{} is not UTF-8 text ({}); save it as UTF-8", name,
                                  Shortened(detail.substr(0, detail.find(": CSV conversion"))))
                    : fmt::format("{} is not CSV as it should be: {}", name, Shortened(detail)));
  }
  ThrowStatus(status, name);
}

// Arrow parses the text; every cell stays text, so that what a cell may be is said here, with its
// row, and not by types that Arrow infers from the first block.
class CsvPass final : public BatchPass {
 public:
  CsvPass(const Source& source, std::int64_t block_bytes, const std::vector<std::string>& names,
          const std::vector<int>& columns)
      : name_(source.name) {
    auto read = arrow::csv::ReadOptions::Defaults();
    read.use_threads = false;
    read.block_size = static_cast<std::int32_t>(block_bytes);
    auto parse = arrow::csv::ParseOptions::Defaults();
    parse.newlines_in_values = true;
    parse.invalid_row_handler = [this](const arrow::csv::InvalidRow& row) {
      if (ragged_.number == 0) ragged_ = {row.number, row.expected_columns, row.actual_columns};
      return arrow::csv::InvalidRowResult::Error;
    };
    auto convert = arrow::csv::ConvertOptions::Defaults();
    convert.null_values = {""};
    convert.strings_can_be_null = true;
    for (const int column : columns) {
      convert.include_columns.push_back(names[column]);
      convert.column_types[names[column]] = arrow::utf8();
    }
    // The stream must not outlive nor close the file, of which another pass may follow.
    auto input =
        ValueOf(arrow::io::RandomAccessFile::GetStream(source.file, 0, source.size), name_);
    auto reader = arrow::csv::StreamingReader::Make(arrow::io::default_io_context(),
                                                    std::move(input), read, parse, convert);
    if (!reader.ok()) ThrowCsv(reader.status(), name_, ragged_);
    reader_ = std::move(reader).ValueUnsafe();
  }

  std::shared_ptr<arrow::RecordBatch> Next() override {
    std::shared_ptr<arrow::RecordBatch> batch;
    const arrow::Status status = reader_->ReadNext(&batch);
    if (!status.ok()) ThrowCsv(status, name_, ragged_);
    return batch;
  }

  std::vector<std::string> Names() const { return reader_->schema()->field_names(); }

 private:
  std::string name_;
  RaggedRow ragged_;
  std::shared_ptr<arrow::csv::StreamingReader> reader_;
};

class CsvFile final : public BatchFile {
 public:
  explicit CsvFile(Source source) : source_(std::move(source)) {
    MeasureHeader();
    const std::vector<std::string> names = CsvPass(source_, block_bytes_, {}, {}).Names();
    for (const std::string& name : names) columns_.push_back({name, arrow::utf8()});
    CheckHeader(names);
  }

  const std::string& name() const override { return source_.name; }
  const std::vector<FileColumn>& columns() const override { return columns_; }
  std::optional<std::int64_t> rows() const override { return std::nullopt; }
  bool IsText() const override { return true; }

  // A column is what its first cell that is not missing is: a number, true or false, or else text.
  ColumnKind Kind(int column) override {
    if (kinds_.empty()) FindKinds();
    return kinds_[column];
  }

  std::unique_ptr<BatchPass> Read(const std::vector<int>& columns) override {
    return std::make_unique<CsvPass>(source_, block_bytes_, Names(), columns);
  }

 private:
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const FileColumn& column : columns_) names.push_back(column.name);
    return names;
  }

  // Chooses blocks that hold some rows even of a table with very many columns.
  void MeasureHeader() {
    std::int64_t header = 0;
    bool ends = false;
    while (!ends && header < source_.size && header < kLongestFirstLine) {
      const auto part = ValueOf(source_.file->ReadAt(header, kLeastBlockBytes), source_.name);
      const std::string_view text(reinterpret_cast<const char*>(part->data()),
                                  static_cast<std::size_t>(part->size()));
      const auto end = text.find_first_of("\r\n");
      ends = end != std::string_view::npos || text.empty();
      header += static_cast<std::int64_t>(std::min(end, text.size()));
    }
    if (!ends && header == source_.size) EndHeader();
    block_bytes_ = std::max(kLeastBlockBytes, std::min(header, kLongestFirstLine) * kRowsPerBlock);
  }

  // A header without a line end, which Arrow does not take for one.
  void EndHeader() {
    const auto text = ValueOf(source_.file->ReadAt(0, source_.size), source_.name);
    source_.file = std::make_shared<arrow::io::BufferReader>(
        arrow::Buffer::FromString(text->ToString() + "\n"));
    ++source_.size;
  }

  void CheckHeader(const std::vector<std::string>& names) const {
    SelectColumns(source_.name, names, {});  // two columns of one name
    if (names.size() == 1) {
      const auto separator = names[0].find_first_of(";\t|");
      if (separator != std::string::npos) {
        throw Error(
            ErrorCode::kInvalidInput,
            fmt::format("{}: the header is \"{}\"; cells must be separated by commas, not "
                        "by \"{}\"",
                        source_.name, Shortened(names[0]),
                        names[0][separator] == '\t' ? "\\t" : names[0].substr(separator, 1)));
      }
    }
    bool all_numbers = true;
    bool has_fraction = false;
    for (const std::string& name : names) {
      const ParsedNumber parsed = ParseNumber(name);
      all_numbers &= parsed.state == ParsedNumber::State::kNumber && !IsMissingSpelling(name);
      has_fraction |= name.find_first_of(".-") != std::string::npos;
    }
    if (all_numbers && has_fraction) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: the first line must name the columns, but it holds numbers",
                              source_.name));
    }
  }

  void FindKinds() {
    std::vector<int> all;
    for (std::size_t i = 0; i < columns_.size(); ++i) all.push_back(static_cast<int>(i));
    std::vector<ColumnKind> kinds(columns_.size(), ColumnKind::kTextNumber);  // if all is missing
    std::vector<int> undecided = all;
    CsvPass pass(source_, block_bytes_, Names(), all);
    while (!undecided.empty()) {
      const auto batch = pass.Next();
      if (batch == nullptr) break;
      std::erase_if(undecided, [&](int column) {
        const auto& cells = static_cast<const arrow::StringArray&>(*batch->column(column));
        for (std::int64_t row = 0; row < cells.length(); ++row) {
          if (cells.IsNull(row) || IsMissingSpelling(cells.GetView(row))) continue;
          kinds[column] = KindOfText(cells.GetView(row));
          return true;
        }
        return false;
      });
    }
    kinds_ = std::move(kinds);
  }

  static ColumnKind KindOfText(std::string_view text) {
    if (ParseNumber(text).state != ParsedNumber::State::kNotANumber) {
      return ColumnKind::kTextNumber;
    }
    return ParseBoolean(text) ? ColumnKind::kTextBoolean : ColumnKind::kCategory;
  }

  Source source_;
  std::int64_t block_bytes_ = kLeastBlockBytes;
  std::vector<FileColumn> columns_;
  std::vector<ColumnKind> kinds_;
};

}  // namespace

std::unique_ptr<BatchFile> OpenCsv(Source source) {
  return std::make_unique<CsvFile>(std::move(source));
}

}  // namespace windlass::table
