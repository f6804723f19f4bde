// Attributions made up for this folder's tests.
#pragma once

#include <cmath>
#include <functional>
#include <numbers>
#include <string>
#include <vector>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/json.h"
#include "windlass/base/random.h"
#include "windlass/table/table.h"

namespace windlass::compare {

inline std::string ErrorOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// Standard normal numbers (Box and Muller).
class Normal {
 public:
  explicit Normal(std::uint64_t seed) : random_(seed, 0) {}
  double operator()() {
    return std::sqrt(-2 * std::log(1 - random_.Uniform())) *
           std::cos(2 * std::numbers::pi * random_.Uniform());
  }

 private:
  Random random_;
};

// A run that is yet to be written.
struct FakeRun {
  std::vector<std::string> outputs = {"y"};
  std::vector<std::string> groups = {"age", "sex"};
  std::string link = "logit";
  std::string data = "rows.csv";
  Json spec = Json::object();   // what else summary.json's spec has
  Json nodes;                   // of the hierarchy; null: Shapley values
  std::string digest = "5eed";  // of the data; empty: not in summary.json
  double base = 0.5;
  double half_width = -1;         // of every attribution; below 0: exact
  std::vector<double> phi;        // [rows, outputs, groups]
  std::vector<std::int64_t> row;  // [rows]; empty: 0, 1, ...

  std::int64_t rows() const { return std::ssize(phi) / std::ssize(outputs) / std::ssize(groups); }

  // attributions.parquet, and with `summary` its summary.json; returns the folder.
  std::string Write(const std::filesystem::path& folder, bool summary = true) const {
    MakeFolders(folder);
    using Type = table::OutputColumn::Type;
    const bool intervals = half_width >= 0;
    std::vector<table::OutputColumn> columns = {{"row", Type::kInt64},
                                                {"output", Type::kText},
                                                {"base_value", Type::kDouble},
                                                {"prediction", Type::kDouble}};
    if (intervals) columns.push_back({"ranked", Type::kInt64});
    for (const std::string& group : groups) columns.push_back({group, Type::kDouble});
    if (intervals) {
      for (const std::string& group : groups) {
        columns.push_back({group + ".low", Type::kDouble});
        columns.push_back({group + ".high", Type::kDouble});
      }
    }
    const auto writer = table::CreateParquet((folder / "attributions.parquet").string(), columns);
    std::vector<table::OutputValues> values(columns.size());
    const std::size_t first = intervals ? 5 : 4, width = groups.size();
    for (std::size_t line = 0; line * width < phi.size(); ++line) {
      const std::size_t r = line / outputs.size();
      values[0].integers.push_back(row.empty() ? static_cast<std::int64_t>(r) : row[r]);
      values[1].texts.push_back(outputs[line % outputs.size()]);
      values[2].doubles.push_back(base);
      double prediction = base;
      if (intervals) values[4].integers.push_back(1);
      for (std::size_t g = 0; g < width; ++g) {
        const double value = phi[line * width + g];
        prediction += value;
        values[first + g].doubles.push_back(value);
        if (!intervals) continue;
        values[first + width + 2 * g].doubles.push_back(value - half_width);
        values[first + width + 2 * g + 1].doubles.push_back(value + half_width);
      }
      values[3].doubles.push_back(prediction);
    }
    writer->Append(values);
    writer->Close();
    if (summary) {
      Json json = {{"spec", {{"kind", "explain"}, {"model", "m.json"}, {"data", data}}},
                   {"link", link},
                   {"method", "exact"},
                   {"rows", rows()}};
      json["spec"].update(spec);
      if (!nodes.is_null()) json["outputs"] = Json::array({{{"nodes", nodes}}});
      if (!digest.empty()) json["data_digest"] = digest;
      WriteFileAtomically(folder / "summary.json", json.dump());
    }
    return folder.string();
  }
};

}  // namespace windlass::compare
