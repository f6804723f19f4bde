// What every worker needs to explain any row, fixed before the first row is read: it follows from
// model, background and spec alone, so that a row's attributions never depend on its company.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/bytes.h"
#include "windlass/explain/hierarchy.h"
#include "windlass/model/model.h"

namespace windlass::explain {

// The game's values are link(expected output). kLogit: log(p / (1 - p)).
enum class Link : std::uint8_t { kIdentity = 0, kLogit = 1 };
std::string_view LinkName(Link link);

enum class Method : std::uint8_t {
  kLinear = 0,
  kExact = 1,
  kKernel = 2,
  kTree = 3,
  kPermutation = 4,
  kLeverage = 5,
  kMsr = 6
};
std::string_view MethodName(Method method);

// How KernelSHAP selects features before the regression (Lundberg & Lee 2017; shap's l1_reg).
enum class L1Reg : std::uint8_t { kNone = 0, kNumFeatures = 1, kAic = 2, kBic = 3 };

struct Plan {
  model::ModelSource model;
  bool margin = false;                // explain the margin instead of the output (--output margin)
  std::vector<std::int32_t> outputs;  // which outputs of the model are explained
  std::int64_t columns = 0;
  std::vector<double> background;                 // [background rows, columns]
  std::vector<double> weights;                    // [background rows], positive or zero, sum 1
  std::vector<std::vector<std::int32_t>> groups;  // columns of each player
  Hierarchy hierarchy;  // of the groups; empty: Shapley values, else Owen values
  Link link = Link::kIdentity;
  Method method = Method::kLinear;
  std::int64_t nsamples = 0;  // coalitions a row, at most, for methods that sample
  double tolerance = 0;       // a row stops when its intervals' half widths are below; 0: never
  std::uint64_t seed = 0;
  L1Reg l1_reg = L1Reg::kNone;
  std::int32_t l1_features = 0;  // for kNumFeatures
  bool interactions = false;     // pairs of groups as well
  bool tree_path = false;        // for kTree: path dependent, without a background
  double clip = 0;               // probabilities are kept within [clip, 1 - clip]
  // What a model that lives elsewhere predicted for some background rows when the plan was made:
  // computes nothing, but another model behind the same name makes another plan.
  std::vector<double> fingerprint;

  std::int64_t background_rows() const { return static_cast<std::int64_t>(weights.size()); }
  int players() const { return static_cast<int>(groups.size()); }

  Bytes Encode() const;
  // Throws Error{kCorrupt}.
  static Plan Decode(const Bytes& bytes);
};

// Whether the method samples coalitions, nsamples of them at most.
bool IsSampled(Method method);

// Whether attributions come with intervals: those of methods that sample do, but where features
// are selected first, whose error no interval here would tell.
bool HasIntervals(const Plan& plan);

}  // namespace windlass::explain
