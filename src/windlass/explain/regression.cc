#include "windlass/explain/regression.h"

#include <bit>
#include <cmath>

#include <hwy/highway.h>

#include "windlass/base/error.h"

namespace windlass::explain {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr std::int64_t kLanes = 8;

// sum_i a[i] b[i]; `count` is a multiple of eight. Lane l adds up the elements i = l (mod 8) by
// fused multiply-add, then lanes are added in halves: the same bytes for any width of registers.
double LaneDot(const double* a, const double* b, std::int64_t count) {
  const hn::FixedTag<double, 4> d;
  auto low = hn::Zero(d);
  auto high = hn::Zero(d);
  for (std::int64_t i = 0; i < count; i += kLanes) {
    low = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), low);
    high = hn::MulAdd(hn::LoadU(d, a + i + 4), hn::LoadU(d, b + i + 4), high);
  }
  double lanes[4];
  hn::StoreU(hn::Add(low, high), d, lanes);
  return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}

// Calls visit(player) for the members of a coalition, ascending.
template <typename Visit>
void ForMembers(const Design& design, std::int64_t pair, Visit visit) {
  for (int word = 0; word < design.words; ++word) {
    for (std::uint64_t left = design.masks[pair * design.words + word]; left != 0;
         left &= left - 1) {
      visit(64 * word + std::countr_zero(left));
    }
  }
}

// The factor of normal + ridge 1 1^T. Under the constraint the added term is constant, so that it
// changes no solution; it makes the matrix definite where the constraint alone decides (two
// players).
std::vector<double> Factor(std::vector<double> normal, int size) {
  double trace = 0;
  for (int i = 0; i < size; ++i) trace += normal[i * size + i];
  for (double& entry : normal) entry += trace / size;
  if (!Cholesky(normal, size)) {
    throw Error(ErrorCode::kInternal, "the normal matrix of KernelSHAP's regression is singular");
  }
  return normal;
}

// Where the solution goes when the total grows by one: 1 scaled to sum 1 in the inverse's metric.
std::vector<double> Share(std::span<const double> factor, int size) {
  std::vector<double> share(size, 1.0);
  CholeskySolve(factor, size, share);
  double sum = 0;
  for (const double value : share) sum += value;
  for (double& value : share) value /= sum;
  return share;
}

}  // namespace

bool Cholesky(std::span<double> matrix, int size) {
  for (int j = 0; j < size; ++j) {
    double* row_j = &matrix[static_cast<std::size_t>(j) * size];
    const double before = row_j[j];
    double diagonal = before;
    for (int k = 0; k < j; ++k) diagonal = std::fma(-row_j[k], row_j[k], diagonal);
    if (!(diagonal > 1e-13 * before)) return false;
    row_j[j] = std::sqrt(diagonal);
    for (int i = j + 1; i < size; ++i) {
      double* row_i = &matrix[static_cast<std::size_t>(i) * size];
      double value = row_i[j];
      for (int k = 0; k < j; ++k) value = std::fma(-row_i[k], row_j[k], value);
      row_i[j] = value / row_j[j];
    }
  }
  return true;
}

void CholeskySolve(std::span<const double> factor, int size, std::span<double> b) {
  for (int i = 0; i < size; ++i) {
    const double* row = &factor[static_cast<std::size_t>(i) * size];
    for (int k = 0; k < i; ++k) b[i] = std::fma(-row[k], b[k], b[i]);
    b[i] /= row[i];
  }
  for (int i = size - 1; i >= 0; --i) {
    b[i] /= factor[static_cast<std::size_t>(i) * size + i];
    const double* row = &factor[static_cast<std::size_t>(i) * size];
    for (int k = 0; k < i; ++k) b[k] = std::fma(-row[k], b[i], b[k]);
  }
}

Regression::Regression(const Design& design) : design_(design) {
  const int players = design.players;
  const std::int64_t pairs = design.pairs();
  padded_pairs_ = (pairs + kLanes - 1) / kLanes * kLanes;

  // c_i c_j is 1/4 where both players are on one side and -1/4 where not: 1/4 of the total weight
  // less half of the weight of pairs that part them.
  std::vector<double> own(players, 0.0);  // weight of the pairs whose coalition has the player
  std::vector<double> both(static_cast<std::size_t>(players) * players, 0.0);
  double total = 0;
  std::vector<int> members;
  for (std::int64_t pair = 0; pair < pairs; ++pair) {
    members.clear();
    ForMembers(design, pair, [&](int player) { members.push_back(player); });
    const double weight = design.weights[pair];
    total += weight;
    for (std::size_t i = 0; i < members.size(); ++i) {
      own[members[i]] += weight;
      for (std::size_t j = 0; j <= i; ++j) {
        both[static_cast<std::size_t>(members[i]) * players + members[j]] += weight;
      }
    }
  }
  normal_.resize(both.size());
  for (int i = 0; i < players; ++i) {
    for (int j = 0; j <= i; ++j) {
      const double parted = own[i] + own[j] - 2 * both[static_cast<std::size_t>(i) * players + j];
      const double value = 0.25 * total - 0.5 * parted;
      normal_[static_cast<std::size_t>(i) * players + j] = value;
      normal_[static_cast<std::size_t>(j) * players + i] = value;
    }
  }
  const std::vector<double> factor = Factor(normal_, players);
  share_ = Share(factor, players);

  // Column by column: phi for h = 1 in one pair and total = 0.
  map_.assign(static_cast<std::size_t>(players) * padded_pairs_, 0.0);
  std::vector<double> column(players);
  for (std::int64_t pair = 0; pair < pairs; ++pair) {
    for (int i = 0; i < players; ++i) {
      column[i] = design.weights[pair] * (design.contains(pair, i) ? 0.5 : -0.5);
    }
    CholeskySolve(factor, players, column);
    double sum = 0;
    for (const double value : column) sum += value;
    for (int i = 0; i < players; ++i) {
      map_[i * padded_pairs_ + pair] = std::fma(-sum, share_[i], column[i]);
    }
  }
}

void Regression::Solve(std::span<const double> h, double total, std::span<double> phi) const {
  std::vector<double> padded(h.begin(), h.end());
  padded.resize(padded_pairs_, 0.0);
  for (int i = 0; i < design_.players; ++i) {
    phi[i] = std::fma(share_[i], total,
                      LaneDot(&map_[i * padded_pairs_], padded.data(), padded_pairs_));
  }
}

void Regression::SolveSelected(std::span<const double> h, double total,
                               std::span<const std::int32_t> selected,
                               std::span<double> phi) const {
  const auto size = static_cast<int>(selected.size());
  const std::size_t players = design_.players;
  for (double& value : phi) value = 0;
  if (size == 0) return;
  double all = 0;
  std::vector<double> inside(players, 0.0);
  for (std::int64_t pair = 0; pair < design_.pairs(); ++pair) {
    const double term = design_.weights[pair] * h[pair];
    all += term;
    ForMembers(design_, pair, [&](int player) { inside[player] += term; });
  }
  std::vector<double> normal(static_cast<std::size_t>(size) * size);
  std::vector<double> solution(size);
  for (int i = 0; i < size; ++i) {
    solution[i] = inside[selected[i]] - 0.5 * all;
    for (int j = 0; j < size; ++j) {
      normal[i * size + j] = normal_[selected[i] * players + selected[j]];
    }
  }
  const std::vector<double> factor = Factor(std::move(normal), size);
  CholeskySolve(factor, size, solution);
  const std::vector<double> share = Share(factor, size);
  double sum = 0;
  for (const double value : solution) sum += value;
  for (int i = 0; i < size; ++i) phi[selected[i]] = std::fma(share[i], total - sum, solution[i]);
}

}  // namespace windlass::explain
