#include <fmt/format.h>

#include <set>

#include "windlass/base/error.h"
#include "windlass/model/names_internal.h"

namespace windlass::model {

std::vector<std::string> NumberedNames(std::int64_t count) {
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < count; ++i) names.push_back(std::to_string(i));
  return names;
}

void CheckNames(const std::vector<std::string>& names, std::int64_t wanted, std::string_view thing,
                std::string_view where) {
  const auto fail = [](std::string message) {
    throw Error(ErrorCode::kInvalidInput, std::move(message));
  };
  if (std::ssize(names) != wanted) {
    fail(fmt::format("{} {}s are named, but {} {}", names.size(), thing, where, wanted));
  }
  std::set<std::string_view> seen;
  for (const auto& name : names) {
    if (name.empty()) fail(fmt::format("{} {} has an empty name", thing, seen.size()));
    if (!seen.insert(name).second) {
      fail(fmt::format("{} \"{}\" is named twice; names must differ", thing, name));
    }
  }
}

}  // namespace windlass::model
