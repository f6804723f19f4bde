#include "lifetime.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <mutex>
#include <set>
#include <utility>

#include "windlass/base/error.h"

namespace nb = nanobind;

namespace windlass::python {
namespace {

constexpr std::chrono::seconds kFarewell{5};

struct Calls {
  std::atomic<bool> over = false;
  std::mutex mutex;  // guards what follows; never held while the GIL is waited for
  std::condition_variable ended;
  std::list<const CancelToken*> running;
  std::multiset<unsigned long> callers;

  static Calls& Global() {
    static auto* calls = new Calls;  // never destroyed: threads may outlive main
    return *calls;
  }
};

// Before Python exits. Calls of daemon threads are all that can still run.
void EndCalls() {
  Calls& calls = Calls::Global();
  const nb::gil_scoped_release release;  // they may need it to end
  std::unique_lock lock(calls.mutex);
  for (const CancelToken* token : calls.running) token->Cancel();
  const bool all = calls.ended.wait_for(lock, kFarewell, [&] { return calls.running.empty(); });
  calls.over = true;
  if (!all) {  // in a callable that does not come back; going on would end in std::terminate
    std::fputs("windlass: Python exits while a callable still runs\n", stderr);
    std::fflush(nullptr);
    ::_exit(1);
  }
}

// Of a library that could not be ended properly, threads may still call into Python when Python is
// gone. So nothing is waited for then.
void ExitAtOnce() {
  ::on_exit(
      [](int status, void*) {
        std::fflush(nullptr);
        ::_exit(status);
      },
      nullptr);
}

}  // namespace

void BindLifetime(nb::module_& module) {
  module.def("exit_at_once", &ExitAtOnce,
             "Has the process end, with its status, as soon as Python has; nothing is destroyed.");
  module.def("end_calls", &EndCalls, "Ends what still runs in other threads; for atexit.");
  nb::module_::import_("atexit").attr("register")(module.attr("end_calls"));
}

CallingPython::CallingPython() : thread_(PyThread_get_thread_ident()) {
  Calls& calls = Calls::Global();
  const std::lock_guard lock(calls.mutex);
  calls.callers.insert(thread_);
}

CallingPython::~CallingPython() {
  Calls& calls = Calls::Global();
  const std::lock_guard lock(calls.mutex);
  calls.callers.extract(thread_);
}

void InterruptCallables() {
  Calls& calls = Calls::Global();
  const std::lock_guard lock(calls.mutex);
  for (const unsigned long thread : calls.callers) {
    PyThreadState_SetAsyncExc(thread, PyExc_KeyboardInterrupt);
  }
}

bool PythonLives() { return !Calls::Global().over; }

void CheckPythonLives() {
  if (!PythonLives()) throw Error(ErrorCode::kCancelled, "Python is exiting");
}

RunningCall::RunningCall(CancelToken token) : token_(std::move(token)) {
  Calls& calls = Calls::Global();
  const std::lock_guard lock(calls.mutex);
  CheckPythonLives();
  calls.running.push_back(&token_);
}

RunningCall::~RunningCall() {
  Calls& calls = Calls::Global();
  const std::lock_guard lock(calls.mutex);
  calls.running.remove(&token_);
  if (calls.running.empty()) calls.ended.notify_all();
}

}  // namespace windlass::python
