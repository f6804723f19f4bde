#include "windlass/tune/tuner.h"

#include "windlass/tune/uniform.h"

namespace windlass::tune {

std::unique_ptr<Tuner> MakeTuner(std::string_view text, const Space& space, std::uint64_t seed) {
  const Registry& registry = Registry::Global();
  const ObjectSpec spec = ObjectSpec::Parse(text, registry.Names(TunerKind::kRegistryKind));
  return registry.Find<TunerKind>(spec.name.empty() ? spec.location : spec.name)
      .Make(spec, space, seed);
}

void RegisterTuners(Registry& registry) { RegisterUniform(registry); }

}  // namespace windlass::tune
