// What comparisons write beside summary.json.
#pragma once

#include <filesystem>
#include <string>

#include "windlass/base/json.h"
#include "windlass/compare/diff.h"
#include "windlass/compare/drift.h"

namespace windlass::compare {

inline constexpr int kDiffVersion = 1;   // web/src/compare-data.ts reads this version
inline constexpr int kDriftVersion = 1;  // likewise

// A line an output and group, in the order of the layout. Not a number where there is nothing to
// tell: p-values and distances of a group that only one run has. Throws Error{kIo}.
void WriteDiffTable(const DiffResult& result, const std::filesystem::path& path);

// A line an output, group and period; likewise.
void WriteDriftTable(const DriftResult& result, const std::filesystem::path& path);

// One self-contained page that draws a summary of ToJson.
std::string RenderDiff(Json summary);
std::string RenderDrift(Json summary);

}  // namespace windlass::compare
