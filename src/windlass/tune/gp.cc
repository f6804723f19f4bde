#include "windlass/tune/gp.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/vector_math.h"
#include "windlass/tune/acquisition_search.h"
#include "windlass/tune/surrogate.h"

namespace windlass::tune {
namespace {

// What random numbers are drawn for.
enum class Purpose : std::uint64_t { kDesign, kSearch, kHedge, kAnything, kExplore };

// How many points a walk through all of a discrete space looks at.
constexpr std::int64_t kMostEnumerated = 100000;
constexpr int kSearchStarts = 8;

struct Settings {
  std::vector<AcquisitionKind> acquisitions;  // several: hedged
  bool copula = false;
  double xi = 0;
  double kappa = 2;
  double eta = 1;
  double epsilon = 0;  // how often a trial of the mean is one of expected improvement instead
  int initial = 0;     // 0: by the number of dimensions
};

class GaussianProcessTuner final : public Tuner {
 public:
  GaussianProcessTuner(const Space& space, Settings settings, std::uint64_t seed)
      : space_(space),
        settings_(std::move(settings)),
        seed_(seed),
        surrogate_(space, settings_.copula),
        gains_(settings_.acquisitions.size(), 0.0) {
    if (settings_.initial == 0) {
      // Choices that have no order tell nothing of each other: each is to be seen some times.
      std::int64_t initial = std::ssize(space.varied()) + 4;
      for (const int index : space.varied()) {
        if (!space[index].ordered())
          initial += 4 * std::min<std::int64_t>(space[index].size() - 1, 6);
      }
      settings_.initial = static_cast<int>(std::min<std::int64_t>(initial, 24));
    }
    Random random = Draw(Purpose::kDesign, 0);
    for (std::size_t i = 0; i < space.varied().size(); ++i) shift_.push_back(random.Uniform());
    points_ = 1;
    for (const int index : space.varied()) {
      const std::int64_t size = space[index].size();
      points_ = size == 0 || points_ > kMostEnumerated ? kMostEnumerated + 1 : points_ * size;
    }
  }

  std::vector<Suggestion> Suggest(int count) override {
    std::vector<Suggestion> suggested;
    bool fresh = false;  // whether the surrogate knows all that happened
    for (int i = 0; i < count; ++i) {
      std::vector<double> coordinates;
      if (surrogate_.scored() == 0 ||
          surrogate_.scored() + static_cast<int>(under_way_.size()) < settings_.initial) {
        coordinates =
            Canonical(space_, QuasiRandomPoint(static_cast<std::uint64_t>(next_), shift_));
        if (Taken(coordinates)) coordinates.clear();
      } else if (!space_.varied().empty()) {
        if (!fresh) {
          std::vector<std::vector<double>> others;
          for (const auto& [trial, point] : under_way_) others.push_back(point);
          surrogate_.Update(others);
          RewardNominees();
          fresh = true;
        }
        coordinates = Search();
      }
      if (coordinates.empty() && !space_.varied().empty()) coordinates = Another();
      if (fresh) surrogate_.Believe(coordinates);
      suggested.push_back({space_.FromUnit(coordinates)});
      under_way_[next_++] = coordinates;
      taken_.insert(std::move(coordinates));
    }
    return suggested;
  }

  void Observe(const Observation& seen) override {
    under_way_.erase(seen.trial);
    std::vector<double> coordinates = space_.ToUnit(seen.point);
    taken_.insert(coordinates);
    surrogate_.Observe(std::move(coordinates),
                       seen.score && std::isfinite(*seen.score) ? seen.score : std::nullopt);
  }

 private:
  Random Draw(Purpose purpose, std::uint64_t index) const {
    return {seed_, index * 8 + static_cast<std::uint64_t>(purpose)};
  }

  bool Taken(const std::vector<double>& coordinates) const { return taken_.contains(coordinates); }

  std::vector<double> Search() {
    const std::vector<std::vector<double>> starts = surrogate_.Best(kSearchStarts);
    const std::size_t kinds = settings_.acquisitions.size();
    nominees_.assign(kinds, {});
    const bool explores =
        Draw(Purpose::kExplore, static_cast<std::uint64_t>(next_)).Uniform() < settings_.epsilon;
    for (std::size_t i = 0; i < kinds; ++i) {
      const Acquisition acquisition{
          explores ? AcquisitionKind::kExpectedImprovement : settings_.acquisitions[i],
          surrogate_.best(), settings_.xi, settings_.kappa};
      const SearchTask task{&space_,
                            &surrogate_.features(),
                            &surrogate_.process(),
                            &surrogate_.quick_variance(),
                            acquisition,
                            starts,
                            [this](const std::vector<double>& at) { return Taken(at); }};
      nominees_[i] = SearchAcquisition(
          task, Draw(Purpose::kSearch, static_cast<std::uint64_t>(next_) * kinds + i));
      if (nominees_[i].empty()) {
        nominees_.clear();
        return {};
      }
    }
    return nominees_[Choose()];
  }

  // GP-Hedge (Hoffman, Brochu and de Freitas 2011, algorithm 1): an acquisition's gain is what the
  // posterior makes of its nominees afterwards, and it is taken with probability in exp(eta gain).
  std::size_t Choose() {
    if (gains_.size() == 1) return 0;
    const double most = *std::ranges::max_element(gains_);
    std::vector<double> shares;
    double total = 0;
    for (const double gain : gains_) {
      shares.push_back(Exp(settings_.eta * (gain - most)));
      total += shares.back();
    }
    double drawn = Draw(Purpose::kHedge, static_cast<std::uint64_t>(next_)).Uniform() * total;
    for (std::size_t i = 0; i + 1 < shares.size(); ++i) {
      if (drawn < shares[i]) return i;
      drawn -= shares[i];
    }
    return shares.size() - 1;
  }

  void RewardNominees() {
    if (gains_.size() == 1) return;
    for (std::size_t i = 0; i < nominees_.size(); ++i) {
      std::vector<double> point(
          static_cast<std::size_t>(surrogate_.features().groups().features()));
      surrogate_.features().Encode(nominees_[i], point);
      gains_[i] += surrogate_.process().Mean(point);
    }
    nominees_.clear();
  }

  // A point that was not tried, at random; in a discrete space that has hardly any left the first
  // of those; any point where there is none.
  std::vector<double> Another() const {
    Random random = Draw(Purpose::kAnything, static_cast<std::uint64_t>(next_));
    std::vector<double> coordinates;
    for (int i = 0; i < 100; ++i) {
      coordinates = space_.ToUnit(space_.Sample(random));
      if (!Taken(coordinates)) return coordinates;
    }
    if (points_ > kMostEnumerated) return coordinates;
    const std::span<const int> varied = space_.varied();
    for (std::int64_t number = 0; number < points_; ++number) {
      std::vector<double> walked;
      std::int64_t rest = number;
      for (const int index : varied) {
        const Parameter& parameter = space_[index];
        const double low = parameter.numeric() ? parameter.low : 0;
        walked.push_back(parameter.ToUnit(low + static_cast<double>(rest % parameter.size())));
        rest /= parameter.size();
      }
      walked = Canonical(space_, walked);
      if (!Taken(walked)) return walked;
    }
    return coordinates;
  }

  const Space space_;
  Settings settings_;
  const std::uint64_t seed_;
  Surrogate surrogate_;
  std::vector<double> shift_;  // of the first trials' design
  std::int64_t points_ = 0;    // of the space, where they can be counted
  std::int64_t next_ = 0;
  std::map<std::int64_t, std::vector<double>> under_way_;  // coordinates by trial
  std::set<std::vector<double>> taken_;                    // tried or under way
  std::vector<std::vector<double>> nominees_;              // of the last suggestion, hedged
  std::vector<double> gains_;
};

class GaussianProcessKind final : public TunerKind {
 public:
  GaussianProcessKind(std::string help, std::vector<AcquisitionKind> acquisitions, bool copula)
      : help_(std::move(help)), acquisitions_(std::move(acquisitions)), copula_(copula) {}

  std::string help() const override { return help_; }

  std::unique_ptr<Tuner> Make(const ObjectSpec& options, const Space& space,
                              std::uint64_t seed) const override {
    const auto uses = [&](AcquisitionKind kind) {
      return std::ranges::find(acquisitions_, kind) != acquisitions_.end();
    };
    std::vector<std::string> known = {"initial"};
    if (uses(AcquisitionKind::kExpectedImprovement) || uses(AcquisitionKind::kProbability)) {
      known.emplace_back("xi");
    }
    if (uses(AcquisitionKind::kConfidenceBound)) known.emplace_back("kappa");
    if (uses(AcquisitionKind::kMean)) known.emplace_back("epsilon");
    if (acquisitions_.size() > 1) known.emplace_back("eta");
    options.AllowOnly(known);
    Settings settings{acquisitions_, copula_};
    settings.xi = AtLeastZero(options, "xi", uses(AcquisitionKind::kProbability) ? 0.01 : 0.0);
    settings.kappa = AtLeastZero(options, "kappa", 2);
    settings.eta = AtLeastZero(options, "eta", 1);
    // The mean alone never leaves the first hill that it finds.
    settings.epsilon = AtLeastZero(options, "epsilon", uses(AcquisitionKind::kMean) ? 0.5 : 0.0);
    const std::int64_t initial = options.Integer("initial", 0);
    if (options.options.contains("initial") && (initial < 1 || initial > 1000000)) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("option \"initial\": a number of trials from 1 to 1000000 was "
                              "expected, not {}",
                              initial));
    }
    settings.initial = static_cast<int>(initial);
    return std::make_unique<GaussianProcessTuner>(space, std::move(settings), seed);
  }

 private:
  static double AtLeastZero(const ObjectSpec& options, const std::string& key, double otherwise) {
    const double value = options.Number(key, otherwise);
    if (!(value >= 0 && std::isfinite(value))) {
      throw Error(
          ErrorCode::kInvalidInput,
          fmt::format("option \"{}\": a number of at least 0 was expected, not {}", key, value));
    }
    return value;
  }

  std::string help_;
  std::vector<AcquisitionKind> acquisitions_;
  bool copula_;
};

}  // namespace

void RegisterGaussianProcesses(Registry& registry) {
  using enum AcquisitionKind;
  const auto add = [&](const char* name, std::string help,
                       std::vector<AcquisitionKind> acquisitions, bool copula) {
    registry.Add<TunerKind>(name, std::make_shared<GaussianProcessKind>(
                                      std::move(help), std::move(acquisitions), copula));
  };
  add("gp", "Gaussian process, its mean", {kMean}, false);
  add("gp-ei", "Gaussian process, expected improvement", {kExpectedImprovement}, false);
  add("gp-lcb", "Gaussian process, confidence bound", {kConfidenceBound}, false);
  add("gp-pi", "Gaussian process, probability of improvement", {kProbability}, false);
  add("gp-hedge", "Gaussian process, the three acquisitions as they prove themselves",
      {kExpectedImprovement, kConfidenceBound, kProbability}, false);
  add("gcp", "Gaussian copula process, its mean", {kMean}, true);
  add("gcp-ei", "Gaussian copula process, expected improvement", {kExpectedImprovement}, true);
}

}  // namespace windlass::tune
