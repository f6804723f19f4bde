#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstring>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/table/columns_internal.h"
#include "windlass/table/encode_internal.h"
#include "windlass/table/npy_internal.h"
#include "windlass/table/number_internal.h"

namespace windlass::table {
namespace {

// Bytes read at a time: whole rows of a C array, a run of every column of a Fortran array.
constexpr std::int64_t kBlockBytes = 1 << 20;
constexpr std::int64_t kLeastBlockRows = 64;

// Rows converted at a time, column by column: few enough to stay in the first-level cache.
constexpr std::int64_t kConvertedRows = 64;

template <std::unsigned_integral T>
T ByteSwapped(T value) {
  if constexpr (sizeof(T) == 1) {
    return value;
  } else if constexpr (sizeof(T) == 2) {
    return __builtin_bswap16(value);
  } else if constexpr (sizeof(T) == 4) {
    return __builtin_bswap32(value);
  } else {
    return __builtin_bswap64(value);
  }
}

// The element at `bytes`, which need not be aligned.
template <typename T, std::unsigned_integral Raw>
T Load(const char* bytes, bool big_endian) {
  static_assert(sizeof(T) == sizeof(Raw));
  Raw raw;
  std::memcpy(&raw, bytes, sizeof(raw));
  return std::bit_cast<T>(big_endian ? ByteSwapped(raw) : raw);
}

// IEEE binary16, which C++20 has no type for.
struct Half {
  std::uint16_t bits;
};
struct Boolean {
  std::uint8_t bits;
};

template <typename T>
double ToDouble(T value) {
  if constexpr (std::same_as<T, Half>) {
    return HalfToDouble(value.bits);
  } else if constexpr (std::same_as<T, Boolean>) {
    return value.bits == 0 ? 0.0 : 1.0;
  } else {
    return static_cast<double>(value);
  }
}

// Converts `count` elements that lie `step` bytes apart to out[0], out[stride], ...; returns the
// index of the first that cannot stand, or -1.
template <typename T, typename Raw>
std::int64_t Convert(const char* from, std::int64_t step, bool big_endian, std::int64_t count,
                     double* out, std::int64_t stride) {
  std::int64_t refused = -1;
  for (std::int64_t i = 0; i < count; ++i) {
    const T value = Load<T, Raw>(from + i * step, big_endian);
    const double number = ToDouble(value);
    bool good = true;
    if constexpr (std::integral<T>) {
      good = HoldsExactly(value);
    } else {
      good = !IsInfinite(number);
    }
    if (!good && refused < 0) refused = i;
    out[i * stride] = number;
  }
  return refused;
}

using Converter = std::int64_t (*)(const char*, std::int64_t, bool, std::int64_t, double*,
                                   std::int64_t);

Converter ConverterOf(const NpyHeader& header) {
  using Kind = NpyHeader::Kind;
  switch (header.kind) {
    case Kind::kBool: return Convert<Boolean, std::uint8_t>;
    case Kind::kFloat:
      if (header.item_bytes == 2) return Convert<Half, std::uint16_t>;
      if (header.item_bytes == 4) return Convert<float, std::uint32_t>;
      return Convert<double, std::uint64_t>;
    case Kind::kInteger:
      if (header.item_bytes == 1) return Convert<std::int8_t, std::uint8_t>;
      if (header.item_bytes == 2) return Convert<std::int16_t, std::uint16_t>;
      if (header.item_bytes == 4) return Convert<std::int32_t, std::uint32_t>;
      return Convert<std::int64_t, std::uint64_t>;
    case Kind::kUnsigned:
      if (header.item_bytes == 1) return Convert<std::uint8_t, std::uint8_t>;
      if (header.item_bytes == 2) return Convert<std::uint16_t, std::uint16_t>;
      if (header.item_bytes == 4) return Convert<std::uint32_t, std::uint32_t>;
      return Convert<std::uint64_t, std::uint64_t>;
  }
  throw Error(ErrorCode::kInternal, "no converter for an npy type");
}

class NpyReader final : public Reader {
 public:
  NpyReader(std::unique_ptr<ByteSource> source, std::string name, const ReadOptions& options)
      : source_(std::move(source)), name_(std::move(name)) {
    header_ = ReadNpyHeader(*source_, name_);
    const std::vector<std::string> present = NpyColumnNames(header_, name_);
    rows_ = header_.shape[0];
    try {
      selected_ = SelectColumns(name_, present, options);
    } catch (Error& error) {
      if (error.code() == ErrorCode::kInvalidInput && !present.empty()) {
        error.AddContext(fmt::format("an npy array has no column names, they are \"0\"..\"{}\"",
                                     present.size() - 1));
      }
      throw;
    }
    for (const int column : selected_) schema_.push_back({present[column], {}});
    for (const auto& codes : options.codes) {
      if (codes.categories.empty() || options.numbers_have_codes) continue;
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: column \"{}\" holds numbers, but it is categorical where its "
                              "codes come from: text, as .csv or .parquet, is wanted",
                              name_, codes.name));
    }
    convert_ = ConverterOf(header_);
    SetUpBlocks();
  }

  const Schema& schema() const override { return schema_; }
  std::optional<std::int64_t> rows() const override { return rows_; }

  bool Next(std::int64_t max_rows, Chunk& chunk) override {
    if (max_rows <= 0) throw Error(ErrorCode::kInternal, "a chunk needs at least one row");
    const auto width = static_cast<std::int64_t>(schema_.size());
    const std::int64_t count = std::min(max_rows, rows_ - next_row_);
    chunk.first_row = next_row_;
    std::int64_t done = 0;
    while (done < count) {
      if (next_row_ == block_end_) ReadBlock();
      const std::int64_t part = std::min({count - done, block_end_ - next_row_, kConvertedRows});
      // Grows with what was read: the size that a zip archive tells of an array may be a lie.
      const auto cells = static_cast<std::size_t>((done + part) * width);
      if (chunk.values.size() < cells) chunk.values.resize(cells);
      ConvertRows(part, chunk.values.data() + done * width);
      done += part;
      next_row_ += part;
    }
    chunk.values.resize(static_cast<std::size_t>(count * width));
    chunk.rows = count;
    return count > 0;
  }

 private:
  void SetUpBlocks() {
    const auto width = static_cast<std::int64_t>(selected_.size());
    const std::int64_t item = header_.item_bytes;
    if (header_.fortran_order) {
      block_rows_ = std::max(kLeastBlockRows, kBlockBytes / (width * item));
      row_step_ = item;
    } else {
      row_step_ = header_.shape[1] * item;
      block_rows_ = std::max<std::int64_t>(1, kBlockBytes / row_step_);
    }
    block_rows_ = std::max<std::int64_t>(1, std::min(block_rows_, rows_));
    const std::int64_t bytes =
        header_.fortran_order ? block_rows_ * width * item : block_rows_ * row_step_;
    // No more than the source holds: the header's extents were compared with its size.
    block_.resize(static_cast<std::size_t>(rows_ == 0 ? 0 : bytes));
  }

  void ReadBlock() {
    const std::int64_t count = std::min(block_rows_, rows_ - next_row_);
    const std::int64_t item = header_.item_bytes;
    if (header_.fortran_order) {
      for (std::size_t i = 0; i < selected_.size(); ++i) {
        source_->ReadAt(header_.data_offset + (selected_[i] * rows_ + next_row_) * item,
                        count * item,
                        block_.data() + static_cast<std::int64_t>(i) * block_rows_ * item);
      }
    } else {
      source_->ReadAt(header_.data_offset + next_row_ * row_step_, count * row_step_,
                      block_.data());
    }
    block_begin_ = next_row_;
    block_end_ = next_row_ + count;
  }

  void ConvertRows(std::int64_t count, double* out) const {
    const auto width = static_cast<std::int64_t>(selected_.size());
    const std::int64_t item = header_.item_bytes;
    for (std::int64_t i = 0; i < width; ++i) {
      const std::int64_t column_offset =
          header_.fortran_order ? i * block_rows_ * item : selected_[i] * item;
      const char* from = block_.data() + column_offset + (next_row_ - block_begin_) * row_step_;
      const std::int64_t refused =
          convert_(from, row_step_, header_.big_endian, count, out + i, width);
      if (refused >= 0) [[unlikely]]
        ThrowRefused(i, refused, from + refused * row_step_);
    }
  }

  [[noreturn]] void ThrowRefused(std::int64_t i, std::int64_t offset, const char* cell) const {
    std::string what(kInfiniteCell);
    if (header_.kind == NpyHeader::Kind::kInteger) {
      what = InexactInteger(
          std::to_string(Load<std::int64_t, std::uint64_t>(cell, header_.big_endian)));
    } else if (header_.kind == NpyHeader::Kind::kUnsigned) {
      what = InexactInteger(
          std::to_string(Load<std::uint64_t, std::uint64_t>(cell, header_.big_endian)));
    }
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("{}: {}", Describe({name_, schema_[i].name}, next_row_ + offset), what));
  }

  std::unique_ptr<ByteSource> source_;
  std::string name_;
  NpyHeader header_;
  Schema schema_;
  std::vector<int> selected_;
  Converter convert_ = nullptr;
  std::int64_t rows_ = 0;
  std::int64_t next_row_ = 0;
  std::int64_t row_step_ = 0;    // bytes from a cell to the one below it, within a block
  std::int64_t block_rows_ = 0;  // at most
  std::int64_t block_begin_ = 0;
  std::int64_t block_end_ = 0;
  std::vector<char> block_;
};

}  // namespace

std::unique_ptr<Reader> MakeNpyReader(std::unique_ptr<ByteSource> source, std::string name,
                                      const ReadOptions& options) {
  return std::make_unique<NpyReader>(std::move(source), std::move(name), options);
}

}  // namespace windlass::table
