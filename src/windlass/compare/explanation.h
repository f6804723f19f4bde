// The outputs of an explain job, read again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "windlass/table/table.h"

namespace windlass::compare {

// What is known of an explain job before its rows are read. Where there is no summary.json beside
// the attributions, what only it tells is empty.
struct Explanation {
  std::string place;  // as the user named it
  std::string path;   // of attributions.parquet
  std::string link;
  std::string output;     // probability or margin
  std::string tree_mode;  // interventional or path
  // Which values its attributions are: no nodes for Shapley's, those of the hierarchy for Owen's.
  // Nothing where it is not known, or both are the same.
  std::optional<std::string> nodes;
  std::string method;
  std::string model;
  std::string data;
  std::string data_digest;  // of the values explained
  std::optional<std::int64_t> rows;
  std::vector<std::string> outputs;  // in the order of a row's lines
  std::vector<std::string> groups;
  std::vector<std::string> columns;  // what to read, see ExplanationReader
  bool intervals = false;            // sampled: NAME.low and NAME.high are there
};

// `place`: the folder of an explain job, or attributions.parquet itself (a path or a URI).
//
// Throws Error{kNotFound, kInvalidInput} for a place that is neither, a table that is not
// explain's (naming the column that it lacks), one without rows, a summary.json that cannot be
// read.
Explanation OpenExplanation(const std::string& place);

// Some rows of a run. A line is [base value, prediction, phi of each group, (low, high) of each
// group where there are intervals], all in link space.
struct Block {
  std::int64_t rows = 0;
  std::vector<std::int64_t> row;  // [rows]: their numbers
  table::Chunk chunk;             // [rows * outputs, 2 + line]
  std::int64_t outputs = 0;
  std::int64_t width = 0;  // of the chunk

  const double* Line(std::int64_t r, std::int64_t k) const {
    return &chunk.values[static_cast<std::size_t>((r * outputs + k) * width + 2)];
  }
};

// One pass over a run's rows, in bounded memory.
class ExplanationReader {
 public:
  explicit ExplanationReader(const Explanation& run);

  // By the file, before it is read; empty where its format does not tell.
  std::optional<std::int64_t> rows() const { return rows_; }

  // Fills `block` with the next min(max_rows, rows left) rows and says whether there were any.
  // Throws Error{kInvalidInput} naming the row whose lines are not one for each output,
  // or which does not follow the row before.
  bool Next(std::int64_t max_rows, Block& block);

 private:
  const Explanation& run_;
  std::unique_ptr<table::Reader> reader_;
  std::optional<std::int64_t> rows_;
  std::int64_t last_ = -1;
};

}  // namespace windlass::compare
