// Tables that lie in this process's memory, under a URI of their own: what callers in the same
// process give instead of a file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/export.h"

struct ArrowArrayStream;  // of the Arrow C stream interface

namespace windlass::table {

// One column: numbers, or codes of categories.
struct MemoryColumn {
  std::string name;
  std::vector<double> values;           // NaN: missing; empty where there are codes
  std::vector<std::int32_t> codes;      // -1: missing
  std::vector<std::string> categories;  // of the codes
};

// Can be opened by its uri(), any number of times, until it is destroyed; readers that are open
// then go on. Thread safe.
class WINDLASS_API MemoryTable {
 public:
  // Takes everything out of the stream and releases it. `name` is what messages call the table.
  // Throws Error{kInvalidInput} for a stream that fails, Error{kIo} when memory runs out.
  MemoryTable(std::string_view name, ArrowArrayStream* stream);

  // All columns have `rows` rows. Throws Error{kInvalidInput} when one does not, or has a code
  // without a category.
  MemoryTable(std::string_view name, std::int64_t rows, std::vector<MemoryColumn> columns);
  ~MemoryTable();
  MemoryTable(const MemoryTable&) = delete;
  MemoryTable& operator=(const MemoryTable&) = delete;

  const std::string& uri() const { return uri_; }  // "memory:NAME/7"
  std::int64_t rows() const;

 private:
  std::string uri_;
};

}  // namespace windlass::table
