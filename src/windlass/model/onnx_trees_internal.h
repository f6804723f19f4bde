// The parts of reading trees from an ONNX graph: what stands before them, their operator, and what
// follows.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "windlass/model/onnx_graph.h"
#include "windlass/model/onnx_proto_internal.h"

namespace windlass::model {

inline constexpr int kMaxOnnxSteps = 64;  // nodes on the way from the output or to an input

const OnnxNode* ProducerOf(const OnnxModelFile& model, std::string_view name);

// The constants of a graph by name, each decoded once.
class OnnxConstants {
 public:
  OnnxConstants(const OnnxModelFile& model, std::string_view what);

  // Null for what is no constant, or one that OnnxTensor::Decode does not know.
  const OnnxConstant* Find(std::string_view name);

  // The floats of a node's attribute; empty where there are none.
  const std::vector<double>& Floats(const OnnxNode& node, std::string_view attribute);

 private:
  const OnnxModelFile& model_;
  std::string_view what_;
  std::map<std::string_view, const OnnxTensor*> initializers_;
  std::map<std::string_view, std::optional<OnnxConstant>> decoded_;
  std::map<const OnnxAttribute*, std::vector<double>> floats_;
};

// --- onnx_tree_columns.cc: what stands before the trees ---

// A step of a number on its way from the table into the trees. It never falls as the number rises,
// or never rises, whatever is rounded; a missing value stays one, but for kImpute.
struct OnnxStep {
  enum class Kind : std::uint8_t {
    kRound,  // to single precision
    kAdd,
    kSubtract,
    kSubtractFrom,
    kMultiply,
    kDivide,
    kAtLeast,
    kAtMost,
    kImpute,
  };
  Kind kind = Kind::kRound;
  bool single = false;  // calculates in single precision
  double by = 0;        // finite, and not 0 where it multiplies or divides

  double Apply(double x) const;
  bool falls() const;
};

struct OnnxTreeColumn {
  std::int64_t table = -1;  // the table's column; -1: there is none
  std::vector<OnnxStep> steps;

  double Apply(double x) const;
  bool plain() const;                              // as it is, or rounded
  bool rounded() const { return !steps.empty(); }  // if plain
  bool falls() const;
};

// The columns of a tensor [rows, width], each one of the table's after some steps.
struct OnnxTreeColumns {
  struct Step {
    OnnxStep::Kind kind = OnnxStep::Kind::kRound;
    const std::vector<double>* by = nullptr;  // [1] or [width]; the OnnxConstants have it
    std::int64_t at = 0;                      // where those of the range begin
    bool single = false;
  };
  struct Range {
    std::int64_t first = 0;
    std::int64_t count = 0;
    std::vector<Step> steps;
  };
  std::vector<Range> ranges;
  bool single = false;  // its elements are in single precision

  std::int64_t width() const;
  OnnxTreeColumn At(std::int64_t at) const;
};

// Nothing where something stands before the tensor that is no step, no Identity and no Concat.
std::optional<OnnxTreeColumns> ReadOnnxTreeColumns(const OnnxModelFile& model,
                                                   const OnnxSignature& signature,
                                                   OnnxConstants& constants, std::string_view name);

// --- onnx_tree_nodes.cc: the operator ---

enum class OnnxTreeMode : std::uint8_t {
  kLessEqual,
  kLess,
  kGreaterEqual,
  kGreater,
  kEqual,
  kNotEqual,
  kMember,
  kLeaf,
};

struct OnnxTreeNode {
  double value = 0;          // what a split compares with
  std::int32_t column = 0;   // of the tensor that goes into the trees
  std::int32_t if_true = 0;  // indices in its tree
  std::int32_t if_false = 0;
  std::int32_t set = -1;  // of kMember, in OnnxForest::sets
  OnnxTreeMode mode = OnnxTreeMode::kLeaf;
  bool missing_true = false;
};

// A number that a leaf adds to an output.
struct OnnxLeafWeight {
  std::int32_t tree = 0;
  std::int32_t node = 0;  // index in its tree
  std::int64_t output = 0;
  double value = 0;
};

// The trees of one operator, whichever form it has.
struct OnnxForest {
  struct Tree {
    std::int64_t begin = 0;  // of its nodes, the root first
    std::int64_t end = 0;
  };
  struct Set {
    std::int64_t begin = 0;  // in `members`
    std::int64_t end = 0;
    TreeEnsemble::CategoryRule rule;
  };

  // One base value for each output, or none. False where weights do not fit them.
  bool SetOutputs(std::int64_t outputs);
  // Makes sums of the leaves their mean over the trees.
  void Average();

  std::vector<OnnxTreeNode> nodes;
  std::vector<double> hit_rates;  // [nodes]; empty where they say nothing
  std::vector<Set> sets;
  std::vector<std::int32_t> members;
  std::vector<Tree> trees;
  std::vector<OnnxLeafWeight> weights;
  std::vector<double> base;  // [outputs]
  Activation activation = Activation::kIdentity;
  bool in_double = false;  // some of its numbers are
  // Nodes of the trees that are made of it, one for each output that a tree adds to: copies that
  // take much more room than the file are not worth it.
  std::int64_t room = 0;
};

// Reads attributes of a tree operator.
class OnnxTreeAttributes {
 public:
  OnnxTreeAttributes(const OnnxNode& node, std::string_view what) : node_(node), what_(what) {}

  // Empty where there is none.
  std::vector<std::int64_t> Integers(std::string_view name) const;

  // NAME in single precision, or NAME_as_tensor; nothing where both are there or one is no tensor
  // of floating point numbers. `in_double` becomes true where they are in double precision.
  std::optional<std::vector<double>> Numbers(const std::string& name, bool& in_double) const;

  // The tensor NAME, as Numbers takes it; empty where there is none.
  std::optional<std::vector<double>> Tensor(std::string_view name, bool& in_double) const;

  // The tensor NAME of uint8; nothing where there is none.
  std::optional<std::vector<std::uint8_t>> Bytes(std::string_view name) const;

  // What both forms of the operator call the same; false where it does not fit [nodes].
  bool FillColumns(std::vector<OnnxTreeNode>& nodes) const;
  bool FillMissing(std::vector<OnnxTreeNode>& nodes) const;

 private:
  const OnnxNode& node_;
  std::string_view what_;
};

bool IsOnnxTrees(const OnnxNode& node);

// Nothing for a form that is not known, or that the runtime may see otherwise.
std::optional<OnnxForest> ReadOnnxForest(const OnnxNode& node, std::string_view what);
std::optional<OnnxForest> ReadOnnxForest5(const OnnxNode& node, std::string_view what);

// --- onnx_tree_build.cc: both together ---

// The trees on the table's columns. Nothing where they cannot be said so. Throws as
// TreeBuilder::Finish does.
std::optional<OnnxTrees> BuildOnnxTrees(OnnxForest forest, const OnnxTreeColumns& columns,
                                        std::int64_t table_columns);

// --- onnx_tree_after.cc: what follows ---

// Takes an operator on the outputs of the trees, which are its input `from`, into them. False where
// that cannot be.
bool ApplyAfterOnnxTrees(const OnnxNode& node, std::string_view from, OnnxConstants& constants,
                         OnnxTrees& trees);

}  // namespace windlass::model
