// Where Python callables run: the model format `python:`.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/registry.h"
#include "windlass/model/model.h"

namespace windlass::model {

// What a process that is Python registers under kInThisProcess. Without it, callables run in child
// processes.
class WINDLASS_API PythonHost : public Registrable {
 public:
  static constexpr std::string_view kRegistryKind = "Python host";
  static constexpr std::string_view kInThisProcess = "this process";

  // As ModelFormat::Read and Load.
  virtual Bytes Read(const ObjectSpec& spec) const = 0;
  virtual std::unique_ptr<Model> Load(const ModelSource& source) const = 0;
};

// Version of what a native process and `python -m windlass.host` say to each other.
inline constexpr int kHostProtocol = 1;

struct HostAnswer {
  std::vector<std::string> outputs;
  std::vector<double> values;  // [rows, outputs]
  std::map<std::string, std::string> notes;
};

// The other end of a child process that is a model: answers the record batches that come by the
// descriptor `input`, an Arrow IPC stream, by what `answer` makes of each, on `output`, until the
// input ends. x: [rows, columns]. An Error of `answer` is answered too, and ends it. Throws
// Error{kIo, kCorrupt} when the process that asks is not understood or not there any more.
WINDLASS_API void ServeRows(
    int input, int output,
    const std::function<HostAnswer(std::span<const double> x, std::int64_t rows,
                                   const std::vector<std::string>& columns)>& answer);

}  // namespace windlass::model
