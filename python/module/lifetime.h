// What ends with Python: calls that still run, and objects that it must free itself.
#pragma once

#include <nanobind/nanobind.h>

#include "windlass/base/cancel.h"

namespace windlass::python {

// A thread that wants the GIL after Python has begun to exit is ended by unwinding its stack, which
// C++ answers with std::terminate. So calls are cancelled and waited for before that.
void BindLifetime(nanobind::module_& module);

bool PythonLives();

// Throws Error{kCancelled} when it does not any more.
void CheckPythonLives();

// A call from Python that works without the GIL, by this token; begun and ended without the GIL or
// with it.
class RunningCall {
 public:
  explicit RunningCall(CancelToken token);  // throws as CheckPythonLives
  ~RunningCall();
  RunningCall(const RunningCall&) = delete;
  RunningCall& operator=(const RunningCall&) = delete;

 private:
  CancelToken token_;
};

// While it lives, this thread runs code of Python in a call from C++. The caller holds the GIL.
class CallingPython {
 public:
  CallingPython();
  ~CallingPython();
  CallingPython(const CallingPython&) = delete;
  CallingPython& operator=(const CallingPython&) = delete;

 private:
  unsigned long thread_;  // as Python knows it
};

// Raises KeyboardInterrupt in all of those. The caller holds the GIL.
void InterruptCallables();

// Frees an object of Python from any thread; keeps it for ever when Python is about to exit.
inline void Free(nanobind::object& object) {
  if (!PythonLives()) {
    object.release();
    return;
  }
  const nanobind::gil_scoped_acquire gil;
  object.reset();
}

}  // namespace windlass::python
