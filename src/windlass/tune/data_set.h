// A data set for classification, as challenges want it: sparse rows and numbered classes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/bytes.h"
#include "windlass/model/boosting.h"

namespace windlass::tune {

enum class Encoding {
  kOneHot,  // a column for each value that a column has, also of numbers: as BTB's benchmark does
  kAuto,    // numbers as they are, words as kOneHot
};

struct DataSet {
  model::SparseRows rows;
  std::vector<std::int64_t> labels;  // [rows], of 0..classes-1, in the order of the classes' values
  std::int64_t classes = 0;

  std::int64_t size() const { return static_cast<std::int64_t>(labels.size()); }

  Bytes Encode() const;
  static DataSet Decode(const Bytes& bytes);  // throws Error{kCorrupt}
};

// Reads a table (a path or URI, as table::OpenTable). New columns stand in the order of the old
// ones, of one in the order of its values (numbers by size, words by their bytes, a missing value
// last), as scikit-learn's OneHotEncoder has them.
//
// Throws Error{kInvalidInput} naming the table: no column `target`, one class only, a class's value
// that is missing, no other column; and what reading throws.
DataSet ReadDataSet(const std::string& uri, const std::string& target, Encoding encoding);

}  // namespace windlass::tune
