#include "windlass/explain/tree_game.h"

#include <fmt/format.h>
#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "windlass/base/error.h"
#include "windlass/base/vector_math.h"
#include "windlass/explain/exact.h"
#include "windlass/explain/linear_internal.h"
#include "windlass/explain/shapley.h"
#include "windlass/explain/tree_leaf_internal.h"
#include "windlass/model/trees.h"

namespace windlass::explain {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using model::Activation;

constexpr hn::FixedTag<double, 4> kD;
using Vec = hn::Vec<decltype(kD)>;

// Answers of background rows are kept up to so many; beyond that they are asked again for each row.
constexpr std::int64_t kKeptAnswers = std::int64_t{64} << 20;

class TreeGameExplainer final : public Explainer {
 public:
  TreeGameExplainer(const Plan& plan, std::unique_ptr<model::Model> model)
      : plan_(plan),
        model_(std::move(model)),
        ensemble_(*model_->trees()),
        activation_(plan.margin ? Activation::kIdentity : model_->activation()),
        softmax_(activation_ == Activation::kSoftmax),
        coalitions_(std::max<std::int64_t>(4, std::int64_t{1} << plan.players())),
        varying_(plan_) {
    player_.resize(ensemble_.columns);
    for (int g = 0; g < plan_.players(); ++g) {
      for (const std::int32_t column : plan_.groups[g]) player_[column] = g;
    }
    // Under softmax every output depends on the margins of all.
    if (softmax_) {
      for (std::int32_t k = 0; k < model_->outputs(); ++k) needed_.push_back(k);
    } else {
      needed_ = plan_.outputs;
    }
    slot_.assign(model_->outputs(), -1);
    for (std::size_t i = 0; i < needed_.size(); ++i) {
      slot_[needed_[i]] = static_cast<std::int32_t>(i);
    }
    const auto nodes = std::ssize(ensemble_.nodes);
    if (nodes * plan_.background_rows() <= kKeptAnswers) {
      answers_.resize(nodes * plan_.background_rows());
      for (std::int64_t b = 0; b < plan_.background_rows(); ++b) {
        Answer(&plan_.background[b * plan_.columns], &answers_[b * nodes]);
      }
    }
    FindBase();
  }

  std::span<const double> base_value() const override { return base_value_; }

  void Explain(std::span<const double> x, std::int64_t rows, const std::function<void()>& check,
               Attributions& out) const override {
    const int players = plan_.players();
    const auto outputs = std::ssize(plan_.outputs);
    out.Resize(rows, outputs, players, plan_.interactions);
    Work work;
    work.answers.resize(ensemble_.nodes.size());
    work.of_background.resize(answers_.empty() ? ensemble_.nodes.size() : 0);
    work.margins.resize(needed_.size() * coalitions_);
    work.inside.resize(outputs * coalitions_);
    work.outside.resize(outputs * coalitions_);
    const auto varying = std::make_unique<bool[]>(players);
    const std::span varies(varying.get(), static_cast<std::size_t>(players));
    const std::size_t all = (std::size_t{1} << players) - 1;
    for (std::int64_t r = 0; r < rows; ++r) {
      const double* row = &x[r * plan_.columns];
      Play(row, check, work);
      varying_.Of(row, varies);
      for (std::int64_t k = 0; k < outputs; ++k) {
        const std::span v = std::span(work.inside).subspan(k * coalitions_, all + 1);
        const std::int64_t at = r * outputs + k;
        out.prediction[at] = v[all];
        if (!std::ranges::all_of(v, [](double value) { return std::isfinite(value); })) {
          out.Fail(r, k, "its value under the link is not a finite number");
          continue;
        }
        const std::span phi = std::span(out.phi).subspan(at * players, players);
        v[0] = base_value_[k];
        ShapleyValues(v, players, phi);
        CloseToTotal(v[all] - base_value_[k], varies, phi);
        if (!plan_.interactions) continue;
        const std::int64_t pairs = Pairs(players);
        ShapleyInteractions(v, players, std::span(out.interactions).subspan(at * pairs, pairs));
      }
    }
    out.model_evaluations = rows;
  }

 private:
  struct Work {
    std::vector<std::uint8_t> answers, of_background;  // [nodes]: 1 left, 0 right
    std::vector<double> margins;                       // [needed outputs, coalitions]
    std::vector<double> inside, outside;  // [outputs, coalitions]: sums of p, and of 1 - p; values
  };

  void Answer(const double* x, std::uint8_t* answers) const {
    for (std::size_t i = 0; i < ensemble_.nodes.size(); ++i) {
      const model::TreeNode& node = ensemble_.nodes[i];
      answers[i] = !node.leaf() && ensemble_.GoesLeft(node, x[node.column]) ? 1 : 0;
    }
  }

  void FindBase() {
    const std::int64_t outputs = model_->outputs(), rows = plan_.background_rows();
    const auto margin_model = model_->Margin();
    std::vector<double> margins(rows * outputs);
    margin_model->Predict(plan_.background, rows, margins);
    std::vector<double> of_row(needed_.size() * 4, 0.0), in(plan_.outputs.size() * 4, 0.0),
        not_in(in);
    for (std::int64_t b = 0; b < rows; ++b) {
      for (std::size_t i = 0; i < needed_.size(); ++i) {
        of_row[i * 4] = margins[b * outputs + needed_[i]];
      }
      AddOutputs(plan_.weights[b], of_row, 4, in, not_in);
    }
    ApplyLink(in, not_in);
    for (std::size_t k = 0; k < plan_.outputs.size(); ++k) base_value_.push_back(in[k * 4]);
  }

  // Values of all coalitions of the row into work.inside.
  void Play(const double* row, const std::function<void()>& check, Work& work) const {
    Answer(row, work.answers.data());
    std::ranges::fill(work.inside, 0.0);
    std::ranges::fill(work.outside, 0.0);
    const auto nodes = std::ssize(ensemble_.nodes);
    for (std::int64_t b = 0; b < plan_.background_rows(); ++b) {
      if (plan_.weights[b] == 0) continue;
      check();
      const std::uint8_t* other = nullptr;
      if (answers_.empty()) {
        Answer(&plan_.background[b * plan_.columns], work.of_background.data());
        other = work.of_background.data();
      } else {
        other = &answers_[b * nodes];
      }
      std::ranges::fill(work.margins, 0.0);
      for (std::int64_t t = 0; t < ensemble_.trees(); ++t) {
        const std::int32_t slot = slot_[ensemble_.outputs[t]];
        if (slot < 0) continue;
        AddTree(ensemble_.roots[t], work.answers.data(), other, &work.margins[slot * coalitions_]);
      }
      for (std::size_t i = 0; i < needed_.size(); ++i) {
        const std::span margins = std::span(work.margins).subspan(i * coalitions_, coalitions_);
        margins[0] += ensemble_.base[needed_[i]];
        SumSubsets(margins);
      }
      AddOutputs(plan_.weights[b], work.margins, coalitions_, work.inside, work.outside);
    }
    ApplyLink(work.inside, work.outside);
  }

  // The leaves that mixtures of x and b reach, each as signed terms: entry T gains what counts for
  // the coalitions that hold T.
  void AddTree(std::int32_t root, const std::uint8_t* x, const std::uint8_t* b,
               double* terms) const {
    struct Reached {
      std::int32_t node;
      std::uint32_t from_x, from_b;
    };
    Reached stack[64];
    std::vector<Reached> deep;  // of trees that are deeper
    int size = 0;
    Reached at{root, 0, 0};
    for (;;) {
      const model::TreeNode& node = ensemble_.nodes[at.node];
      if (!node.leaf()) {
        const std::uint32_t player = std::uint32_t{1} << player_[node.column];
        const std::int32_t of_x = node.left + 1 - x[at.node], of_b = node.left + 1 - b[at.node];
        if (of_x == of_b || (at.from_x & player) != 0) {
          at.node = of_x;
        } else if ((at.from_b & player) != 0) {
          at.node = of_b;
        } else {
          const Reached later{of_b, at.from_x, at.from_b | player};
          if (size < 64) {
            stack[size++] = later;
          } else {
            deep.push_back(later);
          }
          at = {of_x, at.from_x | player, at.from_b};
        }
        continue;
      }
      // value * product over from_x of y * product over from_b of (1 - y)
      for (std::uint32_t subset = at.from_b;; subset = (subset - 1) & at.from_b) {
        double& to = terms[at.from_x | subset];
        to += (std::popcount(subset) & 1) != 0 ? -node.number : node.number;
        if (subset == 0) break;
      }
      if (!deep.empty()) {
        at = deep.back();
        deep.pop_back();
      } else if (size > 0) {
        at = stack[--size];
      } else {
        return;
      }
    }
  }

  // margins: [needed outputs, coalitions]; inside, outside: [outputs, coalitions].
  void AddOutputs(double weight, std::span<const double> margins, std::int64_t coalitions,
                  std::span<double> inside, std::span<double> outside) const {
    const Vec w = hn::Set(kD, weight), one = hn::Set(kD, 1.0);
    const auto add = [&](std::int64_t k, std::int64_t s, Vec p, Vec q) {
      double* in = &inside[k * coalitions + s];
      double* out = &outside[k * coalitions + s];
      hn::StoreU(hn::MulAdd(w, p, hn::LoadU(kD, in)), kD, in);
      hn::StoreU(hn::MulAdd(w, q, hn::LoadU(kD, out)), kD, out);
    };
    const auto outputs = std::ssize(plan_.outputs);
    if (softmax_) {
      const std::int64_t classes = std::ssize(needed_);
      for (std::int64_t s = 0; s < coalitions; s += 4) {
        Vec largest = hn::LoadU(kD, &margins[s]);
        for (std::int64_t j = 1; j < classes; ++j) {
          largest = hn::Max(largest, hn::LoadU(kD, &margins[j * coalitions + s]));
        }
        const auto exp_of = [&](std::int64_t j) {
          return vector_math::Exp(kD,
                                  hn::Sub(hn::LoadU(kD, &margins[j * coalitions + s]), largest));
        };
        Vec sum = hn::Zero(kD);
        for (std::int64_t j = 0; j < classes; ++j) sum = hn::Add(sum, exp_of(j));
        for (std::int64_t k = 0; k < outputs; ++k) {
          Vec others = hn::Zero(kD);
          if (plan_.link == Link::kLogit) {
            for (std::int64_t j = 0; j < classes; ++j) {
              if (j != plan_.outputs[k]) others = hn::Add(others, exp_of(j));
            }
          }
          add(k, s, hn::Div(exp_of(plan_.outputs[k]), sum), hn::Div(others, sum));
        }
      }
      return;
    }
    for (std::int64_t k = 0; k < outputs; ++k) {
      for (std::int64_t s = 0; s < coalitions; s += 4) {
        const Vec z = hn::LoadU(kD, &margins[k * coalitions + s]);
        if (activation_ == Activation::kSigmoid) {
          const Vec e = vector_math::Exp(kD, hn::Neg(hn::Abs(z)));
          const auto above = hn::Ge(z, hn::Zero(kD));
          const Vec total = hn::Add(one, e);
          add(k, s, hn::Div(hn::IfThenElse(above, one, e), total),
              hn::Div(hn::IfThenElse(above, e, one), total));
        } else {
          const Vec value = activation_ == Activation::kExp ? vector_math::Exp(kD, z) : z;
          add(k, s, value, hn::Zero(kD));
        }
      }
    }
  }

  // From sums to values, in `inside`.
  void ApplyLink(std::span<double> inside, std::span<const double> outside) const {
    if (plan_.link != Link::kLogit) return;
    for (std::size_t i = 0; i < inside.size(); ++i) inside[i] = Log(inside[i]) - Log(outside[i]);
  }

  const Plan plan_;
  const std::unique_ptr<model::Model> model_;
  const model::TreeEnsemble& ensemble_;
  const Activation activation_;
  const bool softmax_;
  const std::int64_t coalitions_;
  Varying varying_;
  std::vector<std::int32_t> player_;   // [columns]
  std::vector<std::int32_t> needed_;   // outputs whose margins count
  std::vector<std::int32_t> slot_;     // [outputs]: the place among those, or -1
  std::vector<std::uint8_t> answers_;  // [background rows, nodes]
  std::vector<double> base_value_;
};

}  // namespace

std::shared_ptr<const Explainer> MakeTreeGameExplainer(const Plan& plan,
                                                       std::unique_ptr<model::Model> model) {
  if (model->trees() == nullptr) {
    throw Error(ErrorCode::kInvalidInput, "the game of trees needs a model that shows its trees");
  }
  if (plan.players() > kMaxExactPlayers) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("method tree takes at most {} groups where the output is no plain sum "
                            "of trees, but there are {}; use --output margin or --method msr",
                            kMaxExactPlayers, plan.players()));
  }
  return std::make_shared<TreeGameExplainer>(plan, std::move(model));
}

}  // namespace windlass::explain
