#include "windlass/tune/sobol.h"

#include "windlass/tune/sobol_sequence.h"
#include "windlass/tune/tried_points.h"

namespace windlass::tune {
namespace {

// How often in a row a sequence may come to points that were tried.
constexpr int kSobolMisses = 64;

class Sobol final : public Tuner {
 public:
  Sobol(const Space& space, std::uint64_t seed)
      : space_(space), seed_(seed), sequence_(static_cast<int>(space.varied().size()), seed) {}

  std::vector<Suggestion> Suggest(int count) override {
    std::vector<Suggestion> suggested;
    for (int i = 0; i < count; ++i) {
      suggested.push_back({Next()});
      tried_.Add(suggested.back().point);
    }
    return suggested;
  }

  void Observe(const Observation& seen) override { tried_.Add(seen.point); }

 private:
  Point Next() {
    Point point = space_.FromUnit(sequence_.At(next_++));
    for (int i = 0; i < kSobolMisses && tried_.Has(point) && !tried_.exhausted(); ++i) {
      point = space_.FromUnit(sequence_.At(next_++));
    }
    if (!tried_.Has(point)) return point;
    Random random(seed_, next_);
    return tried_.Untried(random).value_or(point);
  }

  const Space space_;
  const std::uint64_t seed_;
  const SobolSequence sequence_;
  TriedPoints tried_{space_};
  std::uint64_t next_ = 0;  // in the sequence
};

class SobolKind final : public TunerKind {
 public:
  std::string help() const override { return "points that fill the space evenly, scrambled"; }

  std::unique_ptr<Tuner> Make(const ObjectSpec& options, const Space& space,
                              std::uint64_t seed) const override {
    options.AllowOnly({});
    return std::make_unique<Sobol>(space, seed);
  }
};

}  // namespace

void RegisterSobol(Registry& registry) {
  registry.Add<TunerKind>("sobol", std::make_shared<SobolKind>());
}

}  // namespace windlass::tune
