// Long work in C++ that Ctrl-C can stop.
#pragma once

#include <nanobind/nanobind.h>

#include <chrono>
#include <future>
#include <utility>

#include "windlass/base/cancel.h"

namespace windlass::python {

// Runs body(token) on a thread of its own, without the GIL, while this one looks for Python's
// signals: when a handler raises (KeyboardInterrupt), the token is cancelled, and what it raised
// is raised again once the body has ended. The caller holds the GIL.
template <typename Body>
auto RunInterruptibly(Body&& body) {
  const CancelToken token;
  auto done = std::async(std::launch::async, [&] { return body(token); });
  for (;;) {
    {
      const nanobind::gil_scoped_release release;
      if (done.wait_for(std::chrono::milliseconds(50)) == std::future_status::ready) break;
    }
    if (PyErr_CheckSignals() != 0) {
      const nanobind::python_error raised;  // takes it off: the work may call Python while it ends
      token.Cancel();
      {
        const nanobind::gil_scoped_release release;
        done.wait();
      }
      throw raised;
    }
  }
  return done.get();
}

}  // namespace windlass::python
