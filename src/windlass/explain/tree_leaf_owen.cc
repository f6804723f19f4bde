// Owen values of a leaf's game; see hierarchy.h and owen.h.
#include <bit>
#include <utility>

#include "windlass/explain/tree_leaf_internal.h"

namespace windlass::explain {
namespace {

// The coalitions of others that `player` may find in an ordering, with their chances.
std::vector<std::pair<std::size_t, double>> CoalitionsBefore(
    std::int32_t player, const Hierarchy& hierarchy,
    const std::vector<std::vector<std::int32_t>>& members, std::span<const std::size_t> masks) {
  std::vector<std::pair<std::size_t, double>> before = {{0, 1.0}};
  std::int32_t self = player, node = hierarchy.homes[player];
  while (true) {
    const std::vector<std::int32_t>& own = members[1 + node];
    const std::vector<double> weights = ShapleyWeights(static_cast<int>(own.size()));
    std::vector<std::pair<std::size_t, double>> more;
    std::vector<std::size_t> unions = {0};
    for (const std::int32_t member : own) {
      if (member == self) continue;
      const std::size_t mask = member >= 0 ? std::size_t{1} << member : masks[~member];
      for (std::size_t i = 0, end = unions.size(); i < end; ++i) unions.push_back(unions[i] | mask);
    }
    for (const auto& [coalition, chance] : before) {
      for (std::size_t s = 0; s < unions.size(); ++s) {
        more.emplace_back(coalition | unions[s], chance * weights[std::popcount(s)]);
      }
    }
    before = std::move(more);
    if (node == Hierarchy::kTop) return before;
    self = ~node;
    node = hierarchy.parents[node];
  }
}

}  // namespace

void TabulateOwenLeaf(const Hierarchy& hierarchy, double value, std::span<const double> q,
                      std::span<const std::int32_t> to, std::int64_t width,
                      std::span<double> table) {
  const auto members = Members(hierarchy);
  std::vector<std::size_t> masks;
  for (const auto& players : PlayersOfNodes(hierarchy)) {
    masks.push_back(0);
    for (const std::int32_t p : players) masks.back() |= std::size_t{1} << p;
  }
  const std::size_t all = q.size() - 1;
  std::vector<double> terms(q.size());
  for (std::int32_t j = 0; j < hierarchy.players(); ++j) {
    // phi_j(c) = value * sum over S within c - j of w_j(S) ([j in c] q(D - S - j) - q(D - S)): a
    // sum over the subsets of c, where those with j have the first terms.
    const std::size_t bit = std::size_t{1} << j;
    terms.assign(q.size(), 0.0);
    for (const auto& [s, chance] : CoalitionsBefore(j, hierarchy, members, masks)) {
      terms[s] -= value * chance * q[all ^ s];
      terms[s | bit] += value * chance * q[all ^ s ^ bit];
    }
    SumSubsets(terms);
    for (std::size_t c = 0; c <= all; ++c) table[c * width + to[j]] += terms[c];
  }
}

OwenProducts::OwenProducts(const Hierarchy& hierarchy) : players_(hierarchy.players()) {
  for (auto& members : Members(hierarchy)) {
    Game game{std::move(members), {}, {}};
    GaussLegendre((static_cast<int>(game.members.size()) + 1) / 2, game.nodes, game.weights);
    games_.push_back(std::move(game));
  }
}

void OwenProducts::Add(double value, std::span<const double> in, std::span<const double> out,
                       double* phi) const {
  const std::size_t nodes = games_.size() - 1;
  std::vector<double> ins(in.begin(), in.end()), outs(out.begin(), out.end());
  ins.resize(players_ + nodes, 1.0);
  outs.resize(players_ + nodes, 1.0);
  const auto place = [&](std::int32_t member) { return member >= 0 ? member : players_ + ~member; };
  for (std::size_t n = nodes; n > 0; --n) {
    for (const std::int32_t member : games_[n].members) {
      ins[players_ + n - 1] *= ins[place(member)];
      outs[players_ + n - 1] *= outs[place(member)];
    }
  }
  std::vector<double> scale(1 + nodes, 0.0), shares, factors, after;
  scale[0] = value;
  for (std::size_t g = 0; g <= nodes; ++g) {
    const Game& game = games_[g];
    if (scale[g] == 0) continue;
    const std::size_t count = game.members.size();
    // What the others multiply, over all orders of the members: the integral of the product of
    // their (1 - t) out + t in.
    shares.assign(count, 0.0);
    factors.resize(count);
    after.resize(count + 1);
    after[count] = 1;
    for (std::size_t k = 0; k < game.nodes.size(); ++k) {
      const double t = game.nodes[k];
      for (std::size_t i = count; i-- > 0;) {
        const std::int32_t at = place(game.members[i]);
        factors[i] = (1 - t) * outs[at] + t * ins[at];
        after[i] = after[i + 1] * factors[i];
      }
      double before = game.weights[k];
      for (std::size_t i = 0; i < count; ++i) {
        shares[i] += before * after[i + 1];
        before *= factors[i];
      }
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::int32_t member = game.members[i];
      if (member >= 0) {
        phi[member] += scale[g] * shares[i] * (in[member] - out[member]);
      } else {
        scale[1 + ~member] = scale[g] * shares[i];
      }
    }
  }
}

}  // namespace windlass::explain
