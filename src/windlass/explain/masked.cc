#include "windlass/explain/masked.h"

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#include "windlass/explain/masked_internal.h"

namespace windlass::explain {
namespace {

constexpr std::int32_t kNoSlot = -1;
constexpr std::int32_t kNoClass = -1;

// Values of S & D whose classes are looked up together, so that the memory is asked for all of them
// before the first is needed.
constexpr std::size_t kLookUps = 64;

// Beyond, copying one row and changing the columns that differ is faster.
constexpr std::int64_t kMixColumns = 256;

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

// row[c] = background[c] where the player of column c is in `rest`, else x[c]: no branch that a
// processor has to guess.
void Mix(const double* x, const double* background, std::uint64_t rest,
         const std::int64_t* player_of_column, std::int64_t columns, double* row) {
  const __m256i bits = _mm256_set1_epi64x(static_cast<long long>(rest));
  std::int64_t c = 0;
  for (; c + 4 <= columns; c += 4) {
    const __m256i player =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(player_of_column + c));
    const __m256i chosen = _mm256_slli_epi64(_mm256_srlv_epi64(bits, player), 63);
    _mm256_storeu_pd(row + c,
                     _mm256_blendv_pd(_mm256_loadu_pd(x + c), _mm256_loadu_pd(background + c),
                                      _mm256_castsi256_pd(chosen)));
  }
  for (; c < columns; ++c) {
    const std::int64_t player = player_of_column[c];
    row[c] = player < 64 && (rest >> player & 1) ? background[c] : x[c];
  }
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
  std::vector<double> sums;  // [S & D, channels]
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
  std::vector<double> slots;  // [slots, channels]
  std::int32_t slot_count = 0;
  std::vector<std::int32_t> slot_of_class;  // kNoSlot where not asked for yet
  std::vector<std::int32_t> used_classes;

  std::vector<double> block;          // [block, columns]
  std::vector<double> outputs;        // [block, model outputs]
  std::vector<std::int32_t> pending;  // slots of the rows in the block
  // [columns rounded up to four], the varying player of a column, 64 where there is none; empty
  // where columns are too many, or players more than 64, for rows to be mixed column by column.
  std::vector<std::int64_t> player_of_column;
  std::vector<Addend> addends;

  std::vector<std::unique_ptr<DifferingSet>> sets;  // a pool; the first `open` are in use
  std::size_t open = 0;
  bool last_is_growing = false;
  CoalitionPairs pairs;
  std::vector<double> inside;  // [pairs, channels]
  std::vector<double> outside;

  std::vector<std::uint8_t> marks;
  std::vector<std::uint64_t> submasks;     // what S & D takes for a set: indices, or words
  std::vector<std::int32_t> table;         // hash table over them
  std::vector<std::uint64_t> taken, rest;  // [words]
  std::vector<std::int32_t> classes;       // of the background rows of a set, a chunk at a time
};

void MaskedGame::DeleteWorkspace::operator()(Workspace* workspace) const { delete workspace; }

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
  w.player_of_column.clear();
  if (w.words == 1 && plan_.columns <= kMixColumns) {
    w.player_of_column.assign((plan_.columns + 3) / 4 * 4, 64);
    for (std::size_t i = 0; i < w.varying.size(); ++i) {
      for (const Run& run : runs_[w.varying[i]]) {
        std::fill_n(w.player_of_column.begin() + run.begin, run.count,
                    static_cast<std::int64_t>(i));
      }
    }
  }
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
    while (end < rows &&
           std::equal(differing, differing + w.words, &w.differing[w.order[end] * w.words])) {
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
  set.direct =
      pairs.masks == nullptr || (set.size < 32 && (std::int64_t{1} << set.size) <= 8 * pairs.count);

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
  } else if (pairs.distinct && set.size == std::ssize(w.varying)) {
    // S & D is S.
    values = 2 * pairs.count;
    w.submasks.resize(values * w.words);
    set.inside.resize(pairs.count);
    set.outside.resize(pairs.count);
    std::uint64_t* to = w.submasks.data();
    for (std::int64_t i = 0; i < pairs.count; ++i) {
      const std::uint64_t* mask = pairs.masks + i * w.words;
      for (int word = 0; word < w.words; ++word) *to++ = mask[word];
      for (int word = 0; word < w.words; ++word) *to++ = differing[word] & ~mask[word];
      set.inside[i] = static_cast<std::int32_t>(2 * i);
      set.outside[i] = static_cast<std::int32_t>(2 * i + 1);
    }
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
                            : set.direct           ? w.submasks.size()
                                                   : values;
  const auto target_of = [&](std::size_t i) {
    return set.direct && pairs.masks != nullptr ? w.submasks[i] : i;
  };
  const bool classes = !class_offset_.empty();
  w.classes.assign(kLookUps * rows.size(), kNoClass);
  for (std::size_t i = 0; i < count; ++i) {
    if (classes && i % kLookUps == 0) {
      std::int32_t* to = w.classes.data();
      for (std::size_t j = i; j < std::min(i + kLookUps, count); ++j) {
        const std::uint64_t taken =
            set.direct ? _pdep_u64(target_of(j), differing[0]) : w.submasks[j];
        const std::uint64_t rest = _pdep_u64(differing[0] & ~taken, w.varying_mask);
        for (const std::int32_t b : rows) {
          *to = class_offset_[rest] + class_of_[rest * weights_.size() + b];
          __builtin_prefetch(&w.slot_of_class[*to++]);
        }
      }
    }
    const std::size_t target = target_of(i);
    if (set.direct) {
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
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const std::int32_t b = rows[r];
      const std::int32_t slot =
          all      ? 0
          : nobody ? 1 + b
                   : SlotOf(b, w.classes[i % kLookUps * rows.size() + r], check, w);
      w.addends.push_back({&set.sums[target * channels_], slot, b});
    }
  }
  w.last_is_growing = false;
}

std::int32_t MaskedGame::SlotOf(std::int32_t b, std::int32_t row_class,
                                const std::function<void()>& check, Workspace& w) const {
  if (row_class != kNoClass) {
    // Background rows that agree on the rest give the same mixed row, whichever set they are in.
    const std::int32_t known = w.slot_of_class[row_class];
    if (known != kNoSlot) return known;
    w.used_classes.push_back(row_class);
  }
  if (std::ssize(w.pending) == block_) Flush(check, w);
  const std::int32_t slot = w.slot_count++;
  if (row_class != kNoClass) w.slot_of_class[row_class] = slot;

  double* row = &w.block[w.pending.size() * plan_.columns];
  const double* background = &background_[b * plan_.columns];
  if (!w.player_of_column.empty()) {
    Mix(w.x, background, w.rest[0], w.player_of_column.data(), plan_.columns, row);
    w.pending.push_back(slot);
    ++w.evaluations;
    return slot;
  }
  int taken_count = 0;
  int rest_count = 0;
  for (int i = 0; i < w.words; ++i) {
    taken_count += std::popcount(w.taken[i]);
    rest_count += std::popcount(w.rest[i]);
  }
  // From whichever row leaves less to change; where both are equal it does not matter.
  const bool from_x = rest_count <= taken_count;
  std::memcpy(row, from_x ? w.x : background, plan_.columns * sizeof(double));
  const double* other = from_x ? background : w.x;
  for (int i = 0; i < w.words; ++i) {
    for (std::uint64_t left = from_x ? w.rest[i] : w.taken[i]; left != 0; left &= left - 1) {
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
      Gather(
          sums, count, channels_, [&](std::int64_t i) { return set.inside[i]; }, inside);
      Gather(
          sums, count, channels_, [&](std::int64_t i) { return set.outside[i]; }, outside);
      continue;
    }
    const std::uint64_t everyone = (std::uint64_t{1} << set.size) - 1;
    const std::uint64_t* differing = set.differing.data();
    const std::uint64_t first = differing[0];
    if (w.pairs.masks == nullptr) {
      const auto index = [&](std::int64_t i) { return _pext_u64(i, first); };
      Gather(sums, count, channels_, index, inside);
      Gather(
          sums, count, channels_, [&](std::int64_t i) { return everyone ^ index(i); }, outside);
    } else if (w.words == 1) {
      const std::uint64_t* masks = w.pairs.masks;
      const auto index = [&](std::int64_t i) { return _pext_u64(masks[i], first); };
      Gather(sums, count, channels_, index, inside);
      Gather(
          sums, count, channels_, [&](std::int64_t i) { return everyone ^ index(i); }, outside);
    } else {
      const auto index = [&](std::int64_t i) {
        return Compress(w.pairs.masks + i * w.words, differing, w.words);
      };
      Gather(sums, count, channels_, index, inside);
      Gather(
          sums, count, channels_, [&](std::int64_t i) { return everyone ^ index(i); }, outside);
    }
  }
  if (finished < w.open) std::swap(w.sets[0], w.sets[finished]);
  w.open -= finished;
}

std::string MaskedGame::WhyNotFinite(const Workspace& w) const {
  if (!w.unfit.empty()) return w.unfit;
  if (plan_.link == Link::kIdentity) {
    return "the model gives no finite number for it mixed with the background";
  }
  return "the expected output of a coalition is 0 or 1, or not a number, and has no finite "
         "log-odds; --clip keeps probabilities off 0 and 1";
}

}  // namespace windlass::explain
