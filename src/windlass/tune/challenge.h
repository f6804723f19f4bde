// Challenges: problems with a known space and score, on which tuners are compared.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "windlass/base/export.h"
#include "windlass/base/object_spec.h"
#include "windlass/base/registry.h"
#include "windlass/tune/space.h"

namespace windlass::tune {

class WINDLASS_API Challenge {
 public:
  virtual ~Challenge() = default;

  virtual const Space& space() const = 0;

  // The largest score that there is, where that is known.
  virtual std::optional<double> best() const { return std::nullopt; }

  // The score of a point of the space, the larger the better: a function of the point to the last
  // bit. `check` is called between pieces of work and throws to stop. Thread safe. Throws Error
  // where the point has no score.
  virtual double Score(const Point& point, const std::function<void()>& check) const = 0;
};

class WINDLASS_API ChallengeKind : public Registrable {
 public:
  static constexpr std::string_view kRegistryKind = "challenge";

  virtual std::string type() const = 0;  // "math"
  virtual std::string help() const = 0;  // one line

  // Throws Error{kInvalidInput} for a wrong option, and what reading its data throws.
  virtual std::unique_ptr<const Challenge> Make(const ObjectSpec& spec) const = 0;
};

// From a string, as `branin`. Throws Error{kNotFound} naming the nearest known challenge, and what
// making it throws.
WINDLASS_API std::unique_ptr<const Challenge> MakeChallenge(std::string_view text);

void RegisterChallenges(Registry& registry);

}  // namespace windlass::tune
