// Gangs on threads: together or not at all, one rendezvous, one fate.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "windlass/engine/session.h"
#include "windlass/engine/testing_internal.h"

namespace windlass::engine {
namespace {

std::vector<Task> Copies(const Task& task, int count, int attempts = 1) {
  std::vector<Task> tasks(static_cast<std::size_t>(count), task);
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    tasks[i].arguments = std::to_string(i);
    tasks[i].attempts = attempts;
  }
  return tasks;
}

std::map<TaskId, Completion> All(Session& session, std::size_t count) {
  std::map<TaskId, Completion> all;
  for (std::size_t i = 0; i < count; ++i) {
    Completion completion = session.Next(Soon());
    all[completion.id] = completion;
  }
  return all;
}

Bytes Together(const Task& task, TaskContext& context) {
  const GangPlace& place = *context.gang();
  EXPECT_EQ(task.arguments, std::to_string(place.rank));
  std::string seen = std::to_string(place.size) + ":";
  for (int round = 0; round < 3; ++round) {
    for (const std::string& message :
         context.Exchange(task.arguments + "/" + std::to_string(round))) {
      seen += message + " ";
    }
  }
  return Bytes(seen);
}

TEST(Gang, MembersRunTogetherAndExchangeByRank) {
  const std::string expected = "3:0/0 1/0 2/0 0/1 1/1 2/1 0/2 1/2 2/2 ";
  for (const auto& chaos : {std::optional<std::uint64_t>{}, std::optional<std::uint64_t>{7}}) {
    const auto session = Local(3, chaos);
    const Task task = TaskThat(Together);
    std::vector<TaskId> ids;
    for (int gangs = 0; gangs < 5; ++gangs) {  // several gangs, and single tasks between them
      for (const TaskId id : session->SubmitGang(Copies(task, 3))) ids.push_back(id);
      session->Submit(With(Echo(), "alone"));
    }
    const auto all = All(*session, 20);
    for (const TaskId id : ids) {
      ASSERT_FALSE(all.at(id).error) << all.at(id).error->what();
      EXPECT_EQ(Text(session->Get(all.at(id).result)), expected);
    }
  }
}

TEST(Gang, ASingleTaskHasNoPlaceAndNobodyToExchangeWith) {
  const auto session = Local(1);
  session->Submit(TaskThat([](const Task&, TaskContext& context) {
    EXPECT_EQ(context.gang(), nullptr);
    context.Exchange("hello");
    return Bytes("");
  }));
  EXPECT_EQ(CodeOf(session->Next(Soon()).error), "internal");
}

TEST(Gang, MoreThanThereAreWorkersIsRefusedBeforeAnythingRuns) {
  const auto session = Local(2);
  const auto error = Caught([&] { session->SubmitGang(Copies(Echo(), 3)); });
  EXPECT_EQ(CodeOf(error), "invalid input");
  EXPECT_NE(std::string(error->what()).find("-w 3"), std::string::npos) << error->what();
  EXPECT_EQ(CodeOf(Caught([&] { session->SubmitGang({}); })), "invalid input");
  session->Submit(With(Echo(), "still works"));
  EXPECT_FALSE(session->Next(Soon()).error);
}

TEST(Gang, OneFailureIsEverybodys) {
  const auto session = Local(3);
  const auto ids =
      session->SubmitGang(Copies(TaskThat([](const Task& task, TaskContext& context) -> Bytes {
                                   if (task.arguments == "1")
                                     throw Error(ErrorCode::kInvalidInput, "a bad shard");
                                   if (task.arguments == "0") RunUntilCancelled(context);
                                   context.Exchange("never answered");
                                   return Bytes("");
                                 }),
                                 3, /*attempts=*/5));
  const auto all = All(*session, 3);
  EXPECT_STREQ(all.at(ids[1]).error->what(), "a bad shard");
  for (const std::size_t other : {0, 2}) {
    EXPECT_EQ(CodeOf(all.at(ids[other]).error), "invalid input");
    EXPECT_STREQ(all.at(ids[other]).error->what(),
                 "task 1 of a gang of 3 failed; because a bad shard");
    EXPECT_EQ(all.at(ids[other]).attempts, 1);
  }
}

TEST(Gang, IsRetriedAsOneAndKeepsOnlyTheLastResults) {
  const auto session = Local(2);
  std::atomic<int> runs = 0;
  const auto ids = session->SubmitGang(
      Copies(TaskThat([&](const Task& task, TaskContext& context) -> Bytes {
               const int run = ++runs;
               context.Exchange("ready");
               if (task.arguments == "1" && run <= 2) throw Error(ErrorCode::kUnavailable, "lost");
               return Bytes(context.Exchange(task.arguments).at(0) + task.arguments);
             }),
             2, /*attempts=*/2));
  const auto all = All(*session, 2);
  EXPECT_EQ(runs, 4);
  for (std::size_t rank = 0; rank < 2; ++rank) {
    ASSERT_FALSE(all.at(ids[rank]).error) << all.at(ids[rank]).error->what();
    EXPECT_EQ(Text(session->Get(all.at(ids[rank]).result)), "0" + std::to_string(rank));
    EXPECT_EQ(all.at(ids[rank]).attempts, 2);
  }
}

TEST(Gang, TheLeastNumberOfAttemptsHolds) {
  const auto session = Local(2);
  std::atomic<int> runs = 0;
  auto tasks = Copies(TaskThat([&](const Task&, TaskContext& context) -> Bytes {
                        ++runs;
                        context.Exchange("begun");
                        throw Error(ErrorCode::kUnavailable, "lost");
                      }),
                      2, /*attempts=*/9);
  tasks[1].attempts = 3;
  session->SubmitGang(tasks);
  All(*session, 2);
  EXPECT_EQ(runs, 6);
}

TEST(Gang, AMemberThatEndsWithoutExchangingIsSaid) {
  const auto session = Local(2);
  const auto ids = session->SubmitGang(Copies(TaskThat([](const Task& task, TaskContext& context) {
                                                if (task.arguments == "0")
                                                  context.Exchange("hello");
                                                return Bytes("");
                                              }),
                                              2));
  const auto all = All(*session, 2);
  EXPECT_EQ(CodeOf(all.at(ids[0]).error), "internal");
  EXPECT_NE(std::string(all.at(ids[0]).error->what()).find("exchange 1, which task 1 ended"),
            std::string::npos)
      << all.at(ids[0]).error->what();
}

TEST(Gang, AWaitForTheOthersEndsAtTheTimeLimit) {
  const auto session = Local(2);
  auto tasks = Copies(TaskThat([](const Task& task, TaskContext& context) -> Bytes {
                        if (task.arguments == "1") RunUntilCancelled(context);
                        context.Exchange("hello");
                        return Bytes("");
                      }),
                      2);
  tasks[0].time_limit = std::chrono::milliseconds(1);
  const auto ids = session->SubmitGang(tasks);
  const auto all = All(*session, 2);
  EXPECT_EQ(CodeOf(all.at(ids[0]).error), "deadline exceeded");
  EXPECT_EQ(CodeOf(all.at(ids[1]).error), "deadline exceeded");
}

TEST(Gang, CancellingOneCancelsAllWhetherTheyRunOrWait) {
  const auto session = Local(3);
  Gate gate;
  // The first gang runs until it is cancelled; a member of the second may wait for its others.
  const Task endless = TaskThat([&](const Task&, TaskContext& context) -> Bytes {
    context.Exchange("begun");
    gate.Open();
    RunUntilCancelled(context);
  });
  const auto first = session->SubmitGang(Copies(endless, 2));
  const auto second = session->SubmitGang(Copies(endless, 3));
  gate.Wait();
  session->Cancel(second[2]);
  session->Cancel(first[0]);
  const auto all = All(*session, 5);
  for (const auto& [id, completion] : all) EXPECT_EQ(CodeOf(completion.error), "cancelled") << id;
}

TEST(Gang, EndingTheSessionStopsIt) {
  Gate gate;
  const Task endless = TaskThat([&](const Task&, TaskContext& context) -> Bytes {
    gate.Open();
    context.Exchange("begun");
    RunUntilCancelled(context);
  });
  {
    const auto session = Local(4);  // three threads beside the driver's
    session->SubmitGang(Copies(endless, 3));
    gate.Wait();
  }
  {
    const auto session = Local(4);
    session->SubmitGang(Copies(endless, 4));  // the fourth would be the driver's
  }
}

}  // namespace
}  // namespace windlass::engine
