// Models saved by XGBoost, JSON (.json) and UBJSON (.ubj), versions 1.0 to 3: read by ourselves.
// Source of the form: XGBoost's "Introduction to Model IO" and its doc/model.schema.
#include "windlass/model/xgboost.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/json.h"
#include "windlass/base/vector_math.h"
#include "windlass/model/formats_internal.h"
#include "windlass/model/invalid_internal.h"
#include "windlass/model/names_internal.h"
#include "windlass/model/tree_limit_internal.h"
#include "windlass/model/trees.h"
#include "windlass/model/xgboost_document_internal.h"

namespace windlass::model {
namespace {

// What an objective makes of margins, and how its base_score, an output, becomes a margin.
struct Objective {
  std::string_view name;
  Activation activation;
};

constexpr Objective kObjectives[] = {
    {"binary:logistic", Activation::kSigmoid},
    {"binary:logitraw", Activation::kIdentity},
    {"count:poisson", Activation::kExp},
    {"multi:softmax", Activation::kSoftmax},
    {"multi:softprob", Activation::kSoftmax},
    {"rank:map", Activation::kIdentity},
    {"rank:ndcg", Activation::kIdentity},
    {"rank:pairwise", Activation::kIdentity},
    {"reg:absoluteerror", Activation::kIdentity},
    {"reg:expectileerror", Activation::kIdentity},
    {"reg:gamma", Activation::kExp},
    {"reg:linear", Activation::kIdentity},
    {"reg:logistic", Activation::kSigmoid},
    {"reg:pseudohubererror", Activation::kIdentity},
    {"reg:quantileerror", Activation::kIdentity},
    {"reg:squarederror", Activation::kIdentity},
    {"reg:squaredlogerror", Activation::kIdentity},
    {"reg:tweedie", Activation::kExp},
    {"survival:aft", Activation::kExp},
    {"survival:cox", Activation::kExp},
};

Activation ActivationOf(const std::string& objective) {
  const auto* found = std::ranges::find(kObjectives, objective, &Objective::name);
  if (found != std::end(kObjectives)) return found->activation;
  std::vector<std::string> known;
  for (const Objective& one : kObjectives) known.emplace_back(one.name);
  const std::string nearest = NearestName(objective, known);
  throw Error(
      ErrorCode::kUnsupported,
      fmt::format("objective \"{}\" is not among those read{}; known: {}", objective,
                  nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest),
                  fmt::join(known, ", ")));
}

// learner_model_param.base_score is an output; XGBoost adds it as a margin.
double BaseMargin(double score, const XGBoostDocument& document, Activation activation) {
  // Before version 2 the objective binary:logitraw took its base_score for a probability as well.
  const bool raw_probability =
      document.objective == "binary:logitraw" && document.version < std::vector<std::int32_t>{2};
  if (activation == Activation::kSigmoid || raw_probability) {
    if (!(score > 0 && score < 1)) {
      ThrowInvalid(
          fmt::format("base_score is {}; a probability between 0 and 1 was expected for {}", score,
                      document.objective));
    }
    return -Log(1.0 / score - 1.0);
  }
  if (activation == Activation::kExp) {
    if (!(score > 0)) {
      ThrowInvalid(fmt::format("base_score is {}; a positive number was expected for {}", score,
                               document.objective));
    }
    return Log(score);
  }
  return score;
}

// The categories of node `from`, whose place in the tree's lists is `at`.
std::int32_t ReadCategories(const XGBoostTree& tree, std::size_t at, TreeBuilder& builder) {
  if (at >= tree.categories_segments.size() || at >= tree.categories_sizes.size()) {
    ThrowInvalid(
        "\"categories_segments\" or \"categories_sizes\" is shorter than \"categories_nodes\"");
  }
  const std::int64_t begin = tree.categories_segments[at];
  const std::int64_t count = tree.categories_sizes[at];
  const std::int64_t all = std::ssize(tree.categories);
  if (begin < 0 || count < 1 || begin > all || count > all - begin) {
    ThrowInvalid(
        fmt::format("node {}: its categories {}..{} are not within the {} of \"categories\"",
                    tree.categories_nodes[at], begin, begin + count, all));
  }
  return builder.AddCategories(std::span(tree.categories).subspan(begin, count));
}

void CheckCategories(const XGBoostTree& tree) {
  if (tree.has_vectors() && !tree.categories_nodes.empty()) {
    throw Error(ErrorCode::kUnsupported,
                "it splits by categories and has several numbers in each leaf; only one is read");
  }
  // No category belongs to two nodes, so that a few numbers cannot claim all of them many times.
  const std::int64_t claimed =
      std::accumulate(tree.categories_sizes.begin(), tree.categories_sizes.end(), std::int64_t{0},
                      [](std::int64_t sum, std::int64_t size) {
                        constexpr std::int64_t kMost = 1LL << 40;
                        return std::min(sum + std::clamp(size, 0L, kMost), kMost);
                      });
  if (claimed > std::ssize(tree.categories)) {
    ThrowInvalid(fmt::format("its nodes have {} categories in all, but \"categories\" has {}",
                             claimed, tree.categories.size()));
  }
}

// Number k of a leaf.
double LeafOf(const XGBoostTree& tree, std::int32_t leaf, std::int64_t k) {
  if (!tree.has_vectors()) return tree.split_conditions[leaf];
  if (tree.leaf_weights.empty()) return tree.base_weights[leaf * tree.leaf_vector + k];
  const std::int64_t index = tree.right_children[leaf];
  const std::int64_t leaves = std::ssize(tree.leaf_weights) / tree.leaf_vector;
  if (index < 0 || index >= leaves) {
    ThrowInvalid(fmt::format("node {}: its leaf {} is none of the {} of \"leaf_weights\"", leaf,
                             index, leaves));
  }
  return tree.leaf_weights[index * tree.leaf_vector + k];
}

// Adds split i. `categorical` is the place of the next node that has categories in the tree's
// lists.
void AddSplit(const XGBoostTree& tree, std::int32_t i, bool has_categories,
              std::size_t& categorical, TreeBuilder& builder) {
  TreeNode node;
  node.column = tree.split_indices[i];
  if (node.column < 0) {
    ThrowInvalid(fmt::format("node {}: its column {} is negative", i, node.column));
  }
  node.missing_left = tree.default_left[i] != 0;
  if (tree.split_type.empty() || tree.split_type[i] != 1) {
    node.number = FloatLess(tree.split_conditions[i]);
    if (has_categories) {
      ThrowInvalid(fmt::format("node {}: it has categories but splits by number", i));
    }
    builder.SetSplit(i, node, tree.left_children[i], tree.right_children[i]);
    return;
  }
  if (!has_categories) {
    ThrowInvalid(
        fmt::format("node {}: \"split_type\" says that it splits by categories, but "
                    "\"categories_nodes\" does not have it in its turn",
                    i));
  }
  node.categories = ReadCategories(tree, categorical++, builder);
  // XGBoost sends the categories of a node to the right.
  node.missing_left = !node.missing_left;
  builder.SetSplit(i, node, tree.right_children[i], tree.left_children[i]);
}

// Adds the tree of number k of its leaves, for `output`.
void AddTree(const XGBoostTree& tree, std::int64_t k, std::int32_t output, double weight,
             TreeBuilder& builder) {
  builder.Begin(tree.nodes());
  std::size_t categorical = 0;
  for (std::int32_t i = 0; i < tree.nodes(); ++i) {
    if (!tree.sum_hessian.empty()) builder.SetCover(i, tree.sum_hessian[i]);
    const bool has_categories =
        categorical < tree.categories_nodes.size() && tree.categories_nodes[categorical] == i;
    if (tree.left_children[i] == -1) {
      builder.SetLeaf(i, weight * LeafOf(tree, i, k));
      if (has_categories) ++categorical;
    } else {
      AddSplit(tree, i, has_categories, categorical, builder);
    }
  }
  if (categorical != tree.categories_nodes.size()) {
    ThrowInvalid("\"categories_nodes\" is not ascending, or names a node that there is not");
  }
  builder.Finish(output);
}

// Adds a tree for each number of its leaves. `outputs` are the model's.
void AddTrees(const XGBoostTree& tree, std::int32_t output, std::int64_t outputs, double weight,
              TreeBuilder& builder) {
  CheckCategories(tree);
  if (!tree.has_vectors()) return AddTree(tree, 0, output, weight, builder);
  if (tree.leaf_vector != outputs) {
    ThrowInvalid(fmt::format("it has {} numbers in each leaf, but the model has {} outputs",
                             tree.leaf_vector, outputs));
  }
  for (std::int32_t k = 0; k < outputs; ++k) AddTree(tree, k, k, weight, builder);
}

class XGBoostFormat final : public ModelFormat {
 public:
  std::vector<std::string> endings() const override { return {".ubj"}; }
  std::vector<std::string> options() const override { return {kTreeLimit}; }

  std::unique_ptr<Model> Load(const ModelSource& source) const override {
    return WithContext(
        [&] { return ReadXGBoostModel(source.content.view(), TreeLimitOf(source.spec)); },
        [&] { return source.spec.location; });
  }
};

// The outputs that the document's trees add to.
std::int64_t OutputsOf(const XGBoostDocument& document) {
  if (document.classes < 0 || document.targets < 0)
    ThrowInvalid("num_class or num_target is negative");
  const std::int64_t outputs = std::max({document.classes, document.targets, std::int64_t{1}});
  // So that a number alone cannot claim memory.
  std::int64_t trees = 0;
  for (const XGBoostTree& tree : document.trees) trees += std::max(tree.leaf_vector, 1L);
  if (outputs > 1 && outputs > trees) {
    ThrowInvalid(fmt::format("it has {} outputs but {} trees; at least one tree each was expected",
                             outputs, trees));
  }
  return outputs;
}

// The trees of each output that predictions take where training stopped early, 0 for all, as
// XGBoost's scikit-learn interface and shap do; its Booster alone takes all. best_iteration counts
// rounds, each of parallel_trees trees an output.
std::int64_t EarlyLimit(const XGBoostDocument& document, std::int64_t outputs,
                        std::vector<std::string>& notes) {
  const std::int64_t each = std::max<std::int64_t>(document.parallel_trees, 1);
  const std::int64_t trees = std::ssize(document.trees);
  if (document.best_iteration >= trees || document.best_ntree_limit > trees) return 0;
  const std::int64_t limit = document.best_iteration >= 0 ? (document.best_iteration + 1) * each
                                                          : document.best_ntree_limit;
  // A tree of several numbers in a leaf counts for all outputs.
  const bool vectors = trees > 0 && document.trees.front().has_vectors();
  const std::int64_t all = vectors ? trees : trees / outputs;
  if (limit <= 0 || limit >= all) return 0;
  notes.push_back(fmt::format(
      "training stopped early: the first {} of the model's {} rounds are used, up to its best one, "
      "as XGBClassifier and XGBRegressor do; ?ntree_limit=0 uses all",
      limit / each, all / each));
  return limit;
}

std::vector<std::string> NamesOf(const std::string& text) {
  std::vector<std::string> names;
  names.reserve(std::ranges::count(text, '\0'));
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\0', at);
    names.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return names;
}

std::vector<std::vector<std::string>> CategoriesOf(const XGBoostDocument& document) {
  const std::vector<std::int32_t>& counts = document.category_counts;
  if (document.category_names.empty()) return {};
  if (std::ssize(counts) != document.features) {
    ThrowInvalid(fmt::format("\"cats\" has {} columns, but num_feature is {}", counts.size(),
                             document.features));
  }
  std::vector<std::string> names = NamesOf(document.category_names);
  std::vector<std::vector<std::string>> categories(counts.size());
  auto from = std::make_move_iterator(names.begin());
  for (std::size_t c = 0; c < counts.size(); ++c) {
    categories[c].assign(from, from + counts[c]);
    from += counts[c];
  }
  return categories;
}

}  // namespace

std::unique_ptr<Model> ReadXGBoostModel(std::string_view bytes,
                                        std::optional<std::int64_t> tree_limit) {
  // Both forms begin with a brace. JSON goes on with a space, a quote or the closing brace, UBJSON
  // with the type of the first key's length.
  if (bytes.empty() || bytes.front() != '{') {
    ThrowInvalid(
        "it does not begin with \"{\": no model that XGBoost saved as JSON or UBJSON (older binary "
        "files: load and save them again with a name ending in .ubj)");
  }
  const auto second = bytes.size() > 1 ? bytes[1] : '}';
  const bool ubjson = second == 'L' || second == 'l' || second == 'i' || second == 'U' ||
                      second == 'I' || second == '$' || second == '#';
  XGBoostDocument document = ReadXGBoostDocument(bytes, ubjson);
  if (document.booster != "gbtree" && document.booster != "dart") {
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format(
            "its booster is \"{}\"; gbtree and dart are read{}", document.booster,
            document.booster == "gblinear" ? " (write the coefficients as a linear: model)" : ""));
  }
  const Activation activation = ActivationOf(document.objective);
  const std::int64_t outputs = OutputsOf(document);
  TreeEnsemble ensemble;
  ensemble.columns = document.features;
  std::vector<float>& scores = document.base_score;
  if (scores.size() == 1) scores.resize(outputs, scores.front());
  if (std::ssize(scores) != outputs) {
    ThrowInvalid(fmt::format("base_score has {} numbers for {} outputs", scores.size(), outputs));
  }
  for (const float score : scores) {
    ensemble.base.push_back(BaseMargin(score, document, activation));
  }
  if (document.tree_info.size() != document.trees.size()) {
    ThrowInvalid(fmt::format("\"tree_info\" has {} numbers for {} trees", document.tree_info.size(),
                             document.trees.size()));
  }
  if (!document.weight_drop.empty() && document.weight_drop.size() != document.trees.size()) {
    ThrowInvalid(fmt::format("\"weight_drop\" has {} numbers for {} trees",
                             document.weight_drop.size(), document.trees.size()));
  }
  if (document.features < 1) {
    ThrowInvalid(fmt::format("num_feature is {}; at least 1 was expected", document.features));
  }
  TreeBuilder builder(ensemble);
  std::vector<std::string> notes;
  TreeLimit limit(tree_limit ? *tree_limit : EarlyLimit(document, outputs, notes), outputs);
  for (std::size_t t = 0; t < document.trees.size(); ++t) {
    const std::int32_t output = document.tree_info[t];
    if (!limit.Takes(output)) continue;
    WithContext(
        [&] {
          AddTrees(document.trees[t], output, outputs,
                   document.weight_drop.empty() ? 1.0 : double{document.weight_drop[t]}, builder);
        },
        [&] { return fmt::format("tree {}", t); });
    document.trees[t] = {};
  }
  TreeNames names;
  names.columns = NamesOf(document.feature_names);
  names.categories = CategoriesOf(document);
  return MakeTreeModel(std::move(ensemble), activation, std::move(names), std::move(notes));
}

std::shared_ptr<const ModelFormat> MakeXGBoostFormat() { return std::make_shared<XGBoostFormat>(); }

}  // namespace windlass::model
