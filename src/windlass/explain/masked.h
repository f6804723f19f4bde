// The game of any model: v(S) = link(sum_b w_b f(x_S, b_notS)), by calls of Predict on rows mixed
// from the explained row x and the background rows b.
//
// Only the groups in which x and b differ matter, and what is left of b in them. So mixed rows are
// evaluated once however many coalitions (and background rows) share them; the sums are those of
// every coalition with every background row, to rounding.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "windlass/explain/plan.h"
#include "windlass/model/model.h"

namespace windlass::explain {

// Pairs of a coalition and its complement. Player p of coalition i is bit p % 64 of
// masks[i * words + p / 64].
struct CoalitionPairs {
  // [count, words]; null: coalition i is the binary number i, so that count = 2^(players - 1)
  // pairs are all coalitions.
  const std::uint64_t* masks = nullptr;
  std::int64_t count = 0;
  bool distinct = false;  // no coalition or complement occurs twice
};

class MaskedGame {
 public:
  // What the work on one row needs; made once, used for any number of rows by one thread.
  struct Workspace;
  struct DeleteWorkspace {
    void operator()(Workspace* workspace) const;
  };
  using WorkspacePointer = std::unique_ptr<Workspace, DeleteWorkspace>;

  // Predicts the background. Throws Error{kInvalidInput} when the plan does not fit the model, an
  // output is no probability under the logit link, or v(nobody) is not finite.
  MaskedGame(const Plan& plan, std::unique_ptr<model::Model> model);

  std::span<const double> base_value() const { return base_value_; }
  // Rows of the background after equal ones were merged and those of weight 0 left out.
  std::int64_t distinct_background_rows() const { return std::ssize(weights_); }
  // Rows of every call of Predict.
  std::int64_t predict_rows() const { return block_; }

  WorkspacePointer NewWorkspace() const;

  // Turns to a row: x is [columns] and must live until the next Begin. Returns the players in which
  // it differs from some background row, ascending; the others are dummies of the row's game. Valid
  // until the next Begin.
  std::span<const std::int32_t> Begin(const double* x, Workspace& workspace) const;

  // The game on pairs of coalitions of the row's varying players (player i is varying[i]).
  // prediction: [outputs], link(f(x)). inside, outside: [outputs, count], the values of the
  // coalitions and of their complements. All may be infinite or NaN where the link is. Returns how
  // many mixed rows were predicted, x among them.
  //
  // An output that is no probability counts as NaN under the logit link. `check` is called before
  // each call of Predict.
  std::int64_t Evaluate(const CoalitionPairs& pairs, const std::function<void()>& check,
                        Workspace& workspace, std::span<double> prediction,
                        std::span<double> inside, std::span<double> outside) const;

  // What to tell about the last row evaluated when one of its values is not finite.
  std::string WhyNotFinite(const Workspace& workspace) const;

 private:
  // A group's columns as runs of neighbours.
  struct Run {
    std::int32_t begin;
    std::int32_t count;
  };

  void MergeBackground(const Plan& plan);
  void PredictBackground();
  void BuildClasses();
  // Returns whether all outputs are fit for the link.
  bool ReadOutputs(const double* outputs, double* channels) const;
  std::string NoProbability(const double* outputs) const;
  void Link(std::span<double> sums, std::int64_t count, std::span<double> values) const;

  void EnqueueSet(std::span<const std::int32_t> rows, const CoalitionPairs& pairs,
                  const std::function<void()>& check, Workspace& w) const;
  std::int32_t SlotOf(std::int32_t b, std::int32_t row_class, const std::function<void()>& check,
                      Workspace& w) const;
  void Flush(const std::function<void()>& check, Workspace& w) const;
  void AddFinishedSets(Workspace& w) const;

  Plan plan_;  // its background and weights are empty: they are kept merged below
  std::unique_ptr<model::Model> model_;
  int model_outputs_ = 0;
  int outputs_ = 0;            // explained ones
  int channels_ = 0;           // numbers summed for each coalition: p, and 1 - p under logit
  bool distribution_ = false;  // the model's outputs sum to one
  std::int64_t block_ = 0;
  std::vector<std::vector<Run>> runs_;       // [players]
  std::vector<double> background_;           // [distinct rows, columns]
  std::vector<double> weights_;              // [distinct rows]
  std::vector<double> background_channels_;  // [distinct rows, channels]
  std::vector<double> base_value_;

  // For games small enough to tabulate, classes of background rows that agree on a set R of
  // players: row b is in class class_of_[R * rows + b], counted from class_offset_[R] on.
  std::vector<std::uint16_t> class_of_;
  std::vector<std::int32_t> class_offset_;
};

}  // namespace windlass::explain
