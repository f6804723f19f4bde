#include "windlass/tune/challenge.h"

#include <fmt/format.h>

#include "windlass/base/error.h"
#include "windlass/tune/math_challenges.h"

namespace windlass::tune {

std::unique_ptr<const Challenge> MakeChallenge(std::string_view text) {
  const Registry& registry = Registry::Global();
  const ObjectSpec spec = ObjectSpec::Parse(text, registry.Names(ChallengeKind::kRegistryKind));
  const ChallengeKind& kind =
      registry.Find<ChallengeKind>(spec.name.empty() ? spec.location : spec.name);
  return WithContext([&] { return kind.Make(spec); },
                     [&] { return fmt::format("challenge {}", text); });
}

void RegisterChallenges(Registry& registry) { RegisterMathChallenges(registry); }

}  // namespace windlass::tune
