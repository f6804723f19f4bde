#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <new>
#include <set>
#include <stdexcept>
#include <system_error>

#include "windlass/base/sync_point.h"
#include "windlass/engine/local_internal.h"
#include "windlass/engine/testing_internal.h"

namespace windlass::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

TEST(WorkerCount, IsANumberOrARange) {
  for (const char* text : {"-1", "0", "7", "2:8", "3:3"}) {
    const WorkerCount count = WorkerCount::Parse(text);
    EXPECT_EQ(count.Text(), text == std::string("3:3") ? "3" : text);
  }
  for (const char* text :
       {"", "two", "-2", "1:", ":3", "4:2", "0:3", "-1:3", "1:2:3", "1.5", "99999999999", " 1"}) {
    EXPECT_EQ(CodeOf(Caught([&] { WorkerCount::Parse(text); })), "usage") << text;
  }
}

TEST(LocalEngine, StartsFromItsString) {
  if (!Registry::Global().Has<Engine>("local")) RegisterLocalEngine(Registry::Global());
  const auto slots = [](const char* engine, const char* workers) {
    return StartSession(engine, WorkerCount::Parse(workers))->Slots();
  };
  EXPECT_EQ(slots("local", "-1"), 1);
  EXPECT_EQ(slots("local", "3"), 3);
  EXPECT_GE(slots("local", "0"), 1);
  EXPECT_EQ(slots("local", "5:5"), 5);
  EXPECT_LE(slots("local", "1:2"), 2);
  EXPECT_GE(slots("local", "600:1000"), 600);
  EXPECT_EQ(slots("local?workers=2&chaos=1", "3"), 2);
  const auto code = [](const char* engine, int workers) {
    return CodeOf(Caught([&] { StartSession(engine, {workers, workers}); }));
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

}  // namespace
}  // namespace windlass::engine
