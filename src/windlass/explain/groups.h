// Feature groups: which columns of a table count as one player of the Shapley game.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace windlass::explain {

// One player: a name and the columns that appear or vanish together, as the dummy columns
// of one categorical feature do.
struct Group {
  std::string name;
  std::vector<int> columns;  // 0-based, ascending
};

// A partition of a table's columns: every column belongs to exactly one group.
class Groups {
 public:
  // Each column is a group of its own, under its own name.
  static Groups OfColumns(std::span<const std::string> column_names);

  // Reads `{"Age": ["Age"], "Country": [39, 40, "Country=3"], ...}`: from group name to column
  // names or 0-based indices, in the order of the document.
  //
  // Throws Error{kInvalidInput} naming the document as `what`, the group and the column when a
  // column is unknown, stands in two groups, or in none.
  static Groups Parse(std::string_view json, std::span<const std::string> column_names,
                      std::string_view what = "groups");

  int size() const { return static_cast<int>(groups_.size()); }
  const Group& operator[](int player) const { return groups_[player]; }
  auto begin() const { return groups_.begin(); }
  auto end() const { return groups_.end(); }

  // The player that each column belongs to. Shape [columns].
  std::span<const int> player_of_column() const { return player_of_column_; }

 private:
  Groups(std::vector<Group> groups, std::span<const std::string> column_names);

  std::vector<Group> groups_;
  std::vector<int> player_of_column_;
};

}  // namespace windlass::explain
