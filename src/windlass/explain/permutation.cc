// Shapley values by orderings of the players, in antithetic pairs.
#include <cmath>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/random.h"
#include "windlass/base/student.h"
#include "windlass/explain/estimator_internal.h"
#include "windlass/explain/shapley.h"

namespace windlass::explain {
namespace {

void Shuffle(Random& random, std::vector<std::int32_t>& order) {
  for (std::size_t i = 0; i + 1 < order.size(); ++i) {
    std::swap(order[i], order[i + random.Below(order.size() - i)]);
  }
}

// A node's members in random order, and in place of each node among them its own.
void AddShuffled(const std::vector<std::vector<std::int32_t>>& members, std::int32_t node,
                 Random& random, std::vector<std::int32_t>& order) {
  std::vector<std::int32_t> own = members[1 + node];
  Shuffle(random, own);
  for (const std::int32_t member : own) {
    if (member >= 0) {
      order.push_back(member);
    } else {
      AddShuffled(members, ~member, random, order);
    }
  }
}

// Castro, Gomez & Tejada 2009 with an ordering and its reverse (Mitchell, Cooper, Frank & Holmes
// 2022, section 4.2). An ordering has the coalitions of its first 1, 2, ... players, its reverse
// their complements: players - 1 pairs. What a player adds in both, on average, is the difference
// of h = (v(S) - v(complement)) / 2 from before it to after it. So each of `orderings` is one draw
// of all phi, unbiased, with exactly the total as its sum. An ordering that keeps the members of
// nodes together has a reverse that does: with a hierarchy all are such orderings.
class PermutationEstimator final : public Estimator {
 public:
  PermutationEstimator(const Plan& plan, int players, const Hierarchy* hierarchy)
      : players_(players), words_((players + 63) / 64) {
    const std::int64_t pairs = players - 1;
    const std::vector<std::int64_t> draws =
        HalvedBudgets(plan.tolerance > 0, plan.nsamples / (2 * pairs), kFewestDraws);
    for (const std::int64_t count : draws) stages_.push_back(count * pairs);
    const auto members =
        hierarchy == nullptr ? std::vector<std::vector<std::int32_t>>() : Members(*hierarchy);
    for (std::int64_t draw = 0; draw < draws.back(); ++draw) {
      // Mixed from the number of players too, so that games of different numbers differ.
      Random random(plan.seed, kStream ^ static_cast<std::uint64_t>(players) << 40 ^
                                   static_cast<std::uint64_t>(draw));
      std::vector<std::int32_t> order;
      if (members.empty()) {
        order.resize(players);
        for (int i = 0; i < players; ++i) order[i] = i;
        Shuffle(random, order);
      } else {
        AddShuffled(members, Hierarchy::kTop, random, order);
      }
      std::vector<std::uint64_t> mask(words_, 0);
      for (int i = 0; i + 1 < players; ++i) {
        mask[order[i] / 64] |= std::uint64_t{1} << (order[i] % 64);
        masks_.insert(masks_.end(), mask.begin(), mask.end());
      }
      orders_.insert(orders_.end(), order.begin(), order.end());
    }
  }

  CoalitionPairs coalitions() const override { return {masks_.data(), stages_.back()}; }
  std::span<const std::int64_t> stages() const override { return stages_; }
  std::size_t bytes() const override {
    return masks_.size() * sizeof masks_[0] + orders_.size() * sizeof orders_[0];
  }

  void Run(int stage, std::span<const double> inside, std::span<const double> outside, double total,
           Estimate& out) const override {
    const std::int64_t draws = stages_[stage] / (players_ - 1);
    std::vector<double> added(draws * players_);  // [draws, players]
    out.phi.assign(players_, 0.0);
    for (std::int64_t draw = 0; draw < draws; ++draw) {
      const std::int32_t* order = &orders_[draw * players_];
      double before = -0.5 * total;
      for (int i = 0; i < players_; ++i) {
        const std::int64_t pair = draw * (players_ - 1) + i;
        const double after = i + 1 == players_ ? 0.5 * total : 0.5 * (inside[pair] - outside[pair]);
        added[draw * players_ + order[i]] = after - before;
        out.phi[order[i]] += after - before;
        before = after;
      }
    }
    for (double& value : out.phi) value /= static_cast<double>(draws);
    const auto variance = [&](const auto& of_draw) {
      double mean = 0;
      for (std::int64_t draw = 0; draw < draws; ++draw) mean += of_draw(&added[draw * players_]);
      mean /= static_cast<double>(draws);
      double sum = 0;
      for (std::int64_t draw = 0; draw < draws; ++draw) {
        const double off = of_draw(&added[draw * players_]) - mean;
        sum += off * off;
      }
      return sum / (static_cast<double>(draws) * static_cast<double>(draws - 1));
    };
    // Moderated (Smyth 2004, with a fixed prior): few draws say little of a player's own variance,
    // nothing where it adds to rare coalitions only, and the mean of all players' counts beside it.
    out.half_width.resize(players_);
    double mean = 0;
    for (int i = 0; i < players_; ++i) {
      out.half_width[i] = variance([&](const double* phi) { return phi[i]; });
      mean += out.half_width[i] / players_;
    }
    const auto freedom = static_cast<double>(draws - 1);
    const double t = Student95(freedom + kPriorFreedom);
    for (double& half : out.half_width) {
      half = t * std::sqrt((freedom * half + kPriorFreedom * mean) / (freedom + kPriorFreedom));
    }
    out.ranked = CountRanked(out.phi, [&](int i, int j, double sign) {
      const double error =
          std::sqrt(variance([&](const double* phi) { return phi[i] + sign * phi[j]; }));
      return std::abs(out.phi[i] + sign * out.phi[j]) > t * error;
    });
    CloseToTotal(total, out.phi);
  }

  void RunPairs(int, std::span<const double>, std::span<const double>, double, std::span<double>,
                std::span<double>) const override {
    throw Error(ErrorCode::kInternal, "orderings give no interactions");  // refused before
  }

 private:
  static constexpr std::uint64_t kStream = 0x7065726d75746500;
  static constexpr double kPriorFreedom = 1;
  static constexpr std::int64_t kFewestDraws = 4;  // of a stage that is not the last

  int players_;
  int words_;
  std::vector<std::int64_t> stages_;
  std::vector<std::uint64_t> masks_;  // [draws, players - 1, words]
  std::vector<std::int32_t> orders_;  // [draws, players]
};

}  // namespace

std::unique_ptr<const Estimator> MakePermutationEstimator(const Plan& plan, int players,
                                                          const Hierarchy* hierarchy) {
  return std::make_unique<PermutationEstimator>(plan, players, hierarchy);
}

}  // namespace windlass::explain
