#include "windlass/engine/task.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <set>

#include "windlass/engine/testing_internal.h"

namespace windlass::engine {
namespace {

Task Example() {
  Task task;
  task.kind = "explain.block";
  task.version = 3;
  task.mode = TaskMode::kOnce;
  task.arguments = std::string("a\0b", 3);
  task.inputs = {{HashOf("first"), 5}, {HashOf("second"), 6}};
  task.time_limit = std::chrono::milliseconds(1500);
  task.attempts = 4;
  task.hints = "http://127.0.0.1";
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
  EXPECT_EQ(decoded.hints, task.hints);
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
    for (const std::uint64_t count :
         {std::uint64_t{1}, std::uint64_t{1} << 40, std::numeric_limits<std::uint64_t>::max()}) {
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

TEST(TaskIdentity, IgnoresHowATaskIsRun) {
  Task task = Example();
  task.hints = "http://127.0.0.2";
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

}  // namespace
}  // namespace windlass::engine
