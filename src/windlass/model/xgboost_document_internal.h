// XGBoost's model files as they are: what the JSON and UBJSON forms have in common.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace windlass::model {

// One tree's arrays, [nodes] each; those of categories are empty in a tree without them, and
// sum_hessian may be in one of vectors.
struct XGBoostTree {
  std::vector<std::int32_t> left_children;
  std::vector<std::int32_t> right_children;
  std::vector<std::int32_t> split_indices;
  std::vector<float> split_conditions;
  std::vector<float> sum_hessian;
  std::vector<std::uint8_t> default_left;
  std::vector<std::uint8_t> split_type;           // 1: categorical
  std::vector<std::int32_t> categories;           // of all nodes, one after the other
  std::vector<std::int32_t> categories_nodes;     // [categorical nodes], ascending
  std::vector<std::int64_t> categories_segments;  // [categorical nodes], begin in `categories`
  std::vector<std::int64_t> categories_sizes;     // [categorical nodes]
  std::int64_t leaf_vector = 1;                   // numbers in a leaf
  // Where a leaf has several: of all nodes, [nodes, leaf_vector]; from version 3.2 on those of
  // leaves are apart, [leaves, leaf_vector], and a leaf's "right child" is its index there.
  std::vector<float> base_weights;
  std::vector<float> leaf_weights;

  std::int64_t nodes() const { return std::ssize(left_children); }
  bool has_vectors() const { return leaf_vector > 1; }
};

struct XGBoostDocument {
  std::string booster;  // "gbtree", "dart", "gblinear"
  std::string objective;
  std::vector<float> base_score;
  std::int64_t classes = 0;
  std::int64_t targets = 1;
  std::int64_t features = 0;
  std::int64_t parallel_trees = 1;    // of each output in a round
  std::int64_t best_iteration = -1;   // the round at which training stopped early; -1: it did not
  std::int64_t best_ntree_limit = 0;  // what old versions kept instead: trees of each output
  std::vector<std::int32_t> version;  // major, minor, patch
  std::vector<XGBoostTree> trees;
  std::vector<std::int32_t> tree_info;  // [trees], the output that each adds to
  std::vector<float> weight_drop;       // [trees], of DART; else empty
  std::string feature_names;            // each followed by '\0'
  // Of version 3.1 on: for each column the number of its categories, and the names of all.
  std::vector<std::int32_t> category_counts;  // [columns], or empty
  std::string category_names;                 // each followed by '\0'
};

// Reads either form. Memory stays within a small multiple of the file.
// Throws Error{kInvalidInput} naming the place: no such document, an array of another length than
// its tree has nodes, a number out of range.
XGBoostDocument ReadXGBoostDocument(std::string_view bytes, bool ubjson);

}  // namespace windlass::model
