#include "windlass/serve/batcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "windlass/serve/testing_internal.h"

namespace windlass::serve {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

// A batcher whose first call waits until it is let go, so that others gather behind it.
struct Held {
  explicit Held(BatcherOptions options, int columns = 1) : service(columns, false) {
    options.at_once = {};
    service.before = [this](std::int64_t rows) {
      if (first.exchange(false)) {
        begun.set_value();
        open.get_future().wait();
      }
      const std::lock_guard lock(mutex);
      calls.push_back(rows);
    };
    batcher.emplace(service, options, [this](std::size_t, std::int64_t rows) {
      const std::lock_guard lock(mutex);
      batches.push_back(rows);
    });
  }

  // Adds one request of these rows; its answer, or what went wrong, in words.
  bool Add(std::vector<double> x, std::size_t operation = 0, std::function<bool()> gone = {}) {
    kept.push_back(std::make_unique<std::vector<double>>(std::move(x)));
    answers.emplace_back();
    const std::size_t at = answers.size() - 1;
    const auto rows = std::ssize(*kept.back());
    return batcher->Add({operation, *kept.back(), rows, std::move(gone),
                         [this, at, rows](const Batcher::Outcome& outcome) {
                           const std::lock_guard lock(mutex);
                           if (outcome.error != nullptr) {
                             answers[at] = outcome.error->what();
                             return;
                           }
                           for (std::int64_t r = 0; r < rows; ++r) {
                             answers[at] +=
                                 std::to_string(outcome.result->values[0][outcome.first + r]) + " ";
                           }
                         }});
  }

  void HoldFirst() {
    Add({1});
    begun.get_future().wait();
  }

  void Finish() {
    open.set_value();
    batcher.reset();
  }

  SumService service;
  std::atomic<bool> first = true;
  std::promise<void> begun, open;
  std::mutex mutex;
  std::vector<std::int64_t> calls, batches;
  std::vector<std::unique_ptr<std::vector<double>>> kept;
  std::deque<std::string> answers;
  std::optional<Batcher> batcher;
};

TEST(Batcher, PutsWhatWaitsTogether) {
  Held held({.replicas = 1, .max_batch = 4, .batch_wait = milliseconds(10'000)});
  held.HoldFirst();
  for (int i = 0; i < 6; ++i) held.Add({static_cast<double>(i)});
  held.Add({20, 21, 22, 23, 24});  // more than a batch has: alone
  held.Finish();
  EXPECT_THAT(held.batches, ElementsAre(1, 4, 2, 5));
  EXPECT_EQ(held.answers[4], "3.000000 ");
  EXPECT_EQ(held.answers[7], "20.000000 21.000000 22.000000 23.000000 24.000000 ");
}

TEST(Batcher, WaitsForNothingWhileAReplicaIsFree) {
  const SumService service(1, false);
  Batcher batcher(service, {.replicas = 1, .batch_wait = milliseconds(100'000), .at_once = {}},
                  [](std::size_t, std::int64_t) {});
  const std::vector<double> x = {7};
  std::promise<double> sum;
  ASSERT_TRUE(batcher.Add({0, x, 1, {}, [&](const Batcher::Outcome& outcome) {
                             sum.set_value(outcome.result->values[0][0]);
                           }}));
  auto future = sum.get_future();
  ASSERT_EQ(future.wait_for(milliseconds(10'000)), std::future_status::ready);
  EXPECT_EQ(future.get(), 7);
}

TEST(Batcher, TakesNothingThatCameTooMuchLater) {
  Held held({.replicas = 1, .batch_wait = milliseconds(1)});
  held.HoldFirst();
  held.Add({1});
  std::this_thread::sleep_for(milliseconds(5));
  held.Add({2});
  held.Finish();
  EXPECT_THAT(held.batches, ElementsAre(1, 1, 1));
}

TEST(Batcher, KeepsOperationsApart) {
  Held held({.replicas = 1, .batch_wait = milliseconds(10'000)});
  held.HoldFirst();
  held.Add({1}, 0);
  held.Add({2}, 1);
  held.Add({3}, 0);
  held.Finish();
  EXPECT_THAT(held.batches, ElementsAre(1, 2, 1));
}

TEST(Batcher, FailsOnlyTheRequestThatTheModelCannotTake) {
  Held held({.replicas = 1, .batch_wait = milliseconds(10'000)});
  held.HoldFirst();
  held.Add({5});
  held.Add({13});
  held.Add({6});
  held.Finish();
  EXPECT_EQ(held.answers[1], "5.000000 ");
  EXPECT_THAT(held.answers[2], ::testing::HasSubstr("more than the model can bear"));
  EXPECT_EQ(held.answers[3], "6.000000 ");
}

TEST(Batcher, RefusesWhenTheQueueIsFull) {
  Held held({.replicas = 1, .queue = 2});
  held.HoldFirst();
  EXPECT_TRUE(held.Add({1}));
  EXPECT_TRUE(held.Add({2}));
  EXPECT_FALSE(held.Add({3}));
  held.Finish();
  EXPECT_EQ(held.answers[3], "");
}

TEST(Batcher, ComputesNothingThatNobodyWaitsFor) {
  Held held({.replicas = 1, .batch_wait = milliseconds(10'000)});
  held.HoldFirst();
  held.Add({1}, 0, [] { return true; });
  held.Add({2}, 0, [] { return false; });
  held.Finish();
  EXPECT_THAT(held.batches, ElementsAre(1, 1));
  EXPECT_EQ(held.answers[2], "2.000000 ");
}

TEST(Batcher, ComputesCheapRequestsWhereTheyCome) {
  const SumService service(1, false);
  Batcher batcher(service, {.replicas = 1, .at_once = std::chrono::seconds(1)},
                  [](std::size_t, std::int64_t) {});
  const std::vector<double> x = {7};
  std::thread::id where;
  for (int i = 0; i < 3; ++i) {  // the first finds out what it costs
    std::promise<std::thread::id> done;
    batcher.Add({0, x, 1, {}, [&](const Batcher::Outcome&) {
                   done.set_value(std::this_thread::get_id());
                 }});
    where = done.get_future().get();
  }
  EXPECT_EQ(where, std::this_thread::get_id());
}

}  // namespace
}  // namespace windlass::serve
