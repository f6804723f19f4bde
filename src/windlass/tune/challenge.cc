#include "windlass/tune/challenge.h"

#include <fmt/format.h>

#include <utility>

#include "windlass/base/byte_reader.h"
#include "windlass/base/error.h"
#include "windlass/tune/math_challenges.h"
#include "windlass/tune/model_challenges.h"

namespace windlass::tune {

Bytes NamedChallenge::Encode() const {
  std::string out;
  AppendString(out, kind_name());
  AppendString(out, WithContext([&] { return kind->Prepare(spec); },
                                [&] { return fmt::format("challenge {}", name); })
                        .view());
  return Bytes(std::move(out));
}

std::unique_ptr<const Challenge> NamedChallenge::Make(const Bytes& encoded) const {
  return WithContext([&] { return DecodeChallenge(encoded); },
                     [&] { return fmt::format("challenge {}", name); });
}

std::unique_ptr<const Challenge> DecodeChallenge(const Bytes& encoded) {
  ByteReader reader(encoded.view(), "a challenge");
  const std::string name = reader.ReadString();
  const Bytes prepared(reader.ReadString());
  reader.Finish();
  return Registry::Global().Find<ChallengeKind>(name).Make(prepared);
}

NamedChallenge FindChallenge(std::string_view text) {
  const Registry& registry = Registry::Global();
  ObjectSpec spec = ObjectSpec::Parse(text, registry.Names(ChallengeKind::kRegistryKind));
  NamedChallenge named{nullptr, std::string(text), std::move(spec)};
  named.kind = &registry.Find<ChallengeKind>(named.kind_name());
  return named;
}

std::unique_ptr<const Challenge> MakeChallenge(std::string_view text) {
  const NamedChallenge named = FindChallenge(text);
  return named.Make(named.Encode());
}

void RegisterChallenges(Registry& registry) {
  RegisterMathChallenges(registry);
  RegisterModelChallenges(registry);
}

}  // namespace windlass::tune
