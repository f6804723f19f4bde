#include "windlass/bench/counts.h"

#include <fmt/format.h>

#include <charconv>
#include <set>

#include "windlass/base/error.h"

namespace windlass::bench {
namespace {

[[noreturn]] void Refuse(std::string_view flag, std::string_view text, std::string_view why) {
  throw Error(ErrorCode::kUsage,
              fmt::format("{} {}: {}; give whole numbers such as 1 2 4, or a range such as 1:8",
                          flag, text, why));
}

std::int64_t ParseCount(std::string_view flag, std::string_view text, std::string_view part,
                        std::int64_t maximum) {
  std::int64_t value = 0;
  const char* end = part.data() + part.size();
  const auto [stop, error] = std::from_chars(part.data(), end, value);
  if (error == std::errc::result_out_of_range) {
    Refuse(flag, text, fmt::format("{} is beyond {}", part, maximum));
  }
  if (error != std::errc() || stop != end) {
    Refuse(flag, text,
           part.empty() ? "an end of the range is missing"
                        : fmt::format("\"{}\" is not a whole number", part));
  }
  if (value < 1) Refuse(flag, text, fmt::format("{} is below 1", value));
  if (value > maximum) Refuse(flag, text, fmt::format("{} is beyond {}", value, maximum));
  return value;
}

}  // namespace

std::vector<std::int64_t> ParseCounts(std::span<const std::string> texts, std::string_view flag,
                                      std::int64_t maximum) {
  std::set<std::int64_t> counts;
  for (const std::string_view text : texts) {
    if (text.empty()) Refuse(flag, "\"\"", "there is no number");
    const std::size_t colon = text.find(':');
    const std::int64_t first = ParseCount(flag, text, text.substr(0, colon), maximum);
    std::int64_t last = first;
    if (colon != std::string_view::npos) {
      last = ParseCount(flag, text, text.substr(colon + 1), maximum);
      if (last < first) Refuse(flag, text, fmt::format("{} comes after {}", first, last));
    }
    if (last - first >= kMostCounts) {
      Refuse(flag, text, fmt::format("more than {} numbers", kMostCounts));
    }
    for (std::int64_t count = first; count <= last; ++count) counts.insert(count);
    if (std::ssize(counts) > kMostCounts) {
      Refuse(flag, text, fmt::format("more than {} numbers", kMostCounts));
    }
  }
  return {counts.begin(), counts.end()};
}

std::vector<std::int64_t> Doublings(std::int64_t last) {
  std::vector<std::int64_t> counts;
  for (std::int64_t count = 1; count < last; count *= 2) counts.push_back(count);
  counts.push_back(last);
  return counts;
}

}  // namespace windlass::bench
