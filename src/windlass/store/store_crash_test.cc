// Several processes, killed ones, full disks.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/sync_point.h"
#include "windlass/store/store.h"
#include "windlass/store/store_testing_internal.h"

namespace windlass::store {
namespace {

using internal::Block;
using internal::ErrorOf;
using internal::InChild;
using internal::KeyOf;
using internal::StatusOf;
using internal::WasKilled;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kRemembered = 25;

std::size_t SizeOf(std::uint64_t i) { return i % 8 == 7 ? 70000 : 40 * i; }

void KillAtPass(const std::string& point, int pass) {
  ArmSyncPoint(point, [left = std::make_shared<int>(pass)] {
    if (--*left == 0) ::kill(::getpid(), SIGKILL);
  });
}

// What a child acknowledges: the number of steps that returned.
class Progress {
 public:
  Progress() { EXPECT_EQ(::pipe(ends_), 0); }
  ~Progress() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  void Step() const { EXPECT_EQ(::write(ends_[1], ".", 1), 1); }
  void AwaitStep() const {
    struct pollfd end {
      ends_[0], POLLIN, 0
    };
    EXPECT_EQ(::poll(&end, 1, /*milliseconds=*/60000), 1) << "no step within a minute";
  }
  int Count() const {
    ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    int count = 0;
    char c;
    while (::read(ends_[0], &c, 1) == 1) ++count;
    return count;
  }

 private:
  int ends_[2];
};

void ExpectUsable(const std::filesystem::path& folder, int acknowledged, const std::string& where) {
  const auto store = Store::Open(folder);
  for (int i = 0; i < acknowledged; ++i) {
    EXPECT_EQ(store->Recall(KeyOf(i)), Block(i, SizeOf(i))) << where << ", result " << i;
  }
  EXPECT_THAT(store->Verify().faults, IsEmpty()) << where;
  for (int i = 0; i < kRemembered; ++i) {
    store->Remember(KeyOf(i), Block(i, SizeOf(i)));
    EXPECT_EQ(store->Recall(KeyOf(i)), Block(i, SizeOf(i))) << where;
  }
  store->Seal();
  const auto again = Store::Open(folder);
  for (int i = 0; i < kRemembered; ++i) {
    EXPECT_EQ(again->Recall(KeyOf(i)), Block(i, SizeOf(i))) << where;
  }
}

TEST(Crash, KilledAtAnyPointLosesAtMostWhatItWasWriting) {
  for (const auto* name :
       {"store.append.half", "store.object.written", "store.object.renamed", "store.seal.footer",
        "store.seal.done", "store.ref.written", "store.ref.linked"}) {
    const std::string point = name;
    int pass = 1;
    for (;; pass += 4) {
      const TemporaryFolder folder;
      const Progress progress;
      const int status = StatusOf(InChild([&] {
        KillAtPass(point, pass);
        const auto store = Store::Open(folder.path());
        for (int i = 0; i < kRemembered; ++i) {
          store->Remember(KeyOf(i), Block(i, SizeOf(i)));
          progress.Step();
          if (i % 10 == 9) store->Seal();
          if (i % 5 == 4) {
            store->CompareAndSwap("last", store->ReadReference("last"),
                                  HashOf(Block(i, SizeOf(i)).view()));
          }
        }
        return 0;
      }));
      if (!WasKilled(status)) {
        EXPECT_EQ(status, 0);
        break;
      }
      const std::string where = point + " pass " + std::to_string(pass);
      ExpectUsable(folder.path(), progress.Count(), where);
      const auto store = Store::Open(folder.path());
      const auto last = store->ReadReference("last");
      if (last) {
        EXPECT_TRUE(store->Get(*last)) << where;
      }
      EXPECT_TRUE(store->CompareAndSwap("last", last, KeyOf(1))) << where;
    }
    EXPECT_GT(pass, 1) << point << " was never passed";
  }
}

TEST(Crash, KilledWhileMergingLosesNothing) {
  for (const auto* name : {"store.merge.written", "store.merge.installed", "store.seal.footer"}) {
    const std::string point = name;
    const TemporaryFolder folder;
    for (int i = 0; i < 33; ++i) {
      // Ended without a farewell, so that nothing is sealed: the merge must scan.
      EXPECT_EQ(StatusOf(InChild([&] {
                  const auto store = Store::Open(folder.path());
                  store->Remember(KeyOf(i % kRemembered),
                                  Block(i % kRemembered, SizeOf(i % kRemembered)));
                  store->Put(Block(1000 + i, 20));
                  ::_exit(0);
                  return 0;
                })),
                0);
    }
    EXPECT_TRUE(WasKilled(StatusOf(InChild([&] {
      KillAtPass(point, 1);
      Store::Open(folder.path());
      return 0;
    }))))
        << point;
    ExpectUsable(folder.path(), kRemembered, point);
    EXPECT_EQ(Store::Open(folder.path())->Stat().memo_entries, std::uint64_t{kRemembered});
  }
}

TEST(Crash, KilledWhileCollectingKeepsReferences) {
  for (const auto* name : {"store.gc.removed", "store.merge.written", "store.merge.installed"}) {
    const std::string point = name;
    const TemporaryFolder folder;
    {
      const auto store = Store::Open(folder.path());
      for (int i = 0; i < kRemembered; ++i) store->Remember(KeyOf(i), Block(i, SizeOf(i)));
      store->CompareAndSwap("small", std::nullopt, HashOf(Block(3, SizeOf(3)).view()));
      store->CompareAndSwap("large", std::nullopt, HashOf(Block(7, SizeOf(7)).view()));
    }
    EXPECT_TRUE(WasKilled(StatusOf(InChild([&] {
      KillAtPass(point, 1);
      Store::Open(folder.path())->Gc(0);
      return 0;
    }))))
        << point;
    const auto store = Store::Open(folder.path());
    EXPECT_EQ(store->Get(*store->ReadReference("small")), Block(3, SizeOf(3)));
    EXPECT_EQ(store->Get(*store->ReadReference("large")), Block(7, SizeOf(7)));
    store->Gc(0);
    EXPECT_EQ(store->Get(*store->ReadReference("small")), Block(3, SizeOf(3)));
    EXPECT_EQ(store->Get(*store->ReadReference("large")), Block(7, SizeOf(7)));
    ExpectUsable(folder.path(), 0, point);
  }
}

TEST(Processes, HammerOneStore) {
  const TemporaryFolder folder;
  constexpr int kKeys = 150;
  const auto hammer = [&](std::uint64_t seed) {
    const auto store = Store::Open(folder.path());
    Random random(seed, 0);
    for (int i = 0; i < 400; ++i) {
      const std::uint64_t key = random.Below(kKeys);
      store->Remember(KeyOf(key), Block(key, SizeOf(key)));
      if (store->Recall(KeyOf(key)) != Block(key, SizeOf(key))) return 1;
      const std::uint64_t other = random.Below(kKeys);
      const auto found = store->Recall(KeyOf(other));
      if (found && *found != Block(other, SizeOf(other))) return 2;
      if (random.Below(40) == 0) store->Seal();
    }
    return 0;
  };
  const pid_t one = InChild([&] { return hammer(1); });
  const pid_t two = InChild([&] { return hammer(2); });
  EXPECT_EQ(StatusOf(one), 0);
  EXPECT_EQ(StatusOf(two), 0);
  const auto store = Store::Open(folder.path());
  Random first(1, 0);
  for (int i = 0; i < 400; ++i) {
    const std::uint64_t key = first.Below(kKeys);
    EXPECT_EQ(store->Recall(KeyOf(key)), Block(key, SizeOf(key)));
    first.Below(kKeys);
    first.Below(40);
  }
  EXPECT_THAT(store->Verify().faults, IsEmpty());
}

TEST(Processes, CollectingBesideAWriterTakesNothingFromIt) {
  const TemporaryFolder folder;
  const Progress progress;
  const pid_t writer = InChild([&] {
    const auto store = Store::Open(folder.path());
    progress.Step();
    for (int round = 0; round < 4; ++round) {
      for (int i = 0; i < 33; ++i) {
        const Bytes block = Block(i, SizeOf(i));
        const Hash hash = store->Put(block);
        store->Remember(KeyOf(i), block);
        if (store->Get(hash) != block) return 1;
        if (!store->Recall(KeyOf(i))) return 2;
      }
      store->Seal();
    }
    return 0;
  });
  progress.AwaitStep();
  const pid_t collector = InChild([&] {
    for (int i = 0; i < 30; ++i) Store::Open(folder.path())->Gc(0);
    return 0;
  });
  EXPECT_EQ(StatusOf(writer), 0);
  EXPECT_EQ(StatusOf(collector), 0);
  const auto store = Store::Open(folder.path());
  EXPECT_THAT(store->Verify().faults, IsEmpty());
  store->Gc(0);
  EXPECT_EQ(store->Stat().objects, 0u);
}

TEST(Processes, OneOfSeveralWinsEachSwap) {
  const TemporaryFolder folder;
  constexpr int kRounds = 40;
  constexpr int kProcesses = 4;
  const auto name = [](int round) { return "race/" + std::to_string(round % 4); };
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    children.push_back(InChild([&] {
      const auto store = Store::Open(folder.path());
      std::string wins;
      for (int round = 0; round < kRounds; ++round) {
        // From what the last round left to this round's value: all want the same step.
        const std::optional<Hash> expected =
            round < 4 ? std::nullopt : std::optional(KeyOf(round - 4));
        const auto before = store->ReadReference(name(round));
        wins += store->CompareAndSwap(name(round), expected, KeyOf(round)) ? '1' : '0';
        const auto after = store->ReadReference(name(round));
        if (after == expected && wins.back() == '0' && before == expected) return 1;
      }
      WriteFileAtomically(folder.path() / ("wins" + std::to_string(process)), wins);
      return 0;
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(StatusOf(child), 0);
  for (int round = 0; round < kRounds; ++round) {
    int winners = 0;
    for (int process = 0; process < kProcesses; ++process) {
      winners += ReadFile(folder.path() / ("wins" + std::to_string(process)))[round] == '1';
    }
    EXPECT_EQ(winners, 1) << "round " << round;
  }
  EXPECT_EQ(Store::Open(folder.path())->ReadReference(name(kRounds - 1)), KeyOf(kRounds - 1));
}

TEST(Processes, AForkedChildDoesNotWriteIntoItsParentsSegment) {
  const TemporaryFolder folder;
  const auto store = Store::Open(folder.path());
  store->Remember(KeyOf(0), Block(0, 10));
  EXPECT_EQ(StatusOf(InChild([&] {
              for (int i = 1; i < 20; ++i) store->Remember(KeyOf(i), Block(i, 100));
              return store->Recall(KeyOf(0)) ? 0 : 1;
            })),
            0);
  for (int i = 20; i < 40; ++i) store->Remember(KeyOf(i), Block(i, 100));
  const auto other = Store::Open(folder.path());
  for (int i = 1; i < 40; ++i) EXPECT_EQ(other->Recall(KeyOf(i)), Block(i, 100)) << i;
  EXPECT_THAT(other->Verify().faults, IsEmpty());
}

// Adds results until the disk refuses; gives the number that were taken.
int FillUp(Store& store, std::uint64_t first, std::size_t size, std::string* message) {
  for (int count = 0; count < 100000; ++count) {
    try {
      store.Remember(KeyOf(first + count), Block(first + count, size));
    } catch (const Error& error) {
      *message = error.code() == ErrorCode::kIo ? error.what() : "another code";
      return count;
    }
  }
  return -1;
}

TEST(FullDisk, IsReportedAndSpoilsNothing) {
  const TemporaryFolder folder;
  EXPECT_EQ(StatusOf(InChild([&] {
              ::signal(SIGXFSZ, SIG_IGN);
              struct rlimit limit {};
              ::getrlimit(RLIMIT_FSIZE, &limit);
              const rlim_t before = limit.rlim_cur;
              const auto store = Store::Open(folder.path());
              limit.rlim_cur = 100000;
              ::setrlimit(RLIMIT_FSIZE, &limit);
              std::string message;
              const int small = FillUp(*store, 0, 999, &message);
              if (small < 50 || message.find("File too large") == std::string::npos) return 1;
              if (message.find(folder.path().string()) == std::string::npos) return 2;
              if (ErrorOf([&] { store->Put(Block(1, 200000)); }).empty()) return 3;
              if (ErrorOf([&] { store->Seal(); }).empty()) return 4;  // no room for the index
              for (int i = 0; i < small; ++i) {
                if (store->Recall(KeyOf(i)) != Block(i, 999)) return 5;
              }
              limit.rlim_cur = before;
              ::setrlimit(RLIMIT_FSIZE, &limit);
              for (int i = 0; i < small + 20; ++i) store->Remember(KeyOf(i), Block(i, 999));
              store->Put(Block(1, 200000));
              store->Seal();
              if (!store->Verify().faults.empty()) return 6;
              const auto other = Store::Open(folder.path());
              for (int i = 0; i < small + 20; ++i) {
                if (other->Recall(KeyOf(i)) != Block(i, 999)) return 7;
              }
              return other->Get(HashOf(Block(1, 200000).view())) == Block(1, 200000) ? 0 : 8;
            })),
            0);
}

TEST(FullDisk, CanBeCollected) {
  const TemporaryFolder folder;
  constexpr int kCannotMount = 77;
  const int status = StatusOf(InChild([&] {
    // A mount of this process's own, which goes with it.
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=2m") != 0) {
      return kCannotMount;
    }
    std::string message;
    int count = 0;
    {
      const auto store = Store::Open(folder.path());
      count = FillUp(*store, 0, 5000, &message);
      if (message.find("No space left") == std::string::npos) return 1;
      if (FillUp(*store, 50000, 70000, &message) < 0) return 2;
    }
    const auto store = Store::Open(folder.path());  // opening a store on a full disk works
    for (int i = 0; i < count; ++i) {
      if (store->Recall(KeyOf(i)) != Block(i, 5000)) return 3;
    }
    if (store->Gc(500000).bytes_after > 500000) return 4;
    store->Remember(KeyOf(90000), Block(90000, 5000));
    store->Seal();
    if (!store->Verify().faults.empty()) return 5;
    return Store::Open(folder.path())->Recall(KeyOf(90000)) == Block(90000, 5000) ? 0 : 6;
  }));
  if (WIFEXITED(status) && WEXITSTATUS(status) == kCannotMount) {
    GTEST_SKIP() << "this user cannot mount a small file system";
  }
  EXPECT_EQ(status, 0);
}

TEST(FullDisk, AFailedAppendIsTakenBack) {
  const TemporaryFolder folder;
  const auto store = Store::Open(folder.path());
  store->Remember(KeyOf(0), Block(0, 100));
  ArmSyncPoint("store.append.half", [] { throw Error(ErrorCode::kIo, "no space left"); });
  EXPECT_THAT(ErrorOf([&] { store->Remember(KeyOf(1), Block(1, 100)); }), HasSubstr("no space"));
  DisarmSyncPoints();
  EXPECT_EQ(store->Recall(KeyOf(1)), std::nullopt);
  store->Remember(KeyOf(2), Block(2, 100));
  const auto other = Store::Open(folder.path());
  EXPECT_EQ(other->Recall(KeyOf(0)), Block(0, 100));
  EXPECT_EQ(other->Recall(KeyOf(1)), std::nullopt);
  EXPECT_EQ(other->Recall(KeyOf(2)), Block(2, 100));
  EXPECT_EQ(other->Stat().segments, 1u);
}

}  // namespace
}  // namespace windlass::store
