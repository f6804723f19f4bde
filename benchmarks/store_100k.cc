// 100,000 small results put into an empty store and looked up again, one thread.
//   store_100k FOLDER [COUNT]     FOLDER must be empty or missing
// Prints {"count": .., "put_wall_s": .., "put_cpu_s": .., "lookup_wall_s": .., "lookup_cpu_s": ..}.
// Sealing counts as putting; looking up is done by a store opened anew, and its opening counts.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "windlass/base/bytes.h"
#include "windlass/base/hash.h"
#include "windlass/store/store.h"

namespace {

constexpr std::int64_t kDefaultCount = 100'000;
constexpr int kResultDoubles = 12;  // one row's attributions

struct Seconds {
  double wall;
  double cpu;
};

double Now(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

template <typename Body>
Seconds Time(Body&& body) {
  const double wall = Now(CLOCK_MONOTONIC);
  const double cpu = Now(CLOCK_PROCESS_CPUTIME_ID);
  body();
  return {Now(CLOCK_MONOTONIC) - wall, Now(CLOCK_PROCESS_CPUTIME_ID) - cpu};
}

windlass::Hash KeyOf(std::int64_t index) {
  std::string bytes;
  windlass::AppendRaw(bytes, index);
  return windlass::HashOf(bytes);
}

windlass::Bytes ResultOf(std::int64_t index) {
  std::string bytes;
  for (int i = 0; i < kResultDoubles; ++i) {
    windlass::AppendRaw(bytes, static_cast<double>(index) + 0.01 * i);
  }
  return windlass::Bytes(std::move(bytes));
}

int Run(const std::filesystem::path& folder, std::int64_t count) {
  if (std::filesystem::exists(folder) && !std::filesystem::is_empty(folder)) {
    std::fprintf(stderr, "store_100k: %s is not empty\n", folder.c_str());
    return 2;
  }
  std::vector<windlass::Hash> keys;
  std::vector<windlass::Bytes> results;
  for (std::int64_t i = 0; i < count; ++i) {
    keys.push_back(KeyOf(i));
    results.push_back(ResultOf(i));
  }
  const Seconds put = Time([&] {
    const auto store = windlass::store::Store::Open(folder);
    for (std::int64_t i = 0; i < count; ++i) store->Remember(keys[i], results[i]);
    store->Seal();
  });
  std::int64_t wrong = 0;
  const Seconds lookup = Time([&] {
    const auto store = windlass::store::Store::Open(folder);
    for (std::int64_t i = 0; i < count; ++i) {
      const auto found = store->Recall(keys[i]);
      if (!found || !(*found == results[i])) ++wrong;
    }
  });
  if (wrong != 0) {
    std::fprintf(stderr, "store_100k: %lld of %lld results are not what was put\n",
                 static_cast<long long>(wrong), static_cast<long long>(count));
    return 1;
  }
  std::printf(
      "{\"count\": %lld, \"put_wall_s\": %.9f, \"put_cpu_s\": %.9f, "
      "\"lookup_wall_s\": %.9f, \"lookup_cpu_s\": %.9f}\n",
      static_cast<long long>(count), put.wall, put.cpu, lookup.wall, lookup.cpu);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t count = argc == 3 ? std::atoll(argv[2]) : kDefaultCount;
  if (argc < 2 || argc > 3 || count < 1) {
    std::fprintf(stderr, "usage: store_100k FOLDER [COUNT]\n");
    return 2;
  }
  try {
    return Run(argv[1], count);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "store_100k: %s\n", error.what());
    return 1;
  }
}
