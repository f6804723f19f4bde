#include <arrow/io/file.h>
#include <fmt/format.h>
#include <parquet/column_writer.h>
#include <parquet/file_writer.h>
#include <parquet/properties.h>
#include <parquet/schema.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/table/arrow_errors_internal.h"
#include "windlass/table/table.h"

namespace windlass::table {
namespace {

// Part of the bytes of every output: with another number equal rows give another file.
constexpr std::size_t kRowGroupRows = 65536;

// Constant, so that a new Arrow alone does not change the name in the file; in the form that
// other readers parse.
constexpr const char* kCreatedBy = "windlass version 1.0.0 (build 1)";

std::shared_ptr<parquet::WriterProperties> Properties(const std::vector<OutputColumn>& columns) {
  parquet::WriterProperties::Builder builder;
  builder.created_by(kCreatedBy)
      ->disable_dictionary()
      ->compression(parquet::Compression::UNCOMPRESSED)
      ->enable_statistics()
      ->disable_write_page_index()
      ->enable_page_checksum()
      ->max_row_group_length(kRowGroupRows);
  for (const OutputColumn& column : columns) {
    const auto path =
        std::make_shared<parquet::schema::ColumnPath>(std::vector<std::string>{column.name});
    switch (column.type) {
      case OutputColumn::Type::kInt64:
        builder.encoding(path, parquet::Encoding::DELTA_BINARY_PACKED);
        break;
      case OutputColumn::Type::kDouble: builder.encoding(path, parquet::Encoding::PLAIN); break;
      case OutputColumn::Type::kText: builder.enable_dictionary(path); break;
    }
  }
  return builder.build();
}

std::shared_ptr<parquet::schema::GroupNode> FileSchema(const std::vector<OutputColumn>& columns) {
  using parquet::schema::PrimitiveNode;
  constexpr auto kRequired = parquet::Repetition::REQUIRED;
  parquet::schema::NodeVector fields;
  for (const OutputColumn& column : columns) {
    switch (column.type) {
      case OutputColumn::Type::kInt64:
        fields.push_back(PrimitiveNode::Make(column.name, kRequired, parquet::Type::INT64));
        break;
      case OutputColumn::Type::kDouble:
        fields.push_back(PrimitiveNode::Make(column.name, kRequired, parquet::Type::DOUBLE));
        break;
      case OutputColumn::Type::kText:
        fields.push_back(PrimitiveNode::Make(column.name, kRequired, parquet::LogicalType::String(),
                                             parquet::Type::BYTE_ARRAY));
        break;
    }
  }
  return std::static_pointer_cast<parquet::schema::GroupNode>(
      parquet::schema::GroupNode::Make("schema", kRequired, fields));
}

class ParquetWriter final : public Writer {
 public:
  ParquetWriter(const std::string& path, const std::vector<OutputColumn>& columns)
      : path_(path), columns_(columns), waiting_(columns.size()) {
    Writing([&] {
      sink_ = ValueOf(arrow::io::FileOutputStream::Open(path), path_);
      writer_ = parquet::ParquetFileWriter::Open(sink_, FileSchema(columns_), Properties(columns_));
    });
  }

  ~ParquetWriter() override {
    // Parquet's writer completes the file when it is destroyed; one that was not closed must not
    // pass for complete.
    Abandon();
  }

  void Append(const std::vector<OutputValues>& columns) override {
    const std::size_t rows = CheckedRows(columns);
    for (std::size_t from = 0; from < rows;) {
      const std::size_t count = std::min(rows - from, kRowGroupRows - waiting_rows_);
      for (std::size_t i = 0; i < columns_.size(); ++i) Take(i, columns[i], from, count);
      waiting_rows_ += count;
      from += count;
      if (waiting_rows_ == kRowGroupRows) Writing([&] { WriteRowGroup(); });
    }
  }

  void Close() override {
    Writing([&] {
      if (waiting_rows_ > 0) WriteRowGroup();
      writer_->Close();
      Check(sink_->Close(), path_);
    });
  }

 private:
  // Every failure while writing is one of the disk's.
  template <typename Body>
  void Writing(Body&& body) {
    try {
      Guarded(path_, body);
    } catch (const Error& error) {
      Abandon();
      throw Error(ErrorCode::kIo, fmt::format("cannot write {}", path_), error);
    }
  }

  // The file is given up: whether closing it works no longer matters.
  void Abandon() {
    if (sink_ != nullptr && !sink_->closed()) static_cast<void>(sink_->Close());
  }

  std::size_t CheckedRows(const std::vector<OutputValues>& columns) const {
    if (sink_->closed()) throw Error(ErrorCode::kInternal, path_ + " is closed already");
    if (columns.size() != columns_.size()) {
      throw Error(ErrorCode::kInternal,
                  fmt::format("{}: {} columns were appended, but the file has {}", path_,
                              columns.size(), columns_.size()));
    }
    const std::size_t rows = columns.empty() ? 0 : Size(0, columns[0]);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (Size(i, columns[i]) != rows) {
        throw Error(ErrorCode::kInternal,
                    fmt::format("{}: column \"{}\" brings {} rows, but \"{}\" brings {}", path_,
                                columns_[i].name, Size(i, columns[i]), columns_[0].name, rows));
      }
    }
    return rows;
  }

  std::size_t Size(std::size_t column, const OutputValues& values) const {
    switch (columns_[column].type) {
      case OutputColumn::Type::kInt64: return values.integers.size();
      case OutputColumn::Type::kDouble: return values.doubles.size();
      case OutputColumn::Type::kText: return values.texts.size();
    }
    return 0;
  }

  template <typename T>
  static void TakeRange(std::vector<T>& to, const std::vector<T>& from, std::size_t first,
                        std::size_t count) {
    const auto begin = from.begin() + static_cast<std::ptrdiff_t>(first);
    to.insert(to.end(), begin, begin + static_cast<std::ptrdiff_t>(count));
  }

  void Take(std::size_t column, const OutputValues& values, std::size_t first, std::size_t count) {
    OutputValues& waiting = waiting_[column];
    switch (columns_[column].type) {
      case OutputColumn::Type::kInt64:
        TakeRange(waiting.integers, values.integers, first, count);
        break;
      case OutputColumn::Type::kDouble:
        TakeRange(waiting.doubles, values.doubles, first, count);
        break;
      case OutputColumn::Type::kText: TakeRange(waiting.texts, values.texts, first, count); break;
    }
  }

  // Each column chunk in one call: page boundaries then depend on the rows alone.
  void WriteRowGroup() {
    parquet::RowGroupWriter* group = writer_->AppendRowGroup();
    const auto rows = static_cast<std::int64_t>(waiting_rows_);
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      OutputValues& waiting = waiting_[i];
      parquet::ColumnWriter* column = group->NextColumn();
      switch (columns_[i].type) {
        case OutputColumn::Type::kInt64:
          static_cast<parquet::Int64Writer*>(column)->WriteBatch(rows, nullptr, nullptr,
                                                                 waiting.integers.data());
          break;
        case OutputColumn::Type::kDouble:
          static_cast<parquet::DoubleWriter*>(column)->WriteBatch(rows, nullptr, nullptr,
                                                                  waiting.doubles.data());
          break;
        case OutputColumn::Type::kText: {
          views_.clear();
          for (const std::string& text : waiting.texts) views_.emplace_back(std::string_view(text));
          static_cast<parquet::ByteArrayWriter*>(column)->WriteBatch(rows, nullptr, nullptr,
                                                                     views_.data());
          break;
        }
      }
      column->Close();
      waiting.integers.clear();
      waiting.doubles.clear();
      waiting.texts.clear();
    }
    group->Close();
    waiting_rows_ = 0;
  }

  std::string path_;
  std::vector<OutputColumn> columns_;
  std::vector<OutputValues> waiting_;  // of the row group that is not yet full
  std::size_t waiting_rows_ = 0;
  std::vector<parquet::ByteArray> views_;
  std::shared_ptr<arrow::io::FileOutputStream> sink_;
  std::unique_ptr<parquet::ParquetFileWriter> writer_;
};

}  // namespace

std::unique_ptr<Writer> CreateParquet(const std::string& path,
                                      const std::vector<OutputColumn>& columns) {
  if (columns.empty()) throw Error(ErrorCode::kInternal, path + ": a file needs columns");
  return std::make_unique<ParquetWriter>(path, columns);
}

}  // namespace windlass::table
