#include "windlass/base/object_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "windlass/base/error.h"
#include "windlass/base/json.h"

namespace windlass {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string DecodePercent(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
        HexDigit(text[i + 2]) >= 0) {
      decoded += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

// A '?' opens options only when what follows reads as key=value; a file may be called "a?b".
std::size_t OptionsStart(std::string_view text) {
  const auto mark = text.rfind('?');
  if (mark == std::string_view::npos) return mark;
  return text.find('=', mark) == std::string_view::npos ? std::string_view::npos : mark;
}

[[noreturn]] void ThrowOption(const std::string& key, const std::string& value,
                              std::string_view wanted) {
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("option {}={}: {} was expected", key, value, wanted));
}

}  // namespace

ObjectSpec ObjectSpec::Parse(std::string_view text, const std::vector<std::string>& known) {
  ObjectSpec spec;
  const auto mark = OptionsStart(text);
  std::string_view head = text.substr(0, mark);
  const auto colon = head.find(':');
  const std::string name(head.substr(0, colon));
  if (std::ranges::find(known, name) != known.end()) {
    spec.name = name;
    if (colon != std::string_view::npos) spec.location = head.substr(colon + 1);
  } else {
    spec.location = head;
  }
  if (mark == std::string_view::npos) return spec;
  for (std::string_view rest = text.substr(mark + 1);;) {
    const auto end = rest.find('&');
    const std::string_view option = rest.substr(0, end);
    const auto equals = option.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("\"{}\": \"{}\" is not of the form key=value", text, option));
    }
    const auto [place, fresh] = spec.options.emplace(std::string(option.substr(0, equals)),
                                                     DecodePercent(option.substr(equals + 1)));
    if (!fresh) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("\"{}\": option \"{}\" stands twice", text, place->first));
    }
    if (end == std::string_view::npos) return spec;
    rest = rest.substr(end + 1);
  }
}

bool ObjectSpec::Flag(const std::string& key, bool otherwise) const {
  const auto found = options.find(key);
  if (found == options.end()) return otherwise;
  if (found->second == "1" || found->second == "true") return true;
  if (found->second == "0" || found->second == "false") return false;
  ThrowOption(key, found->second, "0 or 1");
}

std::int64_t ObjectSpec::Integer(const std::string& key, std::int64_t otherwise) const {
  const auto found = options.find(key);
  if (found == options.end()) return otherwise;
  const std::string& text = found->second;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    ThrowOption(key, text, "a whole number");
  }
  return value;
}

double ObjectSpec::Number(const std::string& key, double otherwise) const {
  const auto found = options.find(key);
  if (found == options.end()) return otherwise;
  const std::string& text = found->second;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    ThrowOption(key, text, "a finite number");
  }
  return value;
}

void ObjectSpec::AllowOnly(const std::vector<std::string>& keys) const {
  for (const auto& [key, value] : options) {
    if (std::ranges::find(keys, key) == keys.end()) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("unknown option \"{}\"{}", key, Suggestion(key, keys)));
    }
  }
}

}  // namespace windlass
