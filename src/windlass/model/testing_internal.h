// For the tests of this folder: files of testdata, what is expected of them, predictions.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/file.h"
#include "windlass/base/json.h"
#include "windlass/model/model.h"

namespace windlass::model {

// A file of testdata/.
inline std::string ReadTestdata(std::string_view place) {
  const char* source = std::getenv("WINDLASS_SOURCE");
  return ReadFile(std::filesystem::path(source == nullptr ? "." : source) /
                  "src/windlass/model/testdata" / place);
}

// A file of testdata/ that says what other libraries predict.
inline Json ParseTestdata(std::string_view place) {
  return ParseJson(ReadTestdata(place), std::string(place));
}

inline std::vector<std::string> KeysOf(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

// [rows][columns] as [rows, columns]; null is a missing value.
inline std::vector<double> Flattened(const Json& rows) {
  std::vector<double> values;
  for (const auto& row : rows) {
    for (const auto& value : row) {
      values.push_back(value.is_null() ? std::numeric_limits<double>::quiet_NaN()
                                       : value.get<double>());
    }
  }
  return values;
}

inline std::vector<double> PredictAll(const Model& model, const std::vector<double>& x) {
  const auto rows = std::ssize(x) / model.columns();
  std::vector<double> out(rows * model.outputs());
  model.Predict(x, rows, out);
  return out;
}

// Within `slack`, of the wanted number where that is more than 1.
inline void ExpectNear(const std::vector<double>& values, const std::vector<double>& wanted,
                       double slack) {
  ASSERT_EQ(values.size(), wanted.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(values[i], wanted[i], slack * std::max(1.0, std::abs(wanted[i]))) << i;
  }
}

inline void ExpectRowsDoNotDependOnTheirCompany(const Model& model, const std::vector<double>& x) {
  const std::vector<double> all = PredictAll(model, x);
  const auto columns = model.columns(), outputs = model.outputs();
  for (std::int64_t row = 0; row < std::ssize(x) / columns; ++row) {
    const std::vector<double> alone(x.begin() + row * columns, x.begin() + (row + 1) * columns);
    const std::vector<double> of_row(all.begin() + row * outputs,
                                     all.begin() + (row + 1) * outputs);
    EXPECT_EQ(PredictAll(model, alone), of_row) << row;
  }
}

// The file with one text replaced by another.
inline std::string Replaced(std::string content, const std::string& from, const std::string& to) {
  const auto at = content.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? content : content.replace(at, from.size(), to);
}

}  // namespace windlass::model
