#include "windlass/base/json.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <type_traits>

#include "windlass/base/error.h"

namespace windlass {
namespace {

constexpr int kMaxDepth = 64;

// Of one object that keeps the order of its keys, in which each key is looked for among all others.
constexpr std::size_t kMaxOrderedKeys = 20'000;

struct Place {
  std::size_t line = 1;
  std::size_t column = 1;
};

Place PlaceOf(std::string_view text, std::size_t byte) {
  Place place;
  for (const char c : text.substr(0, std::min(byte, text.size()))) {
    if (c == '\n') {
      ++place.line;
      place.column = 1;
    } else {
      ++place.column;
    }
  }
  return place;
}

// Two things that nlohmann's parser permits and a reader of untrusted text should not: a key that
// stands twice (which one counts?), and nesting deep enough to exhaust the stack later on.
class Guard {
 public:
  explicit Guard(std::string_view what) : what_(what) {}

  template <typename Document>
  bool operator()(int depth, typename Document::parse_event_t event, Document& parsed) {
    using Event = typename Document::parse_event_t;
    if (depth > kMaxDepth) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: nested more than {} levels deep", what_, kMaxDepth));
    }
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end) keys_.pop_back();
    if (event == Event::key && !keys_.back().insert(parsed.template get<std::string>()).second) {
      throw Error(ErrorCode::kInvalidInput, fmt::format("{}: key \"{}\" stands twice", what_,
                                                        parsed.template get<std::string>()));
    }
    if (std::is_same_v<Document, OrderedJson> && event == Event::key &&
        keys_.back().size() > kMaxOrderedKeys) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: an object of more than {} keys", what_, kMaxOrderedKeys));
    }
    return true;
  }

 private:
  std::string_view what_;
  std::vector<std::set<std::string>> keys_;
};

template <typename Document>
Document Parse(std::string_view text, std::string_view what) {
  try {
    Guard guard(what);
    return Document::parse(text, [&](int depth, typename Document::parse_event_t event,
                                     Document& parsed) { return guard(depth, event, parsed); });
  } catch (const typename Document::parse_error& error) {
    const Place place = PlaceOf(text, error.byte == 0 ? 0 : error.byte - 1);
    throw Error(ErrorCode::kInvalidInput,
                text.find_first_not_of(" \t\r\n") == std::string_view::npos
                    ? fmt::format("{} is empty; a JSON document was expected", what)
                    : fmt::format("{}:{}:{}: not valid JSON", what, place.line, place.column));
  } catch (const typename Document::out_of_range& error) {  // its one such case while parsing
    const std::string_view reason = error.what();
    const auto quote = std::min(reason.find('\''), reason.size());
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: the number {} is larger than a double can hold", what,
                            reason.substr(quote)));
  } catch (const typename Document::exception& error) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: not valid JSON ({})", what, error.what()));
  }
}

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace

Json ParseJson(std::string_view text, std::string_view what) { return Parse<Json>(text, what); }

OrderedJson ParseOrderedJson(std::string_view text, std::string_view what) {
  return Parse<OrderedJson>(text, what);
}

std::string CanonicalDump(const Json& value) {
  try {
    return value.dump();
  } catch (const Json::exception&) {
    throw Error(ErrorCode::kInvalidInput, "a text is not valid UTF-8");
  }
}

std::string NearestName(std::string_view name, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const auto& candidate : candidates) {
    if (candidate.size() > name.size() + 64 || name.size() > 256) continue;
    const std::size_t distance = EditDistance(name, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string Suggestion(std::string_view name, const std::vector<std::string>& candidates) {
  const std::string nearest = NearestName(name, candidates);
  if (!nearest.empty()) return fmt::format("; did you mean \"{}\"?", nearest);
  if (candidates.empty()) return "; none are known";
  constexpr std::size_t kShown = 12;
  const std::size_t shown = std::min(candidates.size(), kShown);
  const auto last = candidates.begin() + static_cast<std::ptrdiff_t>(shown);
  return fmt::format("; known: {}{}", fmt::join(candidates.begin(), last, ", "),
                     shown < candidates.size() ? ", ..." : "");
}

}  // namespace windlass
