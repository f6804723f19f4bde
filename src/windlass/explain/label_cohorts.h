// Cohorts by a column of the data that is no input of the model: an id of a region, a date.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace windlass::explain {

// Such a column is unknown to the background, so that its cohorts follow from the data: they are
// read once for them, and once more beside the rows that are explained.
class LabelCohorts {
 public:
  // The cohorts of the rows of the data, from the first on.
  class Rows {
   public:
    virtual ~Rows() = default;
    // Of the next rows. Throws Error{kInvalidInput} when there are fewer.
    virtual std::vector<int> Next(std::int64_t rows) = 0;
  };

  // Words and dates have a cohort each, as have numbers where at most Cohorts::kNamed of them
  // differ; of more words the most frequent ones, the others sharing one; more numbers are cut at
  // their quartiles (of a sample, beyond 65,536 rows). Missing values have a cohort of their own.
  //
  // Throws as table::OpenTable, and Error{kInvalidInput} where no row has a value, or there are
  // more than kMostLabels different words.
  LabelCohorts(std::string data, std::string column);

  static constexpr std::int64_t kMostLabels = 1'000'000;

  const std::string& column() const { return column_; }
  const std::vector<std::string>& names() const { return names_; }

  std::unique_ptr<Rows> Open() const;

 private:
  void ReadWords();
  void ReadNumbers();

  std::string data_, column_;
  bool words_ = false;
  std::vector<std::string> names_;  // the last one: missing
  std::vector<int> of_label_;       // words: by their number in the order of first rows
  std::vector<double> numbers_;     // ascending: each a cohort, or the ends of quarters
};

}  // namespace windlass::explain
