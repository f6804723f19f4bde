// Between windlass::Error and the Python exception windlass.Error.
#pragma once

#include <nanobind/nanobind.h>

#include "lifetime.h"
#include "windlass/base/error.h"

namespace windlass::python {

// The code of a name as ErrorCodeName gives it; kInternal for any other text.
ErrorCode ErrorCodeOf(std::string_view name);

// Registers the translation of every windlass::Error that leaves a bound function.
void BindErrors(nanobind::module_& module);

// The windlass::Error that a Python exception stands for: of its code when it is a windlass.Error,
// else Error{kInvalidInput}, "CONTEXT raised ValueError: boom (predict.py, line 16, in bad)". While
// a CauseScope lives, the exception itself is kept for ThrowInPython. The caller holds the GIL.
Error FromPython(nanobind::python_error& raised, const char* context);

// Throws windlass.Error whose __cause__ is the Python exception from which `error` came, if one
// did. Errors cross threads and tasks as text, so it is found by that. The caller holds the GIL and
// a CauseScope.
[[noreturn]] void ThrowInPython(const Error& error);

// A call from Python that may call Python; the GIL is held where it begins and ends. What is kept
// for ThrowInPython goes with the last of them.
class CauseScope {
 public:
  CauseScope();
  ~CauseScope();
  CauseScope(const CauseScope&) = delete;
  CauseScope& operator=(const CauseScope&) = delete;
};

// Runs `body`, which calls Python with the GIL held, and throws Error for what Python raised or
// returned that was of no use; Error{kCancelled} when Python is about to exit.
template <typename Body>
auto CallPython(const char* context, Body&& body) {
  CheckPythonLives();
  const nanobind::gil_scoped_acquire gil;
  const CallingPython calling;
  try {
    return body();
  } catch (nanobind::python_error& raised) {
    throw FromPython(raised, context);
  } catch (const std::bad_cast&) {  // nanobind's, without a word of what it was
    throw Error(ErrorCode::kInternal, std::string(context) + " returned a value of the wrong type");
  }
}

}  // namespace windlass::python
