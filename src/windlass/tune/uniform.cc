#include "windlass/tune/uniform.h"

namespace windlass::tune {
namespace {

// A trial's point depends on seed and number alone.
class Uniform final : public Tuner {
 public:
  Uniform(const Space& space, std::uint64_t seed) : space_(space), seed_(seed) {}

  std::vector<Suggestion> Suggest(int count) override {
    std::vector<Suggestion> suggested;
    for (int i = 0; i < count; ++i) {
      Random random(seed_, next_++);
      suggested.push_back({space_.Sample(random)});
    }
    return suggested;
  }

  void Observe(const Observation&) override {}

 private:
  const Space space_;
  const std::uint64_t seed_;
  std::uint64_t next_ = 0;
};

class UniformKind final : public TunerKind {
 public:
  std::string help() const override { return "points at random, uniform in the space"; }

  std::unique_ptr<Tuner> Make(const ObjectSpec& options, const Space& space,
                              std::uint64_t seed) const override {
    options.AllowOnly({});
    return std::make_unique<Uniform>(space, seed);
  }
};

}  // namespace

void RegisterUniform(Registry& registry) {
  registry.Add<TunerKind>("uniform", std::make_shared<UniformKind>());
}

}  // namespace windlass::tune
