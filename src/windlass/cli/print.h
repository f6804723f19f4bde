// What commands print for people.
#pragma once

#include <string>
#include <vector>

#include "windlass/job/run.h"

namespace windlass::cli {

// 2560 -> "2,560".
std::string Grouped(std::int64_t number);
std::string Seconds(double seconds);    // "0.043 s", "2:07 min"
std::string Size(std::uint64_t bytes);  // "12.3 MiB"

// Columns padded to their widest cell, two spaces between them.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows);

// The result of a spec of this kind.
void PrintResult(const std::string& kind, const job::RunResult& result, const std::string& out);

}  // namespace windlass::cli
