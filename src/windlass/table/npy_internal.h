// NumPy's npy format, read by our own code: version 1.0 to 3.0 of
// numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/table/table.h"

namespace windlass::table {

// Bytes that are read from any place.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual std::int64_t size() const = 0;
  // Fills out[0, count) from `offset`. The range lies within the source. Throws Error.
  virtual void ReadAt(std::int64_t offset, std::int64_t count, char* out) = 0;
  // Whether reading backwards is cheap; else it starts anew from the beginning.
  virtual bool IsRandomAccess() const { return true; }
};

// Bytes in memory, which must outlive it.
class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : bytes_(bytes) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(bytes_.size()); }
  void ReadAt(std::int64_t offset, std::int64_t count, char* out) override {
    bytes_.copy(out, static_cast<std::size_t>(count), static_cast<std::size_t>(offset));
  }

 private:
  std::string_view bytes_;
};

struct NpyHeader {
  enum class Kind { kBool, kInteger, kUnsigned, kFloat };
  Kind kind = Kind::kFloat;
  int item_bytes = 8;  // 1, 2, 4 or 8
  bool big_endian = false;
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
  std::int64_t data_offset = 0;
};

// Reads the header at the beginning of `source` and checks that the data is all there.
// `name` is the file (and array) for messages.
//
// Throws Error{kInvalidInput} for a header that is not one or data that is too short or too long,
// Error{kInvalidInput} for a type of elements that is no number.
NpyHeader ReadNpyHeader(ByteSource& source, const std::string& name);

// A table from a two-dimensional array of numbers: shape [rows, columns], C or Fortran order.
std::unique_ptr<Reader> MakeNpyReader(std::unique_ptr<ByteSource> source, std::string name,
                                      const ReadOptions& options);

// The column names "0".."n-1" of a two-dimensional array. Throws Error{kInvalidInput} for any
// other number of dimensions.
std::vector<std::string> NpyColumnNames(const NpyHeader& header, const std::string& name);

// `(3, 4)`.
std::string ShapeText(const std::vector<std::int64_t>& shape);

}  // namespace windlass::table
