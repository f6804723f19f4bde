// What can be served: rows in, tensors out, for as long as the service runs. Capabilities register
// theirs, and serve/ hosts it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/bytes.h"
#include "windlass/base/json.h"
#include "windlass/base/registry.h"
#include "windlass/job/schema.h"

namespace windlass::job {

// A column of the rows: numbers, or where it has categories their codes 0..size-1.
struct ServiceColumn {
  std::string name;
  std::vector<std::string> categories;
};

// A tensor that an operation gives: of numbers, or the same words every time.
struct ServiceOutput {
  std::string name;
  std::vector<std::int64_t> shape;  // of one row where it has values of each row, else of all
  bool per_row = true;
  std::vector<double> numbers;     // where not per_row: either numbers
  std::vector<std::string> words;  // or words

  std::size_t width() const {
    std::size_t width = 1;
    for (const std::int64_t n : shape) width *= static_cast<std::size_t>(n);
    return width;
  }
};

struct ServiceOperation {
  std::string name;  // "infer"
  std::vector<ServiceOutput> outputs;
};

struct ServiceResult {
  // By output, [rows, width]; empty for those that are not per_row.
  std::vector<std::vector<double>> values;
  struct Failure {
    std::int64_t row;
    std::string why;
  };
  std::vector<Failure> failures;  // rows that have no result
};

class Service {
 public:
  virtual ~Service() = default;

  virtual const std::vector<ServiceColumn>& columns() const = 0;
  virtual bool accepts_missing() const = 0;  // rows may hold NaN
  virtual const std::vector<ServiceOperation>& operations() const = 0;

  // What a client may want to know besides: a part of the metadata.
  virtual Json Describe() const = 0;

  // x: [rows, columns] row-major. `check` is called between pieces of work and throws to stop.
  // Thread safe. A row's result must depend on that row alone, to the last bit. Throws Error.
  virtual void Run(std::size_t operation, std::span<const double> x, std::int64_t rows,
                   const std::function<void()>& check, ServiceResult& result) const = 0;
};

class ServiceKind : public Registrable {
 public:
  static constexpr std::string_view kRegistryKind = "service";

  virtual std::vector<Field> fields() const = 0;  // of the spec that it is made from

  // Those of them that name what is read: see Schema::inputs.
  virtual std::vector<std::string> inputs() const = 0;

  // Reads all that the service needs. Throws Error{kInvalidInput, kNotFound} saying what in the
  // spec is wrong.
  virtual Bytes Prepare(const Json& spec) const = 0;

  // From what Prepare gave, here or on another machine. Throws Error{kCorrupt}, and what making a
  // model throws.
  virtual std::unique_ptr<const Service> Make(const Bytes& prepared) const = 0;
};

}  // namespace windlass::job
