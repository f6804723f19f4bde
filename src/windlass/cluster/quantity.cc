#include "windlass/cluster/quantity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "windlass/base/error.h"

namespace windlass::cluster {
namespace {

constexpr double kMost = 9e18;  // what an int64 holds

constexpr std::array<std::pair<std::string_view, double>, 16> kSuffixes = {{{"", 1},
                                                                            {"n", 1e-9},
                                                                            {"u", 1e-6},
                                                                            {"m", 1e-3},
                                                                            {"k", 1e3},
                                                                            {"M", 1e6},
                                                                            {"G", 1e9},
                                                                            {"T", 1e12},
                                                                            {"P", 1e15},
                                                                            {"E", 1e18},
                                                                            {"Ki", 0x1p10},
                                                                            {"Mi", 0x1p20},
                                                                            {"Gi", 0x1p30},
                                                                            {"Ti", 0x1p40},
                                                                            {"Pi", 0x1p50},
                                                                            {"Ei", 0x1p60}}};

struct Quantity {
  double value = 0;
  std::string_view suffix;
};

// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
std::optional<Quantity> Parse(std::string_view text) {
  if (text.empty() || text.size() > 64) return std::nullopt;
  const std::size_t digits = text.find_first_not_of("+-.0123456789");
  std::string_view number = text.substr(0, digits);
  std::string_view suffix = digits == text.npos ? std::string_view() : text.substr(digits);
  if (suffix.size() > 1 && (suffix[0] == 'e' || suffix[0] == 'E') &&
      suffix.find_first_not_of("+-0123456789", 1) == suffix.npos) {
    number = text;  // 1e3
    suffix = {};
  }
  if (number.starts_with('+')) number.remove_prefix(1);
  Quantity quantity;
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), quantity.value);
  if (error != std::errc() || end != number.data() + number.size()) return std::nullopt;
  for (const auto& [name, factor] : kSuffixes) {
    if (name == suffix) {
      quantity.value *= factor;
      quantity.suffix = name;
      if (std::abs(quantity.value) > kMost) return std::nullopt;
      return quantity;
    }
  }
  return std::nullopt;
}

// A multiplication by a suffix may leave a whole number a little beside itself.
std::int64_t RoundedUp(double value) {
  const double nearest = std::round(value);
  const bool is_whole = std::abs(value - nearest) <= 1e-12 * std::max(1.0, value);
  return static_cast<std::int64_t>(is_whole ? nearest : std::ceil(value));
}

}  // namespace

std::int64_t ParseCpu(std::string_view text, std::string_view what) {
  const auto quantity = Parse(text);
  if (!quantity || !(quantity->value > 0) || quantity->value > 1e6) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} is \"{}\", which is no amount of CPU; 2, 0.5 or 500m would be one",
                            what, text));
  }
  return std::max<std::int64_t>(1, RoundedUp(quantity->value * 1000));
}

std::int64_t ParseMemory(std::string_view text, std::string_view what) {
  const auto quantity = Parse(text);
  if (!quantity || !(quantity->value > 0)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} is \"{}\", which is no amount of memory; 30G or 512Mi would be one",
                            what, text));
  }
  if (quantity->value < 0x1p20) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("{} is \"{}\", which is {:.6g} bytes; did you mean \"{}{}\"?", what, text,
                    quantity->value, text.substr(0, text.size() - quantity->suffix.size()),
                    quantity->suffix == "m" ? "Mi" : "Gi"));
  }
  return RoundedUp(quantity->value);
}

void CheckQuantity(std::string_view text, std::string_view what) {
  const auto quantity = Parse(text);
  if (!quantity || quantity->value < 0) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("{} is \"{}\", which is no amount; 1 or 10Gi would be one", what, text));
  }
}

std::string CpuText(std::int64_t millis) {
  return fmt::format("{:.6g}", static_cast<double>(millis) / 1000);
}

std::string MemoryText(std::int64_t bytes) {
  const double value = static_cast<double>(bytes);
  return value < 0x1p30 ? fmt::format("{:.4g} MiB", value / 0x1p20)
                        : fmt::format("{:.4g} GiB", value / 0x1p30);
}

}  // namespace windlass::cluster
