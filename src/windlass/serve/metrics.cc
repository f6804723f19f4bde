#include "windlass/serve/metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace windlass::serve {
namespace {

const std::vector<double> kSeconds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                      0.1,    0.25,  0.5,    1,     2.5,  5,     10};
const std::vector<double> kRows = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384};

void AppendHead(std::string& out, std::string_view name, std::string_view type,
                std::string_view help) {
  out += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
}

}  // namespace

void Histogram::Add(double value) {
  const auto place = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
  ++counts_[static_cast<std::size_t>(place)];
  sum_ += value;
}

void Histogram::Append(std::string& out, const std::string& name, const std::string& labels) const {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < bounds_.size(); ++i) {
    count += counts_[i];
    out += fmt::format("{}_bucket{{{},le=\"{}\"}} {}\n", name, labels, bounds_[i], count);
  }
  count += counts_.back();
  out += fmt::format("{}_bucket{{{},le=\"+Inf\"}} {}\n", name, labels, count);
  out += fmt::format("{0}_sum{{{1}}} {2}\n{0}_count{{{1}}} {3}\n", name, labels, sum_, count);
}

Metrics::Metrics(const std::vector<std::string>& operations) : names_(operations) {
  names_.emplace_back("other");
  for (std::size_t i = 0; i < names_.size(); ++i) {
    operations_.push_back({{}, Histogram(kSeconds), Histogram(kRows)});
  }
}

void Metrics::Answered(std::size_t operation, int status, double seconds) {
  const std::lock_guard lock(mutex_);
  OfOperation& of = operations_[std::min(operation, operations_.size() - 1)];
  ++of.answers[status];
  if (seconds >= 0) of.seconds.Add(seconds);
}

void Metrics::Batched(std::size_t operation, std::int64_t rows) {
  const std::lock_guard lock(mutex_);
  operations_[operation].batch_rows.Add(static_cast<double>(rows));
  operations_[operation].rows += static_cast<std::uint64_t>(rows);
}

void Metrics::Begun(std::int64_t requests) {
  const std::lock_guard lock(mutex_);
  in_flight_ += requests;
}

std::uint64_t Metrics::answered() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t count = 0;
  for (const OfOperation& of : operations_) {
    for (const auto& [status, answers] : of.answers) count += answers;
  }
  return count;
}

std::uint64_t Metrics::rows() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t count = 0;
  for (const OfOperation& of : operations_) count += of.rows;
  return count;
}

std::string Metrics::Text(std::size_t queued) const {
  const std::lock_guard lock(mutex_);
  std::string out;
  AppendHead(out, "windlass_requests_total", "counter", "Answers by operation and status.");
  for (std::size_t i = 0; i < names_.size(); ++i) {
    for (const auto& [status, count] : operations_[i].answers) {
      out += fmt::format("windlass_requests_total{{operation=\"{}\",code=\"{}\"}} {}\n", names_[i],
                         status, count);
    }
  }
  AppendHead(out, "windlass_rows_total", "counter", "Rows computed.");
  for (std::size_t i = 0; i + 1 < names_.size(); ++i) {
    out +=
        fmt::format("windlass_rows_total{{operation=\"{}\"}} {}\n", names_[i], operations_[i].rows);
  }
  AppendHead(out, "windlass_request_seconds", "histogram",
             "From a request's last byte to its answer.");
  for (std::size_t i = 0; i < names_.size(); ++i) {
    operations_[i].seconds.Append(out, "windlass_request_seconds",
                                  fmt::format("operation=\"{}\"", names_[i]));
  }
  AppendHead(out, "windlass_batch_rows", "histogram", "Rows that were computed together.");
  for (std::size_t i = 0; i + 1 < names_.size(); ++i) {
    operations_[i].batch_rows.Append(out, "windlass_batch_rows",
                                     fmt::format("operation=\"{}\"", names_[i]));
  }
  AppendHead(out, "windlass_requests_in_flight", "gauge", "Requests that have no answer yet.");
  out += fmt::format("windlass_requests_in_flight {}\n", in_flight_);
  AppendHead(out, "windlass_queue_length", "gauge", "Requests that wait for a replica.");
  out += fmt::format("windlass_queue_length {}\n", queued);
  return out;
}

}  // namespace windlass::serve
