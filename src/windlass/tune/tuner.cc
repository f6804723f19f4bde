#include "windlass/tune/tuner.h"

#include <fmt/format.h>

#include "windlass/base/error.h"
#include "windlass/tune/cma_es.h"
#include "windlass/tune/forest_tuners.h"
#include "windlass/tune/gp.h"
#include "windlass/tune/grid.h"
#include "windlass/tune/sobol.h"
#include "windlass/tune/tpe.h"
#include "windlass/tune/uniform.h"

namespace windlass::tune {

std::unique_ptr<Tuner> MakeTuner(std::string_view text, const Space& space, std::uint64_t seed) {
  const Registry& registry = Registry::Global();
  const ObjectSpec spec = ObjectSpec::Parse(text, registry.Names(TunerKind::kRegistryKind));
  const TunerKind& kind = registry.Find<TunerKind>(spec.name.empty() ? spec.location : spec.name);
  return WithContext([&] { return kind.Make(spec, space, seed); },
                     [&] { return fmt::format("tuner {}", text); });
}

void RegisterTuners(Registry& registry) {
  RegisterCmaEs(registry);
  RegisterForestTuners(registry);
  RegisterGaussianProcesses(registry);
  RegisterGrid(registry);
  RegisterSobol(registry);
  RegisterTpe(registry);
  RegisterUniform(registry);
}

}  // namespace windlass::tune
