// Which of a file's columns are read.
#pragma once

#include <string>
#include <vector>

#include "windlass/table/table.h"

namespace windlass::table {

// The positions in `present` of the columns that `options` wants, in its order.
//
// Throws Error{kInvalidInput} naming the file for a missing, unwanted or repeated column.
std::vector<int> SelectColumns(const std::string& file, const std::vector<std::string>& present,
                               const ReadOptions& options);

}  // namespace windlass::table
