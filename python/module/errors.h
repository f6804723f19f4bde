// Between windlass::Error and the Python exception windlass.Error.
#pragma once

#include <nanobind/nanobind.h>

#include "windlass/base/error.h"

namespace windlass::python {

// The code of a name as ErrorCodeName gives it; kInternal for any other text.
ErrorCode ErrorCodeOf(std::string_view name);

// Registers the translation of every windlass::Error that leaves a bound function.
void BindErrors(nanobind::module_& module);

// The windlass::Error that a Python exception stands for: of its code when it is a windlass.Error,
// else Error{kInternal} with its type, message and traceback after `context`. The caller holds the
// GIL.
Error FromPython(nanobind::python_error& raised, const char* context);

// Runs `body`, which calls Python with the GIL held, and throws Error for what Python raised or
// returned that was of no use.
template <typename Body>
auto CallPython(const char* context, Body&& body) {
  const nanobind::gil_scoped_acquire gil;
  try {
    return body();
  } catch (nanobind::python_error& raised) {
    throw FromPython(raised, context);
  } catch (const std::bad_cast&) {  // nanobind's, without a word of what it was
    throw Error(ErrorCode::kInternal, std::string(context) + " returned a value of the wrong type");
  }
}

}  // namespace windlass::python
