#include "windlass/explain/groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/json.h"

namespace windlass::explain {
namespace {

constexpr int kUnassigned = -1;

int ColumnOf(const OrderedJson& entry, const std::string& group,
             std::span<const std::string> column_names) {
  if (entry.is_string()) {
    const auto& name = entry.get_ref<const std::string&>();
    const auto found = std::ranges::find(column_names, name);
    if (found == column_names.end()) {
      throw Error(
          ErrorCode::kInvalidInput,
          fmt::format("group \"{}\" names column \"{}\", which the data does not have{}", group,
                      name, Suggestion(name, {column_names.begin(), column_names.end()})));
    }
    return static_cast<int>(found - column_names.begin());
  }
  if (entry.is_number_integer()) {
    const auto index = entry.get<std::int64_t>();  // one beyond 63 bits turns negative
    if (index < 0 || index >= std::ssize(column_names)) {
      throw Error(
          ErrorCode::kInvalidInput,
          fmt::format("group \"{}\" names column {}, but the data has {} columns (0..{})", group,
                      entry.dump(), column_names.size(), std::ssize(column_names) - 1));
    }
    return static_cast<int>(index);
  }
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("group \"{}\" lists {}; a column is a name or a 0-based index", group,
                          entry.dump()));
}

std::vector<Group> GroupsOf(const OrderedJson& document,
                            std::span<const std::string> column_names) {
  if (!document.is_object()) {
    throw Error(ErrorCode::kInvalidInput,
                R"(groups must be a JSON object such as {"Age": ["Age"], "Country": [39, 40]})");
  }
  std::vector<Group> groups;
  for (const auto& [name, entries] : document.items()) {
    if (name.empty()) {
      throw Error(ErrorCode::kInvalidInput, "a group is called \"\"; a group needs a name");
    }
    if (!entries.is_array() || entries.empty()) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("group \"{}\" must list at least one column, as in [\"{}\"]", name,
                              column_names.empty() ? "Age" : column_names.front()));
    }
    Group group{name, {}};
    for (const OrderedJson& entry : entries)
      group.columns.push_back(ColumnOf(entry, name, column_names));
    std::ranges::sort(group.columns);
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace

Groups::Groups(std::vector<Group> groups, std::span<const std::string> column_names)
    : groups_(std::move(groups)), player_of_column_(column_names.size(), kUnassigned) {
  for (int player = 0; player < size(); ++player) {
    for (const int column : groups_[player].columns) {
      int& owner = player_of_column_[column];
      if (owner == player) {
        throw Error(ErrorCode::kInvalidInput,
                    fmt::format("group \"{}\" lists column \"{}\" twice", groups_[player].name,
                                column_names[column]));
      }
      if (owner != kUnassigned) {
        throw Error(ErrorCode::kInvalidInput,
                    fmt::format("column \"{}\" stands in groups \"{}\" and \"{}\"",
                                column_names[column], groups_[owner].name, groups_[player].name));
      }
      owner = player;
    }
  }
  const auto orphan = std::ranges::find(player_of_column_, kUnassigned);
  if (orphan != player_of_column_.end()) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("column \"{}\" stands in no group; every column needs one",
                            column_names[orphan - player_of_column_.begin()]));
  }
}

Groups Groups::OfColumns(std::span<const std::string> column_names) {
  std::vector<Group> groups;
  groups.reserve(column_names.size());
  for (const auto& name : column_names) groups.push_back({name, {static_cast<int>(groups.size())}});
  return Groups(std::move(groups), column_names);
}

Groups Groups::Parse(std::string_view json, std::span<const std::string> column_names,
                     std::string_view what) {
  // the document's order is the order of the output columns
  const OrderedJson document = ParseOrderedJson(json, what);
  return WithContext([&] { return Groups(GroupsOf(document, column_names), column_names); },
                     [&] { return std::string(what); });
}

}  // namespace windlass::explain
