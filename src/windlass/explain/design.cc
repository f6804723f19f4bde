#include "windlass/explain/design.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "windlass/base/cancel.h"
#include "windlass/base/error.h"
#include "windlass/base/random.h"

namespace windlass::explain {
namespace {

using Mask = std::vector<std::uint64_t>;  // [words]

// Coalitions of one size with their complements.
struct Stratum {
  int size = 0;
  bool middle = false;   // its complements have the same size
  double weight = 0;     // of all of them, complements included
  double pairs = 0;      // how many there are; infinite when beyond double
  std::int64_t taken = 0;
  bool enumerated = false;
};

double Binomial(int n, int k) {
  double result = 1;
  for (int i = 1; i <= k; ++i) result = std::round(result * (n - k + i) / i);
  return result;
}

std::vector<Stratum> Strata(int players) {
  std::vector<Stratum> strata;
  for (int size = 1; 2 * size <= players; ++size) {
    Stratum& s = strata.emplace_back();
    s.size = size;
    s.middle = 2 * size == players;
    s.weight = (s.middle ? 1.0 : 2.0) * (players - 1) /
               (static_cast<double>(size) * (players - size));
    s.pairs = Binomial(players, size) / (s.middle ? 2 : 1);
  }
  return strata;
}

// Decides how many pairs each stratum gets of `budget` pairs.
void Allocate(std::int64_t budget, std::vector<Stratum>& strata) {
  std::int64_t left = budget;
  double weight = 0;
  for (const Stratum& s : strata) weight += s.weight;
  const auto enumerate = [&](Stratum& s) {
    s.enumerated = true;
    s.taken = static_cast<std::int64_t>(s.pairs);
    left -= s.taken;
    weight -= s.weight;
  };
  enumerate(strata.front());
  // Larger sizes have a smaller share of more coalitions, but enumerating one changes the shares.
  for (bool changed = true; changed;) {
    changed = false;
    for (Stratum& s : strata) {
      if (s.enumerated) continue;
      const bool last = std::ranges::all_of(strata, [&](const Stratum& other) {
        return &other == &s || other.enumerated;
      });
      const double share = last ? static_cast<double>(left)
                                : static_cast<double>(left) * (s.weight / weight);
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
    cumulated += s.weight;
    const std::int64_t upto =
        &s == last ? left
                   : std::min(left, static_cast<std::int64_t>(std::floor(
                                        static_cast<double>(left) * (cumulated / weight) + 0.5)));
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

// `count` different coalitions of a stratum, uniformly.
std::set<Mask> Draw(const Stratum& s, std::int64_t count, int players, int words, Random& random) {
  std::set<Mask> drawn;
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
    drawn.insert(std::move(mask));
  }
  return drawn;
}

}  // namespace

std::int64_t MinimumSamples(int players) {
  if (players < 2) return 0;
  return players < 4 ? (std::int64_t{1} << players) - 2 : 2 * static_cast<std::int64_t>(players);
}

std::int64_t AutoSamples(int players) {
  const std::int64_t samples = 2 * static_cast<std::int64_t>(players) + 2048;
  if (players < 2) return 0;
  return players < 13 ? std::min(samples, (std::int64_t{1} << players) - 2) : samples;
}

void CheckSamples(std::int64_t nsamples, int players) {
  // The design and every row's values over it are held in memory. No more are drawn than exist.
  constexpr int kMostLog2 = 24;
  if (players > kMostLog2 && nsamples > std::int64_t{1} << kMostLog2) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("nsamples is {}, but at most {} (2^{}) coalitions are sampled; auto "
                            "takes {}",
                            nsamples, std::int64_t{1} << kMostLog2, kMostLog2,
                            AutoSamples(players)));
  }
  if (nsamples >= MinimumSamples(players)) return;
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("nsamples is {}, but a regression over {} groups needs at least {} "
                          "coalitions; auto takes {}",
                          nsamples, players, MinimumSamples(players), AutoSamples(players)));
}

Design MakeDesign(int players, std::int64_t nsamples, std::uint64_t seed) {
  Design design;
  design.players = players;
  design.words = (players + 63) / 64;
  std::vector<Stratum> strata = Strata(players);
  Allocate(nsamples / 2, strata);
  design.complete = std::ranges::all_of(strata, &Stratum::enumerated);
  double total = 0;
  for (const Stratum& s : strata) total += s.weight;

  double pending = 0;           // weight of sizes that got no sample
  std::int64_t last_begin = 0;  // the last sampled size's pairs
  for (const Stratum& s : strata) {
    const double weight = s.weight / total + (s.enumerated ? 0 : pending);
    if (s.taken == 0) {
      pending = weight;
      continue;
    }
    const std::int64_t begin = design.pairs();
    const double own = weight / (2 * static_cast<double>(s.taken));
    const auto add = [&](const Mask& mask) {
      if (design.weights.size() % 65536 == 0) ProcessCancelToken().Check();
      design.masks.insert(design.masks.end(), mask.begin(), mask.end());
      design.weights.push_back(own);
    };
    if (s.enumerated) {
      ForAll(s, players, design.words, add);
    } else {
      pending = 0;
      // Mixed from the number of players too, so that games of different numbers differ.
      Random random(seed, static_cast<std::uint64_t>(players) << 32 |
                              static_cast<std::uint64_t>(s.size));
      if (2 * static_cast<double>(s.taken) <= s.pairs) {
        for (const Mask& mask : Draw(s, s.taken, players, design.words, random)) add(mask);
      } else {
        // More than half of them: draw those that are left out.
        const auto left_out = static_cast<std::int64_t>(s.pairs) - s.taken;
        const auto drawn = Draw(s, left_out, players, design.words, random);
        ForAll(s, players, design.words, [&](const Mask& mask) {
          if (!drawn.contains(mask)) add(mask);
        });
      }
    }
    last_begin = begin;
  }
  if (pending > 0) {
    const auto count = static_cast<double>(design.pairs() - last_begin);
    for (std::int64_t i = last_begin; i < design.pairs(); ++i) {
      design.weights[i] += pending / (2 * count);
    }
  }
  return design;
}

}  // namespace windlass::explain
