#include "windlass/explain/design.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>
#include <span>
#include <utility>

#include "windlass/base/cancel.h"
#include "windlass/base/random.h"

namespace windlass::explain {
namespace {

using Mask = std::vector<std::uint64_t>;  // [words]

// Coalitions of one size with their complements.
struct Stratum {
  int size = 0;
  bool middle = false;  // its complements have the same size
  double weight = 0;    // of all of them, complements included
  double share = 0;     // of the budget, in proportion
  double pairs = 0;     // how many there are; infinite when beyond double
  std::int64_t taken = 0;
  bool enumerated = false;
};

double Binomial(int n, int k) {
  double result = 1;
  for (int i = 1; i <= k; ++i) result = std::round(result * (n - k + i) / i);
  return result;
}

std::vector<Stratum> Strata(int players, Allocation allocation) {
  std::vector<Stratum> strata;
  for (int size = 1; 2 * size <= players; ++size) {
    Stratum& s = strata.emplace_back();
    s.size = size;
    s.middle = 2 * size == players;
    s.weight =
        (s.middle ? 1.0 : 2.0) * (players - 1) / (static_cast<double>(size) * (players - size));
    const double alike = s.middle ? 0.5 : 1.0;
    s.share = allocation == Allocation::kKernel ? s.weight : alike;
    s.pairs = Binomial(players, size) / (s.middle ? 2 : 1);
  }
  return strata;
}

// Decides how many pairs each stratum gets of `budget` pairs.
void Allocate(std::int64_t budget, int players, Allocation allocation,
              std::vector<Stratum>& strata) {
  std::int64_t left = budget;
  double shares = 0;
  for (const Stratum& s : strata) shares += s.share;
  const auto enumerate = [&](Stratum& s) {
    s.enumerated = true;
    s.taken = static_cast<std::int64_t>(s.pairs);
    left -= s.taken;
    shares -= s.share;
  };
  // Twice as many pairs as players determine the regression however they are drawn.
  if (allocation != Allocation::kLeverage || budget < 2 * players) enumerate(strata.front());
  // Larger sizes have a smaller share of more coalitions, but enumerating one changes the shares.
  for (bool changed = true; changed;) {
    changed = false;
    for (Stratum& s : strata) {
      if (s.enumerated) continue;
      const bool last = std::ranges::all_of(
          strata, [&](const Stratum& other) { return &other == &s || other.enumerated; });
      const double share =
          last ? static_cast<double>(left) : static_cast<double>(left) * (s.share / shares);
      if (share + 1e-9 >= s.pairs && static_cast<double>(left) >= s.pairs) {
        enumerate(s);
        changed = true;
        break;
      }
    }
  }
  double cumulated = 0;
  std::int64_t given = 0;
  Stratum* last = nullptr;
  for (Stratum& s : strata) {
    if (!s.enumerated) last = &s;
  }
  for (Stratum& s : strata) {
    if (s.enumerated) continue;
    cumulated += s.share;
    const std::int64_t upto =
        &s == last ? left
                   : std::min(left, static_cast<std::int64_t>(std::floor(
                                        static_cast<double>(left) * (cumulated / shares) + 0.5)));
    s.taken = upto - given;
    // Rounding may ask for one more than there are.
    if (static_cast<double>(s.taken) > s.pairs) s.taken = static_cast<std::int64_t>(s.pairs);
    given += s.taken;
  }
}

// The member of a middle pair that stands for it: the one with player 0.
void Canonical(bool middle, int players, Mask& mask) {
  if (!middle || (mask[0] & 1)) return;
  for (std::uint64_t& word : mask) word = ~word;
  if (players % 64 != 0) mask.back() &= (std::uint64_t{1} << (players % 64)) - 1;
}

// Calls visit(mask) for all coalitions of a stratum, in lexical order of their members.
template <typename Visit>
void ForAll(const Stratum& s, int players, int words, Visit visit) {
  std::vector<int> members(s.size);
  for (int i = 0; i < s.size; ++i) members[i] = i;
  for (;;) {
    Mask mask(words, 0);
    for (const int p : members) mask[p / 64] |= std::uint64_t{1} << (p % 64);
    if (!s.middle || members[0] == 0) visit(mask);
    int i = s.size - 1;
    while (i >= 0 && members[i] == players - s.size + i) --i;
    if (i < 0) return;
    ++members[i];
    for (int j = i + 1; j < s.size; ++j) members[j] = members[j - 1] + 1;
  }
}

// `count` different coalitions of a stratum, uniformly; the first n are what a smaller count of n
// would give.
std::vector<Mask> Draw(const Stratum& s, std::int64_t count, int players, int words,
                       Random& random) {
  std::vector<Mask> drawn;
  drawn.reserve(count);
  std::set<Mask> seen;
  for (std::int64_t tries = 0; std::ssize(drawn) < count; ++tries) {
    if (tries % 4096 == 0) ProcessCancelToken().Check();  // millions may be wanted
    // Floyd's algorithm: a uniform subset of s.size players.
    Mask mask(words, 0);
    for (int j = players - s.size; j < players; ++j) {
      int p = static_cast<int>(random.Below(j + 1));
      if (mask[p / 64] >> (p % 64) & 1) p = j;
      mask[p / 64] |= std::uint64_t{1} << (p % 64);
    }
    Canonical(s.middle, players, mask);
    if (seen.insert(mask).second) drawn.push_back(std::move(mask));
  }
  return drawn;
}

// The pairs of a stratum in the order in which budgets take them.
std::vector<Mask> Sequence(const Stratum& s, int players, int words, std::uint64_t seed) {
  // Mixed from the number of players too, so that games of different numbers differ.
  Random random(seed,
                static_cast<std::uint64_t>(players) << 32 | static_cast<std::uint64_t>(s.size));
  if (2 * static_cast<double>(s.taken) <= s.pairs) {
    return Draw(s, s.taken, players, words, random);
  }
  std::vector<Mask> all;
  all.reserve(static_cast<std::size_t>(s.pairs));
  ForAll(s, players, words, [&](const Mask& mask) {
    if (all.size() % 65536 == 0) ProcessCancelToken().Check();
    all.push_back(mask);
  });
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    std::swap(all[i], all[i + random.Below(all.size() - i)]);
  }
  all.resize(s.taken);
  return all;
}

// Weights of a design whose pairs are there, `stratum_of` each.
void Weigh(const std::vector<Stratum>& strata, std::span<const std::size_t> stratum_of,
           Design& design) {
  double total = 0;
  std::size_t last = 0;
  for (std::size_t i = 0; i < strata.size(); ++i) {
    total += strata[i].weight;
    if (strata[i].taken > 0) last = i;
  }
  // Weight of sizes that got no sample goes to the next one that has, else to the last.
  std::vector<double> own(strata.size(), 0.0);
  double pending = 0;
  for (std::size_t i = 0; i < strata.size(); ++i) {
    pending += strata[i].weight / total;
    if (strata[i].taken == 0) continue;
    own[i] = pending;
    pending = 0;
  }
  own[last] += pending;
  design.weights.resize(stratum_of.size());
  design.left_out.resize(stratum_of.size());
  for (std::size_t pair = 0; pair < stratum_of.size(); ++pair) {
    const Stratum& s = strata[stratum_of[pair]];
    const auto taken = static_cast<double>(s.taken);
    design.weights[pair] = own[stratum_of[pair]] / (2 * taken);
    design.left_out[pair] = 1 - taken / s.pairs;
  }
}

}  // namespace

Design MakeDesign(int players, std::int64_t nsamples, std::uint64_t seed, Allocation allocation) {
  return std::move(MakeDesigns(players, {nsamples}, seed, allocation).front());
}

std::vector<Design> MakeDesigns(int players, const std::vector<std::int64_t>& nsamples,
                                std::uint64_t seed, Allocation allocation) {
  std::vector<std::vector<Stratum>> strata(nsamples.size(), Strata(players, allocation));
  for (std::size_t k = nsamples.size(); k-- > 0;) {
    Allocate(nsamples[k] / 2, players, allocation, strata[k]);
    if (k + 1 == nsamples.size()) continue;
    // Where rounding would give a size less in the next design, it is taken later.
    for (std::size_t i = 0; i < strata[k].size(); ++i) {
      strata[k][i].taken = std::min(strata[k][i].taken, strata[k + 1][i].taken);
    }
  }
  std::vector<Design> designs(nsamples.size());
  Design grown;
  grown.players = players;
  grown.words = (players + 63) / 64;
  std::vector<std::vector<Mask>> sequences;
  for (const Stratum& s : strata.back()) {
    sequences.push_back(Sequence(s, players, grown.words, seed));
  }
  std::vector<std::size_t> stratum_of;
  for (std::size_t k = 0; k < nsamples.size(); ++k) {
    for (std::size_t i = 0; i < strata[k].size(); ++i) {
      const std::int64_t before = k == 0 ? 0 : strata[k - 1][i].taken;
      for (std::int64_t j = before; j < strata[k][i].taken; ++j) {
        const Mask& mask = sequences[i][j];
        grown.masks.insert(grown.masks.end(), mask.begin(), mask.end());
        stratum_of.push_back(i);
      }
    }
    grown.complete = std::ranges::all_of(
        strata[k], [](const Stratum& s) { return static_cast<double>(s.taken) >= s.pairs; });
    Weigh(strata[k], stratum_of, grown);
    designs[k] = grown;
  }
  return designs;
}

}  // namespace windlass::explain
