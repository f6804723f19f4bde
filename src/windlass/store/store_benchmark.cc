// What one look-up and one addition cost; see docs/store.md.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "windlass/base/bytes.h"
#include "windlass/base/file.h"
#include "windlass/base/hash.h"
#include "windlass/store/store.h"

namespace windlass::store {
namespace {

constexpr int kResults = 100000;

std::vector<Hash> Keys() {
  std::vector<Hash> keys(kResults);
  for (int i = 0; i < kResults; ++i) keys[i] = HashOf("key " + std::to_string(i));
  return keys;
}

Bytes ResultOf(int i) {
  std::string text = "result " + std::to_string(i);
  text.resize(100, '.');
  return Bytes(std::move(text));
}

void FillWith(Store& store, const std::vector<Hash>& keys) {
  for (int i = 0; i < kResults; ++i) store.Remember(keys[i], ResultOf(i));
}

void SetTimeOfOne(benchmark::State& state) {
  state.counters["one"] =
      benchmark::Counter(static_cast<double>(kResults) * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// 100,000 results of 100 bytes into an empty store.
void BM_Remember(benchmark::State& state) {
  const auto keys = Keys();
  for (auto _ : state) {
    state.PauseTiming();
    const auto folder = std::make_unique<TemporaryFolder>();
    auto store = Store::Open(folder->path());
    state.ResumeTiming();
    FillWith(*store, keys);
    state.PauseTiming();
    store.reset();
    state.ResumeTiming();
  }
  SetTimeOfOne(state);
}
BENCHMARK(BM_Remember)->Unit(benchmark::kMillisecond)->UseRealTime();

void RecallAll(benchmark::State& state, Store& store, const std::vector<Hash>& keys) {
  for (auto _ : state) {
    for (const Hash& key : keys) {
      const auto result = store.Recall(key);
      if (!result || result->size() != 100) return state.SkipWithError("a result is missing");
    }
  }
  SetTimeOfOne(state);
}

// By the process that remembered them.
void BM_RecallLive(benchmark::State& state) {
  const auto keys = Keys();
  const TemporaryFolder folder;
  const auto store = Store::Open(folder.path());
  FillWith(*store, keys);
  RecallAll(state, *store, keys);
}
BENCHMARK(BM_RecallLive)->Unit(benchmark::kMillisecond)->UseRealTime();

// From a sealed segment, in a store opened anew.
void BM_RecallSealed(benchmark::State& state) {
  const auto keys = Keys();
  const TemporaryFolder folder;
  FillWith(*Store::Open(folder.path()), keys);
  const auto store = Store::Open(folder.path());
  RecallAll(state, *store, keys);
}
BENCHMARK(BM_RecallSealed)->Unit(benchmark::kMillisecond)->UseRealTime();

// 100,000 keys that nobody remembered, with one sealed segment of as many beside.
void BM_RecallMissing(benchmark::State& state) {
  const TemporaryFolder folder;
  FillWith(*Store::Open(folder.path()), Keys());
  const auto store = Store::Open(folder.path());
  std::vector<Hash> missing(kResults);
  for (int i = 0; i < kResults; ++i) missing[i] = HashOf("missing " + std::to_string(i));
  for (auto _ : state) {
    for (const Hash& key : missing) {
      if (store->Recall(key)) return state.SkipWithError("a result from nowhere");
    }
  }
  SetTimeOfOne(state);
}
BENCHMARK(BM_RecallMissing)->Unit(benchmark::kMillisecond)->UseRealTime();

// A folder with a sealed segment of 100,000 entries.
void BM_Open(benchmark::State& state) {
  const TemporaryFolder folder;
  FillWith(*Store::Open(folder.path()), Keys());
  for (auto _ : state) benchmark::DoNotOptimize(Store::Open(folder.path()));
}
BENCHMARK(BM_Open)->Unit(benchmark::kMicrosecond)->UseRealTime();

void BM_Seal(benchmark::State& state) {
  const auto keys = Keys();
  for (auto _ : state) {
    state.PauseTiming();
    const auto folder = std::make_unique<TemporaryFolder>();
    const auto store = Store::Open(folder->path());
    FillWith(*store, keys);
    state.ResumeTiming();
    store->Seal();
  }
}
BENCHMARK(BM_Seal)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(3);

}  // namespace
}  // namespace windlass::store
