// What a service counts, in Prometheus' text format.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace windlass::serve {

// Counts of values up to rising bounds, as a Prometheus histogram.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds)
      : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

  void Add(double value);
  // Lines of the metric `name`; `labels` as in `operation="infer"`.
  void Append(std::string& out, const std::string& name, const std::string& labels) const;

 private:
  std::vector<double> bounds_;
  std::vector<std::uint64_t> counts_;  // the last: beyond all bounds
  double sum_ = 0;
};

// Thread safe.
class Metrics {
 public:
  explicit Metrics(const std::vector<std::string>& operations);

  // An answer went out. `operation`: a position in `operations`, or one past its end for others;
  // seconds < 0: not known.
  void Answered(std::size_t operation, int status, double seconds);
  void Batched(std::size_t operation, std::int64_t rows);
  void Begun(std::int64_t requests);  // in flight: +1, -1

  std::uint64_t answered() const;
  std::uint64_t rows() const;

  // `queued`: requests that wait now.
  std::string Text(std::size_t queued) const;

 private:
  struct OfOperation {
    std::map<int, std::uint64_t> answers;  // by status
    Histogram seconds;
    Histogram batch_rows;
    std::uint64_t rows = 0;
  };

  mutable std::mutex mutex_;
  std::vector<std::string> names_;
  std::vector<OfOperation> operations_;  // and one for what is none of them
  std::int64_t in_flight_ = 0;
};

}  // namespace windlass::serve
