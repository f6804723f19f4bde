#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "windlass/base/error.h"
#include "windlass/base/json.h"
#include "windlass/table/columns_internal.h"

namespace windlass::table {

std::vector<int> SelectColumns(const std::string& file, const std::vector<std::string>& present,
                               const ReadOptions& options) {
  if (present.empty()) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{} has no columns", file));
  }
  std::unordered_map<std::string_view, int> position;
  for (std::size_t i = 0; i < present.size(); ++i) {
    if (!position.emplace(present[i], static_cast<int>(i)).second) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{} has two columns \"{}\" (columns {} and {}, counted from 0); "
                              "column names must differ",
                              file, present[i], position[present[i]], i));
    }
  }
  const auto ignored = [&](const std::string& name) {
    return std::ranges::find(options.ignored, name) != options.ignored.end();
  };
  std::vector<int> selected;
  if (options.columns.empty()) {
    for (std::size_t i = 0; i < present.size(); ++i) {
      if (!ignored(present[i])) selected.push_back(static_cast<int>(i));
    }
    return selected;
  }
  std::unordered_set<std::string_view> wanted;
  for (const std::string& name : options.columns) {
    const auto found = position.find(name);
    if (found == position.end()) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{} has no column \"{}\"{}", file, name, Suggestion(name, present)));
    }
    if (!wanted.insert(name).second) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: column \"{}\" is asked for twice", file, name));
    }
    selected.push_back(found->second);
  }
  if (!options.ignore_others) {
    for (const std::string& name : present) {
      if (!wanted.contains(name) && !ignored(name)) {
        throw Error(
            ErrorCode::kInvalidInput,
            fmt::format("{} has a column \"{}\" that is not among the {} columns wanted (--ignore "
                        "passes over one that is no input){}",
                        file, name, options.columns.size(), Suggestion(name, options.columns)));
      }
    }
  }
  return selected;
}

}  // namespace windlass::table
