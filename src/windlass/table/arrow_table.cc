#include <arrow/api.h>
#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "windlass/base/cancel.h"
#include "windlass/base/error.h"
#include "windlass/table/arrow_errors_internal.h"
#include "windlass/table/arrow_table_internal.h"
#include "windlass/table/columns_internal.h"
#include "windlass/table/number_internal.h"

namespace windlass::table {
namespace {

// Rows that are transposed at a time: with 49 columns their cells take 25 KB and stay in the
// first-level cache while the columns are walked one by one.
constexpr std::int64_t kBlockRows = 64;

constexpr std::int64_t kTrimCells = std::int64_t{1} << 19;  // 4 MB of doubles

bool NeedsFullValidation(const arrow::Array& array) {
  return array.type_id() == arrow::Type::DICTIONARY || array.type_id() == arrow::Type::STRING ||
         array.type_id() == arrow::Type::LARGE_STRING ||
         array.type_id() == arrow::Type::STRING_VIEW;
}

// Offsets and dictionary indices come from the file: nothing may follow them unchecked.
void Validate(const arrow::RecordBatch& batch, const std::string& name) {
  Check(batch.Validate(), name);
  for (const auto& array : batch.columns()) {
    if (NeedsFullValidation(*array)) Check(array->ValidateFull(), name);
  }
}

class BatchReader final : public Reader {
 public:
  BatchReader(std::unique_ptr<BatchFile> file, const ReadOptions& options)
      : file_(std::move(file)) {
    std::vector<std::string> present;
    for (const FileColumn& column : file_->columns()) present.push_back(column.name);
    selected_ = SelectColumns(file_->name(), present, options);
    if (!options.codes.empty() && options.codes.size() != selected_.size()) {
      throw Error(ErrorCode::kInternal,
                  fmt::format("{}: codes are given for {} columns, but {} are read", file_->name(),
                              options.codes.size(), selected_.size()));
    }
    std::vector<int> to_collect;
    for (std::size_t i = 0; i < selected_.size(); ++i) {
      const FileColumn& column = file_->columns()[selected_[i]];
      ColumnKind kind = file_->Kind(selected_[i]);
      schema_.push_back({column.name, {}});
      if (!options.codes.empty()) {
        kind = KindAsWanted(kind, column, options.codes[i], options.numbers_have_codes);
        if (kind == ColumnKind::kCategory) schema_.back().categories = options.codes[i].categories;
      } else if (kind == ColumnKind::kCategory) {
        if (column.type->id() != arrow::Type::DICTIONARY) RefuseText(i);
        file_->CheckHasDictionary(selected_[i]);
        to_collect.push_back(static_cast<int>(i));
      }
      kinds_.push_back(kind);
    }
    if (!to_collect.empty()) CollectCategories(to_collect);
    for (std::size_t i = 0; i < selected_.size(); ++i) {
      encoders_.push_back(MakeEncoder(kinds_[i], *file_->columns()[selected_[i]].type, Place(i),
                                      schema_[i].categories, options.keep_infinite));
    }
  }

  const Schema& schema() const override { return schema_; }
  std::optional<std::int64_t> rows() const override { return file_->rows(); }

  bool Next(std::int64_t max_rows, Chunk& chunk) override {
    if (max_rows <= 0) throw Error(ErrorCode::kInternal, "a chunk needs at least one row");
    return Guarded(file_->name(), [&] { return Fill(max_rows, chunk); });
  }

 private:
  CellPlace Place(std::size_t i) const { return {file_->name(), schema_[i].name}; }

  // Words without a dictionary have no codes: any order of them would be ours, not that of the
  // codes on which the model was trained.
  [[noreturn]] void RefuseText(std::size_t i) const {
    constexpr std::string_view kWanted =
        "numbers are wanted, or a dictionary-encoded (categorical) column of Parquet or Arrow IPC "
        "with the codes that the model was trained on";
    std::int64_t first_row = 0;
    Guarded(file_->name(), [&] {
      const auto pass = file_->Read({selected_[i]});
      while (const auto batch = pass->Next()) {
        ProcessCancelToken().Check();
        Validate(*batch, file_->name());
        for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
          const auto text = TextOfCell(*batch->column(0), row);
          if (!text || (file_->IsText() && IsMissingSpelling(*text))) continue;
          throw Error(ErrorCode::kInvalidInput,
                      fmt::format("{}: \"{}\" is text; {}", Describe(Place(i), first_row + row),
                                  Shortened(*text), kWanted));
        }
        first_row += batch->num_rows();
      }
    });
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: column \"{}\" is of type {}; {}", file_->name(), schema_[i].name,
                            file_->columns()[selected_[i]].type->ToString(), kWanted));
  }

  // What `codes` asks of a column that reads as `kind`.
  ColumnKind KindAsWanted(ColumnKind kind, const FileColumn& column, const Column& wanted,
                          bool numbers_have_codes) const {
    if (!wanted.categories.empty()) {
      const bool numbers = kind == ColumnKind::kNumber || kind == ColumnKind::kTextNumber;
      if (numbers && numbers_have_codes) return kind;  // CodedReader's
      if (kind == ColumnKind::kCategory || file_->IsText()) return ColumnKind::kCategory;
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: column \"{}\" holds numbers ({}), but it is categorical where "
                              "its codes come from: text such as \"{}\" is wanted",
                              file_->name(), column.name, column.type->ToString(),
                              Shortened(wanted.categories.front())));
    }
    if (kind != ColumnKind::kCategory) return kind;
    if (file_->IsText()) return ColumnKind::kTextNumber;  // names the cell that is no number
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: column \"{}\" holds text ({}), but numbers are wanted",
                            file_->name(), column.name, column.type->ToString()));
  }

  // A pass of its own over the dictionary columns: the schema must be complete before the first
  // row.
  void CollectCategories(const std::vector<int>& positions) {
    std::vector<int> columns;
    std::vector<CategoryCollector> collectors;
    for (const int position : positions) {
      columns.push_back(selected_[position]);
      collectors.emplace_back(Place(position));
    }
    Guarded(file_->name(), [&] {
      const auto pass = file_->Read(columns);
      while (const auto batch = pass->Next()) {
        ProcessCancelToken().Check();
        Validate(*batch, file_->name());
        for (std::size_t i = 0; i < collectors.size(); ++i) {
          collectors[i].Add(*batch->column(static_cast<int>(i)));
        }
      }
    });
    for (std::size_t i = 0; i < collectors.size(); ++i) {
      schema_[positions[i]].categories = collectors[i].Finish();
    }
  }

  bool Fill(std::int64_t max_rows, Chunk& chunk) {
    const auto width = static_cast<std::int64_t>(schema_.size());
    chunk.first_row = next_row_;
    std::int64_t filled = 0;
    while (filled < max_rows && Advance()) {
      const std::int64_t count = std::min(max_rows - filled, batch_->num_rows() - offset_);
      // Grows with what was read, never by what a header promises.
      const auto cells = static_cast<std::size_t>((filled + count) * width);
      if (chunk.values.size() < cells) chunk.values.resize(cells);
      Encode(count, chunk.values.data() + filled * width);
      untrimmed_ += count * width;
      if (untrimmed_ > kTrimCells) {
        pass_->Trim();
        untrimmed_ = 0;
      }
      filled += count;
      offset_ += count;
      next_row_ += count;
    }
    chunk.values.resize(static_cast<std::size_t>(filled * width));
    chunk.rows = filled;
    return filled > 0;
  }

  // Makes batch_ one that has a row at offset_, or says that there is none.
  bool Advance() {
    if (finished_) return false;
    if (pass_ == nullptr) pass_ = file_->Read(selected_);
    while (batch_ == nullptr || offset_ == batch_->num_rows()) {
      batch_ = nullptr;  // its memory goes back before the next batch asks for more
      batch_ = pass_->Next();
      offset_ = 0;
      if (batch_ == nullptr) {
        finished_ = true;
        pass_ = nullptr;
        CheckRowCount();
        return false;
      }
      Validate(*batch_, file_->name());
      pass_->Trim();  // validation walks through whole columns
      for (int i = 0; i < batch_->num_columns(); ++i) {
        encoders_[i]->SetArray(*batch_->column(i), next_row_);
      }
    }
    return true;
  }

  void CheckRowCount() const {
    const auto promised = file_->rows();
    if (promised && *promised != next_row_) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{} is corrupt: it says that it has {} rows, but holds {}",
                              file_->name(), *promised, next_row_));
    }
  }

  void Encode(std::int64_t count, double* out) {
    const auto width = static_cast<std::int64_t>(encoders_.size());
    for (std::int64_t row = 0; row < count; row += kBlockRows) {
      const std::int64_t block = std::min(kBlockRows, count - row);
      for (std::int64_t column = 0; column < width; ++column) {
        encoders_[column]->Encode(offset_ + row, block, out + row * width + column, width);
      }
    }
  }

  std::unique_ptr<BatchFile> file_;
  std::vector<int> selected_;
  std::vector<ColumnKind> kinds_;
  Schema schema_;
  std::vector<std::unique_ptr<ColumnEncoder>> encoders_;
  std::unique_ptr<BatchPass> pass_;
  std::shared_ptr<arrow::RecordBatch> batch_;
  std::int64_t offset_ = 0;
  std::int64_t untrimmed_ = 0;  // cells encoded since the last Trim()
  std::int64_t next_row_ = 0;
  bool finished_ = false;
};

}  // namespace

std::unique_ptr<Reader> MakeBatchReader(std::unique_ptr<BatchFile> file,
                                        const ReadOptions& options) {
  return std::make_unique<BatchReader>(std::move(file), options);
}

}  // namespace windlass::table
