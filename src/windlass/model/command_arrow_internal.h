// What a program that is a model reads and writes: Arrow IPC streams, one record batch a question.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace windlass::model {

// The beginning of a stream: columns of 64-bit floats with these names.
std::string EncodeArrowSchema(const std::vector<std::string>& columns);

// A record batch of that stream. x: [rows, columns].
std::string EncodeArrowRows(const std::vector<std::string>& columns, std::span<const double> x,
                            std::int64_t rows);

// What else an answer may say, in the custom metadata of its record batch.
using ArrowNotes = std::map<std::string, std::string>;

// Under this the Error, encoded, that the question ended in. Such an answer has no rows.
inline constexpr const char* kErrorNote = "windlass.error";

// A record batch with notes. values: [rows, columns].
std::string EncodeArrowAnswer(const std::vector<std::string>& columns,
                              std::span<const double> values, std::int64_t rows,
                              const ArrowNotes& notes);

struct ArrowAnswer {
  std::vector<std::string> names;
  std::int64_t rows = 0;
  std::vector<double> values;  // [rows, names], nulls as NaN
  ArrowNotes notes;
};

// Takes a stream apart as it comes. Untrusted: every method throws Error{kInvalidInput} saying what
// the program, `what`, did.
class ArrowAnswers {
 public:
  explicit ArrowAnswers(std::string what);
  ~ArrowAnswers();

  // How many bytes it needs next.
  std::size_t wanted() const;
  // Whether they begin a message, so that text in their place can be told from Arrow.
  bool at_message() const;
  // Whether the program has ended its stream.
  bool ended() const;

  // Takes exactly so many; says whether they completed a record batch, which is then in `answer`.
  bool Take(std::string bytes, ArrowAnswer& answer);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace windlass::model
