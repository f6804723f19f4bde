#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <string>

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
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class GcTest : public ::testing::Test {
 protected:
  std::shared_ptr<Store> Open() const { return Store::Open(folder_.path()); }
  const std::filesystem::path& folder() const { return folder_.path(); }

  static Hash HashOfBlock(std::uint64_t seed, std::size_t size) {
    return HashOf(Block(seed, size).view());
  }
  std::filesystem::path FileOf(const Hash& hash) const {
    return folder() / "objects" / hash.Hex().substr(0, 2) / hash.Hex().substr(2);
  }
  // As if last used so many hours ago.
  static void Age(const std::filesystem::path& path, int hours) {
    std::filesystem::last_write_time(
        path, std::filesystem::file_time_type::clock::now() - std::chrono::hours(hours));
  }
  void AgeAll(int hours) const {
    for (const auto* part : {"objects", "segments"}) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(folder() / part)) {
        if (entry.is_regular_file()) Age(entry.path(), hours);
      }
    }
  }

 private:
  TemporaryFolder folder_;
};

TEST_F(GcTest, GoesToTheLimitAndKeepsWhatReferencesName) {
  {
    const auto store = Open();
    for (int i = 0; i < 300; ++i) store->Remember(KeyOf(i), Block(i, 1000));
    for (int i = 300; i < 320; ++i) store->Remember(KeyOf(i), Block(i, 100000));
    store->CompareAndSwap("small", std::nullopt, HashOfBlock(0, 1000));
    store->CompareAndSwap("large", std::nullopt, HashOfBlock(300, 100000));
    store->CompareAndSwap("gone", std::nullopt, HashOfBlock(301, 100000));
    store->CompareAndSwap("gone", HashOfBlock(301, 100000), std::nullopt);
  }
  for (const std::uint64_t limit : {1200000, 500000, 150000, 0}) {
    const auto store = Open();
    const GcReport report = store->Gc(limit);
    EXPECT_LE(report.bytes_after, limit == 0 ? 103000 : limit);
    EXPECT_EQ(report.bytes_after, store->Stat().bytes);
    EXPECT_GT(report.objects_removed, 0u) << limit;
    EXPECT_EQ(store->Get(HashOfBlock(0, 1000)), Block(0, 1000));
    EXPECT_EQ(Open()->Get(HashOfBlock(300, 100000)), Block(300, 100000));
    EXPECT_THAT(store->Verify().faults, IsEmpty());
  }
  EXPECT_EQ(Open()->Get(HashOfBlock(301, 100000)), std::nullopt);
  EXPECT_EQ(Open()->Stat().objects, 2u);
  EXPECT_EQ(Open()->Gc(0).objects_removed, 0u);
}

TEST_F(GcTest, UsesTheLimitOfTheOptions) {
  StoreOptions options;
  options.size_limit = 250000;
  const auto store = Store::Open(folder(), options);
  for (int i = 0; i < 5; ++i) store->Put(Block(i, 100000));
  EXPECT_EQ(store->Gc().bytes_before, 500000u);
  EXPECT_EQ(store->Stat().bytes, 200000u);
  EXPECT_EQ(store->Stat().size_limit, 250000u);
}

TEST_F(GcTest, RemovesWhatWasUnusedForLongest) {
  {
    const auto store = Open();
    for (int i = 0; i < 10; ++i) store->Put(Block(i, 100000));
  }
  for (int i = 0; i < 10; ++i) Age(FileOf(HashOfBlock(i, 100000)), 100 - i);
  Open()->Get(HashOfBlock(0, 100000));  // a use: now the youngest
  EXPECT_EQ(Open()->Gc(300000).objects_removed, 7u);
  const auto store = Open();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(store->Contains(HashOfBlock(i, 100000)), i == 0 || i >= 8) << i;
  }
}

TEST_F(GcTest, OfOneSegmentTheNewestRecordsStay) {
  {
    const auto store = Open();
    for (int i = 0; i < 100; ++i) store->Remember(KeyOf(i), Block(i, 1000));
  }
  const GcReport report = Open()->Gc(50000);
  EXPECT_LE(report.bytes_after, 50000u);
  EXPECT_GT(report.bytes_after, 45000u);
  EXPECT_EQ(report.memo_entries_removed, report.objects_removed);
  const auto store = Open();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(store->Recall(KeyOf(i)).has_value(), i >= static_cast<int>(report.objects_removed));
  }
  EXPECT_EQ(store->Stat().memo_entries, 100 - report.memo_entries_removed);
}

TEST_F(GcTest, EntriesGoWithTheirObjects) {
  {
    const auto store = Open();
    store->Remember(KeyOf(1), Block(1, 100000));
    store->Remember(KeyOf(2), Block(2, 100));
  }
  Age(FileOf(HashOfBlock(1, 100000)), 5);
  const auto store = Open();
  const GcReport report = store->Gc(10000);
  EXPECT_EQ(report.objects_removed, 1u);
  EXPECT_EQ(report.memo_entries_removed, 1u);
  EXPECT_EQ(store->Recall(KeyOf(1)), std::nullopt);
  EXPECT_EQ(store->Recall(KeyOf(2)), Block(2, 100));
  store->Remember(KeyOf(1), Block(3, 100));
  EXPECT_EQ(Open()->Recall(KeyOf(1)), Block(3, 100));
}

TEST_F(GcTest, LivingUsersKeepWhatTheyMayNeed) {
  {
    const auto store = Open();
    for (int i = 0; i < 20; ++i) store->Remember(KeyOf(i), Block(i, i < 10 ? 100 : 70000));
  }
  AgeAll(5);
  const auto job = Open();
  EXPECT_TRUE(job->Recall(KeyOf(15)));
  const Hash input = job->Put(Block(100, 100));
  const Hash large_input = job->Put(Block(101, 70000));
  Open()->Gc(0);
  EXPECT_EQ(job->Get(input), Block(100, 100));
  EXPECT_EQ(job->Get(large_input), Block(101, 70000));
  EXPECT_EQ(job->Recall(KeyOf(16)), std::nullopt);  // not used since the job began
  const auto reader = Open();
  EXPECT_EQ(reader->Get(HashOfBlock(15, 70000)), Block(15, 70000));
  EXPECT_EQ(reader->Get(input), Block(100, 100));
}

TEST_F(GcTest, WhatWasRemovedUnderAnOpenStoreIsWrittenAnew) {
  {
    const auto store = Open();
    store->Put(Block(1, 100));
    store->Put(Block(1, 100000));
    store->Remember(KeyOf(1), Block(2, 100));
  }
  AgeAll(5);
  const auto job = Open();  // has the segment open from now on
  Open()->Gc(0);
  job->Put(Block(1, 100));
  job->Put(Block(1, 100000));
  job->Remember(KeyOf(1), Block(2, 100));
  const auto other = Open();
  EXPECT_EQ(other->Get(HashOfBlock(1, 100)), Block(1, 100));
  EXPECT_EQ(other->Get(HashOfBlock(1, 100000)), Block(1, 100000));
  EXPECT_EQ(other->Recall(KeyOf(1)), Block(2, 100));
}

TEST_F(GcTest, DeadUsersKeepNothing) {
  EXPECT_TRUE(internal::WasKilled(StatusOf(InChild([&] {
    const auto store = Open();
    store->Put(Block(1, 100));
    store->Put(Block(1, 100000));
    ::kill(::getpid(), SIGKILL);
    return 0;
  }))));
  EXPECT_EQ(Open()->Get(HashOfBlock(1, 100)), Block(1, 100));
  EXPECT_EQ(Open()->Gc(0).objects_removed, 2u);
  EXPECT_TRUE(std::filesystem::is_empty(folder() / "users"));
}

TEST_F(GcTest, OldVersionsOfReferencesGo) {
  const auto store = Open();
  std::optional<Hash> last;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(store->CompareAndSwap("counter", last, KeyOf(i)));
    last = KeyOf(i);
  }
  store->Gc();
  EXPECT_EQ(store->ReadReference("counter"), last);
  const auto versions = std::filesystem::directory_iterator(folder() / "refs" / "counter");
  EXPECT_EQ(std::distance(begin(versions), end(versions)), 2);
  EXPECT_TRUE(store->CompareAndSwap("counter", last, KeyOf(0)));
}

TEST_F(GcTest, RemovesNothingWhenAReferenceCannotBeRead) {
  const auto store = Open();
  store->Put(Block(1, 100000));
  store->CompareAndSwap("name", std::nullopt, HashOfBlock(1, 100000));
  const auto file = std::filesystem::directory_iterator(folder() / "refs" / "name")->path();
  std::string content = ReadFile(file);
  content[3] = content[3] == '0' ? '1' : '0';
  WriteFileAtomically(file, content);
  EXPECT_THAT(ErrorOf([&] { store->Gc(0); }), HasSubstr("nothing was removed"));
  EXPECT_TRUE(store->Contains(HashOfBlock(1, 100000)));
}

TEST_F(GcTest, AReferenceMadeMeanwhileCounts) {
  {
    const auto store = Open();
    for (int i = 0; i < 10; ++i) store->Put(Block(i, 200));
  }
  const auto store = Open();
  ArmSyncPoint("store.merge.written", [&, first = std::make_shared<bool>(true)] {
    if (!std::exchange(*first, false)) return;
    Open()->CompareAndSwap("late", std::nullopt, HashOfBlock(4, 200));
  });
  store->Gc(0);
  DisarmSyncPoints();
  EXPECT_EQ(Open()->Get(HashOfBlock(4, 200)), Block(4, 200));
}

}  // namespace
}  // namespace windlass::store
