#include "windlass/base/cancel.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "windlass/base/error.h"

namespace windlass {
namespace {

volatile sig_atomic_t signals_seen = 0;
const CancelToken* process_token = nullptr;

// One request may arrive twice: from the terminal and from a parent that passes it on, or from
// timeout(1), which tells its child and then the group.
constexpr double kSameRequestSeconds = 0.2;
volatile double first_signal_at = 0;

double Now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

void OnSignal(int) {
  if (signals_seen > 0) {
    if (Now() - first_signal_at < kSameRequestSeconds) return;
    ::_exit(130);  // asked twice: the user means now
  }
  first_signal_at = Now();
  signals_seen = 1;
  process_token->Cancel();  // a lock-free store: allowed in a handler
}

}  // namespace

void CancelToken::Check() const {
  if (cancelled()) throw Error(ErrorCode::kCancelled, "interrupted");
}

const CancelToken& ProcessCancelToken() {
  static const CancelToken* token = new CancelToken;
  return *token;
}

void InstallSignalHandlers() {
  process_token = &ProcessCancelToken();
  struct sigaction action {};
  action.sa_handler = OnSignal;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  ::signal(SIGXFSZ, SIG_IGN);  // a file-size limit is an error like a full disk, not a death
}

}  // namespace windlass
