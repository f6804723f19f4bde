// What a masked game knows before any row: the merged background, its predictions and classes; and
// how outputs become values.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "windlass/base/error.h"
#include "windlass/base/vector_math.h"
#include "windlass/explain/masked.h"
#include "windlass/explain/masked_internal.h"
#include "windlass/model/linear.h"

namespace windlass::explain {
namespace {

// Bytes of a block of mixed rows: about half of a core's second-level cache, so that a model reads
// it from there.
constexpr std::int64_t kBlockBytes = 256 * 1024;
constexpr std::int64_t kMinBlock = 16;
constexpr std::int64_t kMaxBlock = 1024;

// Classes of background rows are tabulated for every set of players up to this many entries.
constexpr std::int64_t kMaxClassEntries = std::int64_t{1} << 22;

// How far from a probability (or from summing to one) single-precision rounding takes an output.
constexpr double kRounding = 1e-6;

std::unique_ptr<model::Model> MarginModel(const model::Model& model) {
  auto margin = model.Margin();
  if (margin == nullptr) {
    throw Error(ErrorCode::kInvalidInput,
                "the margin is asked for, but this model only gives its output: a model that shows "
                "that it is linear or made of trees is needed, or --output probability");
  }
  return margin;
}

}  // namespace

MaskedGame::MaskedGame(const Plan& plan, std::unique_ptr<model::Model> model)
    : plan_(plan), model_(std::move(model)) {
  plan_.background.clear();
  plan_.weights.clear();
  plan_.model = {};
  if (model_->columns() >= 0 && model_->columns() != plan.columns) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("the model takes {} columns, but the data has {}", model_->columns(),
                            plan.columns));
  }
  if (plan.margin) model_ = MarginModel(*model_);
  if (plan.margin && plan.link == Link::kLogit) {
    throw Error(ErrorCode::kInvalidInput,
                "link logit needs probabilities, but the margin is asked for; use --link identity");
  }
  model_outputs_ = static_cast<int>(model_->output_names().size());
  for (const std::int32_t output : plan.outputs) {
    if (output < 0 || output >= model_outputs_) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("output {} is asked for, but the model has {} (0..{})", output,
                              model_outputs_, model_outputs_ - 1));
    }
  }
  outputs_ = static_cast<int>(plan.outputs.size());
  channels_ = plan.link == Link::kLogit ? 2 * outputs_ : outputs_;
  for (const auto& group : plan.groups) {
    std::vector<Run>& runs = runs_.emplace_back();
    std::vector<std::int32_t> columns = group;
    std::ranges::sort(columns);
    for (const std::int32_t column : columns) {
      if (!runs.empty() && runs.back().begin + runs.back().count == column) {
        ++runs.back().count;
      } else {
        runs.push_back({column, 1});
      }
    }
  }
  MergeBackground(plan);
  // A row never needs more mixed rows than this; where it is little, whole blocks would be waste.
  const int players = plan.players();
  const double coalitions =
      IsSampled(plan.method) ? static_cast<double>(plan.nsamples) : std::ldexp(1.0, players);
  const double most = 1 + coalitions * static_cast<double>(weights_.size());
  block_ = kMaxBlock;
  while (block_ > kMinBlock && block_ * plan.columns * 8 > kBlockBytes) block_ /= 2;
  while (block_ > kMinBlock && static_cast<double>(block_) / 2 >= most) block_ /= 2;
  PredictBackground();
  BuildClasses();
}

void MaskedGame::MergeBackground(const Plan& plan) {
  const std::int64_t columns = plan.columns;
  // Sorted by a hash of the values, candidates for merging are neighbours.
  std::vector<std::pair<std::uint64_t, std::int64_t>> hashed;
  std::vector<std::uint64_t> bits(columns);
  for (std::int64_t b = 0; b < plan.background_rows(); ++b) {
    if (plan.weights[b] == 0) continue;
    for (std::int64_t c = 0; c < columns; ++c) {
      const double value = plan.background[b * columns + c];
      bits[c] = value != value ? ~std::uint64_t{0} : std::bit_cast<std::uint64_t>(value + 0.0);
    }
    hashed.emplace_back(HashWords(bits.data(), static_cast<int>(columns)), b);
  }
  std::ranges::sort(hashed);
  std::vector<std::int64_t> first(plan.weights.size(), -1);  // the first row equal to this one
  for (std::size_t begin = 0; begin < hashed.size();) {
    std::size_t end = begin + 1;
    while (end < hashed.size() && hashed[end].first == hashed[begin].first) ++end;
    for (std::size_t i = begin; i < end; ++i) {
      const double* row = &plan.background[hashed[i].second * columns];
      std::size_t j = begin;
      while (j < i && !(first[hashed[j].second] == hashed[j].second &&
                        std::equal(row, row + columns, &plan.background[hashed[j].second * columns],
                                   SameValue))) {
        ++j;
      }
      first[hashed[i].second] = hashed[j].second;
    }
    begin = end;
  }
  std::vector<std::int64_t> at(plan.weights.size(), -1);
  for (std::int64_t b = 0; b < plan.background_rows(); ++b) {
    if (first[b] < 0) continue;
    if (first[b] == b) {
      at[b] = std::ssize(weights_);
      weights_.push_back(plan.weights[b]);
      background_.insert(background_.end(), &plan.background[b * columns],
                         &plan.background[b * columns] + columns);
    } else {
      weights_[at[first[b]]] += plan.weights[b];
    }
  }
  if (weights_.empty()) {
    throw Error(ErrorCode::kInvalidInput, "the background has no row with a positive weight");
  }
}

void MaskedGame::PredictBackground() {
  const auto rows = static_cast<std::int64_t>(weights_.size());
  const std::int64_t columns = plan_.columns;
  std::vector<double> outputs((rows + block_) * model_outputs_);
  std::vector<double> block(block_ * columns);
  for (std::int64_t begin = 0; begin < rows; begin += block_) {
    for (std::int64_t r = 0; r < block_; ++r) {
      const std::int64_t b = begin + r < rows ? begin + r : begin;
      std::copy_n(&background_[b * columns], columns, &block[r * columns]);
    }
    model_->Predict(block, block_,
                    std::span(outputs).subspan(begin * model_outputs_, block_ * model_outputs_));
  }
  // 1 - p has few right digits when p is near 1, but where the outputs are the probabilities of
  // classes the others' sum has them all. That they are is seen on the background: there every row
  // sums to one, and not only because one output is saturated.
  bool sums_to_one = true;
  bool undecided = false;
  for (std::int64_t b = 0; b < rows; ++b) {
    double sum = 0;
    double largest = 0;
    for (int k = 0; k < model_outputs_; ++k) {
      sum += outputs[b * model_outputs_ + k];
      largest = std::max(largest, outputs[b * model_outputs_ + k]);
    }
    sums_to_one = sums_to_one && std::abs(sum - 1) <= kRounding;
    undecided = undecided || largest < 0.999;
  }
  distribution_ = model_outputs_ > 1 && sums_to_one && undecided;

  background_channels_.resize(rows * channels_);
  std::vector<double> sums(channels_, 0.0);
  for (std::int64_t b = 0; b < rows; ++b) {
    double* channels = &background_channels_[b * channels_];
    if (!ReadOutputs(&outputs[b * model_outputs_], channels)) {
      throw Error(ErrorCode::kInvalidInput,
                  "on the background, " + NoProbability(&outputs[b * model_outputs_]));
    }
    for (int c = 0; c < channels_; ++c) sums[c] = std::fma(weights_[b], channels[c], sums[c]);
  }
  base_value_.resize(outputs_);
  Link(sums, 1, base_value_);
  for (int k = 0; k < outputs_; ++k) {
    if (!std::isfinite(base_value_[k])) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("the background's expected output {} is {} under link {}; {}",
                              plan_.outputs[k], base_value_[k], LinkName(plan_.link),
                              plan_.link == Link::kLogit
                                  ? "use --clip to keep probabilities off 0 and 1, or --link "
                                    "identity"
                                  : "the model must give finite numbers there"));
    }
  }
}

void MaskedGame::BuildClasses() {
  const auto rows = static_cast<std::int64_t>(weights_.size());
  const int players = plan_.players();
  if (players > 22 || rows > 65535 || (rows << players) > kMaxClassEntries) return;
  const std::int64_t columns = plan_.columns;
  // Codes of the values that a player takes in the background, counted by first appearance.
  std::vector<std::uint16_t> codes(players * rows);
  for (int g = 0; g < players; ++g) {
    std::vector<std::int64_t> representatives;
    for (std::int64_t b = 0; b < rows; ++b) {
      std::size_t code = 0;
      for (; code < representatives.size(); ++code) {
        const bool same = std::ranges::all_of(runs_[g], [&](const Run& run) {
          const double* one = &background_[b * columns + run.begin];
          const double* two = &background_[representatives[code] * columns + run.begin];
          return std::equal(one, one + run.count, two, SameValue);
        });
        if (same) break;
      }
      if (code == representatives.size()) representatives.push_back(b);
      codes[g * rows + b] = static_cast<std::uint16_t>(code);
    }
  }
  const std::size_t sets = std::size_t{1} << players;
  class_of_.assign(sets * rows, 0);
  class_offset_.resize(sets + 1);
  class_offset_[1] = 1;                                 // all rows agree on nobody
  std::vector<std::int32_t> class_at(rows * rows, -1);  // by class without the player, and code
  std::vector<std::size_t> touched;
  for (std::size_t set = 1; set < sets; ++set) {
    const std::uint16_t* before = &class_of_[(set & (set - 1)) * rows];
    const std::uint16_t* code = &codes[std::countr_zero(set) * rows];
    std::int32_t count = 0;
    for (std::int64_t b = 0; b < rows; ++b) {
      const std::size_t key = static_cast<std::size_t>(before[b]) * rows + code[b];
      if (class_at[key] < 0) {
        class_at[key] = count++;
        touched.push_back(key);
      }
      class_of_[set * rows + b] = static_cast<std::uint16_t>(class_at[key]);
    }
    class_offset_[set + 1] = class_offset_[set] + count;
    for (const std::size_t key : touched) class_at[key] = -1;
    touched.clear();
  }
}

bool MaskedGame::ReadOutputs(const double* outputs, double* channels) const {
  if (plan_.link == Link::kIdentity) {
    for (int k = 0; k < outputs_; ++k) channels[k] = outputs[plan_.outputs[k]];
    return true;
  }
  bool fit = true;
  for (int k = 0; k < outputs_; ++k) {
    const double p = outputs[plan_.outputs[k]];
    if (p < -kRounding || p > 1 + kRounding) {
      channels[2 * k] = channels[2 * k + 1] = std::numeric_limits<double>::quiet_NaN();
      fit = false;
      continue;
    }
    double rest = 1 - p;
    if (distribution_ && p > 0.5) {
      double others = 0;
      for (int j = 0; j < model_outputs_; ++j) {
        if (j != plan_.outputs[k]) others += outputs[j];
      }
      if (std::abs(others - rest) <= kRounding) rest = others;
    }
    channels[2 * k] = p < 0 ? 0 : p > 1 ? 1 : p;
    channels[2 * k + 1] = rest < 0 ? 0 : rest > 1 ? 1 : rest;
  }
  return fit;
}

std::string MaskedGame::NoProbability(const double* outputs) const {
  for (const std::int32_t output : plan_.outputs) {
    if (outputs[output] < -kRounding || outputs[output] > 1 + kRounding) {
      return fmt::format(
          "the model's output {} is {}, but link logit needs probabilities between "
          "0 and 1; use --link identity",
          output, outputs[output]);
    }
  }
  return "the model's outputs are no probabilities";
}

// sums: [count, channels], overwritten; values: [outputs, count].
void MaskedGame::Link(std::span<double> sums, std::int64_t count, std::span<double> values) const {
  if (plan_.link == Link::kIdentity) {
    for (int k = 0; k < outputs_; ++k) {
      for (std::int64_t i = 0; i < count; ++i) values[k * count + i] = sums[i * outputs_ + k];
    }
    return;
  }
  if (plan_.clip > 0) {
    for (double& sum : sums) {
      sum = sum < plan_.clip ? plan_.clip : sum > 1 - plan_.clip ? 1 - plan_.clip : sum;
    }
  }
  const vector_math::hn::ScalableTag<double> d;
  const std::size_t lanes = vector_math::hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= sums.size(); i += lanes) {
    vector_math::hn::StoreU(vector_math::Log(d, vector_math::hn::LoadU(d, &sums[i])), d, &sums[i]);
  }
  for (; i < sums.size(); ++i) sums[i] = Log(sums[i]);
  for (int k = 0; k < outputs_; ++k) {
    for (std::int64_t i = 0; i < count; ++i) {
      values[k * count + i] = sums[i * channels_ + 2 * k] - sums[i * channels_ + 2 * k + 1];
    }
  }
}

}  // namespace windlass::explain
