#include "windlass/explain/tree.h"

#include <algorithm>
#include <map>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/explain/linear_internal.h"
#include "windlass/explain/shapley.h"
#include "windlass/explain/tree_tables_internal.h"
#include "windlass/model/trees.h"

namespace windlass::explain {
namespace {

constexpr std::int64_t kKeptBytes = std::int64_t{256} << 20;
constexpr std::int64_t kPartBytes = std::int64_t{32} << 20;

// The share of training rows in each leaf, times its value.
double MeanOfLeaves(const model::TreeEnsemble& ensemble, std::int32_t root) {
  double mean = 0;
  std::vector<std::pair<std::int32_t, double>> stack = {{root, 1.0}};
  while (!stack.empty()) {
    const auto [at, share] = stack.back();
    stack.pop_back();
    const model::TreeNode& node = ensemble.nodes[at];
    if (node.leaf()) {
      mean += share * node.number;
      continue;
    }
    const double all = ensemble.cover[at];
    for (const std::int32_t child : {node.left + 1, node.left}) {
      stack.emplace_back(child, share * (all > 0 ? ensemble.cover[child] / all : 0.5));
    }
  }
  return mean;
}

class TreeExplainer final : public Explainer {
 public:
  TreeExplainer(const Plan& plan, std::unique_ptr<model::Model> model)
      : plan_(plan), model_(model->Margin()), ensemble_(*model_->trees()), varying_(plan_) {
    game_.ensemble = &ensemble_;
    game_.players = plan_.players();
    game_.path = plan_.tree_path;
    game_.hierarchy = plan_.hierarchy;
    game_.player_of_column.resize(ensemble_.columns);
    for (int g = 0; g < plan_.players(); ++g) {
      for (const std::int32_t column : plan_.groups[g]) game_.player_of_column[column] = g;
    }
    if (!game_.path) {
      game_.background = plan_.background;
      game_.weights = plan_.weights;
    }
    FindBase();
    std::int64_t room = kKeptBytes;
    for (const std::int32_t output : plan_.outputs) {
      values_.push_back(Made(output, game_, room));
    }
    if (!plan_.interactions) return;
    pairs_game_ = game_;
    pairs_game_.order = Order::kInteractions;
    for (const std::int32_t output : plan_.outputs) {
      pairs_.push_back(Made(output, pairs_game_, room));
    }
  }

  std::span<const double> base_value() const override { return base_value_; }

  void Explain(std::span<const double> x, std::int64_t rows, const std::function<void()>& check,
               Attributions& out) const override {
    const std::int64_t players = plan_.players();
    const auto outputs = std::ssize(values_);
    out.Resize(rows, outputs, players, plan_.interactions);
    out.model_evaluations = rows;
    std::vector<double> margins(rows * model_->outputs());
    model_->Predict(x, rows, margins);
    std::vector<double> sums;
    const auto varying = std::make_unique<bool[]>(players);
    const std::span varies(varying.get(), static_cast<std::size_t>(players));
    for (std::int64_t k = 0; k < outputs; ++k) {
      const Output& output = values_[k];
      const std::int64_t stride = Sum(output, game_, x, rows, check, sums);
      for (std::int64_t r = 0; r < rows; ++r) {
        const double margin = margins[r * model_->outputs() + plan_.outputs[k]];
        out.prediction[r * outputs + k] = margin;
        const std::span phi = std::span(out.phi).subspan((r * outputs + k) * players, players);
        if (game_.path) {
          std::ranges::fill(varies, true);
        } else {
          varying_.Of(&x[r * plan_.columns], varies);
        }
        for (std::int64_t g = 0; g < players; ++g) {
          varies[g] = varies[g] && output.used[g];
          phi[g] = stride == 0 ? 0.0 : sums[r * stride + g];
        }
        CloseToTotal(margin - base_value_[k], varies, phi);
      }
      if (!plan_.interactions) continue;
      const std::int64_t pairs = Sum(pairs_[k], pairs_game_, x, rows, check, sums);
      for (std::int64_t r = 0; r < rows && pairs > 0; ++r) {
        std::copy_n(sums.begin() + r * pairs, pairs,
                    out.interactions.begin() + (r * outputs + k) * pairs);
      }
    }
  }

 private:
  struct Part {
    std::vector<std::int32_t> trees;
    std::int64_t bytes = 0;
    std::unique_ptr<const TreeTables> tables;  // null: made when needed
  };
  struct Output {
    std::vector<Part> parts;
    std::vector<bool> used;  // [players]: whether any split asks about it
    std::int64_t bytes = 0;
  };

  void FindBase() {
    const std::int64_t outputs = model_->outputs();
    if (game_.path) {
      std::vector<double> base = ensemble_.base;
      for (std::int64_t t = 0; t < ensemble_.trees(); ++t) {
        base[ensemble_.outputs[t]] += MeanOfLeaves(ensemble_, ensemble_.roots[t]);
      }
      for (const std::int32_t output : plan_.outputs) base_value_.push_back(base[output]);
      return;
    }
    const std::int64_t rows = plan_.background_rows();
    std::vector<double> margins(rows * outputs);
    model_->Predict(plan_.background, rows, margins);
    for (const std::int32_t output : plan_.outputs) {
      double base = 0;
      for (std::int64_t b = 0; b < rows; ++b) {
        base += plan_.weights[b] * margins[b * outputs + output];
      }
      base_value_.push_back(base);
    }
  }

  // What the output's trees say of the rows: sums, [rows, stride]. Returns the stride; 0: no trees.
  static std::int64_t Sum(const Output& output, const TreeGame& game, std::span<const double> x,
                          std::int64_t rows, const std::function<void()>& check,
                          std::vector<double>& sums) {
    std::int64_t stride = 0;
    for (const Part& part : output.parts) {
      std::unique_ptr<const TreeTables> made;
      const TreeTables* tables = part.tables.get();
      if (tables == nullptr) {
        made = std::make_unique<TreeTables>(game, part.trees, part.bytes, check);
        tables = made.get();
      }
      if (stride == 0) sums.assign(rows * tables->stride(), 0.0);
      stride = tables->stride();
      tables->Add(x.data(), rows, check, sums.data());
    }
    return stride;
  }

  // The output's parts, with their tables if these fit into the room that is left.
  Output Made(std::int32_t output, const TreeGame& game, std::int64_t& room) const {
    Output made = Parts(output, game);
    if (made.bytes > room) return made;
    room -= made.bytes;
    for (Part& part : made.parts) {
      part.tables = std::make_unique<TreeTables>(game, part.trees, part.bytes, [] {});
    }
    return made;
  }

  // The output's trees, cut into parts whose tables and thresholds are not too many.
  Output Parts(std::int32_t output, const TreeGame& game) const {
    Output result;
    result.used.resize(plan_.players(), false);
    std::int64_t splits = 0;
    for (std::int64_t t = 0; t < ensemble_.trees(); ++t) {
      if (ensemble_.outputs[t] != output) continue;
      const auto tree = static_cast<std::int32_t>(t);
      const auto nodes = ensemble_.nodes_of(t);
      const std::int64_t own_splits = std::ssize(nodes) / 2;
      for (const model::TreeNode& node : nodes) {
        if (!node.leaf()) result.used[game_.player_of_column[node.column]] = true;
      }
      const std::int64_t own = TreeTables::BytesOf(game, tree);
      if (result.parts.empty() || result.parts.back().bytes + own > kPartBytes ||
          splits + own_splits > SplitCodes::kMaxThresholds) {
        result.parts.emplace_back();
        splits = 0;
      }
      result.parts.back().bytes += own;
      splits += own_splits;
      result.bytes += own;
      result.parts.back().trees.push_back(tree);
    }
    return result;
  }

  const Plan plan_;
  const std::unique_ptr<model::Model> model_;
  const model::TreeEnsemble& ensemble_;
  Varying varying_;
  TreeGame game_, pairs_game_;
  std::vector<Output> values_, pairs_;  // one an output
  std::vector<double> base_value_;
};

}  // namespace

bool IsTreeSum(const model::Model& model, bool margin, Link link) {
  return model.trees() != nullptr && link == Link::kIdentity &&
         (margin || model.activation() == model::Activation::kIdentity);
}

std::shared_ptr<const Explainer> MakeTreeExplainer(const Plan& plan,
                                                   std::unique_ptr<model::Model> model) {
  if (model->trees() == nullptr) {
    throw Error(ErrorCode::kInvalidInput,
                "method tree needs a model that shows its trees (xgboost:, lightgbm:, ONNX tree "
                "ensembles); this one does not");
  }
  if (!IsTreeSum(*model, plan.margin, plan.link)) {
    throw Error(ErrorCode::kInvalidInput,
                "method tree explains the sum of the leaves; use --output margin and --link "
                "identity, or --method auto for probabilities");
  }
  if (plan.tree_path && model->trees()->cover.empty()) {
    throw Error(ErrorCode::kInvalidInput,
                "path dependent values need the number of training rows at every node, which the "
                "model's file does not have; use --tree-mode interventional with a background");
  }
  return std::make_shared<TreeExplainer>(plan, std::move(model));
}

}  // namespace windlass::explain
