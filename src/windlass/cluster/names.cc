#include "windlass/cluster/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "windlass/base/error.h"

namespace windlass::cluster {
namespace {

constexpr std::size_t kLongestLabel = 63;
constexpr std::size_t kLongestClusterName = 53;
constexpr std::size_t kLongestSubdomain = 253;
constexpr int kMostWorkers = 10'000;

[[noreturn]] void Refuse(std::string_view what, std::string_view text, const std::string& right) {
  throw Error(ErrorCode::kInvalidInput, fmt::format("{} is \"{}\"; {}", what, text, right));
}

bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAlphanumeric(char c) { return IsLower(c) || IsDigit(c) || (c >= 'A' && c <= 'Z'); }

bool IsLabelName(std::string_view name) {
  return !name.empty() && name.size() <= kLongestLabel && name.front() != '-' &&
         name.back() != '-' &&
         std::ranges::all_of(name, [](char c) { return IsLower(c) || IsDigit(c) || c == '-'; });
}

bool IsSubdomain(std::string_view name) {
  if (name.size() > kLongestSubdomain) return false;
  for (;;) {
    const auto dot = name.find('.');
    if (!IsLabelName(name.substr(0, dot))) return false;
    if (dot == name.npos) return true;
    name.remove_prefix(dot + 1);
  }
}

// What a label's value, and the part of its key behind the slash, may be.
bool IsQualified(std::string_view name) {
  return !name.empty() && name.size() <= kLongestLabel && IsAlphanumeric(name.front()) &&
         IsAlphanumeric(name.back()) && std::ranges::all_of(name, [](char c) {
           return IsAlphanumeric(c) || c == '-' || c == '_' || c == '.';
         });
}

std::optional<int> Count(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0 ||
      number > kMostWorkers) {
    return std::nullopt;
  }
  return number;
}

}  // namespace

void CheckLabelName(std::string_view name, std::string_view what) {
  if (IsLabelName(name)) return;
  Refuse(what, name,
         fmt::format("a name has a-z, 0-9 and -, begins and ends with a letter or digit, and has "
                     "at most {} characters",
                     kLongestLabel));
}

void CheckClusterName(std::string_view name) {
  if (IsLabelName(name) && IsLower(name.front()) && name.size() <= kLongestClusterName) return;
  Refuse("the cluster's name", name,
         fmt::format("it has a-z, 0-9 and -, begins with a letter, ends with a letter or digit, "
                     "and has at most {} characters",
                     kLongestClusterName));
}

void CheckSubdomainName(std::string_view name, std::string_view what) {
  if (IsSubdomain(name)) return;
  Refuse(what, name,
         fmt::format("a name has a-z, 0-9, - and ., begins and ends with a letter or digit, and "
                     "has at most {} characters",
                     kLongestSubdomain));
}

void CheckLabelKey(std::string_view key, std::string_view what) {
  const auto slash = key.find('/');
  const bool prefix = slash == key.npos || IsSubdomain(key.substr(0, slash));
  if (prefix && IsQualified(key.substr(slash == key.npos ? 0 : slash + 1))) return;
  Refuse(what, key, "a label's key is NAME or PREFIX/NAME, as in cloud.google.com/gke-nodepool");
}

void CheckLabelValue(std::string_view value, std::string_view what) {
  if (value.empty() || IsQualified(value)) return;
  Refuse(what, value,
         fmt::format("a label's value has letters, digits, -, _ and ., begins and ends with a "
                     "letter or digit, and has at most {} characters",
                     kLongestLabel));
}

Json ParseSelector(const std::vector<std::string>& texts, std::string_view what) {
  Json selector = Json::object();
  for (std::string_view rest : texts) {
    for (bool more = true; more;) {
      const auto comma = rest.find(',');
      const std::string_view pair = rest.substr(0, comma);
      more = comma != rest.npos;
      if (more) rest.remove_prefix(comma + 1);
      const auto equals = pair.find('=');
      if (equals == pair.npos) Refuse(what, pair, "KEY=VALUE is wanted, as in nodegroup=ray");
      const std::string_view key = pair.substr(0, equals);
      CheckLabelKey(key, what);
      CheckLabelValue(pair.substr(equals + 1), what);
      if (!selector.emplace(std::string(key), std::string(pair.substr(equals + 1))).second) {
        Refuse(what, pair, fmt::format("the key {} was given twice", key));
      }
    }
  }
  return selector;
}

Json ParseToleration(std::string_view text, std::string_view what) {
  std::string_view rest = text;
  Json toleration = Json::object();
  if (const auto colon = rest.rfind(':'); colon != rest.npos) {
    const std::string effect(rest.substr(colon + 1));
    const std::vector<std::string> effects = {"NoSchedule", "PreferNoSchedule", "NoExecute"};
    if (std::ranges::find(effects, effect) == effects.end()) {
      Refuse(what, text, fmt::format("\"{}\" is no effect{}", effect, Suggestion(effect, effects)));
    }
    toleration["effect"] = effect;
    rest = rest.substr(0, colon);
  }
  const auto equals = rest.find('=');
  CheckLabelKey(rest.substr(0, equals), what);
  toleration["key"] = std::string(rest.substr(0, equals));
  toleration["operator"] = equals == rest.npos ? "Exists" : "Equal";
  if (equals != rest.npos) {
    CheckLabelValue(rest.substr(equals + 1), what);
    toleration["value"] = std::string(rest.substr(equals + 1));
  }
  return toleration;
}

WorkerCount ParseWorkers(std::string_view text, std::string_view what) {
  const auto colon = text.find(':');
  const auto least = Count(text.substr(0, colon));
  const auto most = colon == text.npos ? least : Count(text.substr(colon + 1));
  if (!least || !most) {
    Refuse(what, text,
           fmt::format("a number of workers is wanted, as 3, or MIN:MAX, as 1:5; at most {}",
                       kMostWorkers));
  }
  if (*most < *least) Refuse(what, text, "MIN:MAX needs MIN at most MAX");
  return {*least, *most, colon != text.npos};
}

}  // namespace windlass::cluster
