// Cells as doubles: what every format accepts and refuses alike.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace windlass::table {

inline constexpr std::string_view kInfiniteCell =
    "the cell is infinite; a finite number, or none for a missing value, is wanted";

// The largest magnitude up to which every integer is a double: 2^53.
inline constexpr std::int64_t kLargestInteger = std::int64_t{1} << 53;

inline bool IsInfinite(double value) {
  return std::fabs(value) > std::numeric_limits<double>::max();
}

template <std::integral T>
constexpr bool HoldsExactly(T value) {
  if constexpr (sizeof(T) < 8) {
    return true;
  } else if constexpr (std::is_signed_v<T>) {
    return value <= kLargestInteger && value >= -kLargestInteger;
  } else {
    return value <= static_cast<std::uint64_t>(kLargestInteger);
  }
}

// The message for an integer that a double would round.
std::string InexactInteger(std::string_view digits);

// IEEE 754 binary16 from its bits.
double HalfToDouble(std::uint16_t bits);

struct ParsedNumber {
  enum class State { kNumber, kNotANumber, kInfinite, kInexactInteger };
  State state = State::kNotANumber;
  double value = 0;  // NaN for a missing value ("", NA, NaN, null, ...)
};

// A decimal number as CSV files spell it; blanks around it and a leading '+' are fine. Correctly
// rounded, in every locale.
ParsedNumber ParseNumber(std::string_view text);

// "", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "None".
bool IsMissingSpelling(std::string_view text);

// "true", "True", "TRUE", "false", ...
std::optional<bool> ParseBoolean(std::string_view text);

// At most 60 bytes of a user's text, for a message.
std::string Shortened(std::string_view text);

}  // namespace windlass::table
