#include "windlass/base/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "windlass/base/error.h"

namespace windlass {
namespace {

constexpr std::size_t kLongestText = std::size_t{1} << 20;
constexpr std::size_t kMostLevels = 64;
constexpr std::size_t kMostValues = 100'000;
constexpr std::size_t kMostText = std::size_t{4} << 20;
constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

// As the library counts them: from 0.
[[noreturn]] void Refuse(std::string_view what, const YAML::Mark& mark, const std::string& why) {
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("{}:{}:{}: {}", what, mark.line + 1, mark.column + 1, why));
}

bool OneOf(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

bool IsNull(std::string_view text) { return OneOf(text, {"", "~", "null", "Null", "NULL"}); }

std::optional<bool> AsBool(std::string_view text) {
  if (OneOf(text, {"true", "True", "TRUE"})) return true;
  if (OneOf(text, {"false", "False", "FALSE"})) return false;
  return std::nullopt;
}

// Words that YAML 1.1 (as Helm reads it) takes for true or false and YAML 1.2 for text.
bool IsOldBool(std::string_view text) {
  return OneOf(text, {"y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO",
                      "off", "Off", "OFF"});
}

template <typename Number>
std::optional<Number> Whole(std::string_view text, int base = 10) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool LooksLikeNumber(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  if (text.starts_with('.')) text.remove_prefix(1);
  return !text.empty() && text[0] >= '0' && text[0] <= '9';
}

struct Size {
  std::size_t values = 1;
  std::size_t text = 0;
  std::size_t levels = 1;

  void Contain(const Size& inner) {
    values += inner.values;
    text += inner.text;
    levels = std::max(levels, inner.levels + 1);
  }
};

class Reader final : public YAML::EventHandler {
 public:
  explicit Reader(std::string_view what) : what_(what) {}

  Json Take() { return std::move(document_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (any_) Refuse(what_, mark, "a second document; one was expected");
  }
  void OnDocumentEnd() override { any_ = true; }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Place(mark, nullptr, {}, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) Refuse(what_, mark, "an alias within what it stands for");
    Place(mark, found->second.first, found->second.second, YAML::NullAnchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const bool is_key = !open_.empty() && open_.back().is_map && !open_.back().key;
    // A key is a text, whatever it looks like.
    Json scalar = is_key ? Json(value) : Scalar(mark, tag, value);
    Place(mark, std::move(scalar), {1, value.size(), 1}, anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, "seq", anchor, /*is_map=*/false);
  }
  void OnSequenceEnd() override { Close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, "map", anchor, /*is_map=*/true);
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Level {
    YAML::Mark mark;
    YAML::anchor_t anchor;
    bool is_map;
    Json value;
    Json merged = Json::object();      // from merge keys: where the map itself says nothing
    std::optional<std::string> key{};  // waits for its value
    std::set<std::string> keys{};      // those written in the map itself
    Size size{};
  };

  void Open(const YAML::Mark& mark, const std::string& tag, std::string_view kind,
            YAML::anchor_t anchor, bool is_map) {
    if (!OneOf(tag, {"", "?", "!"}) && tag != fmt::format("{}{}", kTagPrefix, kind)) {
      Refuse(what_, mark, fmt::format("the tag {} is not known here", tag));
    }
    if (!open_.empty() && open_.back().is_map && !open_.back().key) {
      Refuse(what_, mark, "a key must be a single word or text");
    }
    if (open_.size() >= kMostLevels) {
      Refuse(what_, mark, fmt::format("nested more than {} levels deep", kMostLevels));
    }
    open_.push_back({mark, anchor, is_map, is_map ? Json::object() : Json::array()});
  }

  void Close() {
    Level level = std::move(open_.back());
    open_.pop_back();
    for (auto& [key, value] : level.merged.items()) {
      if (!level.value.contains(key)) level.value[key] = std::move(value);
    }
    Place(level.mark, std::move(level.value), level.size, level.anchor);
  }

  // Puts a value where the document is at.
  void Place(const YAML::Mark& mark, Json value, const Size& size, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = {value, size};
    if (open_.empty()) {
      document_ = std::move(value);
      return;
    }
    Level& level = open_.back();
    if (level.is_map && !level.key) {
      if (!value.is_string()) Refuse(what_, mark, "a key must be a single word or text");
      level.key = value.get<std::string>();
      if (!level.keys.insert(*level.key).second) {
        Refuse(what_, mark, fmt::format("key \"{}\" stands twice", *level.key));
      }
      level.size.text += level.key->size();
      return;
    }
    level.size.Contain(size);
    if (level.size.levels + open_.size() > kMostLevels + 1) {
      Refuse(what_, mark, fmt::format("nested more than {} levels deep", kMostLevels));
    }
    if (level.size.values > kMostValues || level.size.text > kMostText) {
      Refuse(what_, mark,
             fmt::format("more than {} values or {} MiB of text", kMostValues, kMostText >> 20));
    }
    if (!level.is_map) {
      level.value.push_back(std::move(value));
    } else if (*level.key == "<<") {
      Merge(mark, value, level);
      level.key.reset();
    } else {
      level.value[*std::exchange(level.key, std::nullopt)] = std::move(value);
    }
  }

  void Merge(const YAML::Mark& mark, const Json& from, Level& level) {
    if (from.is_array()) {
      for (const Json& one : from) Merge(mark, one, level);
      return;
    }
    if (!from.is_object()) Refuse(what_, mark, "<< merges a map, or a list of maps");
    for (const auto& [key, value] : from.items()) {
      if (!level.merged.contains(key)) level.merged[key] = value;
    }
  }

  Json Scalar(const YAML::Mark& mark, const std::string& tag, const std::string& value) const {
    if (tag == "!") return value;  // quoted, or a block of text
    if (tag == "?" || tag.empty()) return Plain(mark, value);
    const std::string_view kind = std::string_view(tag).starts_with(kTagPrefix)
                                      ? std::string_view(tag).substr(kTagPrefix.size())
                                      : std::string_view();
    if (kind == "str") return value;
    if (!OneOf(kind, {"null", "bool", "int", "float"})) {
      Refuse(what_, mark, fmt::format("the tag {} is not known here", tag));
    }
    Json plain = Plain(mark, value);
    if ((kind == "null" && plain.is_null()) || (kind == "bool" && plain.is_boolean()) ||
        (kind == "int" && plain.is_number_integer()) || (kind == "float" && plain.is_number())) {
      return plain;
    }
    Refuse(what_, mark, fmt::format("\"{}\" is not of its tag's type, {}", value, kind));
  }

  // What a text without quotes stands for.
  Json Plain(const YAML::Mark& mark, const std::string& text) const {
    if (IsNull(text)) return nullptr;
    if (const auto value = AsBool(text)) return *value;
    if (IsOldBool(text)) {
      Refuse(what_, mark,
             fmt::format("{0} is true or false to some readers and text to others; write true, "
                         "false or \"{0}\"",
                         text));
    }
    if (OneOf(text, {".inf", ".Inf", ".INF", "-.inf", "-.Inf", "-.INF", "+.inf", "+.Inf", "+.INF",
                     ".nan", ".NaN", ".NAN"})) {
      Refuse(what_, mark, fmt::format("{} is no number that a value may have", text));
    }
    return LooksLikeNumber(text) ? Number(mark, text) : Json(text);
  }

  Json Number(const YAML::Mark& mark, const std::string& text) const {
    std::string_view digits = text;
    if (digits.starts_with('+')) digits.remove_prefix(1);
    if (digits.starts_with("0x")) {
      if (const auto number = Whole<std::uint64_t>(digits.substr(2), 16)) return *number;
    }
    if (digits.starts_with("0o")) {
      if (const auto number = Whole<std::uint64_t>(digits.substr(2), 8)) return *number;
    }
    const std::string_view unsigned_digits = digits.substr(digits.starts_with('-') ? 1 : 0);
    const bool only_digits = unsigned_digits.find_first_not_of("0123456789_") == std::string::npos;
    if (only_digits && ((unsigned_digits.size() > 1 && unsigned_digits[0] == '0') ||
                        unsigned_digits.find('_') != std::string_view::npos)) {
      Refuse(what_, mark,
             fmt::format("{0} is one number to some readers and another, or text, to others; write "
                         "it plainly, or \"{0}\"",
                         text));
    }
    if (const auto number = Whole<std::int64_t>(digits)) return *number;
    if (const auto number = Whole<std::uint64_t>(digits)) return *number;
    double number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (end != digits.data() + digits.size()) return text;  // 500m, 2024-01-01, 1.2.3
    if (error != std::errc() || !std::isfinite(number)) {
      Refuse(what_, mark, fmt::format("the number {} is larger than a double can hold", text));
    }
    return number;
  }

  std::string_view what_;
  Json document_;
  bool any_ = false;
  std::vector<Level> open_;
  std::map<YAML::anchor_t, std::pair<Json, Size>> anchors_;
};

// Bytes that the library takes for the end of the text or passes on as they are.
void CheckText(std::string_view text, std::string_view what) {
  if (text.size() > kLongestText) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{} has {} bytes; at most {} are read", what,
                                                      text.size(), kLongestText));
  }
  YAML::Mark mark;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7f) {
      Refuse(what, mark, fmt::format("a control character (0x{:02x})", byte));
    }
    if (c == '\n') {
      ++mark.line;
      mark.column = 0;
    } else {
      ++mark.column;
    }
  }
  try {
    static_cast<void>(CanonicalDump(std::string(text)));
  } catch (const Error&) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{} is not valid UTF-8", what));
  }
}

}  // namespace

Json ParseYaml(std::string_view text, std::string_view what) {
  CheckText(text, what);
  Reader reader(what);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(reader)) {
    }
  } catch (const YAML::Exception& error) {
    Refuse(what, error.mark, fmt::format("not valid YAML: {}", error.msg));
  }
  return reader.Take();
}

}  // namespace windlass
