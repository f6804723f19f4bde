#include "windlass/tune/challenge.h"

#include "windlass/tune/math_challenges.h"

namespace windlass::tune {

std::unique_ptr<const Challenge> MakeChallenge(std::string_view text) {
  const Registry& registry = Registry::Global();
  const ObjectSpec spec = ObjectSpec::Parse(text, registry.Names(ChallengeKind::kRegistryKind));
  return registry.Find<ChallengeKind>(spec.name.empty() ? spec.location : spec.name).Make(spec);
}

void RegisterChallenges(Registry& registry) { RegisterMathChallenges(registry); }

}  // namespace windlass::tune
