#include "windlass/tune/surrogate.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>

namespace windlass::tune {
namespace {

constexpr int kFitTrials = 200;
constexpr int kQuickTrials = 256;
constexpr int kAtOnce = 512;
constexpr std::int64_t kProductsARound = std::int64_t{1} << 25;
constexpr int kManyGiven = 250;  // trials since the last round
constexpr int kMostTrials = 2500;
constexpr int kBestKept = 1000, kNewestKept = 1000;
constexpr int kFirstFitEvaluations = 40;
constexpr int kFitEvaluations = 12;
constexpr int kLaterFitEvaluations = 7;  // of most trials: the last fit is close
constexpr int kScaleEvery = 4;

// How many rows cost about kProductsARound, at the end of a factor of so many.
int RowsOfARound(int size) {
  int rows = 0;
  for (std::int64_t products = 0; products < kProductsARound; ++rows) {
    const std::int64_t length = size + rows;
    products += length * length / 2;
  }
  return rows;
}

}  // namespace

Surrogate::Surrogate(const Space& space, bool copula)
    : space_(space),
      copula_(copula),
      scale_(copula ? ScaleKind::kNormal : ScaleKind::kLinear),
      parameters_(4, TypicalParameters(Features(space).groups().groups)) {}

void Surrogate::Observe(std::vector<double> coordinates, std::optional<double> score) {
  if (score) {
    worst_ = scored_ == 0 ? *score : std::min(worst_, *score);
    ++scored_;
  }
  trials_.push_back({std::move(coordinates), score});
}

std::vector<double> Surrogate::Encode(const Features& features,
                                      std::span<const int> members) const {
  const auto width = static_cast<std::size_t>(features.groups().features());
  std::vector<double> points(members.size() * width);
  for (std::size_t i = 0; i < members.size(); ++i) {
    features.Encode(trials_[static_cast<std::size_t>(members[i])].coordinates,
                    std::span(points).subspan(i * width, width));
  }
  return points;
}

std::vector<int> Surrogate::Spread(const Features& features, std::span<const int> members,
                                   int count) const {
  std::vector<int> order(members.begin(), members.end());
  if (static_cast<int>(order.size()) <= count) return order;
  std::ranges::sort(order, [&](int a, int b) {
    const double left = ScoreOf(trials_[static_cast<std::size_t>(a)]);
    const double right = ScoreOf(trials_[static_cast<std::size_t>(b)]);
    return left != right ? left > right : a < b;
  });
  const auto width = static_cast<std::size_t>(features.groups().features());
  const std::vector<double> points = Encode(features, order);
  std::vector<double> nearest(order.size(), std::numeric_limits<double>::infinity());
  std::vector<int> chosen;
  const auto choose = [&](std::size_t index) {
    chosen.push_back(order[index]);
    for (std::size_t i = 0; i < order.size(); ++i) {
      double square = 0;
      for (std::size_t f = 0; f < width; ++f) {
        const double difference = points[i * width + f] - points[index * width + f];
        square += difference * difference;
      }
      nearest[i] = std::min(nearest[i], square);
    }
  };
  for (int i = 0; i < count / 2; ++i) choose(static_cast<std::size_t>(i));
  while (static_cast<int>(chosen.size()) < count) {
    // The best of the farthest. One that was chosen is at 0: it comes again only where all are.
    choose(static_cast<std::size_t>(std::ranges::max_element(nearest) - nearest.begin()));
  }
  std::ranges::sort(chosen);
  chosen.erase(std::ranges::unique(chosen).begin(), chosen.end());
  return chosen;
}

std::vector<int> Surrogate::Members() const {
  std::vector<int> members(trials_.size());
  std::iota(members.begin(), members.end(), 0);
  if (observed() <= kMostTrials) return members;
  const auto newest = members.end() - kNewestKept;
  std::ranges::sort(members.begin(), newest, [&](int a, int b) {
    const double left = ScoreOf(trials_[static_cast<std::size_t>(a)]);
    const double right = ScoreOf(trials_[static_cast<std::size_t>(b)]);
    return left != right ? left > right : a < b;
  });
  members.erase(members.begin() + kBestKept, newest);
  std::ranges::sort(members);
  return members;
}

void Surrogate::Fit() {
  std::vector<int> members = Members();
  Features features(space_);
  std::vector<double> all;
  for (const int member : members) {
    all.push_back(ScoreOf(trials_[static_cast<std::size_t>(member)]));
  }
  const std::vector<int> fitted = Spread(features, members, kFitTrials);
  const std::vector<double> points = Encode(features, fitted);
  std::vector<double> scores;
  for (const int member : fitted) {
    scores.push_back(ScoreOf(trials_[static_cast<std::size_t>(member)]));
  }
  std::vector<ScaleKind> kinds = {scale_};
  if (!copula_ && fits_ % kScaleEvery == 0) {
    kinds = {ScaleKind::kLinear, ScaleKind::kRoot, ScaleKind::kLog};
  }
  double best = -std::numeric_limits<double>::infinity();
  for (const ScaleKind kind : kinds) {
    const ScoreScale scale(kind, all);
    std::vector<double> targets;
    for (const double score : scores) targets.push_back(scale(score));
    KernelParameters& parameters = parameters_[static_cast<std::size_t>(kind)];
    const int evaluations = fits_ == 0                ? kFirstFitEvaluations
                            : observed() < kFitTrials ? kFitEvaluations
                                                      : kLaterFitEvaluations;
    const KernelFit fit = FitKernel(features.groups(), points, targets, parameters, evaluations);
    parameters = fit.parameters;
    const double evidence = kinds.size() == 1 ? 0 : fit.posterior + scale.LogSlopes(scores);
    if (evidence > best) {
      best = evidence;
      scale_ = kind;
    }
  }
  ++fits_;
  const int n = observed();
  if (n > kMostTrials) {
    next_fit_ = n + kManyGiven;
  } else {
    next_fit_ = std::min(n + (n > kFitTrials ? n / 8 : std::max(1, n / 16)), kMostTrials + 1);
  }
  const KernelParameters& parameters = parameters_[static_cast<std::size_t>(scale_)];
  next_ = std::make_unique<Model>(Model{features, ScoreScale(scale_, all),
                                        GaussianProcess(features.groups(), parameters),
                                        std::move(members)});
}

void Surrogate::Extend(Model& model, int most) const {
  const int size = model.process.size();
  const int count = std::min(most, static_cast<int>(model.members.size()) - size);
  if (count <= 0) return;
  const std::span<const int> added =
      std::span(model.members)
          .subspan(static_cast<std::size_t>(size), static_cast<std::size_t>(count));
  model.process.Append(Encode(model.features, added), count);
}

void Surrogate::Update(std::span<const std::vector<double>> under_way) {
  const int n = observed();
  const int known = current_ ? current_->members.back() + 1 : 0;
  if (next_ && n - known > kManyGiven) {
    next_.reset();  // of too few of them
    next_fit_ = n;
  }
  if (!next_ && n >= next_fit_) Fit();
  if (current_) {
    for (int trial = known; trial < n; ++trial) current_->members.push_back(trial);
    const int before = static_cast<int>(current_->members.size()) - (n - known);
    current_->process.Truncate(std::min(current_->process.size(), before));
  }
  if (next_) {
    for (int trial = next_->members.back() + 1; trial < n; ++trial) {
      next_->members.push_back(trial);
    }
    const bool at_once = !current_ || next_->members.size() <= kAtOnce || n - known > kManyGiven;
    Extend(*next_, at_once ? n : 2 * (n - known) + RowsOfARound(next_->process.size()));
    if (next_->process.size() == static_cast<int>(next_->members.size())) {
      current_ = std::move(next_);
    }
  }
  Extend(*current_, n);
  GaussianProcess& process = current_->process;
  std::vector<double> targets;
  for (const int member : current_->members) {
    targets.push_back(current_->scale(ScoreOf(trials_[static_cast<std::size_t>(member)])));
  }
  process.SetTargets(targets);
  best_ = -std::numeric_limits<double>::infinity();
  for (int i = 0; i < process.size(); ++i) {
    const int member = current_->members[static_cast<std::size_t>(i)];
    if (trials_[static_cast<std::size_t>(member)].score) {
      best_ = std::max(best_, process.MeanAt(i));
    }
  }
  quick_.reset();
  if (process.size() > kAtOnce) {
    quick_ = std::make_unique<GaussianProcess>(current_->features.groups(), process.parameters());
    const std::vector<int> spread = Spread(current_->features, current_->members, kQuickTrials);
    quick_->Append(Encode(current_->features, spread), static_cast<int>(spread.size()));
    quick_->set_signal(process.signal());
  }
  for (const std::vector<double>& coordinates : under_way) Believe(coordinates);
}

void Surrogate::Believe(const std::vector<double>& coordinates) {
  std::vector<double> point(static_cast<std::size_t>(features().groups().features()));
  features().Encode(coordinates, point);
  current_->process.Append(point, 1);
  if (quick_) quick_->Append(point, 1);
}

std::vector<std::vector<double>> Surrogate::Best(int count) const {
  std::vector<std::pair<double, int>> order;
  for (std::size_t i = 0; i < current_->members.size(); ++i) {
    const int member = current_->members[i];
    if (trials_[static_cast<std::size_t>(member)].score) {
      order.emplace_back(-current_->process.MeanAt(static_cast<int>(i)), member);
    }
  }
  const auto kept = std::min<std::size_t>(order.size(), static_cast<std::size_t>(count));
  std::ranges::partial_sort(order, order.begin() + static_cast<std::ptrdiff_t>(kept));
  std::vector<std::vector<double>> best;
  for (std::size_t i = 0; i < kept; ++i) {
    best.push_back(trials_[static_cast<std::size_t>(order[i].second)].coordinates);
  }
  return best;
}

}  // namespace windlass::tune
