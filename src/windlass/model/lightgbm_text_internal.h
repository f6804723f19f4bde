// LightGBM's text form as it is: blocks of lines "key=value".
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace windlass::model {

// The lines of a file, one after the other.
class LightGBMLines {
 public:
  explicit LightGBMLines(std::string_view text) : rest_(text) {}

  // Moves to the next line; false at the end.
  bool Next();
  std::string_view line() const { return line_; }

 private:
  std::string_view rest_;
  std::string_view line_;
};

// Lines "key=value" by their keys; views of the file. Each method that reads a value throws
// Error{kInvalidInput} naming the key.
class LightGBMBlock {
 public:
  // Throws for a key that stands twice.
  void Add(std::string_view line);

  bool Has(std::string_view key) const { return values_.contains(key); }
  // Throws when it is missing.
  std::string_view Text(std::string_view key) const;
  std::int64_t Integer(std::string_view key) const;
  // The numbers, of which `wanted` must be there; -1: any number of them.
  std::vector<std::int32_t> Integers(std::string_view key, std::int64_t wanted = -1) const;
  std::vector<std::uint32_t> Words(std::string_view key, std::int64_t wanted) const;
  std::vector<double> Numbers(std::string_view key, std::int64_t wanted) const;

 private:
  template <typename T>
  std::vector<T> All(std::string_view key, std::int64_t wanted) const;

  std::map<std::string_view, std::string_view> values_;
};

// The parts of `text` between `separator`s, none of them empty.
std::vector<std::string_view> LightGBMSplit(std::string_view text, char separator);

// A whole number or a number with a point, as it stands in quotes or between spaces. Throws
// Error{kInvalidInput} naming `where`.
std::int64_t LightGBMInteger(std::string_view text, std::string_view where);
double LightGBMNumber(std::string_view text, std::string_view where);

// What follows "pandas_categorical:": for each categorical column of a data frame the names of its
// categories; empty for "null". Throws Error{kInvalidInput}.
std::vector<std::vector<std::string>> ReadPandasCategories(std::string_view json);

}  // namespace windlass::model
