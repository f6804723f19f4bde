// Long work in C++ that Ctrl-C can stop.
#pragma once

#include <nanobind/nanobind.h>

#include <chrono>
#include <future>
#include <utility>

#include "errors.h"
#include "lifetime.h"
#include "windlass/base/cancel.h"

namespace windlass::python {

// Runs body(token) on a thread of its own, without the GIL, while this one looks for Python's
// signals: when a handler raises (KeyboardInterrupt), the token is cancelled, and what it raised
// is raised again once the body has ended. A callable that does not come back is interrupted itself
// by the second one. An Error of the body is thrown as windlass.Error, with what Python raised as
// its cause. The caller holds the GIL.
template <typename Body>
auto RunInterruptibly(Body&& body) {
  const CancelToken token;
  const CauseScope causes;
  const RunningCall running(token);
  auto done = std::async(std::launch::async, [&] { return body(token); });
  const auto has_ended = [&] {
    const nanobind::gil_scoped_release release;
    return done.wait_for(std::chrono::milliseconds(50)) == std::future_status::ready;
  };
  while (!has_ended()) {
    if (PyErr_CheckSignals() == 0) continue;
    const nanobind::python_error raised;  // takes it off: the work may call Python while it ends
    token.Cancel();
    while (!has_ended()) {
      if (PyErr_CheckSignals() == 0) continue;
      PyErr_Clear();
      InterruptCallables();
    }
    throw raised;
  }
  try {
    return done.get();
  } catch (const Error& error) {
    ThrowInPython(error);
  }
}

}  // namespace windlass::python
