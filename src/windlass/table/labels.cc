#include <arrow/api.h>
#include <fmt/format.h>

#include <unordered_map>
#include <utility>

#include "windlass/base/cancel.h"
#include "windlass/base/error.h"
#include "windlass/table/arrow_errors_internal.h"
#include "windlass/table/arrow_table_internal.h"
#include "windlass/table/columns_internal.h"
#include "windlass/table/source_internal.h"

namespace windlass::table {
namespace {

bool IsDateType(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
    case arrow::Type::TIMESTAMP: return true;
    default: return false;
  }
}

// "2026-01-31 00:00:00.000000": the zeros are no news, nor is midnight.
std::string WithoutZeros(std::string time) {
  constexpr std::string_view kMidnight = " 00:00:00";
  if (const auto dot = time.find('.'); dot != std::string::npos) {
    const auto end = std::min(time.find_first_not_of("0123456789", dot + 1), time.size());
    const auto last = time.find_last_not_of('0', end - 1);
    time.erase(last == dot ? dot : last + 1, end - (last == dot ? dot : last + 1));
  }
  if (time.ends_with(kMidnight)) time.erase(time.size() - kMidnight.size());
  return time;
}

// A cell as its label; nothing for a missing one. `text`: whether its type is one of text.
std::optional<std::string> LabelOf(const arrow::Array& array, std::int64_t i, bool text,
                                   const std::string& name) {
  if (array.IsNull(i)) return std::nullopt;
  if (!text) return WithoutZeros(ValueOf(array.GetScalar(i), name)->ToString());
  const auto found = TextOfCell(array, i);
  return found ? std::optional(std::string(*found)) : std::nullopt;
}

class BatchLabels final : public LabelReader {
 public:
  BatchLabels(std::unique_ptr<BatchFile> file, int column, bool text, std::int64_t most)
      : file_(std::move(file)), column_(column), text_(text), most_(most) {}

  const std::vector<std::string>& labels() const override { return labels_; }

  bool Next(std::int64_t max_rows, std::vector<std::int64_t>& codes) override {
    return Guarded(file_->name(), [&] {
      codes.clear();
      while (std::ssize(codes) < max_rows && Advance()) {
        const std::int64_t end =
            std::min(batch_->num_rows(), offset_ + max_rows - std::ssize(codes));
        for (; offset_ < end; ++offset_) codes.push_back(CodeAt(*batch_->column(0), offset_));
      }
      return !codes.empty();
    });
  }

 private:
  bool Advance() {
    if (pass_ == nullptr) pass_ = file_->Read({column_});
    while (batch_ == nullptr || offset_ == batch_->num_rows()) {
      ProcessCancelToken().Check();
      batch_ = nullptr;
      batch_ = pass_->Next();
      offset_ = 0;
      if (batch_ == nullptr) return false;
      Check(batch_->ValidateFull(), file_->name());
      entries_.clear();
    }
    return true;
  }

  // Of a dictionary, each entry is looked up once a batch; neighbours are often alike otherwise.
  std::int64_t CodeAt(const arrow::Array& array, std::int64_t i) {
    if (array.type_id() == arrow::Type::DICTIONARY && !array.IsNull(i)) {
      const std::int64_t entry = static_cast<const arrow::DictionaryArray&>(array).GetValueIndex(i);
      const auto [known, is_new] = entries_.try_emplace(entry, kMissing);
      if (is_new) known->second = Code(LabelOf(array, i, text_, file_->name()));
      return known->second;
    }
    return Code(LabelOf(array, i, text_, file_->name()));
  }

  std::int64_t Code(const std::optional<std::string>& label) {
    if (!label || (file_->IsText() && label->empty())) return kMissing;
    const auto [found, is_new] = codes_.try_emplace(*label, std::ssize(labels_));
    if (is_new) {
      if (std::ssize(labels_) == most_) {
        throw Error(ErrorCode::kInvalidInput,
                    fmt::format("{}: column \"{}\" has more than {} different values",
                                file_->name(), file_->columns()[column_].name, most_));
      }
      labels_.push_back(*label);
    }
    return found->second;
  }

  std::unique_ptr<BatchFile> file_;
  int column_;
  bool text_;
  std::int64_t most_;
  std::unique_ptr<BatchPass> pass_;
  std::shared_ptr<arrow::RecordBatch> batch_;
  std::int64_t offset_ = 0;
  std::unordered_map<std::int64_t, std::int64_t> entries_;
  std::unordered_map<std::string, std::int64_t> codes_;
  std::vector<std::string> labels_;
};

}  // namespace

std::unique_ptr<LabelReader> MakeLabelReader(std::unique_ptr<BatchFile> file,
                                             const std::string& column, std::int64_t most) {
  std::vector<std::string> present;
  for (const FileColumn& found : file->columns()) present.push_back(found.name);
  const ReadOptions options{.columns = {column}, .ignore_others = true};
  const int position = SelectColumns(file->name(), present, options)[0];
  const bool date = IsDateType(*file->columns()[position].type);
  if (!date && file->Kind(position) != ColumnKind::kCategory) return nullptr;
  return std::make_unique<BatchLabels>(std::move(file), position, !date, most);
}

}  // namespace windlass::table
