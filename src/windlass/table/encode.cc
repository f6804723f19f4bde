#include <arrow/api.h>
#include <arrow/util/decimal.h>
#include <arrow/util/utf8.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/table/arrow_errors_internal.h"
#include "windlass/table/encode_internal.h"
#include "windlass/table/number_internal.h"

namespace windlass::table {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

bool IsTextType(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW: return true;
    default: return false;
  }
}

bool IsNumberType(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
    case arrow::Type::HALF_FLOAT:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256: return true;
    default: return false;
  }
}

std::string_view TextAt(const arrow::Array& array, std::int64_t i) {
  switch (array.type_id()) {
    case arrow::Type::STRING: return static_cast<const arrow::StringArray&>(array).GetView(i);
    case arrow::Type::LARGE_STRING:
      return static_cast<const arrow::LargeStringArray&>(array).GetView(i);
    default: return static_cast<const arrow::StringViewArray&>(array).GetView(i);
  }
}

class EncoderBase : public ColumnEncoder {
 public:
  explicit EncoderBase(CellPlace place) : place_(std::move(place)) {}

  void SetArray(const arrow::Array& array, std::int64_t first_row) override {
    array_ = &array;
    first_row_ = first_row;
    has_nulls_ = array.null_count() != 0;
  }

 protected:
  bool IsNull(std::int64_t i) const { return has_nulls_ && array_->IsNull(i); }

  [[noreturn]] void Throw(std::int64_t i, std::string_view what) const {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: {}", Describe(place_, first_row_ + i), what));
  }

  const arrow::Array* array_ = nullptr;
  std::int64_t first_row_ = 0;
  bool has_nulls_ = false;
  CellPlace place_;
};

// Numbers that lie in memory as they are: converts, then reports what cannot stand as a double.
template <typename ArrayType>
class NumberEncoder final : public EncoderBase {
 public:
  explicit NumberEncoder(CellPlace place, bool keep_infinite = false)
      : EncoderBase(std::move(place)), keep_infinite_(keep_infinite) {}

  void Encode(std::int64_t from, std::int64_t count, double* out, std::int64_t stride) override {
    const auto* values = static_cast<const ArrayType*>(array_)->raw_values() + from;
    bool refused = false;
    if (!has_nulls_) {
      for (std::int64_t i = 0; i < count; ++i) {
        refused |= Refused(values[i]);
        out[i * stride] = ToDouble(values[i]);
      }
    } else {
      for (std::int64_t i = 0; i < count; ++i) {
        const bool is_null = array_->IsNull(from + i);
        refused |= !is_null && Refused(values[i]);
        out[i * stride] = is_null ? kNan : ToDouble(values[i]);
      }
    }
    if (refused && !keep_infinite_) [[unlikely]]
      Report(from, count, values);
  }

 private:
  using Value = typename ArrayType::value_type;
  static constexpr bool kIsHalf = std::is_same_v<ArrayType, arrow::HalfFloatArray>;

  bool keep_infinite_;

  static double ToDouble(Value value) {
    if constexpr (kIsHalf) {
      return HalfToDouble(value);
    } else {
      return static_cast<double>(value);
    }
  }

  static bool Refused(Value value) {
    if constexpr (kIsHalf || std::is_floating_point_v<Value>) {
      return IsInfinite(ToDouble(value));
    } else {
      return !HoldsExactly(value);
    }
  }

  [[noreturn]] void Report(std::int64_t from, std::int64_t count, const Value* values) const {
    std::int64_t i = 0;
    while (i + 1 < count && (IsNull(from + i) || !Refused(values[i]))) ++i;
    if constexpr (kIsHalf || std::is_floating_point_v<Value>) {
      Throw(from + i, kInfiniteCell);
    } else {
      Throw(from + i, InexactInteger(fmt::to_string(values[i])));
    }
  }
};

class BooleanEncoder final : public EncoderBase {
 public:
  using EncoderBase::EncoderBase;

  void Encode(std::int64_t from, std::int64_t count, double* out, std::int64_t stride) override {
    const auto& values = static_cast<const arrow::BooleanArray&>(*array_);
    for (std::int64_t i = 0; i < count; ++i) {
      out[i * stride] = IsNull(from + i) ? kNan : (values.Value(from + i) ? 1.0 : 0.0);
    }
  }
};

// Decimals by their digits: from_chars rounds once, so that 0.3 is the double that CSV's 0.3 is.
template <typename ArrayType>
class DecimalEncoder final : public EncoderBase {
 public:
  using EncoderBase::EncoderBase;

  void Encode(std::int64_t from, std::int64_t count, double* out, std::int64_t stride) override {
    const auto& values = static_cast<const ArrayType&>(*array_);
    for (std::int64_t i = 0; i < count; ++i) {
      double& cell = out[i * stride];
      if (IsNull(from + i)) {
        cell = kNan;
        continue;
      }
      const std::string digits = values.FormatValue(from + i);
      const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), cell);
      if (code != std::errc{} || end != digits.data() + digits.size()) {
        Throw(from + i, fmt::format("the decimal {} is not a number that a double holds", digits));
      }
    }
  }
};

// A dictionary of numbers stands for those numbers.
class NumberDictionaryEncoder final : public EncoderBase {
 public:
  NumberDictionaryEncoder(CellPlace place, std::unique_ptr<ColumnEncoder> values)
      : EncoderBase(std::move(place)), values_(std::move(values)) {}

  void SetArray(const arrow::Array& array, std::int64_t first_row) override {
    EncoderBase::SetArray(array, first_row);
    dictionary_ = static_cast<const arrow::DictionaryArray&>(array).dictionary();
    decoded_.assign(dictionary_->length(), std::nullopt);
    values_->SetArray(*dictionary_, 0);
    for (std::int64_t i = 0; i < dictionary_->length(); ++i) {
      try {
        double value = 0;
        values_->Encode(i, 1, &value, 1);
        decoded_[i] = value;
      } catch (const Error&) {
        // Stays empty: an entry that no row uses does no harm; one that is used is encoded again
        // by Encode(), which knows its row.
      }
    }
  }

  void Encode(std::int64_t from, std::int64_t count, double* out, std::int64_t stride) override {
    const auto& array = static_cast<const arrow::DictionaryArray&>(*array_);
    for (std::int64_t i = 0; i < count; ++i) {
      double& cell = out[i * stride];
      if (IsNull(from + i)) {
        cell = kNan;
        continue;
      }
      const std::int64_t entry = array.GetValueIndex(from + i);
      if (!decoded_[entry]) {
        values_->SetArray(*dictionary_, first_row_ + from + i - entry);
        values_->Encode(entry, 1, &cell, 1);  // throws
      }
      cell = *decoded_[entry];
    }
  }

 private:
  std::unique_ptr<ColumnEncoder> values_;
  std::shared_ptr<arrow::Array> dictionary_;
  std::vector<std::optional<double>> decoded_;
};

// Text, plain or in a dictionary, as codes.
class CategoryEncoder final : public EncoderBase {
 public:
  CategoryEncoder(CellPlace place, const std::vector<std::string>& categories)
      : EncoderBase(std::move(place)), categories_(categories) {
    for (std::size_t code = 0; code < categories_.size(); ++code) {
      codes_.emplace(categories_[code], static_cast<double>(code));
    }
  }

  void SetArray(const arrow::Array& array, std::int64_t first_row) override {
    EncoderBase::SetArray(array, first_row);
    if (array.type_id() != arrow::Type::DICTIONARY) return;
    const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array).dictionary();
    if (dictionary == dictionary_) return;
    dictionary_ = dictionary;
    code_of_entry_.assign(dictionary->length(), kNan);
    for (std::int64_t i = 0; i < dictionary->length(); ++i) {
      if (!dictionary->IsNull(i)) code_of_entry_[i] = CodeOf(TextAt(*dictionary, i));
    }
  }

  void Encode(std::int64_t from, std::int64_t count, double* out, std::int64_t stride) override {
    const bool is_dictionary = array_->type_id() == arrow::Type::DICTIONARY;
    for (std::int64_t i = 0; i < count; ++i) {
      double& cell = out[i * stride];
      if (IsNull(from + i)) {
        cell = kNan;
        continue;
      }
      std::int64_t entry = 0;
      if (is_dictionary) {
        entry = static_cast<const arrow::DictionaryArray*>(array_)->GetValueIndex(from + i);
        cell = code_of_entry_[entry];
      } else {
        cell = CodeOf(TextAt(*array_, from + i));
      }
      if (cell == kUnknown) {
        ThrowUnknown(from + i, TextAt(is_dictionary ? *dictionary_ : *array_,
                                      is_dictionary ? entry : from + i));
      }
    }
  }

 private:
  static constexpr double kUnknown = -1;

  double CodeOf(std::string_view text) const {
    const auto found = codes_.find(text);
    return found == codes_.end() ? kUnknown : found->second;
  }

  [[noreturn]] void ThrowUnknown(std::int64_t i, std::string_view text) const {
    constexpr std::size_t kShown = 8;
    const std::size_t shown = std::min(categories_.size(), kShown);
    std::string list;
    for (std::size_t k = 0; k < shown; ++k) {
      list += fmt::format("{}\"{}\"", k == 0 ? "" : ", ", categories_[k]);
    }
    if (shown < categories_.size()) list += ", ...";
    Throw(i, fmt::format("\"{}\" does not occur among the column's {} categories ({})",
                         Shortened(text), categories_.size(), list));
  }

  const std::vector<std::string> categories_;
  std::unordered_map<std::string_view, double> codes_;  // views of categories_
  std::shared_ptr<arrow::Array> dictionary_;
  std::vector<double> code_of_entry_;
};

// Cells of a text file that spell numbers.
class TextNumberEncoder final : public EncoderBase {
 public:
  using EncoderBase::EncoderBase;

  void Encode(std::int64_t from, std::int64_t count, double* out, std::int64_t stride) override {
    for (std::int64_t i = 0; i < count; ++i) {
      if (IsNull(from + i)) {
        out[i * stride] = kNan;
        continue;
      }
      const std::string_view text = TextAt(*array_, from + i);
      const ParsedNumber parsed = ParseNumber(text);
      switch (parsed.state) {
        case ParsedNumber::State::kNumber: break;
        case ParsedNumber::State::kNotANumber:
          Throw(from + i, fmt::format("\"{}\" is not a number", Shortened(text)));
        case ParsedNumber::State::kInfinite: Throw(from + i, kInfiniteCell);
        case ParsedNumber::State::kInexactInteger: Throw(from + i, InexactInteger(Shortened(text)));
      }
      out[i * stride] = parsed.value;
    }
  }
};

class TextBooleanEncoder final : public EncoderBase {
 public:
  using EncoderBase::EncoderBase;

  void Encode(std::int64_t from, std::int64_t count, double* out, std::int64_t stride) override {
    for (std::int64_t i = 0; i < count; ++i) {
      double& cell = out[i * stride];
      cell = kNan;
      if (IsNull(from + i)) continue;
      const std::string_view text = TextAt(*array_, from + i);
      if (IsMissingSpelling(text)) continue;
      const std::optional<bool> value = ParseBoolean(text);
      if (!value) {
        Throw(from + i, fmt::format("\"{}\" is neither true nor false, as the first cells are",
                                    Shortened(text)));
      }
      cell = *value ? 1.0 : 0.0;
    }
  }
};

std::unique_ptr<ColumnEncoder> MakeNumberEncoder(const arrow::DataType& type,
                                                 const CellPlace& place,
                                                 bool keep_infinite = false) {
  switch (type.id()) {
    case arrow::Type::BOOL: return std::make_unique<BooleanEncoder>(place);
    case arrow::Type::INT8: return std::make_unique<NumberEncoder<arrow::Int8Array>>(place);
    case arrow::Type::INT16: return std::make_unique<NumberEncoder<arrow::Int16Array>>(place);
    case arrow::Type::INT32: return std::make_unique<NumberEncoder<arrow::Int32Array>>(place);
    case arrow::Type::INT64: return std::make_unique<NumberEncoder<arrow::Int64Array>>(place);
    case arrow::Type::UINT8: return std::make_unique<NumberEncoder<arrow::UInt8Array>>(place);
    case arrow::Type::UINT16: return std::make_unique<NumberEncoder<arrow::UInt16Array>>(place);
    case arrow::Type::UINT32: return std::make_unique<NumberEncoder<arrow::UInt32Array>>(place);
    case arrow::Type::UINT64: return std::make_unique<NumberEncoder<arrow::UInt64Array>>(place);
    case arrow::Type::HALF_FLOAT:
      return std::make_unique<NumberEncoder<arrow::HalfFloatArray>>(place);
    case arrow::Type::FLOAT:
      return std::make_unique<NumberEncoder<arrow::FloatArray>>(place, keep_infinite);
    case arrow::Type::DOUBLE:
      return std::make_unique<NumberEncoder<arrow::DoubleArray>>(place, keep_infinite);
    case arrow::Type::DECIMAL32:
      return std::make_unique<DecimalEncoder<arrow::Decimal32Array>>(place);
    case arrow::Type::DECIMAL64:
      return std::make_unique<DecimalEncoder<arrow::Decimal64Array>>(place);
    case arrow::Type::DECIMAL128:
      return std::make_unique<DecimalEncoder<arrow::Decimal128Array>>(place);
    case arrow::Type::DECIMAL256:
      return std::make_unique<DecimalEncoder<arrow::Decimal256Array>>(place);
    case arrow::Type::DICTIONARY:
      return std::make_unique<NumberDictionaryEncoder>(
          place,
          MakeNumberEncoder(*static_cast<const arrow::DictionaryType&>(type).value_type(), place));
    default: throw Error(ErrorCode::kInternal, "no number encoder for " + type.ToString());
  }
}

}  // namespace

std::string Describe(const CellPlace& place, std::int64_t row) {
  return fmt::format("{}: row {} (counted from 0), column \"{}\"", place.file, row, place.column);
}

ColumnKind KindOfType(const arrow::DataType& type, const std::string& file,
                      const std::string& column) {
  const arrow::DataType& values =
      type.id() == arrow::Type::DICTIONARY
          ? *static_cast<const arrow::DictionaryType&>(type).value_type()
          : type;
  if (IsTextType(values)) return ColumnKind::kCategory;
  if (IsNumberType(values)) return ColumnKind::kNumber;
  throw Error(
      ErrorCode::kInvalidInput,
      fmt::format("{}: column \"{}\" is of type {}; numbers, booleans, decimals and "
                  "dictionaries of numbers or text are supported: convert or drop the column",
                  file, column, type.ToString()));
}

std::unique_ptr<ColumnEncoder> MakeEncoder(ColumnKind kind, const arrow::DataType& type,
                                           CellPlace place,
                                           const std::vector<std::string>& categories,
                                           bool keep_infinite) {
  switch (kind) {
    case ColumnKind::kNumber: return MakeNumberEncoder(type, place, keep_infinite);
    case ColumnKind::kCategory:
      return std::make_unique<CategoryEncoder>(std::move(place), categories);
    case ColumnKind::kTextNumber: return std::make_unique<TextNumberEncoder>(std::move(place));
    case ColumnKind::kTextBoolean: return std::make_unique<TextBooleanEncoder>(std::move(place));
  }
  throw Error(ErrorCode::kInternal, "no such kind of column");
}

std::optional<std::string_view> TextOfCell(const arrow::Array& array, std::int64_t i) {
  if (array.IsNull(i)) return std::nullopt;
  if (array.type_id() != arrow::Type::DICTIONARY) return TextAt(array, i);
  const auto& encoded = static_cast<const arrow::DictionaryArray&>(array);
  const std::int64_t entry = encoded.GetValueIndex(i);
  if (encoded.dictionary()->IsNull(entry)) return std::nullopt;
  return TextAt(*encoded.dictionary(), entry);
}

void CategoryCollector::Add(const arrow::Array& array) {
  const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array).dictionary();
  if (dictionary == seen_) return;
  seen_ = dictionary;
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: the dictionary of column \"{}\" holds {}", place_.file,
                            place_.column, what));
  };
  std::unordered_set<std::string_view> here;
  for (std::int64_t i = 0; i < dictionary->length(); ++i) {
    if (dictionary->IsNull(i)) {
      refuse("a missing value; a missing cell is to be none in the rows");
    }
    const std::string_view text = TextAt(*dictionary, i);
    if (!arrow::util::ValidateUTF8(text)) refuse("text that is not UTF-8");
    if (!here.insert(text).second) {
      refuse(fmt::format("\"{}\" twice; every category must have one code", Shortened(text)));
    }
    if (known_.emplace(text).second) categories_.emplace_back(text);
  }
}

}  // namespace windlass::table
