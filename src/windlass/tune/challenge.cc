#include "windlass/tune/challenge.h"

#include <fmt/format.h>

#include <utility>

#include "windlass/base/error.h"
#include "windlass/tune/math_challenges.h"
#include "windlass/tune/model_challenges.h"

namespace windlass::tune {

Bytes NamedChallenge::Prepare() const {
  return WithContext([&] { return kind->Prepare(spec); },
                     [&] { return fmt::format("challenge {}", name); });
}

std::unique_ptr<const Challenge> NamedChallenge::Make(const Bytes& prepared) const {
  return WithContext([&] { return kind->Make(prepared); },
                     [&] { return fmt::format("challenge {}", name); });
}

NamedChallenge FindChallenge(std::string_view text) {
  const Registry& registry = Registry::Global();
  ObjectSpec spec = ObjectSpec::Parse(text, registry.Names(ChallengeKind::kRegistryKind));
  const ChallengeKind& kind =
      registry.Find<ChallengeKind>(spec.name.empty() ? spec.location : spec.name);
  return {&kind, std::string(text), std::move(spec)};
}

std::unique_ptr<const Challenge> MakeChallenge(std::string_view text) {
  const NamedChallenge named = FindChallenge(text);
  return named.Make(named.Prepare());
}

void RegisterChallenges(Registry& registry) {
  RegisterMathChallenges(registry);
  RegisterModelChallenges(registry);
}

}  // namespace windlass::tune
