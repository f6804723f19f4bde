// YAML documents as JSON values: strictly read, with a place in every error.
#pragma once

#include <string_view>

#include "windlass/base/json.h"

namespace windlass {

// Parses one YAML document. What has two meanings in YAML 1.1 and 1.2 (an unquoted yes, no, on,
// off, y or n; a number such as 010 or 1_000) is an error that says how to write it. Aliases and
// merge keys (<<) are expanded. Null for an empty document.
//
// Refused: a key that stands twice, a key that is no scalar, more than one document, tags other
// than those of JSON's types, numbers that JSON cannot hold, control characters, texts that are not
// UTF-8, more than 1 MiB, 64 levels or (aliases expanded) 100,000 values or 4 MiB of text.
//
// `what` names it in errors ("values.yaml"). Throws Error{kInvalidInput} with line and column.
Json ParseYaml(std::string_view text, std::string_view what);

}  // namespace windlass
