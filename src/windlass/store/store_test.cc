#include "windlass/store/store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <string>
#include <thread>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/random.h"
#include "windlass/store/store_testing_internal.h"

namespace windlass::store {
namespace {

using internal::Backends;
using internal::Block;
using internal::ErrorOf;
using internal::KeyOf;
using internal::NewBucketPlace;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What holds wherever the store is: in a folder, and in the bucket that WINDLASS_TEST_BUCKET names
// (tests/s3/test.sh sets it).
class StoreTest : public ::testing::TestWithParam<std::string> {
 protected:
  StoreTest() : place_(PlaceOf(GetParam())) {}

  std::shared_ptr<Store> Open() const { return Store::Open(place_); }
  bool in_bucket() const { return GetParam() == "Bucket"; }
  // How long it may take until a store sees what another one wrote.
  void AwaitNews() const {
    if (in_bucket()) std::this_thread::sleep_for(std::chrono::milliseconds(3100));
  }

 private:
  std::filesystem::path PlaceOf(const std::string& backend) const {
    return backend == "Bucket" ? NewBucketPlace() : folder_.path() / "store";
  }

  TemporaryFolder folder_;
  std::filesystem::path place_;
};

INSTANTIATE_TEST_SUITE_P(In, StoreTest, ::testing::ValuesIn(Backends()),
                         [](const auto& info) { return info.param; });

class FolderStoreTest : public ::testing::Test {
 protected:
  std::shared_ptr<Store> Open() { return Store::Open(folder_.path() / "store"); }
  std::filesystem::path folder() const { return folder_.path() / "store"; }

 private:
  TemporaryFolder folder_;
};

TEST_P(StoreTest, GivesBackWhatWasPut) {
  for (const std::size_t size : {0u, 1u, 100u, 65535u, 65536u, 1000000u}) {
    const Bytes object = Block(size, size);
    {
      const auto store = Open();
      const Hash hash = store->Put(object);
      EXPECT_EQ(hash, HashOf(object.view()));
      EXPECT_EQ(store->Get(hash), object) << size;
      EXPECT_TRUE(store->Contains(hash));
      EXPECT_EQ(store->Put(object), hash);
    }
    const auto store = Open();
    EXPECT_EQ(store->Get(HashOf(object.view())), object) << size;
  }
  const auto store = Open();
  EXPECT_EQ(store->Get(KeyOf(1)), std::nullopt);
  EXPECT_FALSE(store->Contains(KeyOf(1)));
  EXPECT_EQ(store->Stat().objects, 6u);
  EXPECT_THAT(store->Verify().faults, IsEmpty());
}

TEST_P(StoreTest, PuttingTwiceStoresOnce) {
  const auto store = Open();
  store->Put(Block(1, 100));
  store->Put(Block(2, 100000));
  store->Remember(KeyOf(1), Block(1, 100));
  const auto bytes = store->Stat().bytes;
  store->Put(Block(1, 100));
  store->Put(Block(2, 100000));
  store->Remember(KeyOf(1), Block(1, 100));
  EXPECT_EQ(store->Stat().bytes, bytes);
}

TEST_P(StoreTest, RecallsTheFirstResultOfAKey) {
  for (const std::size_t size : {10u, 70000u}) {
    const auto store = Open();
    EXPECT_EQ(store->Recall(KeyOf(size)), std::nullopt);
    store->Remember(KeyOf(size), Block(1, size));
    store->Remember(KeyOf(size), Block(2, size));
    EXPECT_EQ(store->Recall(KeyOf(size)), Block(1, size));
    EXPECT_EQ(Open()->Recall(KeyOf(size)), Block(1, size));
    EXPECT_EQ(store->Get(HashOf(Block(1, size).view())), Block(1, size));
  }
}

TEST_P(StoreTest, ShowsOtherHandlesWhatIsNotSealed) {
  const auto one = Open();
  const auto two = Open();
  for (std::uint64_t i = 0; i < (in_bucket() ? 3 : 100); ++i) {
    one->Remember(KeyOf(i), Block(i, 100));
    AwaitNews();
    EXPECT_EQ(two->Recall(KeyOf(i)), Block(i, 100));
    two->Remember(KeyOf(1000 + i), Block(1000 + i, 70000));
    AwaitNews();
    EXPECT_EQ(one->Recall(KeyOf(1000 + i)), Block(1000 + i, 70000));
    if (i % 30 == 29) one->Seal();
  }
  two->Seal();
  EXPECT_EQ(one->Stat().memo_entries, in_bucket() ? 6u : 200u);
  EXPECT_EQ(one->Recall(KeyOf(1002)), Block(1002, 70000));
  EXPECT_THAT(one->Verify().faults, IsEmpty());
}

TEST_P(StoreTest, BehavesAsAMapUnderRandomOperations) {
  for (std::uint64_t seed = 0; seed < (in_bucket() ? 1 : 4); ++seed) {
    TemporaryFolder folder;
    const std::filesystem::path place = in_bucket() ? NewBucketPlace() : folder.path();
    Random random(seed, 0);
    std::map<Hash, Bytes> objects;
    std::map<Hash, Bytes> memo;
    std::map<std::string, Hash> references;
    // Several in a bucket see each other's work too late for a model of one map.
    std::vector<std::shared_ptr<Store>> handles(in_bucket() ? 1 : 3);
    for (auto& handle : handles) handle = Store::Open(place);
    for (int step = 0; step < (in_bucket() ? 600 : 1500); ++step) {
      auto& store = handles[random.Below(handles.size())];
      const std::uint64_t id = random.Below(60);
      const Bytes block = Block(id, id % 20 == 0 ? 70000 : 3 * id);
      const std::string name = "r/" + std::to_string(id % 7);
      switch (random.Below(9)) {
        case 0: objects[store->Put(block)] = block; break;
        case 1:
        case 2: {
          const auto found = objects.find(HashOf(block.view()));
          const auto got = store->Get(HashOf(block.view()));
          EXPECT_EQ(got.has_value(), found != objects.end());
          EXPECT_EQ(store->Contains(HashOf(block.view())), found != objects.end());
          if (got) {
            EXPECT_EQ(*got, block);
          }
          break;
        }
        case 3: {
          const std::uint64_t key = random.Below(100);
          store->Remember(KeyOf(key), block);
          if (memo.emplace(KeyOf(key), block).second) objects[HashOf(block.view())] = block;
          break;
        }
        case 4:
        case 5: {
          const Hash key = KeyOf(random.Below(100));
          const auto found = memo.find(key);
          EXPECT_EQ(store->Recall(key),
                    found == memo.end() ? std::nullopt : std::optional(found->second));
          break;
        }
        case 6: {
          const auto found = references.find(name);
          const bool right = random.Below(3) != 0;
          const bool remove = random.Below(4) == 0;
          std::optional<Hash> expected;
          if (found != references.end()) expected = found->second;
          if (!right) expected = KeyOf(12345);
          EXPECT_EQ(store->CompareAndSwap(name, expected,
                                          remove ? std::nullopt : std::optional(KeyOf(id))),
                    right);
          if (right && remove) references.erase(name);
          if (right && !remove) references[name] = KeyOf(id);
          break;
        }
        case 7: {
          const auto found = references.find(name);
          EXPECT_EQ(store->ReadReference(name),
                    found == references.end() ? std::nullopt : std::optional(found->second));
          EXPECT_EQ(store->ListReferences("r/").size(), references.size());
          break;
        }
        case 8:
          if (random.Below(10) == 0) store->Seal();
          if (random.Below(10) == 0) store = nullptr;
          if (store == nullptr) store = Store::Open(place);
          break;
      }
      ASSERT_FALSE(HasFailure()) << "seed " << seed << ", step " << step;
    }
    const StoreStat stat = handles[0]->Stat();
    EXPECT_EQ(stat.objects, objects.size());
    EXPECT_EQ(stat.memo_entries, memo.size());
    EXPECT_EQ(stat.references, references.size());
  }
}

TEST_P(StoreTest, IsSharedByThreads) {
  const auto store = Open();
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < 300; ++i) {
        const std::uint64_t key = (i + 50 * t) % 400;
        store->Remember(KeyOf(key), Block(key, key % 100 == 0 ? 66000 : 100));
        EXPECT_EQ(store->Recall(KeyOf(key)), Block(key, key % 100 == 0 ? 66000 : 100));
        store->Put(Block(1000 + key, 50));
        if (i % 100 == 99) store->Seal();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(store->Stat().memo_entries, 400u);
  EXPECT_EQ(store->Stat().objects, 800u);
}

TEST_P(StoreTest, ReferencesChangeOnlyFromWhatIsExpected) {
  const auto store = Open();
  EXPECT_EQ(store->ReadReference("model/income"), std::nullopt);
  EXPECT_FALSE(store->CompareAndSwap("model/income", KeyOf(1), KeyOf(2)));
  EXPECT_TRUE(store->CompareAndSwap("model/income", std::nullopt, KeyOf(1)));
  EXPECT_FALSE(store->CompareAndSwap("model/income", std::nullopt, KeyOf(2)));
  EXPECT_EQ(Open()->ReadReference("model/income"), KeyOf(1));
  EXPECT_TRUE(store->CompareAndSwap("model", std::nullopt, KeyOf(3)));
  EXPECT_TRUE(store->CompareAndSwap("model/income", KeyOf(1), KeyOf(2)));
  EXPECT_THAT(store->ListReferences("mod"), ElementsAre("model", "model/income"));
  EXPECT_THAT(store->ListReferences("model/"), ElementsAre("model/income"));
  EXPECT_TRUE(store->CompareAndSwap("model/income", KeyOf(2), std::nullopt));
  EXPECT_EQ(store->ReadReference("model/income"), std::nullopt);
  EXPECT_THAT(store->ListReferences(""), ElementsAre("model"));
  EXPECT_TRUE(store->CompareAndSwap("model/income", std::nullopt, KeyOf(4)));
  EXPECT_EQ(store->ReadReference("model/income"), KeyOf(4));
}

TEST_P(StoreTest, RefusesBadReferenceNames) {
  const auto store = Open();
  for (const std::string& name :
       {std::string(), std::string("/"), std::string("a/"), std::string("/a"), std::string("a//b"),
        std::string(".."), std::string("a/../b"), std::string("a/./b"), std::string("a b"),
        std::string("a\0b", 3), std::string("@00000000000000000001"), std::string("\xc3\xa4"),
        std::string(201, 'x'), std::string(2000, '/')}) {
    EXPECT_THAT(ErrorOf([&] { store->ReadReference(name); }), HasSubstr("is no name")) << name;
    EXPECT_THAT(ErrorOf([&] { store->CompareAndSwap(name, std::nullopt, KeyOf(1)); }),
                HasSubstr("is no name"))
        << name;
  }
  EXPECT_TRUE(store->CompareAndSwap(std::string(200, 'x'), std::nullopt, KeyOf(1)));
}

TEST_F(FolderStoreTest, RefusesANewerLayoutAndSaysWhatToDo) {
  Open();
  WriteFileAtomically(folder() / "layout.json", R"({"layout": 2})");
  EXPECT_THAT(ErrorOf([&] { Open(); }), HasSubstr("has layout 2, this Windlass reads up to"));
  WriteFileAtomically(folder() / "layout.json", R"({"layout": 0})");
  EXPECT_THAT(ErrorOf([&] { Open(); }), HasSubstr("must say \"layout\""));
  WriteFileAtomically(folder() / "layout.json", "{");
  EXPECT_THAT(ErrorOf([&] { Open(); }), HasSubstr("layout.json is damaged"));
}

TEST_F(FolderStoreTest, KeepsResultsPrivate) {
  const ::mode_t before = ::umask(0);
  {
    const auto store = Store::Open(folder() / "new" / "deep");
    store->Put(Block(1, 100));
    store->Put(Block(1, 100000));
    store->CompareAndSwap("a/b", std::nullopt, KeyOf(1));
  }
  ::umask(before);
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder())) {
    const auto mode = static_cast<unsigned>(entry.status().permissions());
    EXPECT_EQ(mode & 0077, 0u) << entry.path();
    files += entry.is_regular_file();
  }
  EXPECT_GE(files, 4);
}

TEST_F(FolderStoreTest, DoesNotFollowLinksOutOfItsFolder) {
  TemporaryFolder outside;
  {
    const auto store = Open();
    store->CompareAndSwap("other", std::nullopt, KeyOf(1));
  }
  const Bytes large = Block(1, 100000);
  const std::string hex = HashOf(large.view()).Hex();
  std::filesystem::create_directory_symlink(outside.path(),
                                            folder() / "objects" / hex.substr(0, 2));
  std::filesystem::create_directory_symlink(outside.path(), folder() / "refs" / "name");
  const auto store = Open();
  EXPECT_THAT(ErrorOf([&] { store->Put(large); }), HasSubstr(hex.substr(0, 2)));
  EXPECT_NE(ErrorOf([&] { store->CompareAndSwap("name", std::nullopt, KeyOf(1)); }), "");
  EXPECT_TRUE(std::filesystem::is_empty(outside.path()));
  EXPECT_EQ(store->Verify().faults.size(), 2u);  // the link, and "other" names no object
}

TEST_F(FolderStoreTest, SaysWhichFolderCannotBeMade) {
  const auto file = folder();
  WriteFileAtomically(file, "a file");
  EXPECT_THAT(ErrorOf([&] { Store::Open(file); }), HasSubstr(file.string()));
  EXPECT_THAT(ErrorOf([&] { Store::Open(file / "below"); }), HasSubstr(file.string()));
  EXPECT_THAT(ErrorOf([&] { Store::Open("/proc/windlass-store"); }),
              HasSubstr("/proc/windlass-store"));
  try {
    Store::Open(file);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
  }
}

TEST_P(StoreTest, ManySmallSegmentsBecomeFew) {
  for (std::uint64_t i = 0; i < 40; ++i) {
    const auto store = Open();
    store->Remember(KeyOf(i), Block(i, 100));
    store->Remember(KeyOf(100 + i % 3), Block(i % 3, 100));
  }
  const auto reader = Open();
  EXPECT_LE(reader->Stat().segments, 33u);
  EXPECT_EQ(reader->Stat().memo_entries, 43u);
  for (std::uint64_t i = 0; i < 40; ++i) EXPECT_EQ(reader->Recall(KeyOf(i)), Block(i, 100));
  for (std::uint64_t i = 0; i < 40; ++i) {  // sealing merges, too, under a reader's eyes
    const auto store = Open();
    store->Remember(KeyOf(200 + i), Block(200 + i, 100));
    store->Seal();
  }
  for (std::uint64_t i = 0; i < 40; ++i) {
    EXPECT_EQ(reader->Recall(KeyOf(i)), Block(i, 100));
    EXPECT_EQ(reader->Recall(KeyOf(200 + i)), Block(200 + i, 100));
  }
  EXPECT_LE(reader->Stat().segments, 33u);
  EXPECT_THAT(reader->Verify().faults, IsEmpty());
}

TEST(HomeFolder, ComesFromTheEnvironment) {
  ::setenv("WINDLASS_HOME", "/somewhere", 1);
  EXPECT_EQ(HomeFolder(), "/somewhere");
  ::unsetenv("WINDLASS_HOME");
  ::setenv("HOME", "/home/me", 1);
  EXPECT_EQ(HomeFolder(), "/home/me/.windlass");
  ::unsetenv("HOME");
  EXPECT_THAT(ErrorOf([] { HomeFolder(); }), HasSubstr("WINDLASS_HOME"));
}

}  // namespace
}  // namespace windlass::store
