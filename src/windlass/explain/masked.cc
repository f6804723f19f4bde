#include "windlass/explain/masked.h"

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "windlass/base/error.h"
#include "windlass/base/vector_math.h"
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

constexpr std::int32_t kNoSlot = -1;

// Equal as models see it: 0 and -0 are, a missing value equals a missing value.
bool SameValue(double a, double b) { return a == b || (a != a && b != b); }

int WordsOf(std::size_t players) { return static_cast<int>((players + 63) / 64); }

// The bits of `mask` at the places of `selector`, moved together; and the inverse.
std::uint64_t Compress(const std::uint64_t* mask, const std::uint64_t* selector, int words) {
  std::uint64_t result = _pext_u64(mask[0], selector[0]);
  int at = std::popcount(selector[0]);
  for (int i = 1; i < words; ++i) {
    // `at` reaches 64 only when the selector is too wide for an index and no caller asks for one
    result |= _pext_u64(mask[i], selector[i]) << (at & 63);
    at += std::popcount(selector[i]);
  }
  return result;
}

void Expand(std::uint64_t bits, const std::uint64_t* selector, int words, std::uint64_t* out) {
  for (int i = 0; i < words; ++i) {
    out[i] = _pdep_u64(bits, selector[i]);
    const int count = std::popcount(selector[i]);
    bits = count == 64 ? 0 : bits >> count;
  }
}

std::uint64_t HashWords(const std::uint64_t* words, int count) {
  std::uint64_t hash = 0x9e3779b97f4a7c15;
  for (int i = 0; i < count; ++i) {
    hash = (hash ^ words[i]) * 0xff51afd7ed558ccd;
    hash ^= hash >> 32;
  }
  return hash;
}

std::unique_ptr<model::Model> MarginModel(std::unique_ptr<model::Model> model) {
  const model::LinearStructure* structure = model->linear();
  if (structure == nullptr) {
    throw Error(ErrorCode::kInvalidInput,
                "the margin is asked for, but this model only gives its output: a model that shows "
                "that it is linear is needed, or --output probability");
  }
  model::LinearStructure margin = *structure;
  margin.activation = model::Activation::kIdentity;
  return model::MakeLinearModel(std::move(margin), model->column_names(), model->output_names());
}

// to[i * kChannels + c] += from[index(i) * kChannels + c]
template <int kChannels, typename Index>
void Gather(const double* from, std::int64_t count, int channels, Index index, double* to) {
  const int n = kChannels > 0 ? kChannels : channels;
  for (std::int64_t i = 0; i < count; ++i) {
    const double* source = from + static_cast<std::size_t>(index(i)) * n;
    for (int c = 0; c < n; ++c) to[i * n + c] += source[c];
  }
}

template <typename Index>
void Gather(const double* from, std::int64_t count, int channels, Index index, double* to) {
  switch (channels) {
    case 1: Gather<1>(from, count, channels, index, to); break;
    case 2: Gather<2>(from, count, channels, index, to); break;
    default: Gather<0>(from, count, channels, index, to); break;
  }
}

// Background rows that differ from x in the same players D, and their sums for every needed S & D.
struct DifferingSet {
  std::vector<std::uint64_t> differing;  // D, [words]
  int size = 0;                          // players in D
  bool direct = true;                    // sums are indexed by S & D moved together
  std::vector<std::int32_t> inside;      // else: for each pair, where its sum is
  std::vector<std::int32_t> outside;
  std::vector<double> sums;              // [S & D, channels]
};

// A mixed row's outputs, to be added to a sum with the background row's weight.
struct Addend {
  double* sum;
  std::int32_t slot;
  std::int32_t background_row;
};

}  // namespace

struct MaskedGame::Workspace {
  const double* x = nullptr;
  std::string unfit;  // what the model gave for a mixed row that is no probability
  std::int64_t evaluations = 0;
  std::vector<std::int32_t> varying;
  int words = 1;
  std::uint64_t varying_mask = 0;             // over the plan's players; where classes are known
  std::vector<std::uint64_t> plan_differing;  // [background rows, words of the plan's players]
  std::vector<std::uint64_t> differing;       // [background rows, words], of varying players
  std::vector<std::int32_t> order;            // background rows sorted by what differs

  // Outputs of mixed rows: slot 0 is x, slot 1 + b the background row b, others as they come.
  std::vector<double> slots;                  // [slots, channels]
  std::int32_t slot_count = 0;
  std::vector<std::int32_t> slot_of_class;    // kNoSlot where not asked for yet
  std::vector<std::int32_t> used_classes;

  std::vector<double> block;                  // [block, columns]
  std::vector<double> outputs;                // [block, model outputs]
  std::vector<std::int32_t> pending;          // slots of the rows in the block
  std::vector<Addend> addends;

  std::vector<std::unique_ptr<DifferingSet>> sets;  // a pool; the first `open` are in use
  std::size_t open = 0;
  bool last_is_growing = false;
  CoalitionPairs pairs;
  std::vector<double> inside;                 // [pairs, channels]
  std::vector<double> outside;

  std::vector<std::uint8_t> marks;
  std::vector<std::uint64_t> submasks;        // what S & D takes for a set: indices, or words
  std::vector<std::int32_t> table;            // hash table over them
  std::vector<std::uint64_t> taken, rest;     // [words]
};

void MaskedGame::DeleteWorkspace::operator()(Workspace* workspace) const { delete workspace; }

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
  if (plan.margin) model_ = MarginModel(std::move(model_));
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
  const double coalitions = plan.method == Method::kKernel ? static_cast<double>(plan.nsamples)
                                                           : std::ldexp(1.0, players);
  const double most = 1 + coalitions * static_cast<double>(weights_.size());
  block_ = kMaxBlock;
  while (block_ > kMinBlock && block_ * plan.columns * 8 > kBlockBytes) block_ /= 2;
  while (block_ > kMinBlock && static_cast<double>(block_ / 2) >= most) block_ /= 2;
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
                        std::equal(row, row + columns,
                                   &plan.background[hashed[j].second * columns], SameValue))) {
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
                  fmt::format("on the background, {}", NoProbability(&outputs[b * model_outputs_])));
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
  class_offset_[1] = 1;  // all rows agree on nobody
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

MaskedGame::WorkspacePointer MaskedGame::NewWorkspace() const {
  WorkspacePointer w(new Workspace);
  const std::size_t rows = weights_.size();
  w->block.resize(block_ * plan_.columns);
  w->outputs.resize(block_ * model_outputs_);
  w->slots.assign(channels_, 0.0);
  w->slots.insert(w->slots.end(), background_channels_.begin(), background_channels_.end());
  w->slots.resize((1 + rows + block_) * channels_);
  if (!class_offset_.empty()) w->slot_of_class.assign(class_offset_.back(), kNoSlot);
  w->plan_differing.resize(rows * WordsOf(runs_.size()));
  w->order.resize(rows);
  return w;
}

std::span<const std::int32_t> MaskedGame::Begin(const double* x, Workspace& w) const {
  w.x = x;
  const std::size_t rows = weights_.size();
  const int plan_words = WordsOf(runs_.size());
  std::ranges::fill(w.plan_differing, 0);
  std::vector<std::uint64_t> any(plan_words, 0);
  for (std::size_t b = 0; b < rows; ++b) {
    const double* background = &background_[b * plan_.columns];
    for (std::size_t g = 0; g < runs_.size(); ++g) {
      bool same = true;
      for (const Run& run : runs_[g]) {
        for (std::int32_t c = run.begin; c < run.begin + run.count; ++c) {
          same = same && SameValue(x[c], background[c]);
        }
      }
      if (!same) w.plan_differing[b * plan_words + g / 64] |= std::uint64_t{1} << (g % 64);
    }
    for (int i = 0; i < plan_words; ++i) any[i] |= w.plan_differing[b * plan_words + i];
  }
  w.varying_mask = any[0];
  w.varying.clear();
  for (std::size_t g = 0; g < runs_.size(); ++g) {
    if (any[g / 64] >> (g % 64) & 1) w.varying.push_back(static_cast<std::int32_t>(g));
  }
  w.words = std::max(WordsOf(w.varying.size()), 1);
  w.differing.assign(rows * w.words, 0);
  for (std::size_t b = 0; b < rows; ++b) {
    for (std::size_t i = 0; i < w.varying.size(); ++i) {
      const int g = w.varying[i];
      const std::uint64_t bit = w.plan_differing[b * plan_words + g / 64] >> (g % 64) & 1;
      w.differing[b * w.words + i / 64] |= bit << (i % 64);
    }
  }
  std::iota(w.order.begin(), w.order.end(), 0);
  std::ranges::sort(w.order, [&](std::int32_t one, std::int32_t two) {
    for (int i = w.words - 1; i >= 0; --i) {
      const std::uint64_t a = w.differing[one * w.words + i];
      const std::uint64_t b = w.differing[two * w.words + i];
      if (a != b) return a < b;
    }
    return one < two;
  });
  return w.varying;
}

std::int64_t MaskedGame::Evaluate(const CoalitionPairs& pairs, const std::function<void()>& check,
                                  Workspace& w, std::span<double> prediction,
                                  std::span<double> inside, std::span<double> outside) const {
  const auto rows = static_cast<std::int32_t>(weights_.size());
  w.pairs = pairs;
  w.evaluations = 1;
  w.unfit.clear();
  w.open = 0;
  w.last_is_growing = false;
  w.addends.clear();
  w.slot_count = 1 + rows;
  for (const std::int32_t used : w.used_classes) w.slot_of_class[used] = kNoSlot;
  w.used_classes.clear();
  if (!class_offset_.empty()) {
    for (std::int32_t b = 0; b < rows; ++b) {  // a mixed row may be a background row
      const std::uint64_t set = w.plan_differing[b];
      const std::int32_t entry = class_offset_[set] + class_of_[set * rows + b];
      w.slot_of_class[entry] = 1 + b;
      w.used_classes.push_back(entry);
    }
  }
  w.inside.assign(pairs.count * channels_, 0.0);
  w.outside.assign(pairs.count * channels_, 0.0);
  std::copy_n(w.x, plan_.columns, w.block.data());
  w.pending.assign(1, 0);

  w.taken.resize(w.words);
  w.rest.resize(w.words);
  for (std::int32_t begin = 0; begin < rows && pairs.count > 0;) {
    const auto* differing = &w.differing[w.order[begin] * w.words];
    std::int32_t end = begin + 1;
    while (end < rows && std::equal(differing, differing + w.words,
                                    &w.differing[w.order[end] * w.words])) {
      ++end;
    }
    EnqueueSet(std::span(w.order).subspan(begin, end - begin), pairs, check, w);
    begin = end;
  }
  Flush(check, w);

  std::vector<double> own(w.slots.begin(), w.slots.begin() + channels_);
  Link(own, 1, prediction);
  Link(w.inside, pairs.count, inside);
  Link(w.outside, pairs.count, outside);
  return w.evaluations;
}

void MaskedGame::EnqueueSet(std::span<const std::int32_t> rows, const CoalitionPairs& pairs,
                            const std::function<void()>& check, Workspace& w) const {
  if (w.open == w.sets.size()) w.sets.push_back(std::make_unique<DifferingSet>());
  DifferingSet& set = *w.sets[w.open++];
  w.last_is_growing = true;
  const std::uint64_t* differing = &w.differing[rows[0] * w.words];
  set.differing.assign(differing, differing + w.words);
  set.size = 0;
  for (const std::uint64_t word : set.differing) set.size += std::popcount(word);
  set.direct = pairs.masks == nullptr ||
               (set.size < 32 && (std::int64_t{1} << set.size) <= 8 * pairs.count);

  // The values of S & D that occur: in `submasks`, as indices where direct, else as words.
  w.submasks.clear();
  const std::uint64_t everyone = set.direct ? (std::uint64_t{1} << set.size) - 1 : 0;
  std::size_t values = 0;
  if (pairs.masks == nullptr) {
    values = everyone + 1;
  } else if (set.direct) {
    w.marks.assign(everyone + 1, 0);
    for (std::int64_t i = 0; i < pairs.count; ++i) {
      const std::uint64_t index = Compress(pairs.masks + i * w.words, differing, w.words);
      w.marks[index] = 1;
      w.marks[everyone ^ index] = 1;
    }
    for (std::uint64_t index = 0; index <= everyone; ++index) {
      if (w.marks[index]) w.submasks.push_back(index);
    }
    values = everyone + 1;
  } else {
    const std::size_t capacity = std::bit_ceil(static_cast<std::size_t>(4 * pairs.count));
    w.table.assign(capacity, -1);
    set.inside.resize(pairs.count);
    set.outside.resize(pairs.count);
    for (std::int64_t i = 0; i < 2 * pairs.count; ++i) {
      const std::uint64_t* mask = pairs.masks + i / 2 * w.words;
      for (int word = 0; word < w.words; ++word) {
        w.taken[word] = differing[word] & (i % 2 == 0 ? mask[word] : ~mask[word]);
      }
      std::size_t at = HashWords(w.taken.data(), w.words) & (capacity - 1);
      while (w.table[at] >= 0 &&
             !std::equal(w.taken.begin(), w.taken.end(), &w.submasks[w.table[at] * w.words])) {
        at = (at + 1) & (capacity - 1);
      }
      if (w.table[at] < 0) {
        w.table[at] = static_cast<std::int32_t>(values++);
        w.submasks.insert(w.submasks.end(), w.taken.begin(), w.taken.end());
      }
      (i % 2 == 0 ? set.inside : set.outside)[i / 2] = w.table[at];
    }
  }

  set.sums.assign(values * channels_, 0.0);
  const std::size_t count = pairs.masks == nullptr ? values
                            : set.direct          ? w.submasks.size()
                                                  : values;
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t target = i;
    if (set.direct) {
      target = pairs.masks == nullptr ? i : w.submasks[i];
      Expand(target, differing, w.words, w.taken.data());
    } else {
      std::copy_n(&w.submasks[i * w.words], w.words, w.taken.begin());
    }
    bool nobody = true;
    bool all = true;
    for (int word = 0; word < w.words; ++word) {
      w.rest[word] = differing[word] & ~w.taken[word];
      nobody = nobody && w.taken[word] == 0;
      all = all && w.rest[word] == 0;
    }
    for (const std::int32_t b : rows) {
      const std::int32_t slot = all      ? 0
                                : nobody ? 1 + b
                                         : SlotOf(b, w.taken.data(), w.rest.data(), check, w);
      w.addends.push_back({&set.sums[target * channels_], slot, b});
    }
  }
  w.last_is_growing = false;
}

std::int32_t MaskedGame::SlotOf(std::int32_t b, const std::uint64_t* taken,
                                const std::uint64_t* rest, const std::function<void()>& check,
                                Workspace& w) const {
  std::int32_t* known = nullptr;
  if (!class_offset_.empty()) {
    // Background rows that agree on the rest give the same mixed row, whichever set they are in.
    const std::uint64_t set = _pdep_u64(rest[0], w.varying_mask);
    const std::int32_t entry = class_offset_[set] + class_of_[set * weights_.size() + b];
    known = &w.slot_of_class[entry];
    if (*known != kNoSlot) return *known;
    w.used_classes.push_back(entry);
  }
  if (std::ssize(w.pending) == block_) Flush(check, w);
  const std::int32_t slot = w.slot_count++;
  if (known != nullptr) *known = slot;

  double* row = &w.block[w.pending.size() * plan_.columns];
  const double* background = &background_[b * plan_.columns];
  int taken_count = 0;
  int rest_count = 0;
  for (int i = 0; i < w.words; ++i) {
    taken_count += std::popcount(taken[i]);
    rest_count += std::popcount(rest[i]);
  }
  // From whichever row leaves less to change; where both are equal it does not matter.
  const bool from_x = rest_count <= taken_count;
  std::memcpy(row, from_x ? w.x : background, plan_.columns * sizeof(double));
  const double* other = from_x ? background : w.x;
  for (int i = 0; i < w.words; ++i) {
    for (std::uint64_t left = from_x ? rest[i] : taken[i]; left != 0; left &= left - 1) {
      for (const Run& run : runs_[w.varying[64 * i + std::countr_zero(left)]]) {
        for (std::int32_t c = run.begin; c < run.begin + run.count; ++c) row[c] = other[c];
      }
    }
  }
  w.pending.push_back(slot);
  ++w.evaluations;
  return slot;
}

void MaskedGame::Flush(const std::function<void()>& check, Workspace& w) const {
  const std::int64_t columns = plan_.columns;
  if (!w.pending.empty()) {
    check();
    for (std::int64_t r = std::ssize(w.pending); r < block_; ++r) {
      std::copy_n(w.block.data(), columns, &w.block[r * columns]);
    }
    model_->Predict(w.block, block_, w.outputs);
    if (w.slots.size() < static_cast<std::size_t>(w.slot_count) * channels_) {
      w.slots.resize(static_cast<std::size_t>(w.slot_count) * 2 * channels_);
    }
    for (std::size_t r = 0; r < w.pending.size(); ++r) {
      const double* outputs = &w.outputs[r * model_outputs_];
      double* channels = &w.slots[static_cast<std::size_t>(w.pending[r]) * channels_];
      if (!ReadOutputs(outputs, channels) && w.unfit.empty()) w.unfit = NoProbability(outputs);
    }
    w.pending.clear();
  }
  for (const Addend& addend : w.addends) {
    const double weight = weights_[addend.background_row];
    const double* channels = &w.slots[static_cast<std::size_t>(addend.slot) * channels_];
    for (int c = 0; c < channels_; ++c) {
      addend.sum[c] = std::fma(weight, channels[c], addend.sum[c]);
    }
  }
  w.addends.clear();
  // Without classes nobody asks for a slot again.
  if (class_offset_.empty()) w.slot_count = 1 + static_cast<std::int32_t>(weights_.size());
  AddFinishedSets(w);
}

void MaskedGame::AddFinishedSets(Workspace& w) const {
  const std::size_t finished = w.last_is_growing ? w.open - 1 : w.open;
  const std::int64_t count = w.pairs.count;
  for (std::size_t s = 0; s < finished; ++s) {
    const DifferingSet& set = *w.sets[s];
    const double* sums = set.sums.data();
    double* inside = w.inside.data();
    double* outside = w.outside.data();
    if (!set.direct) {
      Gather(sums, count, channels_, [&](std::int64_t i) { return set.inside[i]; }, inside);
      Gather(sums, count, channels_, [&](std::int64_t i) { return set.outside[i]; }, outside);
      continue;
    }
    const std::uint64_t everyone = (std::uint64_t{1} << set.size) - 1;
    const std::uint64_t* differing = set.differing.data();
    const std::uint64_t first = differing[0];
    if (w.pairs.masks == nullptr) {
      const auto index = [&](std::int64_t i) { return _pext_u64(i, first); };
      Gather(sums, count, channels_, index, inside);
      Gather(sums, count, channels_, [&](std::int64_t i) { return everyone ^ index(i); }, outside);
    } else if (w.words == 1) {
      const std::uint64_t* masks = w.pairs.masks;
      const auto index = [&](std::int64_t i) { return _pext_u64(masks[i], first); };
      Gather(sums, count, channels_, index, inside);
      Gather(sums, count, channels_, [&](std::int64_t i) { return everyone ^ index(i); }, outside);
    } else {
      const auto index = [&](std::int64_t i) {
        return Compress(w.pairs.masks + i * w.words, differing, w.words);
      };
      Gather(sums, count, channels_, index, inside);
      Gather(sums, count, channels_, [&](std::int64_t i) { return everyone ^ index(i); }, outside);
    }
  }
  if (finished < w.open) std::swap(w.sets[0], w.sets[finished]);
  w.open -= finished;
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
      return fmt::format("the model's output {} is {}, but link logit needs probabilities between 0 "
                         "and 1; use --link identity",
                         output, outputs[output]);
    }
  }
  return "the model's outputs are no probabilities";
}

std::string MaskedGame::WhyNotFinite(const Workspace& w) const {
  if (!w.unfit.empty()) return w.unfit;
  if (plan_.link == Link::kIdentity) {
    return "the model gives no finite number for it mixed with the background";
  }
  return "the expected output of a coalition is 0 or 1, or not a number, and has no finite "
         "log-odds; --clip keeps probabilities off 0 and 1";
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
