#include <algorithm>
#include <utility>

#include <arrow/api.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>
#include <parquet/schema.h>

#include "windlass/base/error.h"
#include "windlass/table/arrow_errors_internal.h"
#include "windlass/table/arrow_table_internal.h"

namespace windlass::table {
namespace {

// Rows decoded at a time: enough to make the work per batch small, 3.2 MB with 49 columns.
constexpr std::int64_t kBatchRows = 8192;

// Bytes read at a time from each column's pages.
constexpr std::int64_t kStreamBuffer = 16 << 10;

parquet::ReaderProperties StreamingProperties() {
  parquet::ReaderProperties properties;
  properties.enable_buffered_stream();
  properties.set_buffer_size(kStreamBuffer);
  properties.set_page_checksum_verification(true);
  return properties;
}

class ParquetPass final : public BatchPass {
 public:
  // `order`: the position in the batch of each column asked for.
  ParquetPass(std::string name, std::unique_ptr<arrow::RecordBatchReader> batches,
              std::vector<int> order)
      : name_(std::move(name)), batches_(std::move(batches)), order_(std::move(order)) {}

  std::shared_ptr<arrow::RecordBatch> Next() override {
    std::shared_ptr<arrow::RecordBatch> batch;
    Check(batches_->ReadNext(&batch), name_);
    if (batch == nullptr) return nullptr;
    if (batch->num_columns() != static_cast<int>(order_.size())) {
      throw Error(ErrorCode::kCorrupt, fmt::format("{} is corrupt: columns are missing", name_));
    }
    return ValueOf(batch->SelectColumns(order_), name_);
  }

 private:
  std::string name_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
  std::vector<int> order_;
};

class ParquetFile final : public BatchFile {
 public:
  explicit ParquetFile(Source source) : name_(source.name) {
    auto file = parquet::ParquetFileReader::Open(source.file, StreamingProperties());
    const auto metadata = file->metadata();
    rows_ = metadata->num_rows();
    CheckRowGroups(*metadata);

    // The types as they were written, before text is asked for as dictionaries below: that is
    // only how it is read quickly, and does not make it a dictionary column.
    parquet::ArrowReaderProperties properties(/*use_threads=*/false);
    properties.set_pre_buffer(false);
    properties.set_batch_size(kBatchRows);
    std::shared_ptr<arrow::Schema> schema;
    Check(parquet::arrow::FromParquetSchema(metadata->schema(), properties,
                                            metadata->key_value_metadata(), &schema),
          name_);
    for (const auto& field : schema->fields()) columns_.push_back({field->name(), field->type()});

    for (int leaf = 0; leaf < metadata->num_columns(); ++leaf) {
      if (metadata->schema()->Column(leaf)->physical_type() == parquet::Type::BYTE_ARRAY) {
        properties.set_read_dictionary(leaf, true);
      }
    }
    reader_ = ValueOf(
        parquet::arrow::FileReader::Make(arrow::default_memory_pool(), std::move(file), properties),
        name_);
    for (const auto& field : reader_->manifest().schema_fields) {
      leaf_of_column_.push_back(field.column_index);  // -1: nested
    }
    if (leaf_of_column_.size() != columns_.size()) {
      throw Error(ErrorCode::kCorrupt, fmt::format("{} is corrupt: its schemas differ", name_));
    }
  }

  const std::string& name() const override { return name_; }
  const std::vector<FileColumn>& columns() const override { return columns_; }
  std::optional<std::int64_t> rows() const override { return rows_; }

  std::unique_ptr<BatchPass> Read(const std::vector<int>& columns) override {
    std::vector<int> sorted = columns;  // a batch has the file's order whatever is asked for
    std::ranges::sort(sorted);
    std::vector<int> leaves;
    for (const int column : sorted) leaves.push_back(leaf_of_column_[column]);
    std::vector<int> order;
    for (const int column : columns) {
      order.push_back(static_cast<int>(std::ranges::lower_bound(sorted, column) - sorted.begin()));
    }
    std::vector<int> groups(reader_->num_row_groups());
    for (std::size_t i = 0; i < groups.size(); ++i) groups[i] = static_cast<int>(i);
    return std::make_unique<ParquetPass>(
        name_, ValueOf(reader_->GetRecordBatchReader(groups, leaves), name_), std::move(order));
  }

 private:
  void CheckRowGroups(const parquet::FileMetaData& metadata) const {
    std::int64_t rows = 0;
    for (int i = 0; i < metadata.num_row_groups(); ++i) {
      const std::int64_t group = metadata.RowGroup(i)->num_rows();
      if (group < 0 || group > metadata.num_rows() - rows) rows = -1;
      if (rows < 0) break;
      rows += group;
    }
    if (rows != metadata.num_rows() || metadata.num_rows() < 0) {
      throw Error(ErrorCode::kCorrupt,
                  fmt::format("{} is corrupt: its row groups do not add up to its {} rows", name_,
                              metadata.num_rows()));
    }
  }

  std::string name_;
  std::int64_t rows_ = 0;
  std::vector<FileColumn> columns_;
  std::vector<int> leaf_of_column_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
};

}  // namespace

std::unique_ptr<BatchFile> OpenParquet(Source source) {
  return std::make_unique<ParquetFile>(std::move(source));
}

}  // namespace windlass::table
