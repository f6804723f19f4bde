// Functions that came to a worker as pickles.
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <memory>
#include <utility>

#include "bytes.h"
#include "errors.h"
#include "lifetime.h"
#include "windlass/engine/task.h"

namespace windlass::python {

struct PickledFunction {
  explicit PickledFunction(nanobind::object made) : object(std::move(made)) {}
  ~PickledFunction() { Free(object); }
  PickledFunction(const PickledFunction&) = delete;
  PickledFunction& operator=(const PickledFunction&) = delete;
  nanobind::object object;
};

// The function whose pickle is a task's input, kept by the worker. The caller does not need the
// GIL. Throws Error{kInvalidInput} when it cannot be unpickled.
inline std::shared_ptr<const PickledFunction> FunctionOf(engine::TaskContext& context,
                                                         std::size_t input) {
  return context.Cached<PickledFunction>(input, [](const Bytes& bytes) {
    return CallPython("unpickling the function", [&] {
      return std::make_shared<const PickledFunction>(
          nanobind::module_::import_("windlass._map").attr("load")(PythonBytes(bytes.view())));
    });
  });
}

}  // namespace windlass::python
