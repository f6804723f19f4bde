#include "windlass/tune/math_challenges.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <numbers>
#include <span>
#include <utility>
#include <vector>

#include "windlass/base/error.h"
#include "windlass/base/vector_math.h"
#include "windlass/tune/challenge.h"

namespace windlass::tune {
namespace {

constexpr double kPi = std::numbers::pi;

// What is minimised; a score is its negative.
using Function = double (*)(std::span<const double> x);

double Square(double x) { return x * x; }

double Rosenbrock(std::span<const double> x) {
  return Square(1 - x[0]) + 100 * Square(x[1] - Square(x[0]));
}

double Branin(std::span<const double> x) {
  const double z = x[1] - 5.1 / (4 * kPi * kPi) * Square(x[0]) + 5 / kPi * x[0] - 6;
  return Square(z) + 10 * (1 - 1 / (8 * kPi)) * Cos(x[0]) + 10;
}

double Bohachevsky(std::span<const double> x) {
  return Square(x[0]) + 2 * Square(x[1]) - 0.3 * Cos(3 * kPi * x[0]) - 0.4 * Cos(4 * kPi * x[1]) +
         0.7;
}

// Dixon and Szego (1978).
double Hartmann6(std::span<const double> x) {
  constexpr std::array<double, 4> kWeights = {1.0, 1.2, 3.0, 3.2};
  constexpr double kScales[4][6] = {{10, 3, 17, 3.5, 1.7, 8},
                                    {0.05, 10, 17, 0.1, 8, 14},
                                    {3, 3.5, 1.7, 10, 17, 8},
                                    {17, 8, 0.05, 10, 0.1, 14}};
  constexpr double kCentres[4][6] = {{0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886},
                                     {0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991},
                                     {0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650},
                                     {0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381}};
  double sum = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    double distance = 0;
    for (std::size_t j = 0; j < 6; ++j) distance += kScales[i][j] * Square(x[j] - kCentres[i][j]);
    sum += kWeights[i] * Exp(-distance);
  }
  return -sum;
}

// Ackley (1987).
double Ackley(std::span<const double> x) {
  double squares = 0, cosines = 0;
  for (const double value : x) {
    squares += Square(value);
    cosines += Cos(2 * kPi * value);
  }
  const auto n = static_cast<double>(x.size());
  return -20 * Exp(-0.2 * std::sqrt(squares / n)) - Exp(cosines / n) + 20 + Exp(1.0);
}

// Laguna and Marti (2005).
double Levy(std::span<const double> x) {
  const auto w = [&](std::size_t i) { return 1 + (x[i] - 1) / 4; };
  const auto sine = [](double value) { return Cos(value - kPi / 2); };
  const std::size_t last = x.size() - 1;
  double sum = Square(sine(kPi * w(0)));
  for (std::size_t i = 0; i < last; ++i) {
    sum += Square(w(i) - 1) * (1 + 10 * Square(sine(kPi * w(i) + 1)));
  }
  return sum + Square(w(last) - 1) * (1 + Square(sine(2 * kPi * w(last))));
}

// Rastrigin (1974).
double Rastrigin(std::span<const double> x) {
  double sum = 10 * static_cast<double>(x.size());
  for (const double value : x) sum += Square(value) - 10 * Cos(2 * kPi * value);
  return sum;
}

struct MathFunction {
  const char* name;
  const char* help;
  Function function;
  int dimensions;
  bool whole;
  std::array<double, 2> low;  // of the first dimension, and of the others
  std::array<double, 2> high;
  double least;
  bool shifted;  // whether there is such a variant
};

constexpr MathFunction kFunctions[] = {
    {"rosenbrock",
     "BTB's: a bent valley, integers",
     Rosenbrock,
     2,
     true,
     {-50, -50},
     {50, 50},
     0,
     true},
    {"branin",
     "BTB's: three equal optima",
     Branin,
     2,
     false,
     {-5, 0},
     {10, 15},
     0.39788735772973816,
     true},
    {"bohachevsky",
     "BTB's: a bowl, integers",
     Bohachevsky,
     2,
     true,
     {-100, -100},
     {100, 100},
     0,
     true},
    {"hartmann6",
     "six dimensions, six local optima",
     Hartmann6,
     6,
     false,
     {0, 0},
     {1, 1},
     -3.322368011391339,
     false},
    {"ackley",
     "five dimensions, a deep funnel with ripples",
     Ackley,
     5,
     false,
     {-32.768, -32.768},
     {32.768, 32.768},
     0,
     true},
    {"levy",
     "four dimensions, waves along a slope",
     Levy,
     4,
     false,
     {-10, -10},
     {10, 10},
     0,
     false},
    {"rastrigin",
     "three dimensions, a bowl of many local optima",
     Rastrigin,
     3,
     false,
     {-5.12, -5.12},
     {5.12, 5.12},
     0,
     true},
};

// Of the range, by dimension: where the optimum moves.
constexpr std::array<double, 6> kShifts = {0.23, -0.17, 0.29, -0.31, 0.19, 0.11};

class MathChallenge final : public Challenge {
 public:
  MathChallenge(const MathFunction& function, bool shifted) : function_(function) {
    Json space = Json::object();
    for (int i = 0; i < function.dimensions; ++i) {
      const auto side = static_cast<std::size_t>(i > 0);
      const double low = function.low[side], high = function.high[side];
      Json& one = space[Name(i)] = {{"type", function.whole ? "integer" : "float"}};
      one["low"] = low;
      one["high"] = high;
      const double shift = shifted ? kShifts[static_cast<std::size_t>(i)] * (high - low) : 0.0;
      shifts_.push_back(function.whole ? std::round(shift) : shift);
    }
    space_ = Space::Parse(space);
  }

  const Space& space() const override { return space_; }
  std::optional<double> best() const override { return -function_.least; }

  double Score(const Point& point, const std::function<void()>&) const override {
    std::vector<double> x(point);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] -= shifts_[i];
    return 0 - function_.function(x);  // of 0 not -0
  }

 private:
  // Names sort as the dimensions do. BTB's are x and y.
  std::string Name(int i) const {
    return function_.dimensions == 2 ? std::string(i == 0 ? "x" : "y") : fmt::format("x{}", i + 1);
  }

  const MathFunction& function_;
  Space space_;
  std::vector<double> shifts_;
};

// One of two models, each with parameters of its own on scales of their own; the better one is the
// one whose optimum is narrow. The best score is 0.
class MixedChallenge final : public Challenge {
 public:
  MixedChallenge() {
    space_ = Space::Parse(
        {{"model", {{"type", "categorical"}, {"choices", {"linear", "tree"}}}},
         {"rate", {{"type", "float"}, {"low", 1e-4}, {"high", 1}, {"log", true}}},
         {"penalty",
          {{"type", "float"},
           {"low", 1e-6},
           {"high", 10},
           {"log", true},
           {"when", {{"model", "linear"}}}}},
         {"depth", {{"type", "integer"}, {"low", 1}, {"high", 12}, {"when", {{"model", "tree"}}}}},
         {"bins",
          {{"type", "ordinal"},
           {"choices", {16, 32, 64, 128, 256}},
           {"when", {{"model", "tree"}}}}},
         {"weighted", {{"type", "boolean"}, {"when", {{"model", "tree"}}}}}});
  }

  const Space& space() const override { return space_; }
  std::optional<double> best() const override { return 0; }

  double Score(const Point& point, const std::function<void()>&) const override {
    const auto at = [&](const char* name) {
      return point[static_cast<std::size_t>(space_.Find(name))];
    };
    const auto decades = [](double value, double from) {
      return (Log(value) - Log(from)) / std::numbers::ln10;
    };
    if (at("model") == 0) {
      return -(0.3 + 0.05 * Square(decades(at("rate"), 0.3)) +
               0.02 * Square(decades(at("penalty"), 1e-2)));
    }
    return -(0.4 * Square(decades(at("rate"), 0.05)) + 0.04 * Square(at("depth") - 7) +
             0.05 * Square(at("bins") - 3) + (at("weighted") == 1 ? 0 : 0.2));
  }

 private:
  Space space_;
};

// They need no data.
Bytes Nothing(const ObjectSpec& spec) {
  spec.AllowOnly({});
  if (!spec.name.empty() && !spec.location.empty()) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{} takes no data", spec.name));
  }
  return Bytes();
}

class MathKind final : public ChallengeKind {
 public:
  MathKind(const MathFunction& function, bool shifted) : function_(function), shifted_(shifted) {}

  std::string type() const override { return "math"; }
  std::string help() const override {
    return std::string(function_.help) + (shifted_ ? ", off centre" : "");
  }
  Bytes Prepare(const ObjectSpec& spec) const override { return Nothing(spec); }
  std::unique_ptr<const Challenge> Make(const Bytes&) const override {
    return std::make_unique<MathChallenge>(function_, shifted_);
  }

 private:
  const MathFunction& function_;
  bool shifted_;
};

class MixedKind final : public ChallengeKind {
 public:
  std::string type() const override { return "math"; }
  std::string help() const override { return "two models, each with parameters of its own"; }
  Bytes Prepare(const ObjectSpec& spec) const override { return Nothing(spec); }
  std::unique_ptr<const Challenge> Make(const Bytes&) const override {
    return std::make_unique<MixedChallenge>();
  }
};

}  // namespace

void RegisterMathChallenges(Registry& registry) {
  for (const MathFunction& function : kFunctions) {
    for (const bool shifted : {false, true}) {
      if (shifted && !function.shifted) continue;
      registry.Add<ChallengeKind>(std::string(function.name) + (shifted ? "-shifted" : ""),
                                  std::make_shared<MathKind>(function, shifted));
    }
  }
  registry.Add<ChallengeKind>("mixed", std::make_shared<MixedKind>());
}

}  // namespace windlass::tune
