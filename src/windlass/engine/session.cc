#include "windlass/engine/session.h"

#include "windlass/base/registry.h"

namespace windlass::engine {

std::unique_ptr<Session> StartSession(std::string_view engine, int workers) {
  const Registry& registry = Registry::Global();
  const auto known = registry.Names(Engine::kRegistryKind);
  const ObjectSpec spec = ObjectSpec::Parse(engine, known);
  return registry.Find<Engine>(spec.name.empty() ? spec.location : spec.name).Start(spec, workers);
}

}  // namespace windlass::engine
