#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <utility>
#include <variant>

#include "windlass/base/error.h"
#include "windlass/base/json.h"
#include "windlass/model/invalid_internal.h"
#include "windlass/model/xgboost_document_internal.h"

namespace windlass::model {
namespace {

constexpr std::size_t kMaxDepth = 64;

// A number that stands in quotes, as the parameters of XGBoost do.
template <typename T>
T FromText(std::string_view text, std::string_view where) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) {
    ThrowInvalid(fmt::format("{} is \"{}\"; a number was expected", where, text.substr(0, 60)));
  }
  return value;
}

// "5E-1", or "[5E-1,2.5E-1]" from XGBoost 3.1 on.
std::vector<float> NumbersFromText(std::string_view text, std::string_view where) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  std::vector<float> numbers;
  while (!text.empty()) {
    const auto comma = text.find(',');
    std::string_view one = text.substr(0, comma);
    while (one.starts_with(' ')) one.remove_prefix(1);
    numbers.push_back(FromText<float>(one, where));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return numbers;
}

// Takes the parser's events. Numbers of arrays that are wanted go to vectors of the width that
// they need, everything else is passed over, so that no tree of values is ever built.
//
// `path_` is where the parser is: ".learner.gradient_booster.model.trees[].left_children[]".
class Events {
 public:
  Events(std::size_t bytes, XGBoostDocument& document)
      : left_(static_cast<std::int64_t>(bytes) + 1), document_(document) {}

  // The events of nlohmann::json's SAX interface. False is never returned: errors are thrown.
  bool null() { return Count(); }
  bool boolean(bool value) { return Take(static_cast<std::int64_t>(value)); }
  bool number_integer(std::int64_t value) { return Take(value); }
  bool number_unsigned(std::uint64_t value) {
    constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    return value <= kLargest ? Take(static_cast<std::int64_t>(value))
                             : Take(static_cast<double>(value));
  }
  bool number_float(double value, const std::string&) { return Take(value); }
  bool string(std::string& value) {
    Count();
    TakeText(value);
    return true;
  }
  bool binary(Json::binary_t&) { return Count(); }
  bool start_object(std::size_t) {
    Open();
    if (path_ == kTrees) document_.trees.emplace_back();
    return true;
  }
  bool key(std::string& name) {
    Count();
    path_.resize(lengths_.back());
    path_ += '.';
    path_ += name;
    // DART's trees lie one level deeper in what XGBoost before 3.3 saved.
    constexpr std::string_view kNested = ".learner.gradient_booster.gbtree";
    if (path_ == kNested) path_.resize(kNested.rfind('.'));
    return true;
  }
  bool end_object() {
    Close();
    if (path_ == kTrees) CheckTree();
    if (path_ == kCategories) TakeCategories();
    return true;
  }
  bool start_array(std::size_t) {
    path_ += "[]";
    Open();
    sink_ = SinkOf(path_);
    return true;
  }
  bool end_array() {
    Close();
    sink_ = nullptr;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& e) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    std::string_view text = e.what();
    if (const auto bracket = text.find("] "); bracket != std::string_view::npos) {
      text.remove_prefix(bracket + 2);
    }
    ThrowInvalid(fmt::format("byte {}: {}", position, text));
  }

 private:
  using Sink = std::variant<std::nullptr_t, std::vector<std::int32_t>*, std::vector<std::int64_t>*,
                            std::vector<std::uint8_t>*, std::vector<float>*>;

  static constexpr std::string_view kLearner = ".learner.";
  static constexpr std::string_view kModel = ".learner.gradient_booster.model.";
  static constexpr std::string_view kTrees = ".learner.gradient_booster.model.trees[]";
  static constexpr std::string_view kCategories = ".learner.gradient_booster.model.cats.enc[]";

  // An array of UBJSON may say that it has any number of elements without bytes ("null").
  bool Count() {
    if (left_-- == 0) ThrowInvalid("it says that it holds more values than it has bytes");
    return true;
  }

  void Open() {
    Count();
    if (lengths_.size() >= kMaxDepth) {
      ThrowInvalid(fmt::format("values are nested more than {} deep", kMaxDepth));
    }
    lengths_.push_back(path_.size());
    sink_ = nullptr;
  }

  void Close() {
    path_.resize(lengths_.back());
    lengths_.pop_back();
  }

  // Where we are, as a user would write it.
  std::string Place() const { return path_.empty() ? "the document" : path_.substr(1); }

  Sink SinkOf(std::string_view path) {
    if (path.starts_with(kTrees)) {
      if (document_.trees.empty()) return nullptr;
      XGBoostTree& tree = document_.trees.back();
      const std::string_view name = path.substr(kTrees.size());
      if (name == ".left_children[]") return &tree.left_children;
      if (name == ".right_children[]") return &tree.right_children;
      if (name == ".split_indices[]") return &tree.split_indices;
      if (name == ".split_conditions[]") return &tree.split_conditions;
      if (name == ".sum_hessian[]") return &tree.sum_hessian;
      if (name == ".base_weights[]") return &tree.base_weights;
      if (name == ".leaf_weights[]") return &tree.leaf_weights;
      if (name == ".default_left[]") return &tree.default_left;
      if (name == ".split_type[]") return &tree.split_type;
      if (name == ".categories[]") return &tree.categories;
      if (name == ".categories_nodes[]") return &tree.categories_nodes;
      if (name == ".categories_segments[]") return &tree.categories_segments;
      if (name == ".categories_sizes[]") return &tree.categories_sizes;
      return nullptr;
    }
    if (path.starts_with(kModel)) {
      const std::string_view name = path.substr(kModel.size());
      if (name == "tree_info[]") return &document_.tree_info;
      if (name == "weight_drop[]") return &document_.weight_drop;
      if (name == "cats.enc[].offsets[]") return &category_offsets_;
      if (name == "cats.enc[].values[]") return &category_values_;
    }
    if (path == ".learner.gradient_booster.weight_drop[]") return &document_.weight_drop;
    if (path == ".version[]") return &document_.version;
    return nullptr;
  }

  template <typename From>
  bool Take(From value) {
    Count();
    if (std::holds_alternative<std::nullptr_t>(sink_)) return true;
    std::visit(
        [&](auto to) {
          if constexpr (!std::is_same_v<decltype(to), std::nullptr_t>) Append(value, *to);
        },
        sink_);
    return true;
  }

  template <typename From, typename To>
  void Append(From value, std::vector<To>& to) const {
    if constexpr (std::is_floating_point_v<To>) {
      const auto wide = static_cast<double>(value);
      if (std::isfinite(wide) && std::abs(wide) > double{std::numeric_limits<To>::max()}) {
        ThrowInvalid(fmt::format("{}: {} does not fit into single precision", Place(), value));
      }
      to.push_back(static_cast<To>(value));
    } else if constexpr (std::is_floating_point_v<From>) {
      ThrowInvalid(fmt::format("{}: {} is no integer", Place(), value));
    } else {
      if (!std::in_range<To>(value))
        ThrowInvalid(fmt::format("{}: {} is out of range", Place(), value));
      to.push_back(static_cast<To>(value));
    }
  }

  void TakeText(const std::string& value) {
    if (path_.starts_with(kTrees)) {
      if (path_.substr(kTrees.size()) == ".tree_param.size_leaf_vector") {
        document_.trees.back().leaf_vector = FromText<std::int64_t>(value, Place());
      }
      return;
    }
    if (!path_.starts_with(kLearner)) return;
    const std::string_view name = std::string_view(path_).substr(kLearner.size());
    if (name == "gradient_booster.name") document_.booster = value;
    if (name == "objective.name") document_.objective = value;
    if (name == "learner_model_param.base_score") {
      document_.base_score = NumbersFromText(value, Place());
    }
    const auto number = [&](std::string_view key, std::int64_t& to) {
      if (name == key) to = FromText<std::int64_t>(value, Place());
    };
    number("learner_model_param.num_class", document_.classes);
    number("learner_model_param.num_target", document_.targets);
    number("learner_model_param.num_feature", document_.features);
    number("attributes.best_iteration", document_.best_iteration);
    number("attributes.best_ntree_limit", document_.best_ntree_limit);
    number("gradient_booster.model.gbtree_model_param.num_parallel_tree", document_.parallel_trees);
    if (name == "feature_names[]") {
      if (value.empty() || value.find('\0') != std::string::npos) {
        ThrowInvalid(fmt::format("{}: a name is empty or has a zero byte", Place()));
      }
      document_.feature_names += value;
      document_.feature_names += '\0';
    }
  }

  // One column's categories: with offsets the bytes of names one after the other, else numbers.
  void TakeCategories() {
    std::int32_t count = 0;
    const auto add = [&](const std::string& name) {
      if (name.find('\0') != std::string::npos) {
        ThrowInvalid(fmt::format("{}: the name of a category has a zero byte", Place()));
      }
      document_.category_names += name;
      document_.category_names += '\0';
      ++count;
    };
    if (category_offsets_.empty()) {
      for (const std::int64_t value : category_values_) add(fmt::to_string(value));
    }
    for (std::size_t i = 1; i < category_offsets_.size(); ++i) {
      const std::int64_t begin = category_offsets_[i - 1], end = category_offsets_[i];
      if (begin < 0 || end < begin || end > std::ssize(category_values_)) {
        ThrowInvalid(fmt::format("{}: \"offsets\" are not ascending within the {} of \"values\"",
                                 Place(), category_values_.size()));
      }
      std::string name;
      for (std::int64_t at = begin; at < end; ++at) {
        if (category_values_[at] < -128 || category_values_[at] > 255) {
          ThrowInvalid(fmt::format("{}: {} is no byte of a name", Place(), category_values_[at]));
        }
        name += static_cast<char>(category_values_[at]);
      }
      add(std::move(name));
    }
    document_.category_counts.push_back(count);
    category_offsets_.clear();
    category_values_.clear();
  }

  // At once, so that what a tree takes here is in proportion to its bytes.
  void CheckTree() {
    XGBoostTree& tree = document_.trees.back();
    const std::int64_t nodes = tree.nodes();
    const auto check = [&](std::string_view name, std::int64_t size, bool may_lack) {
      if (size == nodes || (may_lack && size == 0)) return;
      ThrowInvalid(fmt::format("tree {}: \"{}\" has {} numbers, but \"left_children\" has {}",
                               document_.trees.size() - 1, name, size, nodes));
    };
    if (nodes == 0) {
      ThrowInvalid(fmt::format("tree {} has no nodes (\"left_children\" is missing or empty)",
                               document_.trees.size() - 1));
    }
    check("right_children", std::ssize(tree.right_children), false);
    check("split_indices", std::ssize(tree.split_indices), false);
    check("split_conditions", std::ssize(tree.split_conditions), false);
    check("default_left", std::ssize(tree.default_left), false);
    check("sum_hessian", std::ssize(tree.sum_hessian), tree.has_vectors());
    check("split_type", std::ssize(tree.split_type), true);
    if (tree.has_vectors()) {
      CheckVectors(tree);
    } else {
      tree.base_weights = {};
      tree.leaf_weights = {};
    }
  }

  // XGBoost keeps the weights of all nodes in either form. They are also what keeps the trees that
  // are made of one, one for each of its numbers, in proportion to the file.
  void CheckVectors(const XGBoostTree& tree) const {
    const std::int64_t all = std::ssize(tree.base_weights), each = tree.leaf_vector;
    if (all % each != 0 || all / each != tree.nodes()) {
      ThrowInvalid(fmt::format(
          "tree {}: \"base_weights\" has {} numbers; {} for each of {} nodes were expected",
          document_.trees.size() - 1, all, each, tree.nodes()));
    }
    if (std::ssize(tree.leaf_weights) % each != 0) {
      ThrowInvalid(fmt::format("tree {}: \"leaf_weights\" has {} numbers; {} a leaf were expected",
                               document_.trees.size() - 1, tree.leaf_weights.size(), each));
    }
  }

  std::int64_t left_;  // values that may still come
  XGBoostDocument& document_;
  std::string path_;
  std::vector<std::size_t> lengths_;  // of the paths of the open arrays and objects
  Sink sink_ = nullptr;               // where the numbers of the innermost array go
  std::vector<std::int64_t> category_offsets_, category_values_;  // of the column being read
};

}  // namespace

XGBoostDocument ReadXGBoostDocument(std::string_view bytes, bool ubjson) {
  XGBoostDocument document;
  Events events(bytes.size(), document);
  Json::sax_parse(bytes.begin(), bytes.end(), &events,
                  ubjson ? Json::input_format_t::ubjson : Json::input_format_t::json);
  if (document.booster.empty()) {
    ThrowInvalid("it has no learner.gradient_booster.name: not a model that XGBoost saved");
  }
  return document;
}

}  // namespace windlass::model
