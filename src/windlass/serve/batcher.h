// Puts rows of several requests together: one call of the service for many of them.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "windlass/base/cancel.h"
#include "windlass/base/error.h"
#include "windlass/job/service.h"

namespace windlass::serve {

struct BatcherOptions {
  int replicas = 1;              // threads that run the service
  std::int64_t max_batch = 256;  // rows; a request that has more is a batch of its own
  // How much later than its first row another may have come into a batch. Nothing waits for it: a
  // batch is closed as soon as a replica is free.
  std::chrono::microseconds batch_wait{10'000};
  std::size_t queue = 1024;  // requests that wait, at the most
  // A request that is expected to take less is computed on the thread that brings it: handing it
  // over and back would cost more. 0: never.
  std::chrono::nanoseconds at_once{20'000};
};

class Batcher {
 public:
  // The result of a batch and the place of the request's rows in it; or why there is none.
  struct Outcome {
    const job::ServiceResult* result = nullptr;
    std::int64_t first = 0;
    const std::exception* error = nullptr;
  };

  struct Request {
    std::size_t operation = 0;
    std::span<const double> x;  // [rows, columns]; must stay until `done`
    std::int64_t rows = 0;
    std::function<bool()> abandoned;           // whether nobody waits for it any more
    std::function<void(const Outcome&)> done;  // called once, on a replica's thread or in Add
  };

  // `batched` is told the rows of each call of the service. `service` must outlive the batcher.
  Batcher(const job::Service& service, const BatcherOptions& options,
          std::function<void(std::size_t operation, std::int64_t rows)> batched);
  ~Batcher();  // finishes what was added
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  // Says whether it was taken: false when the queue is full. Thread safe.
  bool Add(Request request);

  // Requests that wait.
  std::size_t queued() const;

 private:
  struct Queued {
    Request request;
    Clock::time_point arrived;
  };
  using Batch = std::vector<Request>;

  // What a row of an operation takes, as seen so far. A guess: races do no harm.
  struct Cost {
    std::atomic<double> row_ns = 1e9;
    void Learn(double ns);
  };

  void Work();
  Batch Take(std::unique_lock<std::mutex>& lock);
  void Run(Batch& batch);
  void RunTogether(Batch& batch);

  const job::Service& service_;
  const BatcherOptions options_;
  const std::function<void(std::size_t, std::int64_t)> batched_;
  std::vector<Cost> costs_;   // by operation
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable work_;
  std::vector<std::deque<Queued>> queues_;  // by operation
  std::size_t queued_ = 0;
  int idle_ = 0;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace windlass::serve
