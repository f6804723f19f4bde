#include "windlass/bench/statistics.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "windlass/base/error.h"

namespace windlass::bench {

Spread SpreadOf(std::vector<double> values) {
  if (values.empty()) throw Error(ErrorCode::kInternal, "no values have no median");
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  const double median =
      values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {median, values.front(), values.back()};
}

std::string_view ModeName(Mode mode) { return mode == Mode::kPool ? "pool" : "serve"; }

std::vector<Configuration> Summarise(std::span<const Sample> samples) {
  std::map<std::tuple<Mode, std::int64_t, std::int64_t>, std::vector<const Sample*>>
      by_configuration;
  for (const Sample& sample : samples) {
    by_configuration[{sample.mode, sample.batch, sample.workers}].push_back(&sample);
  }
  std::vector<Configuration> all;
  double alone = 0;  // median wall time of 1 worker with mode and batch size at hand; 0: not run
  for (const auto& [key, runs] : by_configuration) {
    const auto spread = [&runs = runs](double Sample::*time) {
      std::vector<double> values;
      values.reserve(runs.size());
      for (const Sample* sample : runs) values.push_back(sample->*time);
      return SpreadOf(std::move(values));
    };
    Configuration one;
    std::tie(one.mode, one.batch, one.workers) = key;
    one.runs = static_cast<int>(runs.size());
    one.rows = runs.front()->rows;
    one.wall = spread(&Sample::wall_s);
    one.compute = spread(&Sample::compute_wall_s);
    one.cpu_s = spread(&Sample::cpu_s).median;
    if (one.wall.median > 0) one.rows_per_s = static_cast<double>(one.rows) / one.wall.median;
    // Keys ascend: 1 worker comes first of its mode and batch size, if at all.
    if (all.empty() || all.back().mode != one.mode || all.back().batch != one.batch) alone = 0;
    if (one.workers == 1) alone = one.wall.median;
    if (alone > 0 && one.wall.median > 0) one.speed_up = alone / one.wall.median;
    all.push_back(one);
  }
  return all;
}

}  // namespace windlass::bench
