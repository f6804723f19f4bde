#include "windlass/tune/data_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "windlass/base/byte_reader.h"
#include "windlass/base/error.h"
#include "windlass/base/json.h"
#include "windlass/table/table.h"

namespace windlass::tune {
namespace {

constexpr std::int64_t kRowsAtOnce = 8192;
constexpr std::int64_t kMostLabels = 1 << 24;

// A column: numbers, or words by their numbers in the order of their bytes. A missing value is NaN.
struct Values {
  std::vector<double> values;  // [rows]
  bool words = false;
};

Values ReadWords(table::LabelReader& reader) {
  Values column;
  column.words = true;
  std::vector<std::int64_t> codes;
  std::vector<std::int64_t> all;
  while (reader.Next(kRowsAtOnce, codes)) all.insert(all.end(), codes.begin(), codes.end());
  const std::vector<std::string>& labels = reader.labels();
  std::vector<std::size_t> order(labels.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&](std::size_t i) -> const std::string& { return labels[i]; });
  std::vector<double> rank(labels.size());
  for (std::size_t i = 0; i < order.size(); ++i) rank[order[i]] = static_cast<double>(i);
  for (const std::int64_t code : all) {
    column.values.push_back(code == table::LabelReader::kMissing
                                ? std::numeric_limits<double>::quiet_NaN()
                                : rank[static_cast<std::size_t>(code)]);
  }
  return column;
}

// All columns by their names; `first` words, then numbers in one pass.
std::vector<Values> ReadColumns(const std::string& uri, const std::vector<std::string>& names) {
  std::vector<Values> columns(names.size());
  table::ReadOptions options;
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (const auto words = table::OpenLabels(uri, names[i], kMostLabels)) {
      columns[i] = ReadWords(*words);
    } else {
      options.columns.push_back(names[i]);
      numbers.push_back(i);
    }
  }
  if (numbers.empty()) return columns;
  options.ignore_others = true;
  const auto reader = table::OpenTable(uri, options);
  table::Chunk chunk;
  while (reader->Next(kRowsAtOnce, chunk)) {
    for (std::size_t i = 0; i < chunk.values.size(); ++i) {
      columns[numbers[i % numbers.size()]].values.push_back(chunk.values[i]);
    }
  }
  return columns;
}

// The different values, ascending, NaN last.
std::vector<double> Different(std::vector<double> values) {
  const auto before = [](double a, double b) { return !std::isnan(a) && (std::isnan(b) || a < b); };
  const auto same = [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); };
  std::ranges::sort(values, before);
  values.erase(std::unique(values.begin(), values.end(), same), values.end());
  return values;
}

std::size_t PlaceOf(const std::vector<double>& different, double value) {
  if (std::isnan(value)) return different.size() - 1;
  return static_cast<std::size_t>(
      std::ranges::lower_bound(different, value,
                               [](double a, double b) { return !std::isnan(a) && a < b; }) -
      different.begin());
}

}  // namespace

Bytes DataSet::Encode() const {
  std::string out;
  AppendVector(out, rows.first);
  AppendVector(out, rows.column);
  AppendVector(out, rows.value);
  AppendRaw(out, rows.columns);
  AppendVector(out, labels);
  AppendRaw(out, classes);
  return Bytes(std::move(out));
}

DataSet DataSet::Decode(const Bytes& bytes) {
  ByteReader reader(bytes.view(), "a data set");
  DataSet data;
  data.rows.first = reader.ReadVector<std::int64_t>();
  data.rows.column = reader.ReadVector<std::int32_t>();
  data.rows.value = reader.ReadVector<float>();
  data.rows.columns = reader.Read<std::int64_t>();
  data.labels = reader.ReadVector<std::int64_t>();
  data.classes = reader.Read<std::int64_t>();
  reader.Finish();
  return data;
}

DataSet ReadDataSet(const std::string& uri, const std::string& target, Encoding encoding) {
  std::vector<std::string> names = table::ColumnNames(uri);
  const auto at = std::ranges::find(names, target);
  if (at == names.end()) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} has no column \"{}\" for the classes{}", uri, target,
                            windlass::Suggestion(target, names)));
  }
  if (names.size() < 2) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} has no column beside \"{}\"", uri, target));
  }
  const auto target_at = static_cast<std::size_t>(at - names.begin());
  const std::vector<Values> columns = ReadColumns(uri, names);
  const std::vector<double>& classes = columns[target_at].values;
  const std::vector<double> different = Different(classes);
  if (!different.empty() && std::isnan(different.back())) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: column \"{}\" has missing values; every row needs its class", uri,
                            target));
  }
  if (different.size() < 2) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: column \"{}\" has {}; two classes or more were expected", uri,
                            target, different.empty() ? "no rows" : "one class only"));
  }
  DataSet data;
  data.classes = std::ssize(different);
  for (const double value : classes) {
    data.labels.push_back(static_cast<std::int64_t>(PlaceOf(different, value)));
  }
  std::vector<std::vector<double>> places(columns.size());
  std::vector<std::int64_t> offsets(columns.size());
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (c == target_at) continue;
    offsets[c] = data.rows.columns;
    const bool one_hot = columns[c].words || encoding == Encoding::kOneHot;
    if (one_hot) places[c] = Different(columns[c].values);
    data.rows.columns += one_hot ? std::ssize(places[c]) : 1;
  }
  if (data.rows.columns > std::numeric_limits<std::int32_t>::max()) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{}: too many different values", uri));
  }
  data.rows.first.push_back(0);
  for (std::size_t row = 0; row < data.labels.size(); ++row) {
    for (std::size_t c = 0; c < columns.size(); ++c) {
      if (c == target_at) continue;
      const double value = columns[c].values[row];
      if (!places[c].empty()) {
        data.rows.column.push_back(static_cast<std::int32_t>(
            offsets[c] + static_cast<std::int64_t>(PlaceOf(places[c], value))));
        data.rows.value.push_back(1.0F);
      } else if (!std::isnan(value)) {
        data.rows.column.push_back(static_cast<std::int32_t>(offsets[c]));
        data.rows.value.push_back(static_cast<float>(value));
      }
    }
    data.rows.first.push_back(std::ssize(data.rows.column));
  }
  return data;
}

}  // namespace windlass::tune
