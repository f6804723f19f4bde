// A service for tests: sums of rows, slow or failing where a test wants it.
#pragma once

#include <atomic>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "windlass/base/error.h"
#include "windlass/job/service.h"

namespace windlass::serve {

// Operation "infer" gives "sum" [rows, 1] and the constant "names" (words). A row whose first value
// is 13 throws, one whose first value is 14 has no result.
class SumService final : public job::Service {
 public:
  SumService(int columns, bool categories) {
    for (int c = 0; c < columns; ++c) columns_.push_back({"c" + std::to_string(c), {}});
    if (categories) columns_.back().categories = {"red", "green", "blue"};
    job::ServiceOutput names{"names", {2}, false};
    names.words = {"a \"quoted\" one", "b"};
    operations_.push_back({"infer", {{"sum", {1}}, names}});
    operations_.push_back({"other", {{"sum", {1}}}});
  }

  const std::vector<job::ServiceColumn>& columns() const override { return columns_; }
  bool accepts_missing() const override { return missing; }
  const std::vector<job::ServiceOperation>& operations() const override { return operations_; }
  Json Describe() const override { return Json::object(); }

  void Run(std::size_t operation, std::span<const double> x, std::int64_t rows,
           const std::function<void()>& check, job::ServiceResult& result) const override {
    ++calls;
    if (before) before(rows);
    check();
    result.values.resize(operations_[operation].outputs.size());
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto row = x.subspan(static_cast<std::size_t>(r) * columns_.size(), columns_.size());
      if (row[0] == 13) throw Error(ErrorCode::kInvalidInput, "13 is more than the model can bear");
      if (row[0] == 14) result.failures.push_back({r, "no finite value"});
      double sum = 0;
      for (const double value : row) sum += value;
      result.values[0].push_back(sum);
    }
  }

  bool missing = false;
  std::function<void(std::int64_t rows)> before;
  mutable std::atomic<int> calls = 0;

 private:
  std::vector<job::ServiceColumn> columns_;
  std::vector<job::ServiceOperation> operations_;
};

}  // namespace windlass::serve
