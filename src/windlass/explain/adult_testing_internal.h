// The shipped Adult job, for tests and benchmarks.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "windlass/base/file.h"
#include "windlass/explain/groups.h"
#include "windlass/explain/plan.h"
#include "windlass/model/linear.h"
#include "windlass/table/table.h"

namespace windlass::explain {

inline std::string SourcePath(const std::string& path) {
  const char* source = std::getenv("WINDLASS_SOURCE");
  return std::string(source == nullptr ? "." : source) + "/" + path;
}

// All rows of a table of numbers, row-major.
inline std::vector<double> ReadRows(const std::string& path,
                                    const std::vector<std::string>& columns) {
  table::ReadOptions options;
  options.columns = columns;
  options.ignore_others = true;
  const auto reader = table::OpenTable(SourcePath(path), options);
  std::vector<double> values;
  for (table::Chunk chunk; reader->Next(4096, chunk);) {
    values.insert(values.end(), chunk.values.begin(), chunk.values.end());
  }
  return values;
}

struct Adult {
  Adult() {
    model_json = ReadFile(SourcePath("examples/adult/model.json"));
    const std::vector<std::string> columns = model()->column_names();
    rows = ReadRows("examples/adult/adult.parquet", columns);
    plan.columns = std::ssize(columns);
    plan.background = ReadRows("examples/adult/background.parquet", columns);
    plan.weights.assign(
        plan.background.size() / columns.size(),
        static_cast<double>(columns.size()) / static_cast<double>(plan.background.size()));
    const Groups groups =
        Groups::Parse(ReadFile(SourcePath("examples/adult/groups.json")), columns);
    for (const Group& group : groups) {
      plan.groups.emplace_back(group.columns.begin(), group.columns.end());
      names.push_back(group.name);
    }
    plan.outputs = {0};
    plan.link = Link::kLogit;
  }

  std::unique_ptr<model::Model> model() const {
    return model::ParseLinearModel(model_json, "examples/adult/model.json");
  }

  // 64 rows of attributions from tests/peers/data/kernel_64.parquet: "exact" or "shap".
  std::vector<double> Reference(const std::string& kind) const {
    std::vector<std::string> columns;
    for (const std::string& name : names) columns.push_back(kind + "/" + name);
    return ReadRows("tests/peers/data/kernel_64.parquet", columns);
  }

  std::string model_json;
  std::vector<std::string> names;  // of the groups
  std::vector<double> rows;        // [2560, 49]
  Plan plan;
};

}  // namespace windlass::explain
