// What the exact sigmoid game costs a row: cold (cells are filled) and warm.
#include <benchmark/benchmark.h>

#include "windlass/base/random.h"
#include "windlass/explain/sigmoid_game.h"

namespace windlass::explain {
namespace {

struct Game {
  std::vector<double> contributions, weights;
  double intercept = -2.7;
};

// Contributions of the size that the Adult model has.
Game AdultLike(int players, int background) {
  Random random(1, 0);
  Game game;
  for (int b = 0; b < background; ++b) {
    game.weights.push_back(1.0 / background);
    for (int g = 0; g < players; ++g) {
      game.contributions.push_back((random.Uniform() + random.Uniform() + random.Uniform() - 1.5) *
                                   1.4);
    }
  }
  return game;
}

std::vector<double> Block(int players, std::uint64_t seed) {
  Random random(seed, 1);
  std::vector<double> a(static_cast<std::size_t>(players) * SigmoidGame::kBlock);
  for (double& x : a) x = (random.Uniform() + random.Uniform() + random.Uniform() - 1.5) * 1.4;
  return a;
}

void Run(benchmark::State& state, bool warm) {
  const int players = static_cast<int>(state.range(0));
  const int rows = static_cast<int>(state.range(1));
  const Game game = AdultLike(players, 100);
  std::vector<double> prediction(SigmoidGame::kBlock);
  std::vector<double> phi(static_cast<std::size_t>(SigmoidGame::kBlock) * players);
  const auto make = [&] {
    return std::make_unique<SigmoidGame>(game.contributions, game.weights, players, game.intercept,
                                         Link::kLogit);
  };
  auto explainer = make();
  const auto explain = [&] {
    for (int begin = 0; begin < rows; begin += SigmoidGame::kBlock) {
      explainer->ExplainBlock(
          Block(players, begin), std::min(SigmoidGame::kBlock, rows - begin), [] {}, prediction,
          phi);
    }
  };
  if (warm) explain();
  for (auto _ : state) {
    if (!warm) explainer = make();
    explain();
  }
  state.SetItemsProcessed(state.iterations() * rows);
}

void BM_Cold(benchmark::State& state) { Run(state, false); }
void BM_Warm(benchmark::State& state) { Run(state, true); }
BENCHMARK(BM_Cold)->Args({12, 2560})->Args({12, 1})->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Warm)->Args({12, 2560})->Args({12, 1})->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace windlass::explain
