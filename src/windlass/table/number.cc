#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstdlib>

#include "windlass/table/number_internal.h"

namespace windlass::table {
namespace {

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool IsIntegerLiteral(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// Whether a literal of a 64-bit integer (an identifier, it seems) loses digits as `value`. Longer
// ones are floating-point numbers that some program wrote without an exponent.
bool RoundsInteger(std::string_view text, double value) {
  std::uint64_t magnitude = 0;
  if (text.starts_with('-')) text.remove_prefix(1);
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), magnitude);
  if (parsed.ec != std::errc{}) return false;
  const double size = std::fabs(value);
  return size >= 0x1p64 || static_cast<std::uint64_t>(size) != magnitude;
}

}  // namespace

std::string InexactInteger(std::string_view digits) {
  return fmt::format(
      "the integer {} is beyond 2^53, where doubles no longer hold every integer; "
      "store it as a floating-point number if rounding it is meant",
      digits);
}

double HalfToDouble(std::uint16_t bits) {
  const std::uint64_t sign = static_cast<std::uint64_t>(bits >> 15) << 63;
  const std::uint64_t exponent = (bits >> 10) & 0x1f;
  const std::uint64_t fraction = bits & 0x3ff;
  if (exponent == 0) {  // zero and subnormals: fraction * 2^-24, exact
    const double magnitude = static_cast<double>(fraction) * 0x1p-24;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint64_t wide = exponent == 0x1f ? 0x7ff : exponent - 15 + 1023;
  return std::bit_cast<double>(sign | (wide << 52) | (fraction << 42));
}

ParsedNumber ParseNumber(std::string_view text) {
  using State = ParsedNumber::State;
  if (IsMissingSpelling(text)) {
    return {State::kNumber, std::numeric_limits<double>::quiet_NaN()};
  }
  text = Trimmed(text);
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || code == std::errc::invalid_argument) {
    return {State::kNotANumber, 0};
  }
  if (code == std::errc::result_out_of_range) {
    // from_chars does not say at which end of the range: strtod gives 0 or infinity.
    value = std::strtod(std::string(text).c_str(), nullptr);
  }
  // from_chars also reads "nan(...)" and "infinity".
  if (IsInfinite(value)) return {State::kInfinite, 0};
  constexpr std::size_t kSafeDigits = 15;
  if (text.size() > kSafeDigits && IsIntegerLiteral(text) && RoundsInteger(text, value)) {
    return {State::kInexactInteger, 0};
  }
  return {State::kNumber, value};
}

bool IsMissingSpelling(std::string_view text) {
  static constexpr std::array<std::string_view, 9> kSpellings = {
      "", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "None"};
  text = Trimmed(text);
  return text.size() <= 4 && std::ranges::find(kSpellings, text) != kSpellings.end();
}

std::optional<bool> ParseBoolean(std::string_view text) {
  text = Trimmed(text);
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  return std::nullopt;
}

std::string Shortened(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  if (text.size() <= kLongest) return std::string(text);
  std::size_t end = kLongest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // whole UTF-8
  return std::string(text.substr(0, end)) + "...";
}

}  // namespace windlass::table
