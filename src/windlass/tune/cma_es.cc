#include "windlass/tune/cma_es.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <optional>
#include <utility>
#include <vector>

#include "windlass/base/vector_math.h"
#include "windlass/tune/cma_search.h"
#include "windlass/tune/tried_points.h"
#include "windlass/tune/tuner_options_internal.h"

namespace windlass::tune {
namespace {

using Score = std::optional<double>;

// Failed trials are worse than all others.
bool Better(const Score& a, const Score& b) { return a && (!b || *a > *b); }

// Draws for one trial, before any point that was not tried will do.
constexpr int kMostDraws = 500;
constexpr int kMostPopulation = 10'000;

struct CmaOptions {
  double deviation = 0.3;       // the first one, of the unit interval
  std::int64_t population = 0;  // of the first search; 0: Hansen's 4 + 3 ln n
};

class CmaEs final : public Tuner {
 public:
  CmaEs(const Space& space, std::uint64_t seed, const CmaOptions& options)
      : space_(space), seed_(seed), options_(options) {
    const auto n = static_cast<double>(std::max<std::size_t>(space.varied().size(), 1));
    smallest_ = options.population > 0 ? static_cast<int>(options.population)
                                       : 4 + static_cast<int>(3 * Log(n));
    large_ = smallest_;
  }

  std::vector<Suggestion> Suggest(int count) override {
    std::vector<Suggestion> suggested;
    for (int i = 0; i < count; ++i) {
      if (!search_) Restart();
      suggested.push_back({Next()});
      trials_.Begin(suggested.back().point);
      ++spent_;
    }
    return suggested;
  }

  void Observe(const Observation& seen) override {
    trials_.End(seen.trial, seen.point);
    if (seen.score && (!best_ || *seen.score > best_->second)) {
      best_.emplace(space_.ToUnit(seen.point), *seen.score);
    }
    scores_[TriedPoints::KeyOf(seen.point)] = seen.score;
    auto drawn = drawn_.extract(seen.trial);
    if (drawn.empty()) {
      if (search_) Join({space_.ToUnit(seen.point), false}, seen.score);
      return;
    }
    const Drawn& from = drawn.mapped();
    if (!search_ || from.search != searches_) return;  // of one that is over
    const bool own = from.generation == generation_;
    if (own) --under_way_;
    Join({from.coordinates, own}, seen.score);
  }

 private:
  struct Drawn {
    std::vector<double> coordinates;
    int search = 0;
    std::int64_t generation = 0;
  };

  Point Next() {
    Point point;
    // A score that is known is taken as it is, without a trial: a search whose draws all are known
    // has found what it can.
    for (int draw = 0; draw < kMostDraws && !trials_.tried().exhausted(); ++draw) {
      Random random(seed_, draws_++);
      std::vector<double> coordinates = search_->Sample(random);
      point = space_.FromUnit(coordinates);
      const auto score = scores_.find(TriedPoints::KeyOf(point));
      if (score == scores_.end()) {
        if (trials_.tried().Has(point)) continue;  // it is under way
        drawn_[trials_.next()] = {std::move(coordinates), searches_, generation_};
        most_ = std::max(most_, ++under_way_);
        return point;
      }
      ++repeats_;
      ++spent_;
      Join({std::move(coordinates), true}, score->second);
      if (!search_) Restart();
    }
    Random random(seed_, draws_++);
    point = trials_.tried().Untried(random).value_or(space_.Sample(random));
    return point;
  }

  // Takes a member into the generation, and ends that when it is complete.
  void Join(CmaSearch::Member member, const Score& score) {
    members_.emplace_back(std::move(member), score);
    if (std::ssize(members_) < std::max(search_->population(), most_)) return;
    std::ranges::stable_sort(
        members_, [](const auto& a, const auto& b) { return Better(a.second, b.second); });
    std::vector<CmaSearch::Member> ranked;
    for (auto& [one, score_of] : members_) ranked.push_back(std::move(one));
    search_->Update(ranked);
    const bool stuck = repeats_ >= std::ssize(members_) || Flat();
    members_.clear();
    ++generation_;
    under_way_ = most_ = 0;
    repeats_ = 0;
    if (stuck || search_->Converged()) search_.reset();
  }

  // Whether the last generations found one and the same score (Hansen 2016, B.3, "TolHistFun").
  bool Flat() {
    const Score& best = members_.front().second;
    const Score& worst = members_.back().second;
    bests_.push_back(best);
    const std::size_t n = space_.varied().size();
    const std::size_t window = 10 + 30 * n / members_.size();
    if (bests_.size() > window) bests_.erase(bests_.begin());
    const auto same = [&](const Score& one) {
      if (!one || !best) return one.has_value() == best.has_value();
      return std::abs(*one - *best) <= 1e-12 * std::max(1e-12, std::abs(*best));
    };
    return bests_.size() == window && same(worst) && std::ranges::all_of(bests_, same);
  }

  // The next search by BIPOP: large populations double, small ones and their steps are random.
  void Restart() {
    Random random(seed_, std::uint64_t{1} << 62 | static_cast<std::uint64_t>(searches_));
    if (searches_ > 0) (is_large_ ? large_spent_ : small_spent_) += spent_;
    std::vector<double> start(space_.varied().size());
    for (double& coordinate : start) coordinate = random.Uniform();
    double deviation = options_.deviation;
    int population = smallest_;
    if (searches_ == 0) {
      if (best_) start = best_->first;
    } else if (large_spent_ <= small_spent_) {
      is_large_ = true;
      large_ = std::max(large_, std::min(2 * large_, kMostPopulation));
      population = large_;
    } else {
      is_large_ = false;
      const double part = random.Uniform();
      const double ratio = 0.5 * large_ / smallest_;
      population = std::max(2, static_cast<int>(smallest_ * Exp(part * part * Log(ratio))));
      deviation *= Exp(-2 * std::numbers::ln10 * random.Uniform());
    }
    search_.emplace(space_, start, deviation, population);
    ++searches_;
    ++generation_;
    spent_ = 0;
    members_.clear();
    bests_.clear();
    repeats_ = 0;
    under_way_ = most_ = 0;
  }

  const Space space_;
  const std::uint64_t seed_;
  const CmaOptions options_;
  Trials trials_{space_};
  std::map<TriedPoints::Key, Score> scores_;
  std::optional<std::pair<std::vector<double>, double>> best_;

  std::optional<CmaSearch> search_;
  int searches_ = 0;
  int smallest_ = 0;
  int large_ = 0;                                               // the largest population so far
  bool is_large_ = true;                                        // the search that runs
  std::int64_t spent_ = 0, large_spent_ = 0, small_spent_ = 0;  // members

  std::map<std::int64_t, Drawn> drawn_;  // by trial
  std::vector<std::pair<CmaSearch::Member, Score>> members_;
  std::vector<Score> bests_;  // of the search's last generations
  std::int64_t generation_ = 0;
  int under_way_ = 0, most_ = 0;  // of this generation
  std::int64_t repeats_ = 0;
  std::uint64_t draws_ = 0;
};

class CmaEsKind final : public TunerKind {
 public:
  std::string help() const override {
    return "covariance matrix adaptation with margins for integers, and restarts";
  }

  std::unique_ptr<Tuner> Make(const ObjectSpec& options, const Space& space,
                              std::uint64_t seed) const override {
    options.AllowOnly({"deviation", "population"});
    CmaOptions read;
    read.deviation = NumberWithin(options, "deviation", read.deviation, 1e-6, 1);
    read.population = IntegerWithin(options, "population", read.population, 0, kMostPopulation);
    // One member has no better half.
    if (read.population == 1) IntegerWithin(options, "population", 0, 2, kMostPopulation);
    return std::make_unique<CmaEs>(space, seed, read);
  }
};

}  // namespace

void RegisterCmaEs(Registry& registry) {
  registry.Add<TunerKind>("cma-es", std::make_shared<CmaEsKind>());
}

}  // namespace windlass::tune
