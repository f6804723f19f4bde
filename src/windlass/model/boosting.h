// What the XGBoost plug-in registers: the library that grows boosted trees.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "windlass/base/registry.h"

namespace windlass::model {

// Rows of mostly missing values (CSR): row r has the values first[r] to first[r + 1] - 1, in the
// columns of the same positions, ascending.
struct SparseRows {
  std::vector<std::int64_t> first;   // [rows + 1]
  std::vector<std::int32_t> column;  // [values]
  std::vector<float> value;          // [values]
  std::int64_t columns = 0;
};

// Rows and their labels as the library wants them; made once, used for any number of trainings.
class TrainingRows {
 public:
  virtual ~TrainingRows() = default;
};

// Registered as "xgboost".
class WINDLASS_API BoostingLibrary : public Registrable {
 public:
  static constexpr std::string_view kRegistryKind = "boosting library";

  virtual std::string version() const = 0;  // "xgboost 3.2.0": what results depend on

  // labels: [rows]. Throws Error{kInvalidInput} with the library's words.
  virtual std::unique_ptr<TrainingRows> MakeRows(const SparseRows& rows,
                                                 std::span<const float> labels) const = 0;

  // Trains for so many rounds and predicts the rows of `test`: [rows, outputs of the objective].
  // `parameters` are the library's own, by their names; one thread unless they say otherwise.
  // `check` is called between rounds and throws to stop. Thread safe, also for the same rows.
  // Throws Error{kInvalidInput} with the library's words.
  virtual std::vector<float> TrainAndPredict(const TrainingRows& train, const TrainingRows& test,
                                             const std::map<std::string, std::string>& parameters,
                                             int rounds,
                                             const std::function<void()>& check) const = 0;
};

// The library, by the plug-in that has it. Throws Error{kUnsupported} saying what to install.
const BoostingLibrary& FindBoostingLibrary();

}  // namespace windlass::model
