#include "windlass/table/memory.h"

#include <arrow/api.h>
#include <arrow/c/bridge.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <string_view>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/table/arrow_errors_internal.h"
#include "windlass/table/arrow_table_internal.h"

namespace windlass::table {
namespace {

constexpr std::string_view kScheme = "memory:";

using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

struct Content {
  std::string name;
  std::shared_ptr<arrow::Schema> schema;
  Batches batches;
  std::int64_t rows = 0;
};

// All tables of this process by their URIs.
class Tables {
 public:
  static Tables& Global() {
    static Tables tables;
    return tables;
  }

  std::string Add(Content content) {
    const std::lock_guard lock(mutex_);
    const std::string uri = fmt::format("{}{}/{}", kScheme, content.name, ++last_);
    tables_[uri] = std::make_shared<const Content>(std::move(content));
    return uri;
  }

  void Remove(const std::string& uri) {
    std::shared_ptr<const Content> last;  // freed after the lock
    const std::lock_guard lock(mutex_);
    last = std::move(tables_[uri]);
    tables_.erase(uri);
  }

  std::shared_ptr<const Content> Find(const std::string& uri) const {
    const std::lock_guard lock(mutex_);
    const auto found = tables_.find(uri);
    if (found != tables_.end()) return found->second;
    throw Error(ErrorCode::kNotFound,
                fmt::format("{}: this process has no such table; a path or a URI of a file was "
                            "expected",
                            uri));
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const Content>> tables_;
  std::int64_t last_ = 0;
};

class MemoryPass final : public BatchPass {
 public:
  MemoryPass(std::shared_ptr<const Content> content, std::vector<int> columns)
      : content_(std::move(content)), columns_(std::move(columns)) {}

  std::shared_ptr<arrow::RecordBatch> Next() override {
    if (next_ == content_->batches.size()) return nullptr;
    return ValueOf(content_->batches[next_++]->SelectColumns(columns_), content_->name);
  }

 private:
  std::shared_ptr<const Content> content_;
  std::vector<int> columns_;
  std::size_t next_ = 0;
};

class MemoryFile final : public BatchFile {
 public:
  explicit MemoryFile(std::shared_ptr<const Content> content) : content_(std::move(content)) {
    for (const auto& field : content_->schema->fields()) {
      columns_.push_back({field->name(), field->type()});
    }
  }

  const std::string& name() const override { return content_->name; }
  const std::vector<FileColumn>& columns() const override { return columns_; }
  std::optional<std::int64_t> rows() const override { return content_->rows; }
  std::unique_ptr<BatchPass> Read(const std::vector<int>& columns) override {
    return std::make_unique<MemoryPass>(content_, columns);
  }

 private:
  std::shared_ptr<const Content> content_;
  std::vector<FileColumn> columns_;
};

template <typename T, typename Builder>
std::shared_ptr<arrow::Array> Build(Builder builder, const std::vector<T>& values,
                                    const std::string& name) {
  Check(builder.AppendValues(values), name);
  return ValueOf(builder.Finish(), name);
}

std::shared_ptr<arrow::Array> ArrayOf(const MemoryColumn& column, const std::string& name) {
  if (column.categories.empty()) return Build(arrow::DoubleBuilder(), column.values, name);
  arrow::Int32Builder codes;
  const auto count = static_cast<std::int32_t>(column.categories.size());
  for (const std::int32_t code : column.codes) {
    if (code >= count) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: column \"{}\" has the code {}, but {} categories", name,
                              column.name, code, count));
    }
    Check(code < 0 ? codes.AppendNull() : codes.Append(code), name);
  }
  return ValueOf(
      arrow::DictionaryArray::FromArrays(ValueOf(codes.Finish(), name),
                                         Build(arrow::StringBuilder(), column.categories, name)),
      name);
}

}  // namespace

MemoryTable::MemoryTable(std::string_view name, ArrowArrayStream* stream) {
  Content content;
  content.name = name;
  Guarded(content.name, [&] {
    const auto reader = ValueOf(arrow::ImportRecordBatchReader(stream), content.name);
    content.schema = reader->schema();
    content.batches = ValueOf(reader->ToRecordBatches(), content.name);
  });
  for (const auto& batch : content.batches) content.rows += batch->num_rows();
  uri_ = Tables::Global().Add(std::move(content));
}

MemoryTable::MemoryTable(std::string_view name, std::int64_t rows,
                         std::vector<MemoryColumn> columns) {
  Content content;
  content.name = name;
  content.rows = rows;
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const MemoryColumn& column : columns) {
    const auto given =
        column.categories.empty() ? std::ssize(column.values) : std::ssize(column.codes);
    if (given != rows) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: column \"{}\" has {} rows, but the table has {}", name,
                              column.name, given, rows));
    }
    arrays.push_back(ArrayOf(column, content.name));
    fields.push_back(arrow::field(column.name, arrays.back()->type()));
  }
  content.schema = arrow::schema(std::move(fields));
  content.batches = {arrow::RecordBatch::Make(content.schema, rows, std::move(arrays))};
  uri_ = Tables::Global().Add(std::move(content));
}

MemoryTable::~MemoryTable() { Tables::Global().Remove(uri_); }

std::int64_t MemoryTable::rows() const { return Tables::Global().Find(uri_)->rows; }

bool IsMemory(const std::string& uri) { return uri.starts_with(kScheme); }

std::unique_ptr<BatchFile> OpenMemory(const std::string& uri) {
  return std::make_unique<MemoryFile>(Tables::Global().Find(uri));
}

}  // namespace windlass::table
