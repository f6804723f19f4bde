// Models saved by LightGBM as text, versions 2 to 4 of that form: read by ourselves.
// Source of the form and of the decisions: LightGBM's src/io/tree.cpp,
// src/boosting/gbdt_model_text.cpp and include/LightGBM/tree.h (4.6).
#include "windlass/model/lightgbm.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/json.h"
#include "windlass/model/formats_internal.h"
#include "windlass/model/invalid_internal.h"
#include "windlass/model/lightgbm_text_internal.h"
#include "windlass/model/tree_limit_internal.h"
#include "windlass/model/trees.h"

namespace windlass::model {
namespace {

// Of decision_type.
constexpr std::int32_t kCategoricalBit = 1;
constexpr std::int32_t kDefaultLeftBit = 2;
enum class Missing { kNone = 0, kZero = 1, kNaN = 2 };

struct LightGBMObjective {
  std::string_view name;
  Activation activation;
  bool one_output;  // for each row
};

constexpr LightGBMObjective kLightGBMObjectives[] = {
    {"binary", Activation::kSigmoid, true},
    {"cross_entropy", Activation::kSigmoid, true},
    {"custom", Activation::kIdentity, false},
    {"fair", Activation::kIdentity, true},
    {"gamma", Activation::kExp, true},
    {"huber", Activation::kIdentity, true},
    {"lambdarank", Activation::kIdentity, true},
    {"mape", Activation::kIdentity, true},
    {"multiclass", Activation::kSoftmax, false},
    {"multiclassova", Activation::kSigmoid, false},
    {"poisson", Activation::kExp, true},
    {"quantile", Activation::kIdentity, true},
    {"rank_xendcg", Activation::kIdentity, true},
    {"regression", Activation::kIdentity, true},
    {"regression_l1", Activation::kIdentity, true},
    {"tweedie", Activation::kExp, true},
};

// What the file says before its trees.
struct LightGBMHeader {
  std::int64_t outputs = 1;
  std::int64_t columns = 0;
  std::int64_t trees = -1;  // -1: it does not say
  Activation activation = Activation::kIdentity;
  double sigmoid = 1;    // the output is activation(sigmoid * raw score)
  bool average = false;  // the raw score is the mean over trees
  std::vector<std::string> names;
};

void ReadObjective(std::string_view text, LightGBMHeader& header) {
  const std::vector<std::string_view> parts = LightGBMSplit(text, ' ');
  const std::string_view name = parts.empty() ? std::string_view() : parts.front();
  const auto* found = std::ranges::find(kLightGBMObjectives, name, &LightGBMObjective::name);
  if (found == std::end(kLightGBMObjectives)) {
    std::vector<std::string> known;
    for (const LightGBMObjective& one : kLightGBMObjectives) known.emplace_back(one.name);
    throw Error(ErrorCode::kUnsupported, fmt::format("objective \"{}\" is not among those read{}",
                                                     name, Suggestion(name, known)));
  }
  header.activation = found->activation;
  if (found->one_output && header.outputs != 1) {
    ThrowInvalid(fmt::format("objective {} has one output, but num_tree_per_iteration is {}", name,
                             header.outputs));
  }
  for (const std::string_view part : std::span(parts).subspan(1)) {
    constexpr std::string_view kSigmoid = "sigmoid:";
    if (part == "sqrt") {
      throw Error(
          ErrorCode::kUnsupported,
          fmt::format("objective \"{}\" squares what its trees give (reg_sqrt), which is not "
                      "read; train on the square root instead",
                      text));
    }
    if (part.starts_with(kSigmoid) && found->activation == Activation::kSigmoid) {
      header.sigmoid = LightGBMNumber(part.substr(kSigmoid.size()), "sigmoid of the objective");
      if (!(header.sigmoid > 0 && std::isfinite(header.sigmoid))) {
        ThrowInvalid(fmt::format("the objective's sigmoid is {}; a positive number was expected",
                                 header.sigmoid));
      }
    }
  }
}

// LightGBM's own names of columns that nobody named say nothing.
bool AreNumbers(const std::vector<std::string_view>& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] != fmt::format("Column_{}", i)) return false;
  }
  return true;
}

// Reads up to the first tree. `lines` stands there, or at "end of trees", afterwards.
LightGBMHeader ReadHeader(LightGBMLines& lines) {
  if (!lines.Next() || lines.line() != "tree") {
    ThrowInvalid(
        "its first line is not \"tree\": no model that LightGBM saved as text (save_model or "
        "model_to_string)");
  }
  LightGBMBlock block;
  bool more = false;
  while ((more = lines.Next()) && !lines.line().starts_with("Tree=") &&
         lines.line() != "end of trees") {
    if (!lines.line().empty()) block.Add(lines.line());
  }
  if (!more) ThrowInvalid("it ends before its trees");
  const std::string_view version = block.Has("version") ? block.Text("version") : "none";
  if (version != "v2" && version != "v3" && version != "v4") {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("its version is {}; v2, v3 and v4 are read", version.substr(0, 20)));
  }
  LightGBMHeader header;
  header.outputs =
      block.Integer(block.Has("num_tree_per_iteration") ? "num_tree_per_iteration" : "num_class");
  // So that a number alone cannot claim memory.
  if (block.Has("tree_sizes")) {
    header.trees = std::ssize(LightGBMSplit(block.Text("tree_sizes"), ' '));
  }
  constexpr std::int64_t kMostUncounted = 1000;
  const std::int64_t most =
      std::max<std::int64_t>(header.trees < 0 ? kMostUncounted : header.trees, 1);
  if (header.outputs < 1 || header.outputs > most) {
    ThrowInvalid(
        fmt::format("num_tree_per_iteration is {}; a number from 1 to that of the trees ({}) was "
                    "expected",
                    header.outputs, most));
  }
  if (block.Has("objective")) ReadObjective(block.Text("objective"), header);
  header.average = block.Has("average_output");
  const std::vector<std::string_view> names = LightGBMSplit(block.Text("feature_names"), ' ');
  header.columns = std::ssize(names);
  if (block.Integer("max_feature_idx") != header.columns - 1) {
    ThrowInvalid(fmt::format("max_feature_idx is {}, but \"feature_names\" has {} names",
                             block.Text("max_feature_idx").substr(0, 20), header.columns));
  }
  if (!AreNumbers(names)) header.names.assign(names.begin(), names.end());
  return header;
}

// The index that TreeBuilder has for a child: splits first, then leaves.
std::int32_t ChildIndex(std::int32_t child, std::int32_t splits, std::int32_t split,
                        std::string_view side) {
  const std::int32_t index = child >= 0 ? child : splits + ~child;
  if (child >= splits || index > 2 * splits) {
    ThrowInvalid(
        fmt::format("split {}: its {} child is {}; a split 1..{} or a leaf -1..{} was expected",
                    split, side, child, splits - 1, -splits - 1));
  }
  return index;
}

// One tree's splits by categories.
class CategoricalSplits {
 public:
  CategoricalSplits(const LightGBMBlock& block, TreeBuilder& builder) : builder_(builder) {
    const std::int64_t sets = block.Integer("num_cat");
    if (sets == 0) return;
    begin_ = block.Integers("cat_boundaries");
    if (sets < 0 || std::ssize(begin_) - 1 != sets) {
      ThrowInvalid(
          fmt::format("\"cat_boundaries\" has {} numbers for num_cat={}; one more was expected",
                      begin_.size(), sets));
    }
    if (begin_.front() != 0 || !std::ranges::is_sorted(begin_)) {
      ThrowInvalid("\"cat_boundaries\" is not ascending from 0");
    }
    words_ = block.Words("cat_threshold", begin_.back());
    added_.assign(sets, -1);
  }

  // The set of the split whose threshold says which it is.
  std::int32_t Add(std::int32_t split, double threshold) {
    if (!(threshold >= 0 && threshold < static_cast<double>(added_.size())) ||
        threshold != std::floor(threshold)) {
      ThrowInvalid(
          fmt::format("split {}: its threshold {} names none of the tree's {} sets of categories",
                      split, threshold, added_.size()));
    }
    const auto set = static_cast<std::size_t>(threshold);
    if (added_[set] < 0) {
      added_[set] = builder_.AddCategoryBits(
          std::span(words_).subspan(begin_[set], begin_[set + 1] - begin_[set]));
    }
    return added_[set];
  }

 private:
  TreeBuilder& builder_;
  std::vector<std::int32_t> begin_;
  std::vector<std::uint32_t> words_;
  std::vector<std::int32_t> added_;  // [sets], as the builder numbers them; -1: not yet
};

// The number t for which x < t says what LightGBM's x <= threshold says: it takes all values within
// +-kZero for 0.
double ZeroAwareLessEqual(double threshold) {
  if (threshold >= -kZero && threshold < 0) return -kZero;
  if (threshold >= 0 && threshold < kZero) return LessEqual(kZero);
  return LessEqual(threshold);
}

TreeNode SplitNode(std::int32_t split, std::int32_t column, double threshold, std::int32_t decision,
                   CategoricalSplits& categories) {
  TreeNode node;
  node.column = column;
  if (column < 0) ThrowInvalid(fmt::format("split {}: it splits column {}", split, column));
  if (decision & kCategoricalBit) {
    node.categories = categories.Add(split, threshold);
    return node;  // missing values go right, whatever the other bits say
  }
  node.number = ZeroAwareLessEqual(threshold);
  const auto missing = static_cast<Missing>((decision >> 2) & 3);
  const bool default_left = (decision & kDefaultLeftBit) != 0;
  switch (missing) {
    case Missing::kNone: node.missing_left = 0 <= threshold; return node;  // NaN stands for 0
    case Missing::kZero:
      node.zero_is_missing = true;
      node.missing_left = default_left;
      return node;
    case Missing::kNaN: node.missing_left = default_left; return node;
  }
  ThrowInvalid(fmt::format("split {}: its decision_type {} has no known kind of missing values",
                           split, decision));
}

// Adds a tree with its leaves times `scale`; says whether it has the numbers of rows in its nodes.
bool AddLightGBMTree(const LightGBMBlock& block, std::int32_t output, double scale,
                     TreeBuilder& builder) {
  if (block.Has("is_linear") && block.Integer("is_linear") != 0) {
    throw Error(ErrorCode::kUnsupported,
                "its leaves are linear models (linear_tree); only constant leaves are read");
  }
  const std::vector<double> values = block.Numbers("leaf_value", -1);
  const std::int64_t leaves = block.Integer("num_leaves");
  if (leaves < 1 || leaves != std::ssize(values)) {
    ThrowInvalid(
        fmt::format("num_leaves is {}, but \"leaf_value\" has {} numbers", leaves, values.size()));
  }
  const auto splits = static_cast<std::int32_t>(leaves - 1);
  if (splits > 0) {
    const auto columns = block.Integers("split_feature", splits);
    const auto thresholds = block.Numbers("threshold", splits);
    const auto left = block.Integers("left_child", splits);
    const auto right = block.Integers("right_child", splits);
    const auto decisions = block.Has("decision_type") ? block.Integers("decision_type", splits)
                                                      : std::vector<std::int32_t>(splits, 0);
    builder.Begin(leaves + splits);  // only now, so that memory is in proportion to the file
    CategoricalSplits categories(block, builder);
    for (std::int32_t i = 0; i < splits; ++i) {
      builder.SetSplit(i, SplitNode(i, columns[i], thresholds[i], decisions[i], categories),
                       ChildIndex(left[i], splits, i, "left"),
                       ChildIndex(right[i], splits, i, "right"));
    }
  } else {
    builder.Begin(1);
  }
  for (std::int32_t i = 0; i <= splits; ++i) {
    if (!std::isfinite(values[i])) {
      ThrowInvalid(
          fmt::format("leaf {}: its value is {}; a finite number was expected", i, values[i]));
    }
    builder.SetLeaf(splits + i, values[i] * scale);
  }
  // Numbers of rows, not weights: what LightGBM's own contributions are made with.
  bool known = splits == 0;
  builder.SetCover(0, 1.0);
  if (splits > 0 && block.Has("leaf_count") && block.Has("internal_count")) {
    const auto of_leaves = block.Integers("leaf_count", leaves);
    const auto of_splits = block.Integers("internal_count", splits);
    for (std::int32_t i = 0; i < splits; ++i) builder.SetCover(i, of_splits[i]);
    for (std::int32_t i = 0; i <= splits; ++i) builder.SetCover(splits + i, of_leaves[i]);
    known = of_splits.front() > 0;
  }
  builder.Finish(output);
  return known;
}

// What follows the trees.
struct LightGBMFooter {
  std::string_view categorical_columns;               // "4,5"
  std::optional<std::string_view> pandas_categories;  // JSON
};

LightGBMFooter ReadFooter(LightGBMLines& lines) {
  constexpr std::string_view kPandas = "pandas_categorical:";
  constexpr std::string_view kColumns = "[categorical_feature: ";
  LightGBMFooter footer;
  bool in_parameters = false;
  while (lines.Next()) {
    const std::string_view line = lines.line();
    if (line == "parameters:") in_parameters = true;
    if (line == "end of parameters") in_parameters = false;
    if (in_parameters && line.starts_with(kColumns) && line.ends_with(']')) {
      footer.categorical_columns = line.substr(kColumns.size(), line.size() - kColumns.size() - 1);
    }
    if (line.starts_with(kPandas)) footer.pandas_categories = line.substr(kPandas.size());
    if (!line.empty() && line.size() < kPandas.size() && kPandas.starts_with(line) &&
        !in_parameters && line.size() > 4) {
      ThrowInvalid("it ends within \"pandas_categorical\"");
    }
  }
  if (in_parameters) ThrowInvalid("it ends before \"end of parameters\"");
  return footer;
}

// LightGBM keeps the names of the categorical columns of a data frame in their order, and the
// numbers of the columns that it splits by category. These are the same columns unless a frame had
// ordered categories, or columns were declared categorical by hand: then no names are known.
std::vector<std::vector<std::string>> PandasCategoriesOf(const LightGBMFooter& footer,
                                                         std::int64_t columns) {
  if (!footer.pandas_categories) return {};
  auto names = ReadPandasCategories(*footer.pandas_categories);
  const auto numbers = LightGBMSplit(footer.categorical_columns, ',');
  if (names.empty() || names.size() != numbers.size()) return {};
  std::vector<std::vector<std::string>> categories(columns);
  std::int64_t before = -1;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::int64_t column = LightGBMInteger(numbers[i], "categorical_feature");
    if (column <= before || column >= columns) {
      ThrowInvalid(fmt::format("categorical_feature is {}; ascending columns 0..{} were expected",
                               footer.categorical_columns.substr(0, 60), columns - 1));
    }
    categories[column] = std::move(names[i]);
    before = column;
  }
  return categories;
}

class LightGBMFormat final : public ModelFormat {
 public:
  std::vector<std::string> endings() const override { return {".lgb", ".txt"}; }
  std::vector<std::string> options() const override { return {kTreeLimit}; }

  std::unique_ptr<Model> Load(const ModelSource& source) const override {
    return WithContext(
        [&] {
          return ReadLightGBMModel(source.content.view(), TreeLimitOf(source.spec).value_or(0));
        },
        [&] { return source.spec.location; });
  }
};

}  // namespace

std::unique_ptr<Model> ReadLightGBMModel(std::string_view text, std::int64_t tree_limit) {
  LightGBMLines lines(text);
  const LightGBMHeader header = ReadHeader(lines);
  TreeEnsemble ensemble;
  ensemble.columns = header.columns;
  ensemble.base.assign(header.outputs, 0.0);
  TreeBuilder builder(ensemble);
  TreeLimit limit(tree_limit, header.outputs);
  bool covers_known = true;
  std::int64_t trees = 0;
  while (lines.line() != "end of trees") {
    LightGBMBlock block;
    bool more = false;
    while ((more = lines.Next()) && !lines.line().starts_with("Tree=") &&
           lines.line() != "end of trees") {
      if (!lines.line().empty()) block.Add(lines.line());
    }
    const auto context = [&] { return fmt::format("tree {}", trees); };
    if (!more) WithContext([] { ThrowInvalid("it ends before \"end of trees\""); }, context);
    const auto output = static_cast<std::int32_t>(trees % header.outputs);
    if (limit.Takes(output)) {
      WithContext([&] { covers_known &= AddLightGBMTree(block, output, header.sigmoid, builder); },
                  context);
    }
    ++trees;
  }
  if (header.trees >= 0 && trees != header.trees) {
    ThrowInvalid(
        fmt::format("\"tree_sizes\" has {} numbers, but {} trees follow", header.trees, trees));
  }
  if (trees % header.outputs != 0) {
    ThrowInvalid(
        fmt::format("it has {} trees for {} outputs; the same number of trees for each was "
                    "expected",
                    trees, header.outputs));
  }
  if (!covers_known) ensemble.cover.clear();
  if (header.average && ensemble.trees() > 0) {
    const double iterations = static_cast<double>(ensemble.trees() / header.outputs);
    for (TreeNode& node : ensemble.nodes) {
      if (node.leaf()) node.number /= iterations;
    }
  }
  TreeNames names;
  names.columns = header.names;
  names.categories = PandasCategoriesOf(ReadFooter(lines), header.columns);
  return MakeTreeModel(std::move(ensemble), header.activation, std::move(names));
}

std::shared_ptr<const ModelFormat> MakeLightGBMFormat() {
  return std::make_shared<LightGBMFormat>();
}

}  // namespace windlass::model
