#include "windlass/explain/owen.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>
#include <vector>

#include "windlass/base/error.h"
#include "windlass/explain/estimator_internal.h"
#include "windlass/explain/shapley.h"

namespace windlass::explain {
namespace {

// Roughly what an estimator takes beside its coalitions: small ones may be many.
constexpr std::size_t kOwenOverhead = 2048;

class ExactOwenEstimator final : public Estimator {
 public:
  explicit ExactOwenEstimator(const Hierarchy& hierarchy)
      : players_(hierarchy.players()), words_((players_ + 63) / 64) {
    for (auto& members : Members(hierarchy)) games_.push_back({std::move(members), {}});
    masks_of_nodes_.assign(static_cast<std::size_t>(hierarchy.nodes()) * words_, 0);
    const auto players = PlayersOfNodes(hierarchy);
    for (int n = 0; n < hierarchy.nodes(); ++n) {
      for (const std::int32_t p : players[n]) masks_of_nodes_[n * words_ + p / 64] |= BitOf(p);
    }
    Enumerate(Hierarchy::kTop, std::vector<std::uint64_t>(words_, 0), {1.0});
    stages_ = {std::ssize(masks_) / words_};
  }

  CoalitionPairs coalitions() const override { return {masks_.data(), stages_[0], true}; }
  std::span<const std::int64_t> stages() const override { return stages_; }
  std::size_t bytes() const override {
    return kOwenOverhead + (masks_.size() + masks_.size() / words_) * sizeof(std::uint64_t);
  }

  void Run(int /*stage*/, std::span<const double> inside, std::span<const double> outside,
           double total, Estimate& out) const override {
    out.phi.assign(players_, 0.0);
    out.half_width.assign(players_, 0.0);
    out.ranked = players_;
    std::vector<double> of_game(games_.size());  // what the members of each share
    of_game[0] = total;
    std::vector<double> v, phi;
    std::int64_t pair = 0;
    // In the order in which their pairs were enumerated: a node after the one that it is in.
    for (const std::size_t g : order_) {
      const Game& game = games_[g];
      const auto members = static_cast<int>(game.members.size());
      MeanOverContexts(game, inside.subspan(pair), outside.subspan(pair), of_game[g], v);
      pair += std::ssize(game.weights) * PairsOf(members);
      phi.resize(members);
      ShapleyValues(v, members, phi);
      for (int i = 0; i < members; ++i) {
        const std::int32_t member = game.members[i];
        (member < 0 ? of_game[1 + ~member] : out.phi[member]) = phi[i];
      }
    }
    CloseToTotal(total, out.phi);
  }

  void RunPairs(int, std::span<const double>, std::span<const double>, double, std::span<double>,
                std::span<double>) const override {
    throw Error(ErrorCode::kInternal, "Owen values have no interactions");  // refused before
  }

 private:
  // The game that the members of a node, or of the top, play.
  struct Game {
    std::vector<std::int32_t> members;
    std::vector<double> weights;  // [contexts]: of what is in beside the node's members; sum 1
  };

  static std::uint64_t BitOf(std::int32_t player) { return std::uint64_t{1} << (player % 64); }

  // Subsets of a node's members that lack the last one, and are not empty: the others are their
  // complements, or all members, or none, of which the games around the node tell.
  static std::int64_t PairsOf(int members) { return (std::int64_t{1} << (members - 1)) - 1; }

  void AddMember(std::int32_t member, std::uint64_t* mask) const {
    if (member >= 0) {
      mask[member / 64] |= BitOf(member);
      return;
    }
    for (int w = 0; w < words_; ++w) mask[w] |= masks_of_nodes_[~member * words_ + w];
  }

  // The context with every subset of some members, binary number by binary number.
  std::vector<std::uint64_t> Unions(const std::uint64_t* context,
                                    std::span<const std::int32_t> members) const {
    std::vector<std::uint64_t> unions(context, context + words_);
    unions.reserve(static_cast<std::size_t>(words_) << members.size());
    for (const std::int32_t member : members) {
      const std::size_t before = unions.size();
      for (std::size_t i = 0; i < before; ++i) unions.push_back(unions[i]);
      for (std::size_t i = before; i < unions.size(); i += words_) AddMember(member, &unions[i]);
    }
    return unions;
  }

  // contexts: [weights, words], what may be in beside the members of the node. Depth: the
  // hierarchy's.
  void Enumerate(std::int32_t node, const std::vector<std::uint64_t>& contexts,
                 std::vector<double> weights) {
    order_.push_back(1 + node);
    const std::vector<std::int32_t>& members = games_[1 + node].members;
    for (std::size_t c = 0; c < weights.size(); ++c) {
      const auto unions =
          Unions(&contexts[c * words_], std::span(members).first(members.size() - 1));
      masks_.insert(masks_.end(), unions.begin() + words_, unions.end());
    }
    const std::vector<double> of_size = ShapleyWeights(static_cast<int>(members.size()));
    for (const std::int32_t member : members) {
      if (member >= 0) continue;
      std::vector<std::int32_t> siblings;
      for (const std::int32_t other : members) {
        if (other != member) siblings.push_back(other);
      }
      std::vector<std::uint64_t> inner;
      std::vector<double> inner_weights;
      for (std::size_t c = 0; c < weights.size(); ++c) {
        const auto unions = Unions(&contexts[c * words_], siblings);
        inner.insert(inner.end(), unions.begin(), unions.end());
        for (std::size_t s = 0; s < unions.size() / words_; ++s) {
          inner_weights.push_back(weights[c] * of_size[std::popcount(s)]);
        }
      }
      Enumerate(~member, inner, std::move(inner_weights));
    }
    games_[1 + node].weights = std::move(weights);
  }

  // v: [2^members], the mean over the contexts of the odd part of the whole game. It is odd, too,
  // since a context is as likely as its complement: what its members share is half at either end.
  static void MeanOverContexts(const Game& game, std::span<const double> inside,
                               std::span<const double> outside, double shared,
                               std::vector<double>& v) {
    const std::int64_t pairs = PairsOf(static_cast<int>(game.members.size()));
    v.assign(std::size_t{1} << game.members.size(), 0.0);
    std::int64_t at = 0;
    for (const double weight : game.weights) {
      for (std::int64_t i = 1; i <= pairs; ++i, ++at) {
        v[i] += weight * (0.5 * (inside[at] - outside[at]));
      }
    }
    v[0] = -0.5 * shared;
    for (std::int64_t i = 0; i <= pairs; ++i) v[v.size() - 1 - i] = -v[i];
  }

  int players_;
  int words_;
  std::vector<Game> games_;                    // the top's, then those of nodes
  std::vector<std::uint64_t> masks_of_nodes_;  // [nodes, words]
  std::vector<std::size_t> order_;             // of games, a node after the one around it
  std::vector<std::uint64_t> masks_;           // [order_][contexts][PairsOf, words]
  std::vector<std::int64_t> stages_;
};

// All of them but nobody and everyone, whom every method looks at.
std::int64_t SampledAll(const Hierarchy& hierarchy) { return ConsistentCoalitions(hierarchy) - 2; }

std::string CountText(std::int64_t coalitions) {
  return coalitions == kUncountable ? "2^62 or more" : std::to_string(coalitions);
}

[[noreturn]] void RefuseForOwen(const std::string& what) {
  throw Error(ErrorCode::kUnsupported, what);
}

void CheckOwenWishes(std::string_view wanted, bool closed, bool trees, const Plan& plan) {
  if (plan.interactions) {
    RefuseForOwen(
        "interactions of pairs are those of Shapley values; leave --interactions or "
        "--coalitions out");
  }
  if (plan.l1_reg != L1Reg::kNone) {
    RefuseForOwen(
        "l1_reg selects features for method kernel, which knows no hierarchy; leave "
        "--l1-reg or --coalitions out");
  }
  if (wanted == "linear" && !closed) {
    RefuseForOwen(
        "method linear with --coalitions needs an output that is linear, as with "
        "--output margin; use --method exact or permutation");
  }
  if (wanted == "tree" && !trees) {
    RefuseForOwen(
        "method tree with --coalitions needs a model that shows its trees and their sum, "
        "as with --output margin; use --method exact or permutation with a background");
  }
  if (wanted == "kernel" || wanted == "leverage" || wanted == "msr") {
    RefuseForOwen(
        fmt::format("method {} knows no hierarchy; with --coalitions use --method exact "
                    "(up to --max-coalitions) or permutation",
                    wanted));
  }
}

}  // namespace

std::unique_ptr<const Estimator> MakeExactOwenEstimator(const Hierarchy& hierarchy) {
  std::vector<std::int32_t> all(hierarchy.players());
  std::iota(all.begin(), all.end(), 0);
  return std::make_unique<ExactOwenEstimator>(Prune(hierarchy, all));
}

std::unique_ptr<const Estimator> MakeOwenEstimator(const Plan& plan, const Hierarchy& pruned) {
  if (plan.method == Method::kPermutation && plan.nsamples < SampledAll(pruned)) {
    return MakePermutationEstimator(plan, pruned.players(), &pruned);
  }
  return MakeExactOwenEstimator(pruned);
}

std::int64_t AutoSamples(const Plan& plan) {
  const std::int64_t samples = AutoSamples(plan.method, plan.players(), plan.interactions);
  return plan.hierarchy.empty() ? samples : std::min(samples, SampledAll(plan.hierarchy));
}

void CheckSamples(const Plan& plan) {
  if (plan.hierarchy.empty()) {
    return CheckSamples(plan.method, plan.nsamples, plan.players(), plan.interactions);
  }
  const std::int64_t all = SampledAll(plan.hierarchy);
  if (plan.method == Method::kExact ? all < kMaxConsistent
                                    : plan.nsamples >= all && all < kMaxConsistent) {
    return;
  }
  if (plan.method == Method::kPermutation) {
    return CheckSamples(plan.method, plan.nsamples, plan.players());
  }
  RefuseForOwen(
      fmt::format("method {} takes no hierarchy of {} consistent coalitions; use method "
                  "permutation",
                  MethodName(plan.method), CountText(all)));
}

MethodChoice ChooseOwenMethod(std::string_view wanted, bool closed, bool trees, const Plan& plan,
                              std::int64_t allowed) {
  CheckOwenWishes(wanted, closed, trees, plan);
  const std::int64_t coalitions = ConsistentCoalitions(plan.hierarchy);
  const bool few = coalitions <= std::min(allowed, kMaxConsistent);
  const std::string asked = wanted == "auto" ? "" : "asked for; ";
  if (wanted == "linear" || (wanted == "auto" && closed)) {
    return {Method::kLinear, asked +
                                 "exact, in closed form: the model's output is linear, so that "
                                 "its Owen values are its Shapley values"};
  }
  if (plan.tree_path) return {Method::kTree, "exact Owen values for trees, path dependent"};
  if (wanted == "tree" || (wanted == "auto" && trees)) {
    return {Method::kTree, asked +
                               "exact Owen values, leaf by leaf: the model's output is a sum of "
                               "trees"};
  }
  const std::string count =
      fmt::format("{} coalitions consistent with the hierarchy", CountText(coalitions));
  if (wanted == "exact" && !few) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("method exact needs {} a row, more than the {} allowed; nest groups "
                            "deeper, raise --max-coalitions (up to 2^24), or use --method "
                            "permutation, which samples",
                            count, std::min(allowed, kMaxConsistent)));
  }
  if (wanted != "permutation" && few) {
    return {Method::kExact, fmt::format("{}exact Owen values: {}", asked, count)};
  }
  if (wanted == "permutation") {
    return {Method::kPermutation, asked +
                                      "sampled Owen values: orderings consistent with the "
                                      "hierarchy"};
  }
  return {Method::kPermutation,
          fmt::format("sampled Owen values: {} are more than the {} allowed", count, allowed)};
}

}  // namespace windlass::explain
