// These tests must catch a driver that reduces in the order of completion. By hand:
//   cmake --preset release -B build/planted -DCMAKE_CXX_FLAGS=-DWINDLASS_PLANTED_COMPLETION_ORDER
//   ninja -C build/planted engine_test && build/planted/src/windlass/engine/engine_test
// fails in Drive.ReducesInIndexOrderUnderChaos, among others.
#include "windlass/engine/driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <map>

#include "windlass/base/sync_point.h"
#include "windlass/engine/failed_task.h"
#include "windlass/engine/local_internal.h"
#include "windlass/engine/testing_internal.h"

namespace windlass::engine {
namespace {

using ::testing::HasSubstr;

// A memo table in memory, and nothing else of a store.
class MemoryStore final : public store::Store {
 public:
  Hash Put(const Bytes&) override { return NotUsed<Hash>(); }
  std::optional<Bytes> Get(const Hash&) override { return NotUsed<std::optional<Bytes>>(); }
  bool Contains(const Hash&) override { return NotUsed<bool>(); }
  void Remember(const Hash& key, const Bytes& result) override {
    if (full_at == static_cast<int>(++remember_calls)) throw Error(ErrorCode::kIo, "no space left");
    memo.emplace(key, result);
  }
  std::optional<Bytes> Recall(const Hash& key) override {
    const auto found = memo.find(key);
    if (found == memo.end()) return std::nullopt;
    return found->second;
  }
  std::optional<Hash> ReadReference(std::string_view) override {
    return NotUsed<std::optional<Hash>>();
  }
  bool CompareAndSwap(std::string_view, const std::optional<Hash>&,
                      const std::optional<Hash>&) override {
    return NotUsed<bool>();
  }
  std::vector<std::string> ListReferences(std::string_view) override {
    return NotUsed<std::vector<std::string>>();
  }
  void Seal() override { NotUsed<int>(); }
  store::StoreStat Stat() override { return NotUsed<store::StoreStat>(); }
  store::GcReport Gc(std::optional<std::uint64_t>) override { return NotUsed<store::GcReport>(); }
  store::VerifyReport Verify() override { return NotUsed<store::VerifyReport>(); }

  std::map<Hash, Bytes> memo;
  int full_at = 0;  // the call of Remember that fails
  std::size_t remember_calls = 0;

 private:
  template <typename T>
  T NotUsed() {
    throw Error(ErrorCode::kInternal, "the driver uses the memo table only");
  }
};

// A session whose newest task finishes first; it counts. Tasks echo their arguments.
class BackwardsSession final : public Session {
 public:
  ObjectRef Put(Bytes object) override {
    const ObjectRef ref{HashOf(object.view()), object.size()};
    objects[ref.hash] = std::move(object);
    return ref;
  }
  void Drop(const ObjectRef& ref) override { objects.erase(ref.hash); }
  TaskId Submit(const Task& task) override {
    tasks.push_back(task);
    most_in_flight = std::max(most_in_flight, ++in_flight);
    open.push_back(tasks.size());
    return tasks.size();
  }
  std::vector<TaskId> SubmitGang(const std::vector<Task>&) override {
    throw Error(ErrorCode::kInternal, "the driver submits no gangs");
  }
  Completion Next(Deadline deadline) override {
    if (stuck || open.empty()) throw Error(ErrorCode::kDeadlineExceeded, "waited for 1 task");
    EXPECT_GT(deadline, Clock::now());
    Completion completion;
    completion.id = open.back();
    open.pop_back();
    --in_flight;
    completion.result = Put(Bytes(tasks[completion.id - 1].arguments));
    return completion;
  }
  Bytes Get(const ObjectRef& ref) override { return objects.at(ref.hash); }
  void Cancel(TaskId id) override { cancelled.push_back(id); }
  int Slots() const override { return slots; }
  void OnEvent(EventHandler) override {}

  std::map<Hash, Bytes> objects;
  std::vector<Task> tasks;
  std::vector<TaskId> open;
  std::vector<TaskId> cancelled;
  int slots = 2;
  int in_flight = 0;
  int most_in_flight = 0;
  bool stuck = false;
};

// Drives `count` copies of a task whose arguments are 0, 1, 2, ...; keeps what it saw.
struct Job {
  Task task;
  int count = 0;
  DriveOptions options = {};
  CancelToken token = {};
  bool own_object = false;
  std::function<void(int)> on_next = [](int) {};
  std::function<void(int)> on_reduce = [](int) {};

  int given = 0;
  std::vector<std::int64_t> order;
  std::string results;
  int most_ahead = 0;  // tasks given and not yet reduced

  DriveStats Run(Session& session) {
    given = 0;
    order.clear();
    results.clear();
    return Drive(
        session, options, token,
        [&]() -> std::optional<DriveTask> {
          if (given == count) return std::nullopt;
          on_next(given);
          DriveTask next{With(task, std::to_string(given)), {}};
          if (own_object) {
            next.own = {session.Put(Bytes("block " + std::to_string(given)))};
            next.task.inputs = next.own;
          }
          ++given;
          most_ahead = std::max(most_ahead, given - static_cast<int>(order.size()));
          return next;
        },
        [&](std::int64_t index, const Bytes& result) {
          on_reduce(static_cast<int>(index));
          order.push_back(index);
          results += Text(result) + ",";
        });
  }
};

std::vector<std::int64_t> UpTo(int count) {
  std::vector<std::int64_t> indices;
  for (int i = 0; i < count; ++i) indices.push_back(i);
  return indices;
}

std::string TextUpTo(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += std::to_string(i) + ",";
  return text;
}

TEST(Drive, NoTasksAreNoWork) {
  const auto session = Local(2);
  Job job{Echo(), 0};
  const DriveStats stats = job.Run(*session);
  EXPECT_EQ(stats.tasks, 0);
  EXPECT_EQ(stats.executed, 0);
  EXPECT_TRUE(job.order.empty());
}

TEST(Drive, ReducesInIndexOrder) {
  for (const int workers : {1, 2, 4}) {
    const auto session = Local(workers);
    Job job{Echo(), 50};
    const DriveStats stats = job.Run(*session);
    EXPECT_EQ(job.order, UpTo(50));
    EXPECT_EQ(job.results, TextUpTo(50));
    EXPECT_EQ(stats.tasks, 50);
    EXPECT_EQ(stats.executed, 50);
    EXPECT_EQ(stats.recalled, 0);
    EXPECT_GE(stats.task_wall_seconds, 0);
    EXPECT_EQ(HeldObjects(*session), 0u);
  }
}

TEST(Drive, ReducesInIndexOrderUnderChaos) {
  for (const int workers : {1, 3}) {
    for (std::uint64_t chaos = 0; chaos < 4; ++chaos) {
      const auto session = Local(workers, chaos);
      Job job{Echo(), 50};
      job.Run(*session);
      EXPECT_EQ(job.order, UpTo(50)) << workers << " workers, chaos " << chaos;
      EXPECT_EQ(job.results, TextUpTo(50));
    }
  }
}

TEST(Drive, BoundsWhatIsInFlightAndWhatWaitsToBeReduced) {
  for (const int slots : {0, 1, 2, 5}) {
    BackwardsSession session;
    session.slots = slots;
    Job job{Echo(), 40};
    job.Run(session);
    EXPECT_EQ(job.order, UpTo(40));
    const int limit = std::max(1, 3 * slots);
    EXPECT_EQ(session.most_in_flight, limit);
    EXPECT_EQ(job.most_ahead, limit);
    EXPECT_TRUE(session.objects.empty());
  }
}

TEST(Drive, TakesAnyPatience) {
  BackwardsSession session;
  Job job{Echo(), 3};
  job.options.patience = std::chrono::seconds::max();
  EXPECT_EQ(job.Run(session).executed, 3);
}

TEST(Drive, RunsOutOfPatienceOnceAndCancels) {
  BackwardsSession session;
  session.stuck = true;
  Job job{Echo(), 40};
  EXPECT_EQ(CodeOf(Caught([&] { job.Run(session); })), "deadline exceeded");
  EXPECT_EQ(session.cancelled.size(), 6u);
}

TEST(Drive, RecallsWhatWasRemembered) {
  MemoryStore memo;
  const auto session = Local(2);
  Job job{Echo(), 10};
  job.options.memo = &memo;
  EXPECT_EQ(job.Run(*session).executed, 10);
  EXPECT_EQ(memo.memo.size(), 10u);
  job.count = 15;
  job.own_object = false;
  const DriveStats stats = job.Run(*session);
  EXPECT_EQ(stats.tasks, 15);
  EXPECT_EQ(stats.recalled, 10);
  EXPECT_EQ(stats.executed, 5);
  EXPECT_EQ(job.results, TextUpTo(15));
  job.options.libraries = "other 2.0";  // other foreign code: other keys
  EXPECT_EQ(job.Run(*session).recalled, 0);
}

TEST(Drive, ReducesInOrderWhenEverySecondTaskIsRecalled) {
  MemoryStore memo;
  for (int i = 0; i < 30; i += 2) {
    memo.Remember(TaskIdentity(With(Echo(), std::to_string(i)), ""), Bytes(std::to_string(i)));
  }
  for (const std::optional<std::uint64_t> chaos : {std::optional<std::uint64_t>(), {5}}) {
    MemoryStore fresh;
    fresh.memo = memo.memo;
    const auto session = Local(2, chaos);
    Job job{Echo(), 30};
    job.options.memo = &fresh;
    const DriveStats stats = job.Run(*session);
    EXPECT_EQ(stats.recalled, 15);
    EXPECT_EQ(stats.executed, 15);
    EXPECT_EQ(job.order, UpTo(30));
    EXPECT_EQ(job.results, TextUpTo(30));
  }
}

TEST(Drive, NeverRemembersTasksThatRunOnce) {
  MemoryStore memo;
  const auto session = Local(1);
  Job job{Echo(), 4};
  job.task.mode = TaskMode::kOnce;
  job.options.memo = &memo;
  job.Run(*session);
  EXPECT_EQ(job.Run(*session).executed, 4);
  EXPECT_TRUE(memo.memo.empty());
}

TEST(Drive, DropsATasksOwnObjectsBeforeItsReduction) {
  MemoryStore memo;
  for (int run = 0; run < 2; ++run) {  // executed, then recalled
    const auto session = Local(1);
    Job job{Echo(), 10};
    job.options.memo = &memo;
    job.options.in_flight_per_slot = 1;
    job.own_object = true;
    job.on_reduce = [&](int) { EXPECT_EQ(HeldObjects(*session), 0u); };
    EXPECT_EQ(job.Run(*session).recalled, run * 10);
  }
}

// Each way to fail, with 20 tasks that have objects of their own: the error comes out, the rest is
// not begun, nothing stays behind, and the session serves the next job.
void ExpectCleanFailure(Job job, const std::string& code, int at_most_given) {
  for (const int workers : {1, 3}) {
    for (const std::optional<std::uint64_t> chaos : {std::optional<std::uint64_t>(), {3}}) {
      const auto session = Local(workers, chaos);
      job.count = 200;
      job.own_object = true;
      EXPECT_EQ(CodeOf(Caught([&] { job.Run(*session); })), code);
      EXPECT_LE(job.given, at_most_given + 3 * workers);
      EXPECT_EQ(HeldObjects(*session), 0u);
      Job after{Echo(), 5};
      EXPECT_EQ(after.Run(*session).executed, 5);
    }
  }
}

TEST(Drive, AFailingTaskStopsTheRest) {
  Job job{TaskThat([](const Task& t, TaskContext&) -> Bytes {
    if (t.arguments == "7") throw Error(ErrorCode::kCorrupt, "block 7", Error(ErrorCode::kIo, "x"));
    return Bytes(t.arguments);
  })};
  ExpectCleanFailure(job, "corrupt data", 8);
  const auto session = Local(1, 1);
  job.count = 20;
  const auto error = Caught([&] { job.Run(*session); });
  ASSERT_TRUE(error);
  EXPECT_STREQ(error->what(), "block 7; because x");
  ASSERT_NE(error->cause(), nullptr);
  EXPECT_EQ(error->cause()->code(), ErrorCode::kIo);
}

TEST(Drive, AFailedTaskIsKeptWithItsInputs) {
  bool broken = true;
  MemoryStore memo;
  Job job{TaskThat([&](const Task& t, TaskContext& context) -> Bytes {
    if (broken && t.arguments == "2") throw Error(ErrorCode::kIo, "no luck");
    return context.Input(0);
  })};
  job.count = 5;
  job.own_object = true;
  job.options.memo = &memo;
  const auto session = Local(1);
  EXPECT_EQ(CodeOf(Caught([&] { job.Run(*session); })), "input/output");
  Task failed = With(job.task, "2", {ObjectRef{HashOf("block 2"), 7}});
  const std::string id = TaskIdentity(failed, {}).Hex().substr(0, 16);
  const FailedTask kept = ReadFailedTask(FindFailedTask(memo, id));
  EXPECT_EQ(CodeOf(Caught([&] { RunFailedTask(kept, {}); })), "input/output");
  broken = false;
  EXPECT_EQ(Text(RunFailedTask(kept, {})), "block 2");
  EXPECT_EQ(CodeOf(Caught([&] { FindFailedTask(memo, "0123"); })), "not found");
}

TEST(Drive, AFailingReductionStopsTheRest) {
  Job job{Echo()};
  job.on_reduce = [](int index) {
    if (index == 4) throw Error(ErrorCode::kIo, "cannot write");
  };
  ExpectCleanFailure(job, "input/output", 5);
}

TEST(Drive, AFailingSourceOfTasksStopsTheRest) {
  Job job{Echo()};
  job.on_next = [](int index) {
    if (index == 9) throw Error(ErrorCode::kInvalidInput, "row 9 is not a number");
  };
  ExpectCleanFailure(job, "invalid input", 9);
}

TEST(Drive, ATaskThatCannotBeSubmittedStopsTheRest) {
  Job job{Echo()};
  job.task.kind = "no-such-kind";
  ExpectCleanFailure(job, "not found", 1);
}

TEST(Drive, ACancelledTokenStartsNothing) {
  Job job{Echo()};
  job.token.Cancel();
  ExpectCleanFailure(job, "cancelled", 0);
  EXPECT_EQ(job.given, 0);
}

TEST(Drive, AnEventHandlerThatThrowsStopsTheRest) {
  const auto session = Local(1);
  Job job{TaskThat([](const Task&, TaskContext& c) {
    c.Event("hello");
    return Bytes();
  })};
  job.count = 50;
  session->OnEvent([](TaskId, const Json&) { throw Error(ErrorCode::kIo, "cannot print"); });
  EXPECT_EQ(CodeOf(Caught([&] { job.Run(*session); })), "input/output");
  EXPECT_EQ(HeldObjects(*session), 0u);
}

TEST(Drive, AFullDiskIsReportedAndTheRestStillRemembered) {
  MemoryStore memo;
  memo.full_at = 1;
  // Four tasks on as many threads wait for each other, so that all finish though one fails.
  Gate all_run;
  std::atomic<int> running = 0;
  const auto session = Local(4);
  Job job{TaskThat([&](const Task& t, TaskContext&) {
    if (++running == 4) all_run.Open();
    all_run.Wait();
    return Bytes(t.arguments);
  })};
  job.count = 4;
  job.options.memo = &memo;
  EXPECT_EQ(CodeOf(Caught([&] { job.Run(*session); })), "input/output");
  EXPECT_EQ(memo.memo.size(), 3u);
  EXPECT_EQ(HeldObjects(*session), 0u);
}

TEST(Drive, AnInterruptReachesTasksThatRunAndLosesNothingFinished) {
  for (const int workers : {1, 3}) {
    MemoryStore memo;
    const auto session = Local(workers);
    Gate started;
    std::atomic<bool> interrupted = false;
    Job job{TaskThat([&](const Task& t, TaskContext& c) -> Bytes {
      if (t.arguments == "5" && !interrupted) {
        started.Open();
        RunUntilCancelled(c);
      }
      return Bytes(t.arguments);
    })};
    job.count = 1000;
    job.own_object = true;
    job.options.memo = &memo;
    std::thread user([&] {
      started.Wait();
      job.token.Cancel();
    });
    const auto error = Caught([&] { job.Run(*session); });
    user.join();
    ASSERT_EQ(CodeOf(error), "cancelled");
    EXPECT_STREQ(error->what(), "interrupted");
    EXPECT_LT(job.given, 30);
    EXPECT_EQ(HeldObjects(*session), 0u);
    if (workers == 1) {
      EXPECT_EQ(memo.memo.size(), 5u);
    }
    EXPECT_GE(memo.memo.size(), job.order.size());
    // Resumed, it executes exactly what is missing.
    interrupted = true;
    const auto remembered = static_cast<std::int64_t>(memo.memo.size());
    job.token = CancelToken();
    const DriveStats stats = job.Run(*session);
    EXPECT_EQ(stats.recalled, remembered);
    EXPECT_EQ(stats.executed, 1000 - remembered);
    EXPECT_EQ(job.results, TextUpTo(1000));
  }
}

TEST(Drive, RemembersBeforeItReduces) {
  MemoryStore memo;
  const auto session = Local(1);
  Job job{Echo(), 20};
  job.options.memo = &memo;
  job.on_reduce = [&](int index) {
    EXPECT_GT(memo.memo.size(), static_cast<std::size_t>(index));
    if (index == 6) job.token.Cancel();
  };
  EXPECT_EQ(CodeOf(Caught([&] { job.Run(*session); })), "cancelled");
  EXPECT_EQ(job.order, UpTo(7));
}

TEST(Drive, LeavesTheTasksOfOthersAlone) {
  const auto session = Local(1);
  session->Submit(With(Echo(), "left behind by an earlier job"));
  Job job{Echo(), 5};
  EXPECT_EQ(job.Run(*session).executed, 5);
  EXPECT_EQ(job.results, TextUpTo(5));
  EXPECT_EQ(HeldObjects(*session), 0u);
}

}  // namespace
}  // namespace windlass::engine
