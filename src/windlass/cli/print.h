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

// Columns that a text takes on a terminal: its UTF-8 characters.
std::size_t Width(const std::string& text);
std::string Padded(const std::string& text, std::size_t width);

// A text out of a file, as a terminal may show it: control characters would steer it, and bytes
// that are no UTF-8 are no text.
std::string Visible(std::string text);

// Lines of at most 80 columns, cut at spaces; those after the first begin with `indent` ones. Words
// that are longer stay whole.
std::string Wrapped(const std::string& text, std::size_t indent = 0);

// Columns padded to their widest cell, two spaces between them.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows);

// What a summary or a plan says of the method, and what a user should know.
void PrintMethod(const Json& described);

// The result of a spec of this kind.
void PrintResult(const std::string& kind, const job::RunResult& result, const std::string& out);

// Results of comparisons (specs of kind explain_diff and explain_drift).
void PrintDiff(const job::RunResult& result, const std::string& out);
void PrintDrift(const job::RunResult& result, const std::string& out);

// The result of a benchmark of tuners.
void PrintTuneBench(const job::RunResult& result, const std::string& out);

}  // namespace windlass::cli
