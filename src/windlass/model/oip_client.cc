#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <exception>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/random.h"
#include "windlass/model/oip_client_internal.h"
#include "windlass/model/oip_protocol.h"

namespace windlass::model {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLongestWait{10'000};
constexpr milliseconds kLook{20};  // at the user's wish to stop

void Wait(milliseconds time, const std::function<bool()>& cancelled) {
  const Deadline deadline = Clock::now() + time;
  for (;;) {
    if (cancelled()) throw Error(ErrorCode::kCancelled, "interrupted");
    const auto now = Clock::now();
    if (now >= deadline) return;
    std::this_thread::sleep_for(std::min<Clock::duration>(deadline - now, kLook));
  }
}

// Half to all of `wait`: clients that failed together must not come back together.
milliseconds Jittered(milliseconds wait) {
  thread_local Random random(static_cast<std::uint64_t>(Clock::now().time_since_epoch().count()),
                             std::hash<std::thread::id>()(std::this_thread::get_id()));
  return milliseconds(
      static_cast<std::int64_t>(static_cast<double>(wait.count()) * (0.5 + random.Uniform() / 2)));
}

// How long the server asks to be left alone, in whole seconds.
milliseconds RetryAfter(const HttpResponse& response) {
  const auto text = response.Header("retry-after");
  int seconds = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), seconds);
  return std::clamp(milliseconds(1000) * std::clamp(seconds, 0, 3600), milliseconds(0),
                    kLongestWait);
}

// `status 503 ("no workers")`
std::string StatusText(const HttpResponse& response) {
  std::string said;
  try {
    said = OipExcerpt(ParseOipDocument(response.body, "an error").error.value_or(""));
  } catch (const Error&) {
    said = OipExcerpt(response.body);
  }
  return said.empty() ? fmt::format("status {}", response.status)
                      : fmt::format("status {} ({})", response.status, said);
}

std::string Times(int attempts) {
  return attempts == 1 ? std::string() : fmt::format(", {} times in a row", attempts);
}

}  // namespace

HttpResponse ExchangeOip(HttpConnection& connection, HttpRequest request,
                         const OipPatience& patience, const std::function<bool()>& cancelled) {
  milliseconds wait = patience.first_wait;
  bool was_silent = false;
  for (int attempt = 1;; ++attempt) {
    request.deadline = Clock::now() + patience.timeout;
    const bool last = attempt > patience.retries;
    std::optional<HttpResponse> response;
    std::string lost;
    try {
      response = connection.Do(request, cancelled);
    } catch (const Error& error) {
      const bool silent = error.code() == ErrorCode::kDeadlineExceeded;
      if (!silent && error.code() != ErrorCode::kUnavailable) throw;
      // A stall is worth another try; a server that is slow is slow again.
      if (silent && (last || std::exchange(was_silent, true))) {
        throw Error(
            ErrorCode::kDeadlineExceeded,
            fmt::format("no answer within {:g} s{}; a slow server needs a longer "
                        "?timeout=SECONDS or a smaller ?batch=ROWS",
                        std::chrono::duration<double>(patience.timeout).count(), Times(attempt)));
      }
      lost = error.message();
    }
    if (response && response->status != 429 && response->status < 500) return std::move(*response);
    if (last) {
      if (response) lost = fmt::format("the server fails: {}", StatusText(*response));
      throw Error(ErrorCode::kUnavailable, lost + Times(attempt));
    }
    const milliseconds asked = response ? RetryAfter(*response) : milliseconds(0);
    Wait(std::max(Jittered(wait), asked), cancelled);
    wait = std::min(2 * wait, kLongestWait);
  }
}

struct OipPool::Batch {
  const std::vector<Job>& jobs;
  std::size_t left;
  bool failed = false;
  std::vector<std::exception_ptr> errors;
};

OipPool::~OipPool() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  work_.notify_all();
  for (auto& thread : threads_) thread.join();
}

std::shared_ptr<OipPool> OipPool::Shared(const std::string& server, int most) {
  static std::mutex mutex;
  static std::map<std::pair<std::string, int>, std::weak_ptr<OipPool>> pools;
  const std::lock_guard lock(mutex);
  std::erase_if(pools, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<OipPool>& known = pools[{server, most}];
  std::shared_ptr<OipPool> pool = known.lock();
  if (!pool) known = pool = std::make_shared<OipPool>(most);
  return pool;
}

void OipPool::StartThreads(std::size_t wanted) {
  while (std::ssize(threads_) < most_ && threads_.size() < wanted) {
    // Signals are for the threads that know what to do about them; a write to a connection that was
    // lost must be an error, not SIGPIPE.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      threads_.emplace_back([this] { Work(); });
      ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    } catch (const std::system_error& caught) {
      ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
      if (!threads_.empty()) return;  // fewer do as well
      throw Error(ErrorCode::kIo,
                  fmt::format("a thread for requests could not be started: {}", caught.what()));
    }
  }
}

void OipPool::Run(const std::vector<Job>& jobs) {
  Batch batch{jobs, jobs.size(), false, std::vector<std::exception_ptr>(jobs.size())};
  std::unique_lock lock(mutex_);
  StartThreads(threads_.size() - std::min(idle_, threads_.size()) + queue_.size() + jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) queue_.push_back({&batch, i});
  work_.notify_all();
  done_.wait(lock, [&] { return batch.left == 0; });  // jobs have deadlines
  for (const auto& error : batch.errors) {
    if (error) std::rethrow_exception(error);
  }
}

void OipPool::Work() {
  std::unique_ptr<HttpConnection> connection;
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    work_.wait(lock, [&] { return closing_ || !queue_.empty(); });
    --idle_;
    if (queue_.empty()) return;
    const Queued next = queue_.front();
    queue_.pop_front();
    Batch& batch = *next.batch;
    if (!batch.failed) {
      lock.unlock();
      std::exception_ptr error;
      try {
        if (!connection) connection = Http().Connect();
        batch.jobs[next.index](*connection);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      if (error) {
        batch.failed = true;
        batch.errors[next.index] = std::move(error);
      }
    }
    if (--batch.left == 0) done_.notify_all();
  }
}

}  // namespace windlass::model
