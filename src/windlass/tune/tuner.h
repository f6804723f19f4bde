// Tuners: which points to try next, from what was seen so far.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/export.h"
#include "windlass/base/object_spec.h"
#include "windlass/base/registry.h"
#include "windlass/tune/space.h"

namespace windlass::tune {

// What a tuner asks for: a point, and of tuners with several fidelities how much of the whole
// budget it is worth, in (0, 1].
struct Suggestion {
  Point point;
  double fidelity = 1;
};

// How a trial ended.
struct Observation {
  std::int64_t trial = 0;  // its number
  Point point;
  std::optional<double> score;  // the larger the better, finite; none: it failed
  double fidelity = 1;
};

// A tuner's suggestions are a function of its space, options, seed and the calls so far, to the
// last bit: never of time, addresses or the machine. Trials are numbered from 0 in the order in
// which they were suggested. One thread at a time.
class WINDLASS_API Tuner {
 public:
  virtual ~Tuner() = default;

  // The next trials. Those that were suggested and not observed yet are under way: a tuner spreads
  // a batch (and what follows it) by taking them into account. Every point is one of the space.
  virtual std::vector<Suggestion> Suggest(int count) = 0;

  // Observations may be of points that were never suggested (given by hand, or of an earlier
  // study; their numbers are negative), and may repeat a point with another score.
  virtual void Observe(const Observation& seen) = 0;
};

class WINDLASS_API TunerKind : public Registrable {
 public:
  static constexpr std::string_view kRegistryKind = "tuner";

  virtual std::string help() const = 0;  // one line

  // `options`: those of its spec. Throws Error{kInvalidInput} for an unknown one or a bad value,
  // {kUnsupported} for a space that it cannot search.
  virtual std::unique_ptr<Tuner> Make(const ObjectSpec& options, const Space& space,
                                      std::uint64_t seed) const = 0;
};

// From a string, as `gp-ei?xi=0.01`. Throws Error{kNotFound} naming the nearest known tuner, and
// what making it throws.
WINDLASS_API std::unique_ptr<Tuner> MakeTuner(std::string_view text, const Space& space,
                                              std::uint64_t seed);

void RegisterTuners(Registry& registry);

}  // namespace windlass::tune
