#include "windlass/explain/hierarchy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/json.h"

namespace windlass::explain {
namespace {

constexpr std::size_t kMostHierarchyBytes = std::size_t{16} << 20;

class HierarchyReader {
 public:
  explicit HierarchyReader(std::span<const std::string> group_names)
      : group_names_(group_names.begin(), group_names.end()) {
    read_.hierarchy.homes.assign(group_names.size(), Hierarchy::kTop);
  }

  NamedHierarchy Read(const OrderedJson& document) {
    if (!document.is_object() || document.empty()) {
      throw Error(
          ErrorCode::kInvalidInput,
          R"(a hierarchy is a JSON object from the names of nodes to their members, such as )"
          R"({"person": ["Age", "Sex", {"home": ["Country", "Race"]}]})");
    }
    ReadNodes(document, Hierarchy::kTop);
    return std::move(read_);
  }

 private:
  void ReadNodes(const OrderedJson& nodes, std::int32_t parent) {
    for (const auto& [name, members] : nodes.items()) {
      if (name.empty()) {
        throw Error(ErrorCode::kInvalidInput, "a node is called \"\"; a node needs a name");
      }
      if (!names_.insert(name).second) {
        throw Error(ErrorCode::kInvalidInput,
                    fmt::format("two nodes are called \"{}\"; rename one of them", name));
      }
      if (!members.is_array() || members.empty()) {
        throw Error(ErrorCode::kInvalidInput,
                    fmt::format("node \"{}\" must list at least one member, as in [\"{}\"]", name,
                                group_names_.empty() ? "Age" : group_names_.front()));
      }
      const std::int32_t node = read_.hierarchy.nodes();
      read_.hierarchy.parents.push_back(parent);
      read_.names.push_back(name);
      for (const OrderedJson& member : members) ReadMember(member, node);
    }
  }

  void ReadMember(const OrderedJson& member, std::int32_t node) {
    const std::string name = read_.names[node];
    if (member.is_string()) return AddGroup(member.get<std::string>(), node);
    if (member.is_object() && !member.empty()) return ReadNodes(member, node);
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("node \"{}\" lists {}; a member is the name of a group, or an object with "
                    "further nodes",
                    name, member.is_array() ? "a list" : member.dump()));
  }

  void AddGroup(const std::string& group, std::int32_t node) {
    const auto found = std::ranges::find(group_names_, group);
    if (found == group_names_.end()) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("node \"{}\" names group \"{}\", which there is none of{}",
                              read_.names[node], group, Suggestion(group, group_names_)));
    }
    const auto player = found - group_names_.begin();
    std::int32_t& home = read_.hierarchy.homes[player];
    if (home == node) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("node \"{}\" lists group \"{}\" twice", read_.names[node], group));
    }
    if (home != Hierarchy::kTop) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("group \"{}\" stands in nodes \"{}\" and \"{}\"", group,
                              read_.names[home], read_.names[node]));
    }
    home = node;
  }

  const std::vector<std::string> group_names_;
  std::set<std::string, std::less<>> names_;
  NamedHierarchy read_;
};

}  // namespace

bool Hierarchy::Fits(int player_count) const {
  if (empty()) return parents.empty();
  if (players() != player_count) return false;
  for (int n = 0; n < nodes(); ++n) {
    if (parents[n] < kTop || parents[n] >= n) return false;
  }
  return std::ranges::all_of(homes,
                             [&](std::int32_t home) { return home >= kTop && home < nodes(); });
}

NamedHierarchy ParseHierarchy(std::string_view json, std::span<const std::string> group_names,
                              std::string_view what) {
  if (json.size() > kMostHierarchyBytes) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{} has {} bytes, but a hierarchy at most {}",
                                                      what, json.size(), kMostHierarchyBytes));
  }
  const OrderedJson document = ParseOrderedJson(json, what);
  return WithContext([&] { return HierarchyReader(group_names).Read(document); },
                     [&] { return std::string(what); });
}

std::vector<std::vector<std::int32_t>> Members(const Hierarchy& hierarchy) {
  std::vector<std::vector<std::int32_t>> members(1 + hierarchy.nodes());
  for (int p = 0; p < hierarchy.players(); ++p) members[1 + hierarchy.homes[p]].push_back(p);
  for (int n = 0; n < hierarchy.nodes(); ++n) members[1 + hierarchy.parents[n]].push_back(~n);
  return members;
}

std::vector<std::vector<std::int32_t>> PlayersOfNodes(const Hierarchy& hierarchy) {
  std::vector<std::vector<std::int32_t>> players(hierarchy.nodes());
  for (int p = 0; p < hierarchy.players(); ++p) {
    for (std::int32_t n = hierarchy.homes[p]; n != Hierarchy::kTop; n = hierarchy.parents[n]) {
      players[n].push_back(p);
    }
  }
  return players;
}

Hierarchy Prune(const Hierarchy& hierarchy, std::span<const std::int32_t> players) {
  const int nodes = hierarchy.nodes();
  std::vector<std::int64_t> members(nodes, 0), held(nodes, 0);  // players alone count
  for (const std::int32_t p : players) {
    if (const std::int32_t home = hierarchy.homes[p]; home != Hierarchy::kTop) {
      ++members[home];
      ++held[home];
    }
  }
  for (int n = nodes - 1; n >= 0; --n) {
    if (const std::int32_t parent = hierarchy.parents[n]; parent != Hierarchy::kTop) {
      members[parent] += held[n] > 0 ? 1 : 0;
      held[parent] += held[n];
    }
  }
  Hierarchy result;
  std::vector<std::int32_t> renamed(nodes);  // the node that now holds what the node held
  const auto now = [&](std::int32_t n) { return n == Hierarchy::kTop ? n : renamed[n]; };
  for (int n = 0; n < nodes; ++n) {
    renamed[n] = now(hierarchy.parents[n]);
    if (members[n] < 2 || held[n] == std::ssize(players)) continue;
    const std::int32_t parent = std::exchange(renamed[n], result.nodes());
    result.parents.push_back(parent);
  }
  for (const std::int32_t p : players) result.homes.push_back(now(hierarchy.homes[p]));
  return result;
}

std::int64_t ConsistentCoalitions(const Hierarchy& whole) {
  std::vector<std::int32_t> all(whole.players());
  std::iota(all.begin(), all.end(), 0);
  const Hierarchy hierarchy = Prune(whole, all);  // nodes without members would count
  const auto members = Members(hierarchy);
  const auto size = [&](std::int32_t node) { return std::ssize(members[1 + node]); };
  const auto power = [](std::int64_t exponent) {
    return std::ldexp(1.0, static_cast<int>(std::min<std::int64_t>(exponent, 100)));
  };
  double sum = power(size(Hierarchy::kTop));
  std::vector<std::int64_t> around(hierarchy.nodes());  // other members of the nodes around a node
  for (int n = 0; n < hierarchy.nodes(); ++n) {
    const std::int32_t parent = hierarchy.parents[n];
    around[n] = (parent == Hierarchy::kTop ? 0 : around[parent]) + size(parent) - 1;
    sum += power(around[n]) * (power(size(n)) - 2);
  }
  return sum < static_cast<double>(kUncountable) ? static_cast<std::int64_t>(sum) : kUncountable;
}

}  // namespace windlass::explain
