// JSON documents: strict parsing with a place in every error, and one canonical form.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/export.h"

namespace windlass {

using Json = nlohmann::json;                 // keys sorted: the canonical form
using OrderedJson = nlohmann::ordered_json;  // keys as in the document

// Parses strictly: no comments, no duplicate keys, at most 64 levels deep, nothing after the
// document. `what` names it in errors ("model.json"). Throws Error{kInvalidInput} with line and
// column. An object of OrderedJson has at most 20,000 keys.
WINDLASS_API Json ParseJson(std::string_view text, std::string_view what);
OrderedJson ParseOrderedJson(std::string_view text, std::string_view what);

// Sorted keys, no spaces, shortest doubles that read back equal: equal values, equal bytes.
// Strings that are not UTF-8 throw Error{kInvalidInput}.
WINDLASS_API std::string CanonicalDump(const Json& value);

// The candidate closest to `name` by edit distance, or empty when none is close enough to be
// what the user meant.
std::string NearestName(std::string_view name, const std::vector<std::string>& candidates);

// `; did you mean "data"?`, or `; known: a, b, c` when nothing is near.
std::string Suggestion(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace windlass
