// What a sweep's runs say in sum.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace windlass::bench {

// What is measured: jobs of so many workers, or a service of so many replicas under the load of the
// same rows.
enum class Mode : std::uint8_t { kPool, kServe };
std::string_view ModeName(Mode mode);

// One run of one configuration. Times in seconds.
struct Sample {
  Mode mode = Mode::kPool;
  std::int64_t workers = 0;
  std::int64_t batch = 0;  // rows a task took
  int run = 0;             // 1 .. nruns
  std::int64_t rows = 0;   // rows explained
  std::int64_t tasks = 0;
  std::string method;
  double wall_s = 0;          // the whole job, from reading its inputs to its outputs in place
  double cpu_s = 0;           // of all threads, over the same time
  double compute_wall_s = 0;  // from loaded model and tables to attributions in memory
  double compute_cpu_s = 0;
  double latency_p50_s = 0;  // of a request, where rows went to a service; else 0
  double latency_p99_s = 0;
  std::string job;              // its record's id; empty where it was a service
  std::int64_t started_ms = 0;  // since 1970
};

struct Spread {
  double median = 0;
  double low = 0;   // the smallest
  double high = 0;  // the largest
};

// Of an even number of values, the median is the mean of the middle two. `values` is not empty.
Spread SpreadOf(std::vector<double> values);

// All runs of one mode, one number of workers and one batch size.
struct Configuration {
  Mode mode = Mode::kPool;
  std::int64_t workers = 0;
  std::int64_t batch = 0;
  int runs = 0;
  std::int64_t rows = 0;
  Spread wall;
  Spread compute;
  double cpu_s = 0;                // median
  double rows_per_s = 0;           // by the median wall time
  std::optional<double> speed_up;  // median wall time of 1 worker, all else the same, over it
};

// One entry a configuration that has a sample; by mode, batch size, workers, ascending.
std::vector<Configuration> Summarise(std::span<const Sample> samples);

}  // namespace windlass::bench
