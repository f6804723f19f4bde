#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/json.h"
#include "windlass/model/invalid_internal.h"
#include "windlass/model/lightgbm_text_internal.h"

namespace windlass::model {
namespace {

std::string_view Shown(std::string_view text) { return text.substr(0, 60); }

template <typename T>
T Number(std::string_view text, std::string_view where) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc::result_out_of_range) {
    ThrowInvalid(fmt::format("{}: {} is out of range", where, Shown(text)));
  }
  if (error != std::errc() || stop != end) {
    ThrowInvalid(fmt::format("{}: \"{}\" is no {}", where, Shown(text),
                             std::is_integral_v<T> ? "whole number" : "number"));
  }
  return value;
}

// Lists of lists of names, taken as they come: a tree of values would need ten times the room.
class Categories {
 public:
  bool null() {
    if (depth_ > 0) ThrowInvalid("a category is null");
    return true;
  }
  bool boolean(bool value) { return Take(value ? "true" : "false"); }
  bool number_integer(std::int64_t value) { return Take(fmt::to_string(value)); }
  bool number_unsigned(std::uint64_t value) { return Take(fmt::to_string(value)); }
  bool number_float(double value, const std::string&) { return Take(fmt::to_string(value)); }
  bool string(std::string& value) { return Take(std::move(value)); }
  bool binary(Json::binary_t&) { return true; }
  bool start_object(std::size_t) { ThrowInvalid("it has an object; lists of names were expected"); }
  bool key(std::string&) { return true; }
  bool end_object() { return true; }
  bool start_array(std::size_t) {
    if (++depth_ > 2) ThrowInvalid("it has a list within a list of names");
    if (depth_ == 2) all_.emplace_back();
    return true;
  }
  bool end_array() {
    if (--depth_ == 1) all_.back().shrink_to_fit();
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) {
    ThrowInvalid(fmt::format("it is no JSON from byte {} of the list on", position));
  }

  std::vector<std::vector<std::string>> Result() { return std::move(all_); }

 private:
  bool Take(std::string name) {
    if (depth_ != 2) ThrowInvalid("it has a name outside of a column's list");
    all_.back().push_back(std::move(name));
    return true;
  }

  int depth_ = 0;
  std::vector<std::vector<std::string>> all_;
};

}  // namespace

bool LightGBMLines::Next() {
  if (rest_.empty()) return false;
  const auto end = rest_.find('\n');
  line_ = rest_.substr(0, end);
  rest_ = end == std::string_view::npos ? std::string_view() : rest_.substr(end + 1);
  if (line_.ends_with('\r')) line_.remove_suffix(1);
  return true;
}

void LightGBMBlock::Add(std::string_view line) {
  const auto equals = line.find('=');
  const std::string_view value =
      equals == std::string_view::npos ? std::string_view() : line.substr(equals + 1);
  if (!values_.emplace(line.substr(0, equals), value).second) {
    ThrowInvalid(fmt::format("\"{}\" stands twice", Shown(line.substr(0, equals))));
  }
}

std::string_view LightGBMBlock::Text(std::string_view key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) ThrowInvalid(fmt::format("\"{}\" is missing", key));
  return found->second;
}

std::int64_t LightGBMBlock::Integer(std::string_view key) const {
  return LightGBMInteger(Text(key), key);
}

template <typename T>
std::vector<T> LightGBMBlock::All(std::string_view key, std::int64_t wanted) const {
  const std::string_view text = Text(key);
  std::vector<T> numbers;
  numbers.reserve(text.empty() ? 0 : std::ranges::count(text, ' ') + 1);
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find(' ', at), text.size());
    if (end > at) numbers.push_back(Number<T>(text.substr(at, end - at), key));
    at = end + 1;
  }
  if (wanted >= 0 && std::ssize(numbers) != wanted) {
    ThrowInvalid(
        fmt::format("\"{}\" has {} numbers; {} were expected", key, numbers.size(), wanted));
  }
  return numbers;
}

std::vector<std::int32_t> LightGBMBlock::Integers(std::string_view key, std::int64_t wanted) const {
  return All<std::int32_t>(key, wanted);
}
std::vector<std::uint32_t> LightGBMBlock::Words(std::string_view key, std::int64_t wanted) const {
  return All<std::uint32_t>(key, wanted);
}
std::vector<double> LightGBMBlock::Numbers(std::string_view key, std::int64_t wanted) const {
  return All<double>(key, wanted);
}

std::vector<std::string_view> LightGBMSplit(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  parts.reserve(std::ranges::count(text, separator) + 1);
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find(separator, at), text.size());
    if (end > at) parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

std::int64_t LightGBMInteger(std::string_view text, std::string_view where) {
  return Number<std::int64_t>(text, where);
}

double LightGBMNumber(std::string_view text, std::string_view where) {
  return Number<double>(text, where);
}

std::vector<std::vector<std::string>> ReadPandasCategories(std::string_view json) {
  return WithContext(
      [&] {
        Categories categories;
        Json::sax_parse(json.begin(), json.end(), &categories);
        return categories.Result();
      },
      [] { return std::string("pandas_categorical"); });
}

}  // namespace windlass::model
