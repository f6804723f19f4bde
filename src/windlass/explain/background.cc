#include "windlass/explain/background.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "windlass/base/cancel.h"
#include "windlass/base/error.h"
#include "windlass/base/json.h"
#include "windlass/base/random.h"

namespace windlass::explain {
namespace {

constexpr std::int64_t kMaxRows = 10'000'000;
constexpr int kMaxIterations = 300;
constexpr std::uint64_t kSummaryStream = 0x73756d6d61727921;  // apart from every row's stream

double SquaredDistance(const double* a, const double* b, std::size_t columns) {
  double sum = 0;
  for (std::size_t c = 0; c < columns; ++c) sum = std::fma(a[c] - b[c], a[c] - b[c], sum);
  return sum;
}

Background Sample(const Background& all, std::int64_t count, std::uint64_t seed) {
  Random random(seed, kSummaryStream);
  std::vector<std::int64_t> order(all.rows);
  for (std::int64_t i = 0; i < all.rows; ++i) order[i] = i;
  for (std::int64_t i = 0; i < count; ++i) {
    std::swap(order[i], order[i + static_cast<std::int64_t>(random.Below(all.rows - i))]);
  }
  order.resize(count);
  std::ranges::sort(order);
  Background drawn;
  drawn.schema = all.schema;
  drawn.rows = count;
  const std::size_t columns = all.schema.size();
  double total = 0;
  for (const std::int64_t row : order) {
    drawn.values.insert(drawn.values.end(), &all.values[row * columns],
                        &all.values[row * columns] + columns);
    drawn.weights.push_back(all.weights[row]);
    total += all.weights[row];
  }
  if (!(total > 0)) {
    throw Error(ErrorCode::kInvalidInput, "all of the sampled background rows have weight 0");
  }
  for (double& weight : drawn.weights) weight /= total;
  return drawn;
}

class KMeans {
 public:
  KMeans(const Background& all, std::int64_t count, std::uint64_t seed)
      : all_(all), columns_(all.schema.size()), random_(seed, kSummaryStream) {
    Seed(count);
    std::vector<std::int64_t> owner(all_.rows, -1);
    for (int i = 0; i < kMaxIterations && Assign(owner); ++i) Move(owner);
  }

  Background Result() const {
    Background result;
    result.schema = all_.schema;
    for (std::size_t k = 0; k < weight_.size(); ++k) {
      if (!(weight_[k] > 0)) continue;
      ++result.rows;
      result.weights.push_back(weight_[k]);
      for (std::size_t c = 0; c < columns_; ++c) {
        result.values.push_back(Nearest(c, centers_[k * columns_ + c]));
      }
    }
    double total = 0;
    for (const double weight : result.weights) total += weight;
    for (double& weight : result.weights) weight /= total;
    return result;
  }

 private:
  const double* Row(std::int64_t row) const { return &all_.values[row * columns_]; }

  // k-means++: the next centre is a row drawn with probability weight * distance^2.
  void Seed(std::int64_t count) {
    std::vector<double> distance(all_.rows, 1.0);
    for (std::int64_t k = 0; k < count; ++k) {
      ProcessCancelToken().Check();
      double total = 0;
      for (std::int64_t r = 0; r < all_.rows; ++r) total += all_.weights[r] * distance[r];
      if (!(total > 0)) break;  // fewer distinct rows than clusters
      double target = random_.Uniform() * total;
      std::int64_t chosen = 0;
      for (std::int64_t r = 0; r < all_.rows; ++r) {
        const double mass = all_.weights[r] * distance[r];
        if (mass > 0) chosen = r;
        target -= mass;
        if (target < 0) break;
      }
      centers_.insert(centers_.end(), Row(chosen), Row(chosen) + columns_);
      for (std::int64_t r = 0; r < all_.rows; ++r) {
        const double d = SquaredDistance(Row(r), Row(chosen), columns_);
        distance[r] = k == 0 ? d : std::min(distance[r], d);
      }
    }
    weight_.assign(centers_.size() / columns_, 0.0);
  }

  bool Assign(std::vector<std::int64_t>& owner) const {
    bool changed = false;
    for (std::int64_t r = 0; r < all_.rows; ++r) {
      if (r % 1024 == 0) ProcessCancelToken().Check();
      std::int64_t best = 0;
      double best_distance = std::numeric_limits<double>::infinity();
      for (std::size_t k = 0; k < weight_.size(); ++k) {
        const double d = SquaredDistance(Row(r), &centers_[k * columns_], columns_);
        if (d < best_distance) {
          best_distance = d;
          best = static_cast<std::int64_t>(k);
        }
      }
      changed = changed || owner[r] != best;
      owner[r] = best;
    }
    return changed;
  }

  void Move(const std::vector<std::int64_t>& owner) {
    std::vector<double> sums(centers_.size(), 0.0);
    std::ranges::fill(weight_, 0.0);
    for (std::int64_t r = 0; r < all_.rows; ++r) {
      weight_[owner[r]] += all_.weights[r];
      for (std::size_t c = 0; c < columns_; ++c) {
        double& sum = sums[owner[r] * columns_ + c];
        sum = std::fma(all_.weights[r], Row(r)[c], sum);
      }
    }
    for (std::size_t k = 0; k < weight_.size(); ++k) {
      if (!(weight_[k] > 0)) continue;  // an empty cluster stays where it is
      for (std::size_t c = 0; c < columns_; ++c) {
        centers_[k * columns_ + c] = sums[k * columns_ + c] / weight_[k];
      }
    }
  }

  double Nearest(std::size_t column, double value) const {
    ProcessCancelToken().Check();
    double best = Row(0)[column];
    for (std::int64_t r = 1; r < all_.rows; ++r) {
      if (std::abs(Row(r)[column] - value) < std::abs(best - value)) best = Row(r)[column];
    }
    return best;
  }

  const Background& all_;
  const std::size_t columns_;
  Random random_;
  std::vector<double> centers_;  // [clusters, columns]
  std::vector<double> weight_;   // [clusters]
};

}  // namespace

void UseCodesOfModel(const std::vector<std::vector<std::string>>& categories,
                     table::ReadOptions& options) {
  if (categories.empty()) return;
  options.codes.clear();
  for (std::size_t c = 0; c < options.columns.size(); ++c) {
    table::Column column{options.columns[c], {}};
    // A column of weights stands behind those of the model.
    if (c < categories.size()) column.categories = categories[c];
    options.codes.push_back(std::move(column));
  }
  options.numbers_have_codes = true;
}

Background ReadBackground(const std::string& uri, const std::string& weights_column,
                          const std::vector<std::string>& columns,
                          const std::vector<std::vector<std::string>>& categories,
                          const std::vector<std::string>& ignored) {
  table::ReadOptions options;
  options.ignored = ignored;
  options.columns = columns;
  if (!columns.empty() && !weights_column.empty()) {
    if (std::ranges::find(columns, weights_column) != columns.end()) {
      throw Error(
          ErrorCode::kInvalidInput,
          fmt::format("{}: the weights are to come from column \"{}\", which the model reads "
                      "as an input; a column of its own is wanted",
                      uri, weights_column));
    }
    options.columns.push_back(weights_column);
  }
  UseCodesOfModel(categories, options);
  const auto reader = table::OpenTable(uri, options);
  const table::Schema& all = reader->schema();
  std::size_t weights_at = all.size();
  Background background;
  for (std::size_t c = 0; c < all.size(); ++c) {
    if (!weights_column.empty() && all[c].name == weights_column) {
      weights_at = c;
    } else {
      background.schema.push_back(all[c]);
    }
  }
  if (!weights_column.empty() && weights_at == all.size()) {
    std::vector<std::string> names;
    for (const auto& column : all) names.push_back(column.name);
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: there is no column \"{}\" to take weights from{}", uri,
                            weights_column, Suggestion(weights_column, names)));
  }
  if (weights_at < all.size() && !all[weights_at].categories.empty()) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("{}: column \"{}\" holds text, such as \"{}\"; weights are numbers from 0 "
                    "up",
                    uri, weights_column, all[weights_at].categories.front()));
  }
  table::Chunk chunk;
  double total = 0;
  while (reader->Next(4096, chunk)) {
    ProcessCancelToken().Check();
    for (std::int64_t r = 0; r < chunk.rows; ++r) {
      const double* row = &chunk.values[r * all.size()];
      for (std::size_t c = 0; c < all.size(); ++c) {
        if (c != weights_at) background.values.push_back(row[c]);
      }
      const double weight = weights_at < all.size() ? row[weights_at] : 1.0;
      if (!(weight >= 0)) {
        throw Error(ErrorCode::kInvalidInput,
                    fmt::format("{}: row {}, column \"{}\": the weight {} is not a number from 0 "
                                "up",
                                uri, background.rows, weights_column, weight));
      }
      background.weights.push_back(weight);
      total += weight;
      if (++background.rows > kMaxRows) {
        throw Error(ErrorCode::kInvalidInput,
                    fmt::format("{}: more than {} background rows; a background is a sample of a "
                                "hundred or so",
                                uri, kMaxRows));
      }
    }
  }
  if (background.rows == 0) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: there are no background rows; at least one is needed", uri));
  }
  if (!(total > 0)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: all weights in \"{}\" are 0; at least one must be above", uri,
                            weights_column));
  }
  if (!std::isfinite(total)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: the weights in \"{}\" add up to more than a double can hold; make "
                            "them smaller by one factor",
                            uri, weights_column));
  }
  for (double& weight : background.weights) weight /= total;
  return background;
}

Background Summarize(Background background, std::string_view how, std::uint64_t seed) {
  std::int64_t count = 0;
  const auto open = how.find('(');
  const std::string_view name = how.substr(0, open);
  bool good =
      open != std::string_view::npos && how.back() == ')' && (name == "kmeans" || name == "sample");
  if (good) {
    const std::string_view digits = how.substr(open + 1, how.size() - open - 2);
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), count);
    good = error == std::errc() && end == digits.end() && count >= 1;
  }
  if (!good) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("summarize is \"{}\"; it must be kmeans(K) or sample(K) with K at "
                            "least 1",
                            how));
  }
  if (count >= background.rows) return background;
  if (name == "sample") return Sample(background, count, seed);
  for (const auto& column : background.schema) {
    if (!column.categories.empty()) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("summarize kmeans cannot take the mean of the categorical column "
                              "\"{}\"; use sample(K)",
                              column.name));
    }
  }
  for (const double value : background.values) {
    if (!std::isfinite(value)) {
      throw Error(ErrorCode::kInvalidInput,
                  "summarize kmeans cannot take the mean of missing values; use sample(K)");
    }
  }
  return KMeans(background, count, seed).Result();
}

}  // namespace windlass::explain
