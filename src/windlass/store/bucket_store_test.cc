// What only a store in a bucket does. Without WINDLASS_TEST_BUCKET these are skipped; see
// tests/s3/test.sh.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "windlass/base/error.h"
#include "windlass/base/registry.h"
#include "windlass/base/s3.h"
#include "windlass/base/sync_point.h"
#include "windlass/store/store.h"
#include "windlass/store/store_testing_internal.h"

// Of the plug-in windlass_curl, which is linked to this program.
extern "C" int windlass_plugin(int abi, windlass::Registry& registry);

namespace windlass::store {
namespace {

using internal::Block;
using internal::ErrorOf;
using internal::InChild;
using internal::KeyOf;
using internal::NewBucketPlace;
using internal::StatusOf;
using internal::WasKilled;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const bool kHttp = windlass_plugin(kPluginAbi, Registry::Global()) == 0;

constexpr std::uint64_t kResults = 30;

std::size_t SizeOfResult(std::uint64_t i) { return i % 8 == 7 ? 70'000 : 40 * i; }

class BucketStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("WINDLASS_TEST_BUCKET") == nullptr) GTEST_SKIP() << "no bucket";
    ASSERT_TRUE(kHttp);
    place_ = NewBucketPlace();
  }

  std::shared_ptr<Store> Open(std::chrono::seconds unused_for = std::chrono::hours(1)) const {
    StoreOptions options;
    options.unused_for = unused_for;
    return Store::Open(place_, options);
  }
  S3Bucket Bucket() const { return S3Bucket(S3Place::Parse(place_.native())); }

  std::filesystem::path place_;
};

TEST_F(BucketStoreTest, AskedByItselfTheBucketKeepsConditions) {
  const S3Bucket bucket = Bucket();
  EXPECT_TRUE(bucket.PutNew("a b/+%", "0123456789"));
  EXPECT_FALSE(bucket.PutNew("a b/+%", "other"));
  EXPECT_EQ(bucket.GetRange("a b/+%", 2, 3), "234");
  EXPECT_EQ(bucket.GetRange("a b/+%", 8, 30), "89");
  EXPECT_EQ(bucket.GetRange("a b/+%", 10, 1), "");
  EXPECT_EQ(bucket.GetRange("none", 0, 1), std::nullopt);
  const S3Object object = bucket.List("a b").at(0);
  EXPECT_EQ(object.key, "a b/+%");
  EXPECT_EQ(object.size, 10u);
  EXPECT_FALSE(bucket.PutIfMatch("a b/+%", "x", "0123456789abcdef0123456789abcdef"));
  EXPECT_TRUE(bucket.PutIfMatch("a b/+%", "x", object.etag));
  EXPECT_TRUE(bucket.Touch("a b/+%"));
  EXPECT_FALSE(bucket.Touch("none"));
  EXPECT_EQ(bucket.Get("a b/+%"), "x");
  bucket.Delete("a b/+%");
  bucket.Delete("a b/+%");
  EXPECT_FALSE(bucket.Head("a b/+%"));
  for (int i = 0; i < 1'003; ++i) bucket.Put("many/" + std::to_string(i), "");
  EXPECT_EQ(bucket.List("many/").size(), 1'003u);  // of two pages
  EXPECT_EQ(bucket.List("many/", 2).size(), 2u);
}

TEST_F(BucketStoreTest, HasTheLayoutOfAFolder) {
  {
    const auto store = Open();
    store->Remember(KeyOf(1), Block(1, 100));
    store->Put(Block(2, 70'000));
    store->CompareAndSwap("model/a", std::nullopt, HashOf(Block(1, 100).view()));
  }
  const TemporaryFolder copy;
  const S3Bucket bucket = Bucket();
  std::vector<std::string> tops;
  for (const S3Object& object : bucket.List("")) {
    tops.push_back(object.key.substr(0, object.key.find('/')));
    std::filesystem::create_directories((copy.path() / object.key).parent_path());
    EXPECT_TRUE(bucket.GetFile(object.key, copy.path() / object.key));
  }
  EXPECT_THAT(tops, ::testing::ElementsAre("layout.json", "objects", "refs", "segments"));
  const auto store = Store::Open(copy.path());
  EXPECT_EQ(store->Recall(KeyOf(1)), Block(1, 100));
  EXPECT_EQ(store->Get(HashOf(Block(2, 70'000).view())), Block(2, 70'000));
  EXPECT_EQ(store->ReadReference("model/a"), HashOf(Block(1, 100).view()));
  EXPECT_THAT(store->Verify().faults, IsEmpty());
}

// What was sealed is there, and all that is there is right.
TEST_F(BucketStoreTest, KilledAtAnyPointStaysReadable) {
  const auto result = [](std::uint64_t i) { return Block(i, SizeOfResult(i)); };
  for (const std::string point :
       {"store.bucket.segment", "store.bucket.put", "store.bucket.object", "store.bucket.reference",
        "store.bucket.merged", "store.bucket.removed"}) {
    for (const int pass : {1, 2}) {
      const std::string where = point + " pass " + std::to_string(pass);
      place_ = NewBucketPlace();
      const TemporaryFolder folder;
      const int status = StatusOf(InChild([&] {
        ArmSyncPoint(point, [left = std::make_shared<int>(pass)] {
          if (--*left == 0) ::kill(::getpid(), SIGKILL);
        });
        for (int round = 0; round < 2; ++round) {
          const auto store = Open(std::chrono::seconds(0));
          for (std::uint64_t i = 0; i < kResults; ++i) store->Remember(KeyOf(i), result(i));
          store->Seal();
          std::ofstream(folder.path() / "sealed");
          const std::string name = "r" + std::to_string(round);
          store->CompareAndSwap(name, std::nullopt, HashOf(result(7).view()));
          Open()->Remember(KeyOf(1000 + round), result(round));
          store->Gc(std::nullopt);  // merges
        }
        return 0;
      }));
      EXPECT_TRUE(WasKilled(status)) << where;
      const auto store = Open();
      EXPECT_THAT(store->Verify().faults, IsEmpty()) << where;
      const bool sealed = std::filesystem::exists(folder.path() / "sealed");
      for (std::uint64_t i = 0; i < kResults; ++i) {
        const auto recalled = store->Recall(KeyOf(i));
        EXPECT_TRUE(recalled ? *recalled == result(i) : !sealed) << where << ", result " << i;
        store->Remember(KeyOf(i), result(i));
      }
      for (const std::string& name : store->ListReferences("")) {
        EXPECT_EQ(store->Get(*store->ReadReference(name)), result(7)) << where;
      }
      store->Seal();
      const auto again = Open();
      for (std::uint64_t i = 0; i < kResults; ++i) {
        EXPECT_EQ(again->Recall(KeyOf(i)), result(i)) << where << ", result " << i;
      }
    }
  }
}

TEST_F(BucketStoreTest, AKilledWriterLosesASecondAtMost) {
  const pid_t child = InChild([&] {
    const auto store = Open();
    for (std::uint64_t i = 0; i < 10; ++i) store->Remember(KeyOf(i), Block(i, 100));
    std::this_thread::sleep_for(std::chrono::milliseconds(2'500));
    ::kill(::getpid(), SIGKILL);
    return 0;
  });
  EXPECT_TRUE(WasKilled(StatusOf(child)));
  const auto store = Open();
  for (std::uint64_t i = 0; i < 10; ++i) EXPECT_EQ(store->Recall(KeyOf(i)), Block(i, 100));
  EXPECT_THAT(store->Verify().faults, IsEmpty());
}

TEST_F(BucketStoreTest, OneOfSeveralWinsEachSwap) {
  constexpr int kProcesses = 3;
  constexpr int kRounds = 8;
  Open();
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    children.push_back(InChild([&, process] {
      const auto store = Open();
      int won = 0;
      for (int round = 0; round < kRounds; ++round) {
        won += store->CompareAndSwap("race/" + std::to_string(round), std::nullopt, KeyOf(process));
      }
      return won;
    }));
  }
  int won = 0;
  for (const pid_t child : children) won += WEXITSTATUS(StatusOf(child));
  EXPECT_EQ(won, kRounds);
  EXPECT_EQ(Open()->ListReferences("race/").size(), static_cast<std::size_t>(kRounds));
}

TEST_F(BucketStoreTest, CollectsWhatWasUnusedAndNothingElse) {
  {
    const auto store = Open();
    for (std::uint64_t i = 0; i < kResults; ++i) {
      store->Remember(KeyOf(i), Block(i, SizeOfResult(i)));
    }
    store->CompareAndSwap("small", std::nullopt, HashOf(Block(3, SizeOfResult(3)).view()));
    store->CompareAndSwap("large", std::nullopt, HashOf(Block(7, SizeOfResult(7)).view()));
  }
  EXPECT_EQ(Open()->Gc(0).objects_removed, 0u) << "used within the hour";
  std::this_thread::sleep_for(std::chrono::milliseconds(2'100));  // times are of whole seconds
  const GcReport report = Open(std::chrono::seconds(0))->Gc(0);
  EXPECT_EQ(report.objects_removed, kResults - 2);
  EXPECT_LT(report.bytes_after, report.bytes_before);
  const auto store = Open();
  EXPECT_EQ(store->Get(HashOf(Block(3, SizeOfResult(3)).view())), Block(3, SizeOfResult(3)));
  EXPECT_EQ(store->Recall(KeyOf(7)), Block(7, SizeOfResult(7)));
  EXPECT_EQ(store->Recall(KeyOf(15)), std::nullopt);
  EXPECT_EQ(store->Stat().objects, 2u);
  EXPECT_THAT(store->Verify().faults, IsEmpty());
}

TEST_F(BucketStoreTest, DamageReadsAsAbsenceAndIsReported) {
  const Bytes small = Block(1, 1'000);
  const Bytes large = Block(2, 70'000);
  {
    const auto store = Open();
    store->Put(small);
    store->Put(large);
  }
  const S3Bucket bucket = Bucket();
  for (const char* folder : {"segments/", "objects/"}) {
    const std::string key = bucket.List(folder).at(0).key;
    std::string bytes = bucket.Get(key).value();
    bytes[200] = static_cast<char>(bytes[200] ^ 1);
    bucket.Put(key, bytes);
  }
  const auto store = Open();
  EXPECT_EQ(store->Get(HashOf(small.view())), std::nullopt);
  EXPECT_EQ(store->Get(HashOf(large.view())), std::nullopt);
  const auto faults = store->Verify().faults;
  ASSERT_EQ(faults.size(), 2u);
  for (const std::string& fault : faults) EXPECT_THAT(fault, HasSubstr(place_.native() + "/"));
  store->Put(small);
  store->Put(large);
  EXPECT_EQ(store->Get(HashOf(small.view())), small);
  EXPECT_EQ(store->Get(HashOf(large.view())), large);
}

TEST_F(BucketStoreTest, RefusesANewerLayout) {
  Open();
  Bucket().Put("layout.json", R"({"layout": 2})");
  EXPECT_THAT(ErrorOf([&] { Open(); }), HasSubstr("has layout 2, this Windlass reads up to"));
}

TEST_F(BucketStoreTest, NamesABucketThatIsNotThere) {
  try {
    Store::Open("s3://nowhere-at-all/x");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_THAT(error.what(), HasSubstr("there is no bucket \"nowhere-at-all\""));
  }
}

}  // namespace
}  // namespace windlass::store
