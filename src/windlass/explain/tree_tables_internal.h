// The Shapley values (or interactions) of an ensemble's trees, tabulated by what a row answers to
// the questions of a few nodes at a time.
//
// A block is a small subtree. What its leaves contribute is a function of the players' answers on
// the path to it and of the answers at its own nodes: a few bits, made for 16 rows at a time by
// comparisons of SplitCodes. Its table has a row of numbers for each value of these bits; a row of
// data costs one look-up a block. (WOODELF, Nadel & Wettenstein 2025, and FastTreeSHAP v2, Yang
// 2021, tabulate single leaves.)
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "windlass/explain/tree_codes_internal.h"
#include "windlass/explain/tree_leaf_internal.h"
#include "windlass/model/trees.h"

namespace windlass::explain {

// What all tables of a plan share.
struct TreeGame {
  const model::TreeEnsemble* ensemble = nullptr;
  std::vector<std::int32_t> player_of_column;
  std::int64_t players = 0;
  Order order = Order::kValues;
  Hierarchy hierarchy;             // of the players, for Owen values; or empty
  bool path = false;               // path dependent; else against the background
  std::vector<double> background;  // [rows, columns]
  std::vector<double> weights;     // [rows], sum 1

  std::int64_t targets() const { return Targets(order, players); }
  std::int64_t background_rows() const { return std::ssize(weights); }
};

class TreeTables {
 public:
  // Tables of these trees, which all add to one output; `bytes` is the sum of BytesOf. `check`
  // throws to stop.
  TreeTables(const TreeGame& game, std::span<const std::int32_t> trees, std::int64_t bytes,
             const std::function<void()>& check);

  // What the tables of the tree take.
  static std::int64_t BytesOf(const TreeGame& game, std::int32_t tree);

  // Numbers of a row of sums: targets, padded.
  std::int64_t stride() const { return stride_; }

  // Adds the numbers of x, [rows, columns], to sums, [rows, stride].
  void Add(const double* x, std::int64_t rows, const std::function<void()>& check,
           double* sums) const;

 private:
  // Where a row's answer to one question stands: a slot of masks, and the answer that counts.
  struct Answer {
    std::int32_t slot = 0;
    bool wanted = true;
  };
  struct And {  // slots[to] = (first's answer is the wanted one) and (second's is)
    std::int32_t to = 0;
    Answer first, second;
  };
  struct Block {
    std::int64_t table = 0;  // offset in tables_
    std::int32_t width = 0;  // of a table's row
    std::int32_t bits = 0;   // of the index; bit i is the answer in slots[first_slot + i]
    std::int32_t first_slot = 0;
    std::int32_t first_target = 0;  // of the table's columns, in Tree::targets; not where dense
    std::int32_t targets = 0;
  };
  struct Wide {
    WideLeaf leaf;
    std::vector<std::int32_t> players;
    std::vector<Answer> answers;  // [players]
  };
  struct Tree {
    std::vector<SplitCodes::Split> splits;  // slot i is the answer to split i
    std::vector<And> ands;
    std::vector<Block> blocks;
    std::vector<std::int32_t> slots;    // of all blocks
    std::vector<std::int32_t> targets;  // of all blocks
    std::vector<Wide> wide;
    std::int32_t masks = 0;  // how many slots there are
  };
  class Compiler;

  void AddDense(const Tree& tree, const std::uint16_t* indices, std::int64_t rows,
                double* sums) const;
  template <int kVectors>
  void AddDenseOf(const Tree& tree, const std::uint16_t* indices, std::int64_t rows,
                  double* sums) const;
  void AddSparse(const Tree& tree, const std::uint16_t* indices, std::int64_t rows,
                 double* sums) const;
  void AddWide(const Tree& tree, const std::int16_t* masks, std::int64_t rows, double* sums) const;

  TreeGame game_;  // its background is dropped once the tables are made
  SplitCodes codes_;
  std::int64_t stride_ = 0;
  bool dense_ = false;  // a table's row has all targets, in their order
  std::vector<Tree> trees_;
  std::vector<double> tables_;
};

}  // namespace windlass::explain
