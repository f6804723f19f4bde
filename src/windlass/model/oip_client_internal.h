// Requests to an inference server: a bounded number at a time, tried again where that may help.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "windlass/base/http.h"

namespace windlass::model {

struct OipPatience {
  std::chrono::milliseconds timeout{60'000};  // for one request
  int retries = 5;
  std::chrono::milliseconds first_wait{200};  // before the first retry; doubles each time
};

// Sends the request, and again, after a growing and jittered wait, when the server is lost, answers
// 429 or 5xx, or (once) gives no answer in time. Any other status is an answer.
//
// Throws Error{kUnavailable, kDeadlineExceeded} when the last try failed so, and what
// HttpConnection::Do throws. `cancelled` ends a wait at once.
HttpResponse ExchangeOip(HttpConnection& connection, HttpRequest request,
                         const OipPatience& patience, const std::function<bool()>& cancelled);

// Threads that make requests, each with a connection that it keeps.
class OipPool {
 public:
  using Job = std::function<void(HttpConnection&)>;

  explicit OipPool(int most) : most_(most) {}
  ~OipPool();
  OipPool(const OipPool&) = delete;
  OipPool& operator=(const OipPool&) = delete;

  // Runs all jobs, at most `most` of all callers' at a time, and returns when they have ended. Once
  // one has thrown those that have not begun are left out, and the first one's error is thrown.
  // Jobs must end by themselves. Thread safe.
  void Run(const std::vector<Job>& jobs);

  // The pool of this process for a server and a number of threads.
  static std::shared_ptr<OipPool> Shared(const std::string& server, int most);

 private:
  struct Batch;
  struct Queued {
    Batch* batch;
    std::size_t index;
  };

  void StartThreads(std::size_t wanted);
  void Work();

  const int most_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable work_;
  std::condition_variable done_;
  std::deque<Queued> queue_;
  std::size_t idle_ = 0;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace windlass::model
