#include <algorithm>
#include <cstring>
#include <latch>
#include <limits>
#include <map>
#include <new>
#include <set>
#include <stdexcept>
#include <system_error>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "windlass/base/sync_point.h"
#include "windlass/engine/local_internal.h"
#include "windlass/engine/testing_internal.h"

namespace windlass::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAreArray;

Task Example() {
  Task task;
  task.kind = "explain.block";
  task.version = 3;
  task.mode = TaskMode::kOnce;
  task.arguments = std::string("a\0b", 3);
  task.inputs = {{HashOf("first"), 5}, {HashOf("second"), 6}};
  task.time_limit = std::chrono::milliseconds(1500);
  task.attempts = 4;
  return task;
}

Task Echo() {
  static const Task task =
      TaskThat([](const Task& t, TaskContext&) { return Bytes(t.arguments); });
  return task;
}

TEST(Task, DecodesWhatWasEncoded) {
  const Task task = Example();
  const Task decoded = Task::Decode(task.Encode());
  EXPECT_EQ(decoded.kind, task.kind);
  EXPECT_EQ(decoded.version, task.version);
  EXPECT_EQ(decoded.mode, task.mode);
  EXPECT_EQ(decoded.arguments, task.arguments);
  EXPECT_EQ(decoded.inputs, task.inputs);
  EXPECT_EQ(decoded.time_limit, task.time_limit);
  EXPECT_EQ(decoded.attempts, task.attempts);
}

TEST(Task, EveryTruncationAndAnythingMoreIsCorrupt) {
  const std::string bytes = Example().Encode();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(CodeOf(Caught([&] { Task::Decode(bytes.substr(0, size)); })), "corrupt data")
        << size << " of " << bytes.size() << " bytes";
  }
  EXPECT_EQ(CodeOf(Caught([&] { Task::Decode(bytes + '\0'); })), "corrupt data");
}

TEST(Task, HugeCountsAndUnknownModesAreCorrupt) {
  const std::string bytes = Task{}.Encode();
  // An empty task: the counts of kind, arguments and inputs stand at bytes 0, 13 and 21.
  for (const std::size_t place : {0, 13, 21}) {
    for (const std::uint64_t count : {std::uint64_t{1}, std::uint64_t{1} << 40,
                                      std::numeric_limits<std::uint64_t>::max()}) {
      std::string changed = bytes;
      std::memcpy(changed.data() + place, &count, sizeof count);
      EXPECT_EQ(CodeOf(Caught([&] { Task::Decode(changed); })), "corrupt data")
          << count << " at " << place;
    }
  }
  std::string changed = bytes;
  changed[12] = 2;
  EXPECT_EQ(CodeOf(Caught([&] { Task::Decode(changed); })), "corrupt data");
}

// Python: b = lambda s: struct.pack("<Q", len(s)) + s
// hashlib.blake2b(b(b"windlass-task-1") + b(b"explain.block") + struct.pack("<i", 3) +
//   b(b"a\0b") + b(b"onnxruntime 1.2") + h(b"first") + h(b"second"), digest_size=32)
// where h is the same hash of the input alone. Memo tables on users' disks hold such keys: a change
// here makes all of them worthless, and needs a new key version.
TEST(TaskIdentity, HasTheGoldenValue) {
  EXPECT_EQ(TaskIdentity(Example(), "onnxruntime 1.2").Hex(),
            "849aea38c4a8aebbd7a90816f27c9cf84f4d506fa82ea9fa88c26688bbd05ec0");
}

TEST(TaskIdentity, IgnoresHowOftenAndHowLongATaskMayRun) {
  Task task = Example();
  task.time_limit = std::chrono::hours(1);
  task.attempts = 1;
  EXPECT_EQ(TaskIdentity(task, ""), TaskIdentity(Example(), ""));
}

TEST(TaskIdentity, ChangesWithAllThatTheResultDependsOn) {
  std::set<Hash> keys = {TaskIdentity(Example(), ""), TaskIdentity(Example(), "x")};
  const auto changed = [&](auto&& change) {
    Task task = Example();
    change(task);
    keys.insert(TaskIdentity(task, ""));
  };
  changed([](Task& t) { t.kind += 'x'; });
  changed([](Task& t) { t.version = 4; });
  changed([](Task& t) { t.arguments += 'x'; });
  changed([](Task& t) { t.kind += t.arguments, t.arguments.clear(); });
  changed([](Task& t) { t.inputs.pop_back(); });
  changed([](Task& t) { std::swap(t.inputs[0], t.inputs[1]); });
  EXPECT_EQ(keys.size(), 8u);
}

TEST(LocalSession, RunsEveryTaskWithAnyNumberOfWorkers) {
  for (const int workers : {1, 2, 5}) {
    const auto session = Local(workers);
    EXPECT_EQ(session->Slots(), workers);
    std::map<TaskId, std::string> expected;
    for (int i = 0; i < 40; ++i) {
      expected[session->Submit(With(Echo(), std::to_string(i)))] = std::to_string(i);
    }
    std::map<TaskId, std::string> results;
    for (int i = 0; i < 40; ++i) {
      const Completion completion = session->Next(Soon());
      ASSERT_FALSE(completion.error);
      EXPECT_EQ(completion.attempts, 1);
      EXPECT_GE(completion.wall_seconds, 0);
      EXPECT_GE(completion.cpu_seconds, 0);
      results[completion.id] = Text(session->Get(completion.result));
      session->Drop(completion.result);
    }
    EXPECT_EQ(results, expected);
    EXPECT_EQ(HeldObjects(*session), 0u);
    EXPECT_EQ(CodeOf(Caught([&] { session->Next(Soon()); })), "internal");
  }
}

TEST(LocalSession, OneWorkerRunsTasksInOrder) {
  const auto session = Local(1);
  std::vector<TaskId> submitted;
  for (int i = 0; i < 5; ++i) submitted.push_back(session->Submit(Echo()));
  std::vector<TaskId> finished;
  for (int i = 0; i < 5; ++i) finished.push_back(session->Next(Soon()).id);
  EXPECT_EQ(finished, submitted);
}

TEST(LocalSession, RefusesWhatItCannotRun) {
  const auto session = Local(1);
  Task unknown = Echo();
  unknown.kind = "no-such-kind";
  EXPECT_EQ(CodeOf(Caught([&] { session->Submit(unknown); })), "not found");
  Task newer = Echo();
  newer.version = 2;
  const auto error = Caught([&] { session->Submit(newer); });
  ASSERT_EQ(CodeOf(error), ErrorCodeName(ErrorCode::kUnsupported));
  EXPECT_THAT(error->what(), HasSubstr("is version 1 here, version 2 was asked for"));
  const Task missing = With(Echo(), "", {{HashOf("never put"), 9}});
  EXPECT_EQ(CodeOf(Caught([&] { session->Submit(missing); })), "not found");
  // None of them counts as under way.
  EXPECT_EQ(CodeOf(Caught([&] { session->Next(Soon()); })), "internal");
}

TEST(LocalSession, HoldsAnObjectUntilItWasDroppedAsOftenAsItWasPut) {
  const auto session = Local(1);
  const ObjectRef ref = session->Put(Bytes("twice"));
  EXPECT_EQ(session->Put(Bytes("twice")), ref);
  EXPECT_EQ(ref.size, 5u);
  session->Submit(With(Echo(), "twice"));  // its result is the same object a third time
  EXPECT_EQ(session->Next(Soon()).result, ref);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Text(session->Get(ref)), "twice");
    EXPECT_EQ(HeldObjects(*session), 1u);
    session->Drop(ref);
  }
  EXPECT_EQ(HeldObjects(*session), 0u);
  EXPECT_EQ(CodeOf(Caught([&] { session->Get(ref); })), "not found");
  session->Drop(ref);  // no harm
  session->Put(Bytes("twice"));
  EXPECT_EQ(HeldObjects(*session), 1u);
}

TEST(LocalSession, AQueuedTaskKeepsTheInputsThatWereDropped) {
  const auto session = Local(1);
  const Task task = TaskThat([](const Task&, TaskContext& c) { return c.Input(0); });
  const ObjectRef ref = session->Put(Bytes("kept"));
  session->Submit(With(task, "", {ref}));
  session->Drop(ref);
  EXPECT_EQ(HeldObjects(*session), 0u);
  EXPECT_EQ(Text(session->Get(session->Next(Soon()).result)), "kept");
}

TEST(LocalSession, AnInputThatWasNotGivenIsAnError) {
  const auto session = Local(1);
  session->Submit(TaskThat([](const Task&, TaskContext& c) { return c.Input(1); }));
  const Completion completion = session->Next(Soon());
  ASSERT_EQ(CodeOf(completion.error), "internal");
  EXPECT_THAT(completion.error->what(), HasSubstr("asked for input 1, but was given 0"));
}

TEST(Cancel, AQueuedTaskCompletesWithoutHavingRun) {
  const auto session = Local(1);
  bool ran = false;
  const Task task = TaskThat([&](const Task&, TaskContext&) { return ran = true, Bytes(); });
  const TaskId cancelled = session->Submit(task);
  const TaskId other = session->Submit(Echo());
  session->Cancel(cancelled);
  session->Cancel(cancelled);
  session->Cancel(other + 1);  // never submitted
  const Completion first = session->Next(Soon());
  EXPECT_EQ(first.id, cancelled);
  EXPECT_EQ(CodeOf(first.error), "cancelled");
  EXPECT_EQ(first.attempts, 0);
  EXPECT_EQ(session->Next(Soon()).id, other);
  session->Cancel(other);  // it has finished
  EXPECT_FALSE(ran);
  EXPECT_EQ(CodeOf(Caught([&] { session->Next(Soon()); })), "internal");
}

TEST(Cancel, ReachesATaskThatTheDriverItselfRuns) {
  const auto session = Local(1);
  Gate started;
  const Task task = TaskThat([&](const Task&, TaskContext& c) -> Bytes {
    started.Open();
    RunUntilCancelled(c);
  });
  const TaskId id = session->Submit(task);
  std::thread other([&] {
    started.Wait();
    session->Cancel(id);
  });
  const Completion completion = session->Next(Soon());
  other.join();
  EXPECT_EQ(completion.id, id);
  EXPECT_EQ(CodeOf(completion.error), "cancelled");
}

TEST(Cancel, ATaskThatWasFasterGivesItsResult) {
  const auto session = Local(2);
  Gate started, cancelled;
  const TaskId id = session->Submit(TaskThat([&](const Task&, TaskContext& c) {
    started.Open();
    cancelled.Wait();
    return Bytes(c.Cancelled() ? "asked to stop" : "not asked");
  }));
  started.Wait();
  session->Cancel(id);
  cancelled.Open();
  const Completion completion = session->Next(Soon());
  ASSERT_FALSE(completion.error);
  EXPECT_EQ(Text(session->Get(completion.result)), "asked to stop");
}

TEST(Cancel, EndsTheAttempts) {
  const auto session = Local(2);
  Gate started, cancelled;
  std::atomic<int> runs = 0;
  Task task = TaskThat([&](const Task&, TaskContext&) -> Bytes {
    ++runs;
    started.Open();
    cancelled.Wait();
    throw Error(ErrorCode::kUnavailable, "lost");
  });
  task.attempts = 100;
  const TaskId id = session->Submit(task);
  started.Wait();
  session->Cancel(id);
  cancelled.Open();
  EXPECT_EQ(CodeOf(session->Next(Soon()).error), "unavailable");
  EXPECT_EQ(runs, 1);
}

TEST(Cancel, MayRaceWithEverythingElse) {
  for (const std::optional<std::uint64_t> chaos : {std::optional<std::uint64_t>(), {7}}) {
    const auto session = Local(3, chaos);
    std::atomic<TaskId> newest = 0;
    std::atomic<bool> stop = false;
    std::thread canceller([&] {
      for (TaskId id = 1; !stop; id = id % (newest + 1) + 1) session->Cancel(id);
    });
    std::set<TaskId> open;
    for (int i = 0; i < 300; ++i) {
      newest = session->Submit(With(Echo(), std::to_string(i)));
      open.insert(newest);
      if (open.size() < 10) continue;
      const Completion completion = session->Next(Soon());
      EXPECT_EQ(open.erase(completion.id), 1u);
      if (completion.error) {
        EXPECT_EQ(CodeOf(completion.error), "cancelled");
      } else {
        session->Drop(completion.result);
      }
    }
    while (!open.empty()) {
      const Completion completion = session->Next(Soon());
      EXPECT_EQ(open.erase(completion.id), 1u);
      if (!completion.error) session->Drop(completion.result);
    }
    stop = true;
    canceller.join();
    EXPECT_EQ(HeldObjects(*session), 0u);
    EXPECT_EQ(CodeOf(Caught([&] { session->Next(Soon()); })), "internal");
  }
}

TEST(Deadlines, NoTaskStartsAfterOneAndNoneIsLost) {
  const auto session = Local(1);
  session->Submit(With(Echo(), "a"));
  session->Submit(With(Echo(), "b"));
  const auto error = Caught([&] { session->Next(Past()); });
  ASSERT_EQ(CodeOf(error), "deadline exceeded");
  EXPECT_THAT(error->what(), HasSubstr("2 tasks"));
  EXPECT_EQ(Text(session->Get(session->Next(Soon()).result)), "a");
  EXPECT_EQ(Text(session->Get(session->Next(Soon()).result)), "b");
}

TEST(Deadlines, APastOneGivesWhatHasFinished) {
  for (const std::optional<std::uint64_t> chaos : {std::optional<std::uint64_t>(), {7}}) {
    const auto session = Local(1, chaos);
    const TaskId id = session->Submit(Echo());
    session->Submit(Echo());
    session->Cancel(id);  // finished: in chaos it would wait for the other one
    EXPECT_EQ(session->Next(Past()).id, id);
  }
}

TEST(Deadlines, AWaitForAWorkerEnds) {
  const auto session = Local(2);
  Gate started, end;
  session->Submit(TaskThat([&](const Task&, TaskContext&) {
    started.Open();
    end.Wait();
    return Bytes();
  }));
  started.Wait();
  EXPECT_EQ(CodeOf(Caught([&] { session->Next(Clock::now() + std::chrono::milliseconds(5)); })),
            "deadline exceeded");
  end.Open();
  EXPECT_FALSE(session->Next(Deadline::max()).error);
}

TEST(Deadlines, ATaskBeyondItsTimeLimitIsStopped) {
  for (const std::optional<std::uint64_t> chaos : {std::optional<std::uint64_t>(), {7}}) {
    const auto session = Local(1, chaos);
    Task task = TaskThat([](const Task&, TaskContext& c) -> Bytes { RunUntilCancelled(c); });
    task.time_limit = std::chrono::milliseconds(20);
    task.attempts = 3;  // it would run as long again: not retried
    session->Submit(task);
    const Completion completion = session->Next(Soon());
    ASSERT_EQ(CodeOf(completion.error), "deadline exceeded");
    EXPECT_THAT(completion.error->what(), HasSubstr("limit of 0.02 s"));
    EXPECT_EQ(completion.attempts, 1);
  }
}

TEST(Deadlines, TheLongestTimeLimitIsNotInThePast) {
  const auto session = Local(1);
  Task task = Echo();
  task.time_limit = std::chrono::nanoseconds::max();
  session->Submit(task);
  EXPECT_FALSE(session->Next(Soon()).error);
}

Task FailsTwice(ErrorCode code, std::shared_ptr<std::atomic<int>> runs) {
  return TaskThat([=](const Task&, TaskContext&) -> Bytes {
    if (++*runs <= 2) throw Error(code, "failed", Error(ErrorCode::kIo, "cable cut"));
    return Bytes("third");
  });
}

TEST(Attempts, ARetryableErrorIsTriedAgainAsOftenAsTheTaskSays) {
  for (const int attempts : {-1, 1, 2, 3, 9}) {
    const auto session = Local(1);
    Task task = FailsTwice(ErrorCode::kUnavailable, std::make_shared<std::atomic<int>>(0));
    task.mode = TaskMode::kOnce;
    task.attempts = attempts;
    session->Submit(task);
    const Completion completion = session->Next(Soon());
    EXPECT_EQ(completion.attempts, std::clamp(attempts, 1, 3));
    EXPECT_EQ(CodeOf(completion.error), attempts >= 3 ? "no error" : "unavailable");
  }
}

TEST(Attempts, AnotherErrorIsFinal) {
  const auto session = Local(1);
  const auto runs = std::make_shared<std::atomic<int>>(0);
  Task task = FailsTwice(ErrorCode::kInvalidInput, runs);
  task.attempts = 5;
  session->Submit(task);
  const Completion completion = session->Next(Soon());
  EXPECT_EQ(completion.attempts, 1);
  EXPECT_EQ(*runs, 1);
  ASSERT_TRUE(completion.error);
  EXPECT_STREQ(completion.error->what(), "failed; because cable cut");
}

TEST(Failures, WhateverATaskThrowsIsACompletion) {
  for (const int workers : {1, 2}) {
    const auto session = Local(workers);
    const Task task = TaskThat([](const Task& t, TaskContext&) -> Bytes {
      if (t.arguments == "runtime") throw std::runtime_error("went wrong");
      if (t.arguments == "memory") throw std::bad_alloc();
      throw 42;
    });
    const auto error_of = [&](const std::string& arguments) {
      session->Submit(With(task, arguments));
      return session->Next(Soon()).error.value();
    };
    EXPECT_STREQ(error_of("runtime").what(), "went wrong");
    EXPECT_EQ(error_of("runtime").code(), ErrorCode::kInternal);
    EXPECT_STREQ(error_of("memory").what(), "out of memory");
    EXPECT_THAT(error_of("int").what(), HasSubstr("threw what is not an exception"));
  }
}

class SyncPoints : public ::testing::Test {
 protected:
  ~SyncPoints() override { DisarmSyncPoints(); }

  static void FailOnce(const std::string& point) {
    ArmSyncPoint(point, [left = std::make_shared<std::atomic<int>>(1), point] {
      if ((*left)-- == 1) throw Error(ErrorCode::kUnavailable, point);
    });
  }
};

TEST_F(SyncPoints, AFaultBesideTheTaskIsAFailedAttempt) {
  for (const std::string point : {"engine.task.start", "engine.task.ran"}) {
    for (const int workers : {1, 2}) {
      FailOnce(point);
      const auto session = Local(workers);
      Task task = With(Echo(), "x");
      session->Submit(task);
      EXPECT_STREQ(session->Next(Soon()).error.value().what(), point.c_str());
      DisarmSyncPoints();
      FailOnce(point);
      task.attempts = 2;
      session->Submit(task);
      const Completion completion = session->Next(Soon());
      EXPECT_FALSE(completion.error);
      EXPECT_EQ(completion.attempts, 2);
      DisarmSyncPoints();
      EXPECT_EQ(HeldObjects(*session), 1u);
    }
  }
}

TEST_F(SyncPoints, ASessionThatCannotStartItsThreadsSaysSo) {
  auto passes = std::make_shared<std::atomic<int>>(0);
  ArmSyncPoint("engine.thread.start", [passes] {
    if (++*passes == 3) {
      throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
    }
  });
  const auto error = Caught([] { Local(8); });
  ASSERT_EQ(CodeOf(error), "input/output");
  EXPECT_THAT(error->what(), HasSubstr("only 2 of 7 worker threads"));
}

TEST(Events, ComeInOrderOnTheDriversThreadBeforeTheCompletion) {
  for (const int workers : {1, 3}) {
    const auto session = Local(workers);
    const Task task = TaskThat([](const Task&, TaskContext& c) {
      for (int i = 0; i < 5; ++i) c.Event(i);
      return Bytes();
    });
    const auto driver = std::this_thread::get_id();
    std::map<TaskId, std::vector<int>> seen;
    session->OnEvent([&](TaskId id, const Json& event) {
      EXPECT_EQ(std::this_thread::get_id(), driver);
      seen[id].push_back(event.get<int>());
    });
    for (int i = 0; i < 10; ++i) session->Submit(task);
    for (int i = 0; i < 10; ++i) {
      const Completion completion = session->Next(Soon());
      EXPECT_THAT(seen[completion.id], ElementsAre(0, 1, 2, 3, 4));
    }
  }
}

TEST(Events, ArriveWhileTheTaskStillRuns) {
  const auto session = Local(2);
  Gate started, answered;
  session->OnEvent([&](TaskId, const Json&) { answered.Open(); });
  session->Submit(TaskThat([&](const Task&, TaskContext& c) {
    started.Open();
    c.Event("half way");
    answered.Wait();  // only the driver, inside Next, opens it
    return Bytes();
  }));
  started.Wait();
  EXPECT_FALSE(session->Next(Soon()).error);
}

TEST(Events, AHandlerMayThrowOrBeReplaced) {
  const auto session = Local(1);
  const Task task = TaskThat([](const Task&, TaskContext& c) {
    for (int i = 0; i < 3; ++i) c.Event(i);
    return Bytes();
  });
  std::vector<int> seen;
  session->OnEvent([&](TaskId, const Json& event) {
    seen.push_back(event.get<int>());
    if (event == 0) throw Error(ErrorCode::kIo, "cannot print");
    session->OnEvent([&](TaskId, const Json& later) { seen.push_back(10 * later.get<int>()); });
  });
  const TaskId id = session->Submit(task);
  EXPECT_EQ(CodeOf(Caught([&] { session->Next(Soon()); })), "input/output");
  EXPECT_EQ(session->Next(Soon()).id, id);
  EXPECT_THAT(seen, ElementsAre(0, 1, 20));
}

struct Length {
  std::size_t value;
};

// A task that caches the length of its input; `loads` counts how often it was made.
Task CachedLength(std::atomic<int>& loads) {
  return TaskThat([&loads](const Task&, TaskContext& c) {
    const auto length = c.Cached<Length>(0, [&](const Bytes& bytes) {
      ++loads;
      return std::make_shared<const Length>(bytes.size());
    });
    return Bytes(std::to_string(length->value));
  });
}

TEST(WorkerCache, LoadsOnceHoweverManyWant) {
  constexpr int kWorkers = 4;
  std::atomic<int> loads = 0;
  std::latch all_here(kWorkers);
  const auto session = Local(kWorkers);
  const Task task = TaskThat([&](const Task&, TaskContext& c) {
    all_here.arrive_and_wait();  // the driver's thread and three others
    const auto length = c.Cached<Length>(0, [&](const Bytes& bytes) {
      ++loads;
      return std::make_shared<const Length>(bytes.size());
    });
    return Bytes(std::to_string(reinterpret_cast<std::uintptr_t>(length.get())));
  });
  const ObjectRef ref = session->Put(Bytes("abc"));
  for (int i = 0; i < kWorkers; ++i) session->Submit(With(task, "", {ref}));
  std::set<std::string> values;
  for (int i = 0; i < kWorkers; ++i) {
    values.insert(Text(session->Get(session->Next(Soon()).result)));
  }
  EXPECT_EQ(loads, 1);
  EXPECT_EQ(values.size(), 1u);
}

TEST(WorkerCache, ForgetsWhatWasUnusedForLongest) {
  const auto session = Local(1);
  std::atomic<int> loads = 0;
  const Task task = CachedLength(loads);
  const auto use = [&](int size) {
    session->Submit(With(task, "", {session->Put(Bytes(std::string(size, 'x')))}));
    EXPECT_EQ(Text(session->Get(session->Next(Soon()).result)), std::to_string(size));
  };
  for (int size = 0; size < 16; ++size) use(size);
  use(0);
  EXPECT_EQ(loads, 16);
  use(16);  // the 17th: 1 goes, not 0
  use(0);
  EXPECT_EQ(loads, 17);
  use(1);
  EXPECT_EQ(loads, 18);
}

TEST(WorkerCache, ALoadThatThrowsIsTriedAgain) {
  const auto session = Local(1);
  int loads = 0;
  Task task = TaskThat([&](const Task&, TaskContext& c) {
    c.Cached<Length>(0, [&](const Bytes&) -> std::shared_ptr<const Length> {
      if (++loads == 1) throw Error(ErrorCode::kUnavailable, "not now");
      return std::make_shared<const Length>(1);
    });
    return Bytes();
  });
  task.inputs = {session->Put(Bytes("abc"))};
  session->Submit(task);
  EXPECT_EQ(CodeOf(session->Next(Soon()).error), "unavailable");
  session->Submit(task);
  EXPECT_FALSE(session->Next(Soon()).error);
  EXPECT_EQ(loads, 2);
}

TEST(WorkerCache, KeepsTypesOfOneInputApart) {
  const auto session = Local(1);
  const Task task = TaskThat([](const Task&, TaskContext& c) {
    const auto length = c.Cached<Length>(
        0, [](const Bytes& b) { return std::make_shared<const Length>(b.size()); });
    const auto text = c.Cached<std::string>(
        0, [](const Bytes& b) { return std::make_shared<const std::string>(b.view()); });
    return Bytes(*text + std::to_string(length->value));
  });
  session->Submit(With(task, "", {session->Put(Bytes("abc"))}));
  EXPECT_EQ(Text(session->Get(session->Next(Soon()).result)), "abc3");
}

TEST(LocalSession, EndsWhileTasksRunAndWait) {
  bool stopped = false, ran = false;
  Gate started;
  {
    const auto session = Local(2);
    session->Submit(TaskThat([&](const Task&, TaskContext& c) -> Bytes {
      started.Open();
      try {
        RunUntilCancelled(c);
      } catch (const Error&) {
        c.Event("stopping");  // the session is still there to take it
        stopped = true;
        throw;
      }
    }));
    for (int i = 0; i < 3; ++i) {
      session->Submit(TaskThat([&](const Task&, TaskContext&) { return ran = true, Bytes(); }));
    }
    started.Wait();
  }
  EXPECT_TRUE(stopped);
  EXPECT_FALSE(ran);
}

TEST(LocalEngine, StartsFromItsString) {
  if (!Registry::Global().Has<Engine>("local")) RegisterLocalEngine(Registry::Global());
  EXPECT_EQ(StartSession("local", -1)->Slots(), 1);
  EXPECT_EQ(StartSession("local", 3)->Slots(), 3);
  EXPECT_GE(StartSession("local", 0)->Slots(), 1);
  EXPECT_EQ(StartSession("local?workers=2&chaos=1", 3)->Slots(), 2);
  const auto code = [](const char* engine, int workers) {
    return CodeOf(Caught([&] { StartSession(engine, workers); }));
  };
  EXPECT_EQ(code("loca", 1), "not found");
  EXPECT_EQ(code("", 1), "not found");
  EXPECT_EQ(code("local:here", 1), "invalid input");
  EXPECT_EQ(code("local?worker=1", 1), "invalid input");
  EXPECT_EQ(code("local?workers=two", 1), "invalid input");
  EXPECT_EQ(code("local?workers=1025", 1), "invalid input");
  EXPECT_EQ(code("local", -2), "invalid input");
  EXPECT_EQ(CodeOf(Caught([] { Local(0); })), "invalid input");
}

TEST(Chaos, FindsATaskThatIsNotPure) {
  const auto session = Local(1, 1);
  int runs = 0;
  Task task = TaskThat([&](const Task&, TaskContext&) { return Bytes(std::to_string(++runs)); });
  session->Submit(task);
  const auto error = session->Next(Soon()).error;
  ASSERT_EQ(CodeOf(error), "internal");
  EXPECT_THAT(error->what(), HasSubstr("is not pure"));
  task.mode = TaskMode::kOnce;  // may be what it likes, and runs once
  session->Submit(task);
  EXPECT_FALSE(session->Next(Soon()).error);
  EXPECT_EQ(runs, 3);
}

TEST(Chaos, EmptiesTheCacheBeforeEveryRun) {
  const auto session = Local(1, 1);
  std::atomic<int> loads = 0;
  const Task task = CachedLength(loads);
  const ObjectRef ref = session->Put(Bytes("abc"));
  for (int i = 0; i < 3; ++i) session->Submit(With(task, "", {ref}));
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(session->Next(Soon()).error);
  EXPECT_EQ(loads, 6);
}

TEST(Chaos, GivesEachRunCopiesOfItsInputs) {
  const auto session = Local(1, 1);
  const Bytes object("abc");
  bool same = false;
  const Task task = TaskThat([&](const Task&, TaskContext& c) {
    same = c.Input(0).data() == object.data();
    return c.Input(0);
  });
  session->Submit(With(task, "", {session->Put(object)}));
  EXPECT_EQ(Text(session->Get(session->Next(Soon()).result)), "abc");
  EXPECT_FALSE(same);
}

TEST(Chaos, ErrorsAndEventsSurviveTheirEncoding) {
  const auto session = Local(1, 1);
  std::vector<Json> events;
  session->OnEvent([&](TaskId, const Json& event) { events.push_back(event); });
  session->Submit(TaskThat([](const Task&, TaskContext& c) -> Bytes {
    c.Event({{"done", 0.1}});
    throw Error(ErrorCode::kCorrupt, "block 3", Error(ErrorCode::kIo, "disk"));
  }));
  const auto error = session->Next(Soon()).error;
  ASSERT_EQ(CodeOf(error), "corrupt data");
  EXPECT_STREQ(error->what(), "block 3; because disk");
  EXPECT_EQ(error->cause()->code(), ErrorCode::kIo);
  EXPECT_THAT(events, ElementsAre(Json{{"done", 0.1}}));
}

std::vector<TaskId> OrderOfCompletion(int workers, std::uint64_t chaos, int tasks) {
  const auto session = Local(workers, chaos);
  for (int i = 0; i < tasks; ++i) session->Submit(With(Echo(), std::to_string(i)));
  std::vector<TaskId> order;
  for (int i = 0; i < tasks; ++i) {
    const Completion completion = session->Next(Soon());
    EXPECT_EQ(Text(session->Get(completion.result)), std::to_string(completion.id - 1));
    order.push_back(completion.id);
  }
  return order;
}

TEST(Chaos, ShufflesCompletionsByItsSeedAndLosesNone) {
  for (const int tasks : {1, 2, 7, 8, 9, 30}) {  // about the number that it gathers
    std::vector<TaskId> sorted;
    for (int i = 1; i <= tasks; ++i) sorted.push_back(static_cast<TaskId>(i));
    for (const int workers : {1, 3}) {
      EXPECT_THAT(OrderOfCompletion(workers, 1, tasks), UnorderedElementsAreArray(sorted));
    }
    EXPECT_EQ(OrderOfCompletion(1, 1, tasks), OrderOfCompletion(1, 1, tasks));
    if (tasks < 7) continue;
    EXPECT_NE(OrderOfCompletion(1, 1, tasks), sorted);
    EXPECT_NE(OrderOfCompletion(1, 1, tasks), OrderOfCompletion(1, 2, tasks));
  }
}

}  // namespace
}  // namespace windlass::engine
