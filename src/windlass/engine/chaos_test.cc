// The workers' cache, and the mode that takes everything away from it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <set>

#include "windlass/engine/testing_internal.h"

namespace windlass::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAreArray;

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

TEST(WorkerCache, TasksOfOtherHintsShareNothing) {
  const auto session = Local(1);
  std::atomic<int> loads = 0;
  Task task = With(CachedLength(loads), "", {session->Put(Bytes("abc"))});
  for (const char* hints : {"", "here", "there", "here", ""}) {
    task.hints = hints;
    session->Submit(task);
    session->Next(Soon());
  }
  EXPECT_EQ(loads, 3);
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
