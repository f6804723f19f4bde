// Lists of counts on the command line: "1 2 4", "1:8", or both.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace windlass::bench {

// The numbers of `texts`, each a whole number or a range FIRST:LAST with both ends in it;
// ascending, each once. `flag` names the option in errors, `maximum` is the largest number allowed.
//
// Throws Error{kUsage} saying which text is wrong and what would be right: not a number, below 1,
// above `maximum`, a range that lacks an end or runs backwards, or more than kMostCounts in all.
std::vector<std::int64_t> ParseCounts(std::span<const std::string> texts, std::string_view flag,
                                      std::int64_t maximum);

inline constexpr std::int64_t kMostCounts = 1024;

// 1, 2, 4, ... and `last`: what a sweep takes when nobody says. `last` >= 1.
std::vector<std::int64_t> Doublings(std::int64_t last);

}  // namespace windlass::bench
