#include "windlass/tune/grid.h"

#include <cmath>
#include <optional>

#include "windlass/tune/sobol_sequence.h"
#include "windlass/tune/tried_points.h"
#include "windlass/tune/tuner_options_internal.h"

namespace windlass::tune {
namespace {

// How often in a row a sequence may come to cells that were visited.
constexpr int kGridMisses = 64;

class Grid final : public Tuner {
 public:
  Grid(const Space& space, std::uint64_t seed, int levels)
      : space_(space),
        levels_(levels),
        lattice_(space_, levels),
        sequence_(static_cast<int>(space.varied().size()), seed),
        seed_(seed) {}

  std::vector<Suggestion> Suggest(int count) override {
    std::vector<Suggestion> suggested;
    for (int i = 0; i < count; ++i) suggested.push_back({Next()});
    return suggested;
  }

  void Observe(const Observation&) override {}

 private:
  Point Next() {
    if (lattice_.size() && order_.size() == *lattice_.size()) {
      return order_[again_++ % order_.size()];
    }
    for (int i = 0; i < kGridMisses; ++i) {
      Point point = Cell();
      if (visited_.Add(point)) return Remember(std::move(point));
    }
    if (!lattice_.size()) return Cell();
    if (!rest_) rest_ = Random(seed_, 0).Below(*lattice_.size());
    while (true) {
      Point point = lattice_.At(*rest_);
      rest_ = *rest_ + 1 == *lattice_.size() ? 0 : *rest_ + 1;
      if (visited_.Add(point)) return Remember(std::move(point));
    }
  }

  // The cell of the sequence's next point.
  Point Cell() {
    std::vector<double> coordinates = sequence_.At(next_++);
    std::size_t i = 0;
    for (const int parameter : space_.varied()) {
      double& u = coordinates[i++];
      if (space_[parameter].kind != ParameterKind::kFloat) continue;
      u = levels_ == 1 ? 0.5 : std::floor(u * levels_) / (levels_ - 1);
    }
    return space_.FromUnit(coordinates);
  }

  Point Remember(Point point) {
    order_.push_back(point);
    return point;
  }

  const Space space_;
  const int levels_;
  const Lattice lattice_;
  const SobolSequence sequence_;
  const std::uint64_t seed_;
  TriedPoints visited_{space_};
  std::vector<Point> order_;
  std::uint64_t next_ = 0;             // in the sequence
  std::optional<std::uint64_t> rest_;  // in the lattice
  std::uint64_t again_ = 0;
};

class GridKind final : public TunerKind {
 public:
  std::string help() const override {
    return "all discrete values and `points` (10) of each float, early ones spread";
  }

  std::unique_ptr<Tuner> Make(const ObjectSpec& options, const Space& space,
                              std::uint64_t seed) const override {
    options.AllowOnly({"points"});
    const std::int64_t points = IntegerWithin(options, "points", 10, 1, 1'000'000);
    return std::make_unique<Grid>(space, seed, static_cast<int>(points));
  }
};

}  // namespace

void RegisterGrid(Registry& registry) {
  registry.Add<TunerKind>("grid", std::make_shared<GridKind>());
}

}  // namespace windlass::tune
