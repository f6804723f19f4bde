// Tells whether two jobs explained the same rows.
#pragma once

#include <memory>
#include <span>
#include <string>

namespace windlass::explain {

// A hash (XXH3, 128 bits) of the values of rows, however they are cut; against chance, not against
// attackers.
class RowDigest {
 public:
  RowDigest();
  ~RowDigest();
  RowDigest(const RowDigest&) = delete;
  RowDigest& operator=(const RowDigest&) = delete;

  // All missing values are one, and so are 0 and -0.
  void Update(std::span<const double> values);

  std::string Hex() const;  // 32 digits, of the values so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace windlass::explain
