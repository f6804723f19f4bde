#include <arrow/api.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>
#include <parquet/schema.h>

#include <algorithm>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/table/arrow_errors_internal.h"
#include "windlass/table/arrow_table_internal.h"

namespace windlass::table {
namespace {

// Cells up to which a row group is decoded whole: 32 MB of doubles, 65,536 rows of 64 columns.
constexpr std::int64_t kWholeGroupCells = std::int64_t{1} << 22;

// Rows of a larger one that are decoded at a time: 3.2 MB with 49 columns.
constexpr std::int64_t kBatchRows = 8192;

// Bytes read at a time from each column's pages: of a remote file more, for each read is a request.
constexpr std::int64_t kStreamBuffer = 16 << 10;
constexpr std::int64_t kRemoteStreamBuffer = 1 << 20;

parquet::ReaderProperties StreamingProperties(bool is_remote) {
  parquet::ReaderProperties properties;
  properties.enable_buffered_stream();
  properties.set_buffer_size(is_remote ? kRemoteStreamBuffer : kStreamBuffer);
  properties.set_page_checksum_verification(true);
  return properties;
}

// The row groups, one after the other. An ordinary one is decoded whole, column after column, so
// that only one column's pages and dictionary are in memory beside the numbers; a giant one in
// batches, for which the pages of all columns must stay open.
class ParquetPass final : public BatchPass {
 public:
  // `leaves`: positions of the columns asked for among the file's leaf columns.
  ParquetPass(std::string name, parquet::arrow::FileReader& reader, std::vector<int> leaves)
      : name_(std::move(name)), reader_(reader), leaves_(std::move(leaves)) {
    sorted_ = leaves_;  // a batch has the file's order whatever is asked for
    std::ranges::sort(sorted_);
    for (const int leaf : leaves_) {
      order_.push_back(static_cast<int>(std::ranges::lower_bound(sorted_, leaf) - sorted_.begin()));
    }
  }

  std::shared_ptr<arrow::RecordBatch> Next() override {
    for (;;) {
      std::shared_ptr<arrow::RecordBatch> batch;
      if (whole_ != nullptr) {
        Check(whole_->ReadNext(&batch), name_);
        if (batch != nullptr) return batch;
      }
      if (batches_ != nullptr) {
        Check(batches_->ReadNext(&batch), name_);
        if (batch != nullptr) return ValueOf(batch->SelectColumns(order_), name_);
      }
      if (!OpenGroup()) return nullptr;
    }
  }

 private:
  bool OpenGroup() {
    whole_ = nullptr;  // its memory goes back before the next group asks for more
    table_ = nullptr;
    batches_ = nullptr;
    arrow::default_memory_pool()->ReleaseUnused();
    if (next_group_ == reader_.num_row_groups()) return false;
    const int group = next_group_++;
    const std::int64_t rows = reader_.parquet_reader()->metadata()->RowGroup(group)->num_rows();
    if (rows > kWholeGroupCells / static_cast<std::int64_t>(leaves_.size())) {
      batches_ = ValueOf(reader_.GetRecordBatchReader({group}, sorted_), name_);
      return true;
    }
    arrow::FieldVector fields;
    arrow::ChunkedArrayVector columns;
    for (const int leaf : leaves_) {
      std::shared_ptr<arrow::ChunkedArray> column;
      Check(reader_.RowGroup(group)->Column(leaf)->Read(&column), name_);
      if (column->length() != rows) {
        throw Error(ErrorCode::kInvalidInput,
                    fmt::format("{} is corrupt: a column of row group {} has {} cells, but the "
                                "group has {} rows",
                                name_, group, column->length(), rows));
      }
      fields.push_back(arrow::field("", column->type()));
      columns.push_back(std::move(column));
    }
    table_ = arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns), rows);
    whole_ = std::make_unique<arrow::TableBatchReader>(*table_);
    return true;
  }

  std::string name_;
  parquet::arrow::FileReader& reader_;
  std::vector<int> leaves_;
  std::vector<int> sorted_;
  std::vector<int> order_;  // the position in a sorted batch of each column asked for
  int next_group_ = 0;
  std::shared_ptr<arrow::Table> table_;
  std::unique_ptr<arrow::TableBatchReader> whole_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
};

class ParquetFile final : public BatchFile {
 public:
  explicit ParquetFile(Source source) : name_(source.name) {
    auto file = parquet::ParquetFileReader::Open(source.file,
                                                 StreamingProperties(source.local_path.empty()));
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
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{} is corrupt: its schemas differ", name_));
    }
  }

  const std::string& name() const override { return name_; }
  const std::vector<FileColumn>& columns() const override { return columns_; }
  std::optional<std::int64_t> rows() const override { return rows_; }

  // Values written plain are put into a dictionary by whoever reads them, in the order in which
  // they occur, without those that no row uses.
  void CheckHasDictionary(int column) const override {
    const auto metadata = reader_->parquet_reader()->metadata();
    for (int group = 0; group < metadata->num_row_groups(); ++group) {
      if (metadata->RowGroup(group)->num_rows() == 0) continue;
      if (metadata->RowGroup(group)->ColumnChunk(leaf_of_column_[column])->has_dictionary_page()) {
        continue;
      }
      throw Error(
          ErrorCode::kInvalidInput,
          fmt::format("{}: column \"{}\" is categorical, but the file was written without "
                      "its dictionary, so that the codes are lost; write it with dictionary "
                      "encoding, or as Arrow IPC",
                      name_, columns_[column].name));
    }
  }

  std::unique_ptr<BatchPass> Read(const std::vector<int>& columns) override {
    std::vector<int> leaves;
    for (const int column : columns) leaves.push_back(leaf_of_column_[column]);
    return std::make_unique<ParquetPass>(name_, *reader_, std::move(leaves));
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
      throw Error(ErrorCode::kInvalidInput,
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
