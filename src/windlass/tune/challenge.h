// Challenges: problems with a known space and score, on which tuners are compared.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "windlass/base/bytes.h"
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

  // Whether it is played on a table, NAME:TABLE.
  virtual bool needs_table() const { return false; }

  // Reads all that the challenge needs: what travels to whoever plays it, and is part of a
  // match's identity. Throws Error{kInvalidInput} for a wrong option, and what reading its data
  // throws.
  virtual Bytes Prepare(const ObjectSpec& spec) const = 0;

  // From what Prepare gave. Throws Error{kCorrupt}, and {kUnsupported} where a library that it
  // needs is missing.
  virtual std::unique_ptr<const Challenge> Make(const Bytes& prepared) const = 0;

  // The libraries, with versions, that scores depend on: a part of a match's identity.
  virtual std::string libraries() const { return ""; }
};

// A challenge's kind by its string, as `branin` or `xgboost:haberman.csv`, and the parsed string.
// Throws Error{kNotFound} naming the nearest known challenge.
struct NamedChallenge {
  const ChallengeKind* kind;
  std::string name;
  ObjectSpec spec;

  const std::string& kind_name() const { return spec.name.empty() ? spec.location : spec.name; }

  // The kind's name and what it prepared: what challenges are kept by, and sent as.
  Bytes Encode() const;
  std::unique_ptr<const Challenge> Make(const Bytes& encoded) const;
};
NamedChallenge FindChallenge(std::string_view text);

// From what NamedChallenge::Encode gave. Throws Error{kCorrupt}, and what the kind's Make throws.
std::unique_ptr<const Challenge> DecodeChallenge(const Bytes& encoded);

// Prepared and made. Throws what these do.
WINDLASS_API std::unique_ptr<const Challenge> MakeChallenge(std::string_view text);

void RegisterChallenges(Registry& registry);

}  // namespace windlass::tune
