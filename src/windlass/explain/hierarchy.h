// Hierarchies of groups: which players stand together in every ordering of the players.
//
// Over orderings in which the members of every node are neighbours, all alike, the mean of what a
// player adds is Owen's value where nodes hold players (Owen 1977), and the value for level
// structures where nodes hold nodes (Winter 1989).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace windlass::explain {

struct Hierarchy {
  static constexpr std::int32_t kTop = -1;

  std::vector<std::int32_t>
      parents;                      // [nodes]: the node that a node is in, an earlier one, or kTop
  std::vector<std::int32_t> homes;  // [players]: the innermost node that a player is in, or kTop

  // No hierarchy at all: Shapley values.
  bool empty() const { return homes.empty(); }
  int players() const { return static_cast<int>(homes.size()); }
  int nodes() const { return static_cast<int>(parents.size()); }

  // Whether every entry is one that it may be, for so many players.
  bool Fits(int players) const;

  auto operator<=>(const Hierarchy&) const = default;
};

struct NamedHierarchy {
  Hierarchy hierarchy;
  std::vector<std::string> names;  // [nodes]
};

// Reads `{"person": ["Age", "Sex", {"home": ["Country", "Race"]}], "work": ["Hours"]}`: an object
// has nodes by name, a list the names of groups and further objects. Groups that no node has stand
// alone at the top.
//
// Throws Error{kInvalidInput} naming the document as `what`, the node and the group when a group is
// unknown or stands twice, a node has no members or the name of another, or the document is no such
// map. Objects and lists are at most 64 levels deep together (ParseOrderedJson).
NamedHierarchy ParseHierarchy(std::string_view json, std::span<const std::string> group_names,
                              std::string_view what = "coalitions");

// The members of the top (entry 0) and of every node n (entry 1 + n): a player p as p, a node n as
// ~n; players first, each in ascending order. Shape [1 + nodes].
std::vector<std::vector<std::int32_t>> Members(const Hierarchy& hierarchy);

// The players of every node, those of nodes within it too, ascending. Shape [nodes].
std::vector<std::vector<std::int32_t>> PlayersOfNodes(const Hierarchy& hierarchy);

// The hierarchy of some players, in any order: player i of it is players[i]. Nodes with fewer than
// two members are left out, and so is one that has all players. Dummies of a game may be left out:
// orderings of the others are as likely without them.
Hierarchy Prune(const Hierarchy& hierarchy, std::span<const std::int32_t> players);

// How many coalitions orderings consistent with the hierarchy begin with, nobody and everyone among
// them: below 2^players. Those that split a node have or lack each other member of the nodes
// around it as a whole. At most kUncountable, which stands for all that are more.
std::int64_t ConsistentCoalitions(const Hierarchy& hierarchy);
inline constexpr std::int64_t kUncountable = std::int64_t{1} << 62;

}  // namespace windlass::explain
