#include "windlass/serve/batcher.h"

#include <algorithm>
#include <utility>

#include "windlass/base/sync_point.h"

namespace windlass::serve {

Batcher::Batcher(const job::Service& service, const BatcherOptions& options,
                 std::function<void(std::size_t, std::int64_t)> batched)
    : service_(service),
      options_(options),
      batched_(std::move(batched)),
      costs_(service.operations().size()),
      queues_(service.operations().size()) {
  for (int r = 0; r < std::max(1, options.replicas); ++r) {
    threads_.emplace_back([this] { Work(); });
  }
}

Batcher::~Batcher() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

// Down at once, up slowly: a thread that was interrupted says nothing of the model.
void Batcher::Cost::Learn(double ns) {
  const double before = row_ns.load(std::memory_order_relaxed);
  row_ns.store(ns < before ? (ns + before) / 2 : before + (ns - before) / 8,
               std::memory_order_relaxed);
}

bool Batcher::Add(Request request) {
  const double expected = costs_[request.operation].row_ns.load(std::memory_order_relaxed) *
                          static_cast<double>(request.rows);
  if (expected < static_cast<double>(options_.at_once.count())) {
    Batch alone;
    alone.push_back(std::move(request));
    Run(alone);
    return true;
  }
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    // A free replica takes it at once: that is no waiting.
    if (queued_ >= options_.queue + static_cast<std::size_t>(idle_)) return false;
    auto& queue = queues_[request.operation];
    queue.push_back({std::move(request), Clock::now()});
    ++queued_;
    wake = idle_ > 0;
  }
  if (wake) work_.notify_one();
  return true;
}

std::size_t Batcher::queued() const {
  const std::lock_guard lock(mutex_);
  return queued_;
}

// The next batch: of the operation whose first request has waited longest. Empty at the end.
Batcher::Batch Batcher::Take(std::unique_lock<std::mutex>& lock) {
  ++idle_;
  work_.wait(lock, [this] { return queued_ > 0 || closing_; });
  --idle_;
  Batch batch;
  std::deque<Queued>* oldest = nullptr;
  for (auto& queue : queues_) {
    if (queue.empty()) continue;
    if (oldest == nullptr || queue.front().arrived < oldest->front().arrived) oldest = &queue;
  }
  if (oldest == nullptr) return batch;
  const auto latest = oldest->front().arrived + options_.batch_wait;
  std::int64_t rows = 0;
  while (!oldest->empty()) {
    Queued& next = oldest->front();
    const bool fits = rows + next.request.rows <= options_.max_batch && next.arrived <= latest;
    if (!batch.empty() && !fits) break;
    rows += next.request.rows;
    batch.push_back(std::move(next.request));
    oldest->pop_front();
    --queued_;
  }
  return batch;
}

void Batcher::Work() {
  for (;;) {
    std::unique_lock lock(mutex_);
    Batch batch = Take(lock);
    if (batch.empty()) return;
    const bool more = queued_ > 0 && idle_ > 0;
    lock.unlock();
    if (more) work_.notify_one();
    std::erase_if(batch, [](const Request& request) {
      if (!request.abandoned || !request.abandoned()) return false;
      const Error gone(ErrorCode::kCancelled, "nobody waits for it any more");
      request.done({nullptr, 0, &gone});
      return true;
    });
    if (!batch.empty()) Run(batch);
  }
}

void Batcher::Run(Batch& batch) {
  try {
    RunTogether(batch);
  } catch (const std::exception& error) {
    if (batch.size() == 1) {
      batch.front().done({nullptr, 0, &error});
      return;
    }
    // One of them may be what the model cannot do: the others have their results.
    for (Request& request : batch) {
      Batch alone;
      alone.push_back(std::move(request));
      Run(alone);
    }
  }
}

void Batcher::RunTogether(Batch& batch) {
  std::vector<double> gathered;
  std::span<const double> x = batch.front().x;
  std::int64_t rows = batch.front().rows;
  if (batch.size() > 1) {
    rows = 0;
    for (const Request& request : batch) {
      gathered.insert(gathered.end(), request.x.begin(), request.x.end());
      rows += request.rows;
    }
    x = gathered;
  }
  const auto check = [&batch] {
    const bool gone = std::ranges::all_of(
        batch, [](const Request& request) { return request.abandoned && request.abandoned(); });
    if (gone) throw Error(ErrorCode::kCancelled, "nobody waits for it any more");
  };
  job::ServiceResult result;
  SyncPoint("serve.batch");
  const auto begun = Clock::now();
  service_.Run(batch.front().operation, x, rows, check, result);
  const std::chrono::duration<double, std::nano> took = Clock::now() - begun;
  costs_[batch.front().operation].Learn(took.count() / static_cast<double>(rows));
  batched_(batch.front().operation, rows);
  std::int64_t first = 0;
  for (const Request& request : batch) {
    request.done({&result, first, nullptr});
    first += request.rows;
  }
}

}  // namespace windlass::serve
