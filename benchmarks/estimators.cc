// Which estimator is the most accurate, and whether its intervals hold: games of M players whose
// Shapley values are known (random_games_testing_internal.h) at budgets of so many coalitions a
// player. Prints Markdown. Run by hand:
//
//   estimators [games a cell] [seeds a game]
//   estimators interactions [games a cell] [seeds a game]
//   estimators games [count] > games.json    trees of M = 40 for benchmarks/peers/estimators.py
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "windlass/base/build_info.h"
#include "windlass/base/cpu_clock.h"
#include "windlass/base/json.h"
#include "windlass/explain/estimator.h"
#include "windlass/explain/random_games_testing_internal.h"

namespace windlass::explain {
namespace {

constexpr Method kMethods[] = {Method::kKernel, Method::kPermutation, Method::kLeverage,
                               Method::kMsr};
constexpr int kPlayers[] = {20, 40, 60};
constexpr int kBudgets[] = {5, 10, 20, 50};  // coalitions a player
constexpr int kPairBudgets[] = {4, 8, 16};   // coalitions a pair of players

struct Known {
  std::unique_ptr<RandomGame> game;
  std::vector<double> phi;
};

std::vector<Known> Games(const std::string& kind, int players, int count) {
  std::vector<Known> games;
  for (int i = 0; i < count; ++i) {
    Known& known = games.emplace_back();
    const std::uint64_t seed = 1000 * static_cast<std::uint64_t>(players) + i;
    if (kind == "trees, depth 4") {
      known.game = std::make_unique<TreeGame>(players, 20, 4, 10, seed);
    } else if (kind == "trees, depth 8") {
      known.game = std::make_unique<TreeGame>(players, 20, 8, 3, seed);
    } else {
      known.game = std::make_unique<NetworkGame>(players, 16, 3, seed);
    }
    known.phi = known.game->ShapleyValues();
  }
  return games;
}

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// Of one method over the games of a cell.
struct Cell {
  std::vector<double> error;  // [games], RMS over players and seeds
  double covered = 0;         // part of all intervals that hold the true value
  double width = 0;           // RMS half width over RMS error
  double seconds = 0;         // CPU a coalition, of Run
};

Cell Measure(Method method, const std::vector<Known>& games, int players, int budget, int seeds) {
  Cell cell;
  cell.error.assign(games.size(), 0.0);
  double intervals = 0, coalitions = 0, half_squares = 0, error_squares = 0;
  for (int seed = 0; seed < seeds; ++seed) {
    Plan plan;
    plan.method = method;
    plan.nsamples = budget * players;
    plan.seed = seed;
    const auto estimator = MakeEstimator(plan, players);
    const CoalitionPairs pairs = estimator->coalitions();
    for (std::size_t g = 0; g < games.size(); ++g) {
      const GameValues values(*games[g].game, pairs.masks, pairs.count, players);
      Estimate estimate;
      const double before = ProcessCpuSeconds();
      estimator->Run(static_cast<int>(estimator->stages().size()) - 1, values.inside,
                     values.outside, values.total, estimate);
      cell.seconds += ProcessCpuSeconds() - before;
      coalitions += 2 * static_cast<double>(pairs.count);
      for (int i = 0; i < players; ++i) {
        const double off = estimate.phi[i] - games[g].phi[i];
        cell.error[g] += off * off / (players * seeds);
        error_squares += off * off;
        half_squares += estimate.half_width[i] * estimate.half_width[i];
        cell.covered += std::abs(off) <= estimate.half_width[i] + 1e-12 ? 1 : 0;
        ++intervals;
      }
    }
  }
  for (double& error : cell.error) error = std::sqrt(error);
  cell.covered /= intervals;
  cell.width = std::sqrt(half_squares / error_squares);
  cell.seconds /= coalitions;
  return cell;
}

// The same for rows that stop at a tolerance of twice the median half width that `budget` would
// give; width: the part of the budget that they take.
Cell MeasureStopping(Method method, const std::vector<Known>& games, int players, int budget,
                     int seeds) {
  Cell cell;
  double intervals = 0, taken = 0, all = 0;
  for (int seed = 0; seed < seeds; ++seed) {
    Plan plan;
    plan.method = method;
    plan.nsamples = budget * players;
    plan.seed = seed;
    plan.tolerance = 1;  // for stages
    const auto estimator = MakeEstimator(plan, players);
    const CoalitionPairs pairs = estimator->coalitions();
    const auto stages = estimator->stages();
    for (const Known& known : games) {
      const GameValues values(*known.game, pairs.masks, pairs.count, players);
      Estimate estimate;
      const auto run = [&](std::size_t stage) {
        estimator->Run(static_cast<int>(stage), std::span(values.inside).first(stages[stage]),
                       std::span(values.outside).first(stages[stage]), values.total, estimate);
      };
      run(stages.size() - 1);
      const double tolerance = 2 * Median(estimate.half_width);
      std::size_t stage = 0;
      for (;; ++stage) {
        run(stage);
        if (stage + 1 == stages.size() ||
            std::ranges::all_of(estimate.half_width, [&](double h) { return h <= tolerance; })) {
          break;
        }
      }
      taken += static_cast<double>(stages[stage]);
      all += static_cast<double>(stages.back());
      for (int i = 0; i < players; ++i, ++intervals) {
        cell.covered += std::abs(estimate.phi[i] - known.phi[i]) <= estimate.half_width[i] ? 1 : 0;
      }
    }
  }
  cell.covered /= intervals;
  cell.width = taken / all;
  return cell;
}

// Interactions of pairs by a method: as Measure, errors over the RMS of the true interactions.
Cell MeasurePairs(Method method, const std::vector<Known>& games, int players, int budget,
                  int seeds) {
  Cell cell;
  cell.error.assign(games.size(), 0.0);
  const std::int64_t pairs = Pairs(players);
  double intervals = 0, half_squares = 0, error_squares = 0;
  std::vector<double> got(pairs), half_width(pairs);
  for (int seed = 0; seed < seeds; ++seed) {
    Plan plan;
    plan.method = method;
    plan.interactions = true;
    plan.nsamples = budget * pairs;
    plan.seed = seed;
    const auto estimator = MakeEstimator(plan, players);
    const CoalitionPairs coalitions = estimator->coalitions();
    for (std::size_t g = 0; g < games.size(); ++g) {
      const std::vector<double> exact = games[g].game->Interactions();
      const GameValues values(*games[g].game, coalitions.masks, coalitions.count, players);
      estimator->RunPairs(0, values.inside, values.outside, values.total, got, half_width);
      double squares = 0, scale = 0;
      for (std::int64_t a = 0; a < pairs; ++a) {
        const double off = got[a] - exact[a];
        squares += off * off;
        scale += exact[a] * exact[a];
        half_squares += half_width[a] * half_width[a];
        cell.covered += std::abs(off) <= half_width[a] + 1e-12 ? 1 : 0;
        ++intervals;
      }
      error_squares += squares;
      cell.error[g] += squares / scale / seeds;
    }
  }
  for (double& error : cell.error) error = std::sqrt(error);
  cell.covered /= intervals;
  cell.width = std::sqrt(half_squares / error_squares);
  return cell;
}

void PrintPairs(int games, int seeds) {
  std::printf(
      "| games | M | coalitions a pair | method | RMS error / RMS interaction | coverage in %% | "
      "width / error |\n| --- | --- | --- | --- | --- | --- | --- |\n");
  for (const std::string kind : {"trees, depth 4", "trees, depth 8", "network"}) {
    for (const int players : {10, 20, 40}) {
      const auto known = Games(kind, players, games);
      for (const int budget : kPairBudgets) {
        for (const Method method : {Method::kMsr, Method::kKernel}) {
          const Cell cell = MeasurePairs(method, known, players, budget, seeds);
          std::printf("| %s | %d | %d | %s | %.4f | %.1f | %.2f |\n", kind.c_str(), players, budget,
                      std::string(MethodName(method)).c_str(), Median(cell.error),
                      100 * cell.covered, cell.width);
          std::fflush(stdout);
        }
      }
    }
  }
}

// Games, their values and our errors at each budget, for other tools to be measured on.
void WriteGames(int count) {
  constexpr int kWidth = 40;
  Json all = Json::array();
  for (int i = 0; i < count; ++i) {
    const TreeGame game(kWidth, 20, 8, 3, 1000 * kWidth + i);
    Json leaves = Json::array();
    for (const TreeGame::Leaf& leaf : game.leaves()) {
      leaves.push_back({leaf.in, leaf.out, leaf.value});
    }
    const std::vector<double> phi = game.ShapleyValues();
    Json errors;
    for (const Method method : kMethods) {
      for (const int budget : kBudgets) {
        double squares = 0;
        constexpr int kSeeds = 4;
        for (int seed = 0; seed < kSeeds; ++seed) {
          Plan plan;
          plan.method = method;
          plan.nsamples = budget * kWidth;
          plan.seed = seed;
          const auto estimator = MakeEstimator(plan, kWidth);
          const CoalitionPairs pairs = estimator->coalitions();
          const GameValues values(game, pairs.masks, pairs.count, kWidth);
          Estimate estimate;
          estimator->Run(0, values.inside, values.outside, values.total, estimate);
          for (int p = 0; p < kWidth; ++p) {
            squares += std::pow(estimate.phi[p] - phi[p], 2) / (kWidth * kSeeds);
          }
        }
        errors[std::string(MethodName(method))].push_back(std::sqrt(squares));
      }
    }
    Json pair_errors;
    std::vector<Known> known(1);
    known[0].game = std::make_unique<TreeGame>(game);
    for (const int budget : kPairBudgets) {
      pair_errors.push_back(MeasurePairs(Method::kMsr, known, kWidth, budget, 1).error[0]);
    }
    all.push_back({{"players", kWidth},
                   {"leaves", leaves},
                   {"phi", phi},
                   {"errors", errors},
                   {"interactions", game.Interactions()},
                   {"pair_errors", pair_errors}});
  }
  std::printf("%s\n", all.dump().c_str());
}

}  // namespace
}  // namespace windlass::explain

int main(int argc, char** argv) {
  using namespace windlass;
  using namespace windlass::explain;
  if (argc > 1 && std::string(argv[1]) == "games") {
    WriteGames(argc > 2 ? std::atoi(argv[2]) : 12);
    return 0;
  }
  if (argc > 1 && std::string(argv[1]) == "interactions") {
    PrintPairs(argc > 2 ? std::atoi(argv[2]) : 12, argc > 3 ? std::atoi(argv[3]) : 2);
    return 0;
  }
  const int games = argc > 1 ? std::atoi(argv[1]) : 24;
  const int seeds = argc > 2 ? std::atoi(argv[2]) : 4;
  std::printf("Windlass %s. %d games a cell, %d seeds a game.\n\n", Version(), games, seeds);
  std::printf("| games | M | coalitions / M | kernel: RMS error / RMS phi");
  for (const Method method : kMethods) {
    if (method != Method::kKernel)
      std::printf(" | %s / kernel", std::string(MethodName(method)).c_str());
  }
  std::printf(" | coverage in %%");
  std::printf(
      " | width / error | own ns a coalition |\n| --- | --- | --- | --- | --- | --- | --- | --- | "
      "--- | --- |\n");
  for (const std::string kind : {"trees, depth 4", "trees, depth 8", "network"}) {
    for (const int players : kPlayers) {
      const auto known = Games(kind, players, games);
      for (const int budget : kBudgets) {
        std::map<Method, Cell> cells;
        for (const Method method : kMethods) {
          cells[method] = Measure(method, known, players, budget, seeds);
        }
        std::vector<double> relative;
        for (int g = 0; g < games; ++g) {
          double squares = 0;
          for (const double phi : known[g].phi) squares += phi * phi / players;
          relative.push_back(cells[Method::kKernel].error[g] / std::sqrt(squares));
        }
        std::printf("| %s | %d | %d | %.4f", kind.c_str(), players, budget, Median(relative));
        std::string covered, width, own;
        for (const Method method : kMethods) {
          const Cell& cell = cells[method];
          if (method != Method::kKernel) {
            std::vector<double> ratios;
            for (int g = 0; g < games; ++g) {
              ratios.push_back(cell.error[g] / cells[Method::kKernel].error[g]);
            }
            std::printf(" | %.2f", Median(ratios));
          }
          const auto add = [&](std::string& text, const char* format, double value) {
            char number[32];
            std::snprintf(number, sizeof number, format, value);
            text += (text.empty() ? "" : ", ") + std::string(number);
          };
          add(covered, "%.1f", 100 * cell.covered);
          add(width, "%.2f", cell.width);
          add(own, "%.0f", 1e9 * cell.seconds);
        }
        std::printf(" | %s | %s | %s |\n", covered.c_str(), width.c_str(), own.c_str());
        std::fflush(stdout);
      }
    }
  }
  std::printf(
      "\nRows that stop at a tolerance, M = 40, at most 100 coalitions a player:\n\n"
      "| games | method | coverage in %% | part of the coalitions taken |\n"
      "| --- | --- | --- | --- |\n");
  for (const std::string kind : {"trees, depth 4", "trees, depth 8", "network"}) {
    const auto known = Games(kind, 40, games);
    for (const Method method : kMethods) {
      const Cell cell = MeasureStopping(method, known, 40, 100, seeds);
      std::printf("| %s | %s | %.1f | %.2f |\n", kind.c_str(),
                  std::string(MethodName(method)).c_str(), 100 * cell.covered, cell.width);
    }
  }
}
