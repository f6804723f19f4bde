// Our own reader of ONNX files: what a model takes and gives, and whether it is linear or made of
// decision trees.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/model/model.h"
#include "windlass/model/trees.h"

namespace windlass::model {

enum class OnnxElement { kFloat, kDouble, kInt32, kInt64 };

// One input of a graph: some of the table's columns, side by side.
struct OnnxInput {
  std::string name;
  OnnxElement element = OnnxElement::kFloat;
  int rank = 2;  // [rows, columns], or 1: [rows], one column
  std::int64_t columns = 1;
};

struct OnnxSignature {
  std::vector<OnnxInput> inputs;          // in the order of the table's columns
  std::int64_t columns = 0;               // of all inputs
  std::int64_t batch = 0;                 // rows that every call must have; 0 for any number
  std::string output;                     // the tensor that is asked for
  std::vector<std::string> column_names;  // where every column is an input of its own, else empty
  std::vector<std::string> output_names;  // class labels where the graph has them, else empty
};

// What a user may have to say about a graph that does not say it itself.
struct OnnxChoice {
  std::string output;        // name of the output; empty: see ReadOnnxSignature
  std::int64_t columns = 0;  // of the only input; 0: as the graph says
};

// Checks that `content` is a well-formed ONNX model that takes rows of numbers.
//
// Of several outputs it takes the only one of floating point numbers, else the only one with "prob"
// in its name. That makes it the probabilities, not the label, of a classifier. An output made by a
// ZipMap (a list of dictionaries) stands for the table that went into the ZipMap.
//
// Throws Error{kInvalidInput} naming `what` for bytes that are not an ONNX model, for inputs that
// are not rows of numbers, for a `choice` that the graph does not have, and where a choice is
// needed; Error{kUnsupported} for weights in other files.
OnnxSignature ReadOnnxSignature(std::string_view content, std::string_view what,
                                const OnnxChoice& choice = {});

struct OnnxLinear {
  LinearStructure structure;
  std::vector<std::string> column_names;  // as in OnnxSignature
  std::vector<std::string> output_names;
};

// Recognises a model whose output is linear: made of Gemm, MatMul, Add, Sub, Mul, Div, Neg with
// constants, Scaler, LinearRegressor, LinearClassifier, Concat, and what changes no value
// (Identity, Cast between floating point types, Reshape, Squeeze, Unsqueeze, Flatten), then at most
// one of Sigmoid, Softmax over the classes or a post_transform, then what changes no probabilities
// (a normalisation of what sums to 1 already). Returns nothing for any other valid graph.
//
// The structure equals the graph in exact arithmetic. It is evaluated in double precision; a graph
// in single precision, as most exporters make, gives predictions that differ from it by the
// rounding of single precision, and the structure is the more accurate of the two. Coefficients are
// those of the file, taken as they are.
//
// Of a binary classifier the outputs are [sigmoid(-z), sigmoid(z)], which equals [1 - p, p] and
// keeps the digits of both, where 1 - p would lose those of a small one.
//
// Throws as ReadOnnxSignature does.
std::optional<OnnxLinear> ReadOnnxLinear(std::string_view content, std::string_view what,
                                         const OnnxChoice& choice = {});

struct OnnxTrees {
  TreeEnsemble ensemble;
  Activation activation = Activation::kIdentity;
  TreeNames names;
};

// Recognises a model that is a sum of decision trees.
//
// Before them: the inputs put side by side (Concat), and steps of numbers that never fall or never
// rise as the input rises: Cast between floating point types, Scaler, Add, Sub, Mul, Div with
// constants, Clip; also Imputer of missing values. Then one TreeEnsembleClassifier,
// TreeEnsembleRegressor or TreeEnsemble. What follows changes nothing (Identity, Cast, a ZipMap, a
// normalisation of what sums to 1 already), is one of Sigmoid, Softmax over the classes, Exp, or
// adds or multiplies constants where that keeps the form. Returns nothing for any other valid
// graph, and for forms that ONNX Runtime 1.32 computes otherwise than the standard says.
//
// Decisions are those of the graph: each step rounds as it does there, and a threshold of what
// comes out becomes the one of the input that sends every number to the same side. Sums are in
// double precision, the graph's mostly in single. Of a binary classifier with one sum s of weights
// the outputs are [-s, s] before the sigmoid, or [1 - s, s] without one, as the runtime gives them.
//
// Throws as ReadOnnxSignature does.
std::optional<OnnxTrees> ReadOnnxTrees(std::string_view content, std::string_view what,
                                       const OnnxChoice& choice = {});

// The model as the runtime should load it: the chosen output only, no ZipMap.
std::string OnnxForRuntime(std::string_view content, const OnnxSignature& signature,
                           std::string_view what);

}  // namespace windlass::model
