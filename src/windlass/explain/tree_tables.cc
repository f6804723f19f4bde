#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <map>
#include <memory>
#include <utility>

#include "windlass/explain/tree_tables_internal.h"

namespace windlass::explain {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Bits of a block of several leaves: tables of a tree should stay in the second-level cache.
constexpr std::int64_t kBlockBits = 8;
// Rows that are compared at once.
constexpr std::int64_t kGroup = 16;
template <typename T>
struct alignas(kGroup * sizeof(T)) Lanes {  // one number a row of a group, aligned as a register
  T of[kGroup] = {};
};
// Rows for which a tree's tables are brought into the cache once.
constexpr std::int64_t kRowsInCache = 2048;
// Up to so many numbers a row, a table's row has them all, so that sums stay in registers.
constexpr std::int64_t kMaxDense = 16;

constexpr std::int64_t RoundUp(std::int64_t value, std::int64_t to) {
  return (value + to - 1) / to * to;
}

bool IsDense(const TreeGame& game) {
  return game.order == Order::kValues && game.players <= kMaxDense;
}

std::int64_t StrideOf(const TreeGame& game) {
  return IsDense(game) ? RoundUp(game.players, 4) : game.targets();
}

}  // namespace

// Lays out one tree's blocks and fills their tables. `tables` is null to count only.
class TreeTables::Compiler {
 public:
  Compiler(const TreeGame& game, std::int32_t tree, const SplitCodes* codes,
           std::vector<double>* tables)
      : game_(game),
        ensemble_(*game.ensemble),
        root_(ensemble_.roots[tree]),
        codes_(codes),
        tables_(tables) {}

  Tree Compile() {
    CountInner();
    AnswerBackground();
    std::vector<Item> stack;
    stack.push_back({root_, {}});
    while (!stack.empty()) {
      Item item = std::move(stack.back());
      stack.pop_back();
      const model::TreeNode& node = ensemble_.nodes[item.node];
      const std::int64_t inner = inner_[item.node - root_];
      const auto on_path = std::ssize(item.path);
      if (node.leaf() && on_path > kMaxTabulated) {
        AddWideLeaf(item);
      } else if (node.leaf() || on_path + inner <= kBlockBits) {
        AddBlock(item);
      } else {
        for (const bool left : {false, true}) {  // the left one is taken first
          stack.push_back({Child(item.node, left), Extended(item.path, item.node, left, true)});
        }
      }
    }
    tree_.masks = static_cast<std::int32_t>(tree_.splits.size() + tree_.ands.size());
    return std::move(tree_);
  }

  std::int64_t table_numbers() const { return numbers_; }

 private:
  using Bits = std::vector<std::uint64_t>;

  // What a path asks of one player.
  struct Asked {
    std::int32_t player = 0;
    Answer answer;           // to all its questions; where blocks need it
    std::uint32_t mask = 0;  // within a block: the player passes when index & mask == value
    std::uint32_t value = 0;
    double ratio = 1;                    // path dependent: the share that passes
    std::shared_ptr<const Bits> passed;  // interventional: the background rows that pass
  };
  using Path = std::vector<Asked>;
  struct Item {
    std::int32_t node;
    Path path;
  };

  std::int32_t Child(std::int32_t node, bool left) const {
    return ensemble_.nodes[node].left + (left ? 0 : 1);
  }

  // inner_[i]: splits at and below node root_ + i; children come after their parent.
  void CountInner() {
    std::int32_t end = root_ + 1;
    for (std::int32_t i = root_; i < end; ++i) {
      if (!ensemble_.nodes[i].leaf()) end = std::max(end, ensemble_.nodes[i].left + 2);
    }
    inner_.assign(end - root_, 0);
    slot_.assign(end - root_, -1);
    for (std::int32_t i = end - 1; i >= root_; --i) {
      const model::TreeNode& node = ensemble_.nodes[i];
      if (node.leaf()) continue;
      inner_[i - root_] = 1 + inner_[node.left - root_] + inner_[node.left + 1 - root_];
    }
    std::int32_t slots = 0;
    for (std::int32_t i = root_; i < end; ++i) {
      if (ensemble_.nodes[i].leaf()) continue;
      slot_[i - root_] = slots++;
      tree_.splits.push_back(codes_ == nullptr ? SplitCodes::Split{}
                                               : codes_->Of(ensemble_.nodes[i]));
    }
  }

  // Which background rows answer as the child wants: bits.
  std::shared_ptr<const Bits> Passed(std::int32_t node, bool left, const Asked* before) const {
    if (tables_ == nullptr || game_.path) return nullptr;
    const std::int64_t words = (game_.background_rows() + 63) / 64;
    const std::uint64_t* answers = &answers_[slot_[node - root_] * words];
    auto passed = std::make_shared<Bits>(words);
    for (std::int64_t i = 0; i < words; ++i) {
      const std::uint64_t own = left ? answers[i] : ~answers[i];
      (*passed)[i] = before == nullptr ? own : own & (*before->passed)[i];
    }
    return passed;
  }

  // Which background rows go left at each split: bits, [splits, words].
  void AnswerBackground() {
    if (tables_ == nullptr || game_.path) return;
    const std::int64_t rows = game_.background_rows(), words = (rows + 63) / 64;
    answers_.assign(tree_.splits.size() * words, 0);
    for (std::size_t i = 0; i < slot_.size(); ++i) {
      if (slot_[i] < 0) continue;
      const model::TreeNode& node = ensemble_.nodes[root_ + i];
      const double* column = game_.background.data() + node.column;
      std::uint64_t* to = &answers_[slot_[i] * words];
      for (std::int64_t b = 0; b < rows; ++b) {
        const bool left = ensemble_.GoesLeft(node, column[b * ensemble_.columns]);
        to[b / 64] |= std::uint64_t{left} << (b % 64);
      }
    }
  }

  double Ratio(std::int32_t node, bool left) const {
    if (!game_.path) return 1;
    const double all = ensemble_.cover[node];
    // No training row came here: nothing tells the sides apart.
    return all > 0 ? ensemble_.cover[Child(node, left)] / all : 0.5;
  }

  Path Extended(const Path& path, std::int32_t node, bool left, bool answers) {
    Path extended = path;
    const std::int32_t player = game_.player_of_column[ensemble_.nodes[node].column];
    const Answer answer{slot_[node - root_], left};
    const auto at = std::ranges::find(extended, player, &Asked::player);
    if (at == extended.end()) {
      Asked asked;
      asked.player = player;
      asked.answer = answer;
      asked.ratio = Ratio(node, left);
      asked.passed = Passed(node, left, nullptr);
      extended.push_back(std::move(asked));
      return extended;
    }
    at->ratio *= Ratio(node, left);
    at->passed = Passed(node, left, &*at);
    if (answers) {
      const auto to = static_cast<std::int32_t>(tree_.splits.size() + tree_.ands.size());
      tree_.ands.push_back({to, at->answer, answer});
      at->answer = {to, true};
    }
    return extended;
  }

  static std::uint8_t Bit(const Bits& bits, std::int64_t b) { return bits[b / 64] >> (b % 64) & 1; }

  // q of a leaf at the end of the path: by pattern of its players.
  std::vector<double> Shares(const Path& path) const {
    const auto players = static_cast<int>(path.size());
    std::vector<double> q(std::size_t{1} << players, 0.0);
    if (game_.path) {
      q[0] = 1;
      for (std::size_t t = 1; t < q.size(); ++t) {
        q[t] = q[t & (t - 1)] * path[std::countr_zero(t)].ratio;
      }
      return q;
    }
    for (std::int64_t b = 0; b < game_.background_rows(); ++b) {
      std::size_t pattern = 0;
      for (int j = 0; j < players; ++j) pattern |= std::size_t{Bit(*path[j].passed, b)} << j;
      q[pattern] += game_.weights[b];
    }
    SumSupersets(players, q);
    return q;
  }

  // Of the path's players; the others are dummies. Without nodes: Shapley values.
  Hierarchy HierarchyOf(const Path& path) const {
    if (game_.hierarchy.empty()) return {};
    std::vector<std::int32_t> players;
    for (const Asked& asked : path) players.push_back(asked.player);
    return Prune(game_.hierarchy, players);
  }

  void AddWideLeaf(const Item& item) {
    if (tables_ == nullptr) return;
    const double value = ensemble_.nodes[item.node].number;
    const auto players = static_cast<int>(item.path.size());
    std::vector<double> ratio;
    std::vector<std::uint8_t> patterns;
    if (game_.path) {
      for (const Asked& asked : item.path) ratio.push_back(asked.ratio);
    } else {
      for (std::int64_t b = 0; b < game_.background_rows(); ++b) {
        for (const Asked& asked : item.path) patterns.push_back(Bit(*asked.passed, b));
      }
    }
    Wide wide{game_.path ? WideLeaf(value, std::move(ratio))
                         : WideLeaf(value, players, patterns, game_.weights),
              {},
              {}};
    for (const Asked& asked : item.path) {
      wide.players.push_back(asked.player);
      wide.answers.push_back(asked.answer);
    }
    if (const Hierarchy own = HierarchyOf(item.path); own.nodes() > 0) wide.leaf.Use(own);
    tree_.wide.push_back(std::move(wide));
  }

  void AddBlock(const Item& item) {
    Block block;
    block.first_slot = static_cast<std::int32_t>(tree_.slots.size());
    Path path = item.path;
    for (Asked& asked : path) {
      asked.mask = std::uint32_t{1} << block.bits++;
      asked.value = asked.answer.wanted ? asked.mask : 0;
      tree_.slots.push_back(asked.answer.slot);
    }
    // Leaves of the block, from left to right.
    std::vector<Item> leaves, stack;
    stack.push_back({item.node, std::move(path)});
    while (!stack.empty()) {
      Item at = std::move(stack.back());
      stack.pop_back();
      const model::TreeNode& node = ensemble_.nodes[at.node];
      if (node.leaf()) {
        leaves.push_back(std::move(at));
        continue;
      }
      const std::uint32_t bit = std::uint32_t{1} << block.bits++;
      tree_.slots.push_back(slot_[at.node - root_]);
      for (const bool left : {false, true}) {
        Item below{Child(at.node, left), Extended(at.path, at.node, left, false)};
        auto& asked =
            *std::ranges::find(below.path, game_.player_of_column[node.column], &Asked::player);
        asked.mask |= bit;
        asked.value |= left ? bit : 0;
        stack.push_back(std::move(below));
      }
    }
    std::map<std::int64_t, std::int32_t> columns;  // from target to the table's column
    if (IsDense(game_)) {
      for (std::int32_t j = 0; j < game_.players; ++j) columns[j] = j;
      block.width = static_cast<std::int32_t>(StrideOf(game_));
    } else {
      for (const Item& leaf : leaves) {
        for (const std::int64_t target : TargetsOf(leaf.path)) columns[target] = 0;
      }
      std::int32_t column = 0;
      block.first_target = static_cast<std::int32_t>(tree_.targets.size());
      for (auto& [target, to] : columns) {
        to = column++;
        tree_.targets.push_back(static_cast<std::int32_t>(target));
      }
      block.targets = column;
      block.width = static_cast<std::int32_t>(RoundUp(column, 4));
    }
    if (block.width == 0) return;  // a leaf alone, or interactions of one player
    const std::int64_t entries = std::int64_t{1} << block.bits;
    block.table = numbers_;
    numbers_ += entries * block.width;
    if (tables_ != nullptr) Fill(block, leaves, columns);
    tree_.blocks.push_back(block);
  }

  // The places of a leaf's numbers among the game's.
  std::vector<std::int64_t> TargetsOf(const Path& path) const {
    std::vector<std::int64_t> targets;
    if (game_.order == Order::kValues) {
      for (const Asked& asked : path) targets.push_back(asked.player);
      return targets;
    }
    for (std::size_t i = 0; i < path.size(); ++i) {
      for (std::size_t j = i + 1; j < path.size(); ++j) {
        const auto [low, high] = std::minmax(path[i].player, path[j].player);
        targets.push_back(PairIndex(low, high, game_.players));
      }
    }
    return targets;
  }

  void Fill(const Block& block, const std::vector<Item>& leaves,
            const std::map<std::int64_t, std::int32_t>& columns) {
    const std::uint32_t entries = std::uint32_t{1} << block.bits;
    tables_->resize(numbers_, 0.0);
    double* table = tables_->data() + block.table;
    const hn::FixedTag<double, 4> d;
    for (const Item& leaf : leaves) {
      const auto players = static_cast<int>(leaf.path.size());
      if (Targets(game_.order, players) == 0) continue;
      std::vector<std::int32_t> to;
      for (const std::int64_t target : TargetsOf(leaf.path)) to.push_back(columns.at(target));
      of_leaf_.assign((std::size_t{1} << players) * block.width, 0.0);
      const double value = ensemble_.nodes[leaf.node].number;
      const std::vector<double> shares = Shares(leaf.path);
      if (const Hierarchy own = HierarchyOf(leaf.path); own.nodes() > 0) {
        TabulateOwenLeaf(own, value, shares, to, block.width, of_leaf_);
      } else {
        TabulateLeaf(game_.order, value, players, shares, to, block.width, of_leaf_);
      }
      for (std::uint32_t index = 0; index < entries; ++index) {
        std::size_t pattern = 0;
        for (int j = 0; j < players; ++j) {
          const Asked& asked = leaf.path[j];
          pattern |= std::size_t{(index & asked.mask) == asked.value} << j;
        }
        const double* from = &of_leaf_[pattern * block.width];
        double* row = table + std::int64_t{index} * block.width;
        for (std::int64_t t = 0; t < block.width; t += 4) {
          hn::StoreU(hn::Add(hn::LoadU(d, row + t), hn::LoadU(d, from + t)), d, row + t);
        }
      }
    }
  }

  const TreeGame& game_;
  const model::TreeEnsemble& ensemble_;
  std::int32_t root_;
  const SplitCodes* codes_;
  std::vector<double>* tables_;
  std::int64_t numbers_ = tables_ == nullptr ? 0 : std::ssize(*tables_);
  Tree tree_;
  std::vector<std::int64_t> inner_;
  std::vector<std::int32_t> slot_;
  Bits answers_;
  std::vector<double> of_leaf_;
};

std::int64_t TreeTables::BytesOf(const TreeGame& game, std::int32_t tree) {
  Compiler compiler(game, tree, nullptr, nullptr);
  compiler.Compile();
  return compiler.table_numbers() * static_cast<std::int64_t>(sizeof(double));
}

TreeTables::TreeTables(const TreeGame& game, std::span<const std::int32_t> trees,
                       std::int64_t bytes, const std::function<void()>& check)
    : game_(game), codes_(*game.ensemble, trees), stride_(StrideOf(game)), dense_(IsDense(game)) {
  tables_.reserve(bytes / sizeof(double));
  for (const std::int32_t tree : trees) {
    check();
    trees_.push_back(Compiler(game, tree, &codes_, &tables_).Compile());
  }
  game_.background = {};
}

void TreeTables::Add(const double* x, std::int64_t rows, const std::function<void()>& check,
                     double* sums) const {
  const hn::CappedTag<std::int16_t, kGroup> d;
  static_assert(hn::MaxLanes(d) == kGroup, "one group is one register");
  std::size_t most_masks = 1, most_blocks = 1;
  for (const Tree& tree : trees_) {
    most_masks = std::max<std::size_t>(most_masks, tree.masks);
    most_blocks = std::max(most_blocks, tree.blocks.size());
  }
  const std::int64_t stride = RoundUp(std::min(rows, kRowsInCache), kGroup);
  std::vector<std::int16_t> codes(codes_.views() * stride, 0);
  // Not by Highway's allocator: it alone would need libhwy, which measures clocks when it is loaded.
  std::vector<Lanes<std::int16_t>> masks_room(most_masks);
  std::vector<Lanes<std::uint16_t>> indices_room(most_blocks);
  std::int16_t* const masks = masks_room.front().of;
  std::uint16_t* const indices = indices_room.front().of;
  for (std::int64_t begin = 0; begin < rows; begin += kRowsInCache) {
    const std::int64_t count = std::min(kRowsInCache, rows - begin);
    codes_.Encode(x + begin * game_.ensemble->columns, count, game_.ensemble->columns, stride,
                  codes.data());
    for (const Tree& tree : trees_) {
      check();
      for (std::int64_t r = 0; r < count; r += kGroup) {
        const auto splits = static_cast<std::int64_t>(tree.splits.size());
        for (std::int64_t i = 0; i < splits; ++i) {
          const SplitCodes::Split split = tree.splits[i];
          const auto code = hn::LoadU(d, codes.data() + split.view * stride + r);
          hn::Store(hn::VecFromMask(d, hn::Lt(code, hn::Set(d, split.rank))), d,
                    masks + i * kGroup);
        }
        const auto wanted = [&](Answer answer) {
          const auto given = hn::Load(d, masks + answer.slot * kGroup);
          return answer.wanted ? given : hn::Not(given);
        };
        for (const And& both : tree.ands) {
          hn::Store(hn::And(wanted(both.first), wanted(both.second)), d,
                    masks + both.to * kGroup);
        }
        const std::int32_t* slots = tree.slots.data();
        for (std::size_t i = 0; i < tree.blocks.size(); ++i) {
          const Block& block = tree.blocks[i];
          auto index = hn::Zero(d);
          for (std::int32_t bit = 0; bit < block.bits; ++bit) {
            const auto mask = hn::Load(d, masks + slots[block.first_slot + bit] * kGroup);
            index = hn::Or(index, hn::And(mask, hn::Set(d, static_cast<std::int16_t>(1 << bit))));
          }
          hn::Store(hn::BitCast(hn::RebindToUnsigned<decltype(d)>(), index),
                    hn::RebindToUnsigned<decltype(d)>(), indices + i * kGroup);
        }
        const std::int64_t in_group = std::min(kGroup, count - r);
        double* to = sums + (begin + r) * stride_;
        if (dense_) {
          AddDense(tree, indices, in_group, to);
        } else {
          AddSparse(tree, indices, in_group, to);
        }
        if (!tree.wide.empty()) AddWide(tree, masks, in_group, to);
      }
    }
  }
}

void TreeTables::AddDense(const Tree& tree, const std::uint16_t* indices, std::int64_t rows,
                          double* sums) const {
  switch (stride_ / 4) {
    case 1: return AddDenseOf<1>(tree, indices, rows, sums);
    case 2: return AddDenseOf<2>(tree, indices, rows, sums);
    case 3: return AddDenseOf<3>(tree, indices, rows, sums);
    default: return AddDenseOf<4>(tree, indices, rows, sums);
  }
}

template <int kVectors>
void TreeTables::AddDenseOf(const Tree& tree, const std::uint16_t* indices, std::int64_t rows,
                            double* sums) const {
  const hn::FixedTag<double, 4> d;
  const auto blocks = static_cast<std::int64_t>(tree.blocks.size());
  const Block* block = tree.blocks.data();
  for (std::int64_t r = 0; r < rows; ++r) {
    double* to = sums + r * stride_;
    hn::Vec<decltype(d)> sum[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[v] = hn::Zero(d);
    for (std::int64_t i = 0; i < blocks; ++i) {
      const double* from =
          tables_.data() + block[i].table + std::int64_t{indices[i * kGroup + r]} * 4 * kVectors;
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[v] = hn::Add(sum[v], hn::LoadU(d, from + 4 * v));
    }
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(hn::Add(hn::LoadU(d, to + 4 * v), sum[v]), d, to + 4 * v);
    }
  }
}

void TreeTables::AddSparse(const Tree& tree, const std::uint16_t* indices, std::int64_t rows,
                           double* sums) const {
  for (std::size_t i = 0; i < tree.blocks.size(); ++i) {
    const Block& block = tree.blocks[i];
    const std::int32_t* targets = tree.targets.data() + block.first_target;
    for (std::int64_t r = 0; r < rows; ++r) {
      const double* from =
          tables_.data() + block.table + std::int64_t{indices[i * kGroup + r]} * block.width;
      double* to = sums + r * stride_;
      for (std::int32_t t = 0; t < block.targets; ++t) to[targets[t]] += from[t];
    }
  }
}

void TreeTables::AddWide(const Tree& tree, const std::int16_t* masks, std::int64_t rows,
                         double* sums) const {
  std::vector<std::uint8_t> passed;
  std::vector<double> numbers;
  for (const Wide& wide : tree.wide) {
    const auto players = static_cast<std::int64_t>(wide.players.size());
    passed.resize(players);
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t j = 0; j < players; ++j) {
        const bool yes = masks[wide.answers[j].slot * kGroup + r] != 0;
        passed[j] = yes == wide.answers[j].wanted ? 1 : 0;
      }
      numbers.assign(Targets(game_.order, players), 0.0);
      wide.leaf.Add(game_.order, passed.data(), numbers.data());
      double* to = sums + r * stride_;
      if (game_.order == Order::kValues) {
        for (std::int64_t j = 0; j < players; ++j) to[wide.players[j]] += numbers[j];
        continue;
      }
      for (std::int64_t i = 0; i < players; ++i) {
        for (std::int64_t j = i + 1; j < players; ++j) {
          const auto [low, high] = std::minmax(wide.players[i], wide.players[j]);
          to[PairIndex(low, high, game_.players)] += numbers[PairIndex(i, j, players)];
        }
      }
    }
  }
}

}  // namespace windlass::explain
