#include "windlass/base/amount.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>
#include <utility>

#include "windlass/base/error.h"

namespace windlass {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr Unit kTimes[] = {{"us", 1},    {"ms", 1e3},  {"s", 1e6}, {"m", 6e7},
                           {"min", 6e7}, {"h", 3.6e9}, {"", 1e6}};
constexpr Unit kSizes[] = {{"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"K", 0x1p10},
                           {"M", 0x1p20},   {"G", 0x1p30},   {"kB", 1e3},     {"MB", 1e6},
                           {"GB", 1e9},     {"B", 1},        {"", 1}};
constexpr double kMostSize = 0x1p40;

// A number that is not negative and a unit, taken from the front of `rest`.
std::optional<double> Take(std::string_view& rest, std::span<const Unit> units) {
  double number = 0;
  const char* end = rest.data() + rest.size();
  const auto [stop, error] = std::from_chars(rest.data(), end, number, std::chars_format::fixed);
  if (error != std::errc() || !(number >= 0)) return std::nullopt;
  rest.remove_prefix(static_cast<std::size_t>(stop - rest.data()));
  const std::string_view name = rest.substr(0, rest.find_first_of("+-.0123456789"));
  rest.remove_prefix(name.size());
  const auto unit = std::ranges::find(units, name, &Unit::name);
  if (unit == units.end()) return std::nullopt;
  return number * unit->factor;
}

std::string TimeText(std::chrono::microseconds time) {
  const auto count = time.count();
  for (const auto& [name, factor] : {Unit{"h", 3.6e9}, Unit{"min", 6e7}, Unit{"s", 1e6}}) {
    const auto unit = static_cast<std::int64_t>(factor);
    if (count >= unit && count % unit == 0) return fmt::format("{}{}", count / unit, name);
  }
  return fmt::format("{}us", count);
}

}  // namespace

std::chrono::microseconds ParseDuration(std::string_view text, std::string_view what,
                                        std::chrono::microseconds least,
                                        std::chrono::microseconds most) {
  double total = text.empty() ? -1 : 0;
  for (std::string_view rest = text; total >= 0 && !rest.empty();) {
    const auto part = Take(rest, kTimes);
    total = part ? total + *part : -1;
  }
  if (!(total >= static_cast<double>(least.count()) &&
        total <= static_cast<double>(most.count()))) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} is \"{}\"; a time such as 10ms, 90s or 1h30m was expected, from {} "
                            "to {}",
                            what, text, TimeText(least), TimeText(most)));
  }
  return std::chrono::microseconds(std::llround(total));
}

std::uint64_t ParseBytes(std::string_view text, std::string_view what) {
  std::string_view rest = text;
  const auto bytes = Take(rest, kSizes);
  if (!bytes || !rest.empty() || *bytes > kMostSize) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} is \"{}\"; a size such as 16MiB or 500kB was expected, at most "
                            "1024GiB",
                            what, text));
  }
  return static_cast<std::uint64_t>(*bytes);
}

}  // namespace windlass
