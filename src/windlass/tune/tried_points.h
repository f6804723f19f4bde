// Which points of a space there are to try, and which were tried.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "windlass/base/random.h"
#include "windlass/tune/space.h"
#include "windlass/tune/tuner.h"

namespace windlass::tune {

// The points of a space in an order, with a number of evenly spread values of each float (both
// ends among them).
class Lattice {
 public:
  // 0 levels: a space with a float that can count has no lattice.
  Lattice(const Space& space, int levels);

  // How many points there are; nothing where there are 2^62 or more, or no lattice.
  std::optional<std::uint64_t> size() const { return size_; }

  // For an index below size().
  Point At(std::uint64_t index) const;

 private:
  // What a parameter and those under it can be.
  struct Node {
    std::uint64_t values = 0;
    std::uint64_t size = 0;
    std::vector<int> children;
    std::map<std::uint64_t, std::uint64_t> special;  // value with children: how many points
  };

  bool Has(const Node& node, int child, std::uint64_t value) const;
  double ValueOf(int parameter, std::uint64_t value) const;
  std::uint64_t IndexOf(int parameter, double value) const;
  void Fill(const std::vector<int>& parameters, std::uint64_t index, Point& point) const;

  const Space& space_;  // must stay
  const int levels_;
  std::vector<Node> nodes_;
  std::vector<int> roots_;
  std::optional<std::uint64_t> size_;
};

class TriedPoints {
 public:
  // Equal for equal points, and in an order.
  using Key = std::vector<std::uint64_t>;
  static Key KeyOf(const Point& point);

  explicit TriedPoints(const Space& space) : lattice_(space, 0) {}  // it must stay

  // Whether the point was new.
  bool Add(const Point& point) { return tried_.insert(KeyOf(point)).second; }
  bool Has(const Point& point) const { return tried_.contains(KeyOf(point)); }

  // Whether nothing is left. Never of a space with floats.
  bool exhausted() const { return lattice_.size() && tried_.size() >= *lattice_.size(); }

  // A point that was not tried, at random; nothing where none is left, or where the space is one
  // of floats, whose points nobody meets twice.
  std::optional<Point> Untried(Random& random) const;

 private:
  Lattice lattice_;
  std::set<Key> tried_;
};

// The trials of a tuner: which are under way, and which points they tried.
class Trials {
 public:
  explicit Trials(const Space& space) : tried_(space) {}  // it must stay

  // The number of the next trial.
  std::int64_t next() const { return next_; }
  const TriedPoints& tried() const { return tried_; }
  // By number, of those that were suggested and not seen yet.
  const std::map<std::int64_t, Point>& under_way() const { return under_way_; }

  // The next trials, each of the point that `next` gives once those before it are under way.
  template <typename Next>
  std::vector<Suggestion> Suggest(int count, const Next& next) {
    std::vector<Suggestion> suggested;
    for (int i = 0; i < count; ++i) {
      suggested.push_back({next()});
      Begin(suggested.back().point);
    }
    return suggested;
  }

  void Begin(const Point& point) {
    tried_.Add(point);
    under_way_.emplace(next_++, point);
  }

  void End(std::int64_t trial, const Point& point) {
    under_way_.erase(trial);
    tried_.Add(point);
  }

 private:
  TriedPoints tried_;
  std::map<std::int64_t, Point> under_way_;
  std::int64_t next_ = 0;
};

}  // namespace windlass::tune
