#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/table/arrow_errors_internal.h"
#include "windlass/table/arrow_table_internal.h"

namespace windlass::table {
namespace {

// A local file is mapped, so that a record batch of any size streams: its buffers point into the
// file, and pages of rows that are done are given back.
class Mapping {
 public:
  Mapping() = default;
  explicit Mapping(std::shared_ptr<arrow::Buffer> all) : all_(std::move(all)) {}

  bool exists() const { return all_ != nullptr; }

  void Trim() const {
    if (all_ == nullptr) return;
    // Only advice; the pages come back from the file when they are touched again.
    static_cast<void>(::madvise(const_cast<std::uint8_t*>(all_->data()),
                                static_cast<std::size_t>(all_->size()), MADV_DONTNEED));
  }

 private:
  std::shared_ptr<arrow::Buffer> all_;
};

// Which columns Arrow loads, and where among them those asked for are. From a mapping all are
// loaded, which costs nothing: asked for some, Arrow would copy them, and a batch may be huge.
struct Selection {
  Selection(const std::vector<int>& columns, bool is_mapped) : order(columns) {
    if (is_mapped) return;
    loaded = columns;
    std::ranges::sort(loaded);
    for (int& column : order) {
      column = static_cast<int>(std::ranges::lower_bound(loaded, column) - loaded.begin());
    }
  }

  arrow::ipc::IpcReadOptions Options() const {
    auto options = arrow::ipc::IpcReadOptions::Defaults();
    options.use_threads = false;
    options.included_fields = loaded;
    return options;
  }

  std::vector<int> loaded;  // ascending; empty: all
  std::vector<int> order;
};

class FilePass final : public BatchPass {
 public:
  FilePass(const Source& source, Mapping mapping, const std::vector<int>& columns)
      : name_(source.name), mapping_(std::move(mapping)), selection_(columns, mapping_.exists()) {
    reader_ =
        ValueOf(arrow::ipc::RecordBatchFileReader::Open(source.file, selection_.Options()), name_);
  }

  std::shared_ptr<arrow::RecordBatch> Next() override {
    if (next_ == reader_->num_record_batches()) return nullptr;
    const auto batch = ValueOf(reader_->ReadRecordBatch(next_++), name_);
    return ValueOf(batch->SelectColumns(selection_.order), name_);
  }

  void Trim() override { mapping_.Trim(); }

 private:
  std::string name_;
  Mapping mapping_;
  Selection selection_;
  std::shared_ptr<arrow::ipc::RecordBatchFileReader> reader_;
  int next_ = 0;
};

class StreamPass final : public BatchPass {
 public:
  StreamPass(const Source& source, Mapping mapping, const std::vector<int>& columns)
      : name_(source.name), mapping_(std::move(mapping)), selection_(columns, mapping_.exists()) {
    Check(source.file->Seek(0), name_);
    reader_ = ValueOf(arrow::ipc::RecordBatchStreamReader::Open(source.file, selection_.Options()),
                      name_);
  }

  std::shared_ptr<arrow::RecordBatch> Next() override {
    std::shared_ptr<arrow::RecordBatch> batch;
    Check(reader_->ReadNext(&batch), name_);
    return batch == nullptr ? nullptr : ValueOf(batch->SelectColumns(selection_.order), name_);
  }

  void Trim() override { mapping_.Trim(); }

 private:
  std::string name_;
  Mapping mapping_;
  Selection selection_;
  std::shared_ptr<arrow::ipc::RecordBatchStreamReader> reader_;
};

class ArrowFile final : public BatchFile {
 public:
  explicit ArrowFile(Source source) : source_(std::move(source)) {
    if (!source_.local_path.empty()) {
      source_.file = ValueOf(
          arrow::io::MemoryMappedFile::Open(source_.local_path, arrow::io::FileMode::READ), name());
      mapping_ = Mapping(ValueOf(source_.file->ReadAt(0, source_.size), name()));
    }
    auto options = arrow::ipc::IpcReadOptions::Defaults();
    options.use_threads = false;
    std::shared_ptr<arrow::Schema> schema;
    if (source_.format == Format::kArrowFile) {
      const auto reader =
          ValueOf(arrow::ipc::RecordBatchFileReader::Open(source_.file, options), name());
      schema = reader->schema();
      rows_ = ValueOf(reader->CountRows(), name());
      if (*rows_ < 0) throw Error(ErrorCode::kInvalidInput, name() + " is corrupt: negative rows");
    } else {
      schema = ValueOf(arrow::ipc::RecordBatchStreamReader::Open(source_.file, options), name())
                   ->schema();
    }
    for (const auto& field : schema->fields()) columns_.push_back({field->name(), field->type()});
  }

  const std::string& name() const override { return source_.name; }
  const std::vector<FileColumn>& columns() const override { return columns_; }
  std::optional<std::int64_t> rows() const override { return rows_; }

  std::unique_ptr<BatchPass> Read(const std::vector<int>& columns) override {
    if (source_.format == Format::kArrowFile) {
      return std::make_unique<FilePass>(source_, mapping_, columns);
    }
    return std::make_unique<StreamPass>(source_, mapping_, columns);
  }

 private:
  Source source_;
  Mapping mapping_;
  std::vector<FileColumn> columns_;
  std::optional<std::int64_t> rows_;  // a stream does not tell
};

}  // namespace

std::unique_ptr<BatchFile> OpenArrow(Source source) {
  return std::make_unique<ArrowFile>(std::move(source));
}

}  // namespace windlass::table
