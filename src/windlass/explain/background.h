// The background: the rows that stand for "not known", read, checked, weighted, summarised.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/table/table.h"

namespace windlass::explain {

struct Background {
  table::Schema schema;
  std::int64_t rows = 0;
  std::vector<double> values;   // [rows, columns]
  std::vector<double> weights;  // [rows], sum 1
};

// Reads the whole table at `uri`. A column named `weights_column` (empty: none) holds weights and
// is not part of the schema. `columns` (empty: the file's) fixes names and order. `categories`
// (empty: the file's dictionaries) are those of the model, column by column; see
// table::ReadOptions::numbers_have_codes. `ignored` are columns that are passed over.
//
// Throws Error{kInvalidInput}: no rows, a weight that is negative or missing, all weights zero, a
// missing or unknown column.
Background ReadBackground(const std::string& uri, const std::string& weights_column,
                          const std::vector<std::string>& columns,
                          const std::vector<std::vector<std::string>>& categories = {},
                          const std::vector<std::string>& ignored = {});

// Makes the model's codes those of the columns that `options` reads: [columns] as
// model::Model::column_categories gives them; empty leaves the tables their own.
void UseCodesOfModel(const std::vector<std::vector<std::string>>& categories,
                     table::ReadOptions& options);

// `kmeans(K)`: K rows at the centres of weighted k-means clusters (Lloyd's algorithm from a
// k-means++ start, Arthur & Vassilvitskii 2007), every value moved to the nearest one that occurs
// in its column, as shap.kmeans does, weighted by cluster size. `sample(K)`: K rows drawn without
// replacement, in their order. Both leave a background of at most K rows as it is.
//
// Throws Error{kInvalidInput} for anything else, or for kmeans over categorical columns.
Background Summarize(Background background, std::string_view how, std::uint64_t seed);

}  // namespace windlass::explain
