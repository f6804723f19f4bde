// Numbers that stand for categories.
#pragma once

#include <memory>
#include <string>

#include "windlass/table/table.h"

namespace windlass::table {

// `reader`, with codes for the columns that it reads as numbers though `options.codes` has
// categories for them; see ReadOptions::numbers_have_codes.
std::unique_ptr<Reader> WithCodes(std::unique_ptr<Reader> reader, const std::string& uri,
                                  const ReadOptions& options);

}  // namespace windlass::table
