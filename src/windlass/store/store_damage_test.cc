// Truncated, changed and forged files.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/random.h"
#include "windlass/store/segment_internal.h"
#include "windlass/store/store.h"
#include "windlass/store/store_testing_internal.h"

namespace windlass::store {
namespace {

using internal::Block;
using internal::ErrorOf;
using internal::Folder;
using internal::Index;
using internal::KeyOf;
using internal::PrefixOf;
using internal::PrefixTable;
using internal::Record;
using internal::RecordType;
using internal::Segment;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kRecords = 12;
std::size_t SizeOf(int i) { return 7 * static_cast<std::size_t>(i); }

// A segment's bytes, and where its records end.
struct Sample {
  std::string bytes;
  std::vector<std::uint64_t> ends;
};

Sample MakeSegment(bool sealed) {
  const TemporaryFolder folder;
  const Folder here = Folder::Make(folder.path());
  const auto segment = Segment::Create(here, here, /*visible=*/true);
  Sample sample;
  for (int i = 0; i < kRecords; ++i) {
    const Bytes data = Block(i, SizeOf(i));
    segment->Append(RecordType::kMemoObject, KeyOf(i), HashOf(data.view()), data.view());
    sample.ends.push_back(segment->end());
  }
  if (sealed) segment->Seal(/*sync=*/false);
  sample.bytes = ReadFile(segment->path());
  return sample;
}

void WriteRaw(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::remove(path);  // a rename onto it would have the file system flush the data
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600);
  WriteAll(fd, bytes, path);
  ::close(fd);
}

// Whether the record is found; a wrong one is a failure.
bool Has(const Segment& segment, int i) {
  const bool by_key = segment.Find(Index::kMemo, KeyOf(i), [&](Record&& record) {
    EXPECT_EQ(record.data, Block(i, SizeOf(i)).view());
    return true;
  });
  const bool by_hash =
      segment.Find(Index::kObjects, HashOf(Block(i, SizeOf(i)).view()), [&](Record&& record) {
        EXPECT_EQ(record.key, KeyOf(i));
        return true;
      });
  EXPECT_EQ(by_key, by_hash);
  return by_key;
}

TEST(Damage, ATruncatedSegmentKeepsItsValidPrefix) {
  for (const bool sealed : {false, true}) {
    const Sample sample = MakeSegment(sealed);
    const TemporaryFolder folder;
    const Folder here = Folder::Make(folder.path());
    for (std::size_t size = 0; size <= sample.bytes.size(); ++size) {
      WriteRaw(folder.path() / "a.seg", std::string_view(sample.bytes).substr(0, size));
      const auto segment = Segment::Open(here, "a.seg");
      ASSERT_EQ(segment != nullptr, size >= 32) << size;
      if (segment == nullptr) continue;
      EXPECT_EQ(segment->sealed(), sealed && size == sample.bytes.size());
      for (int i = 0; i < kRecords; ++i) {
        ASSERT_EQ(Has(*segment, i), sample.ends[i] <= size) << "cut at " << size;
      }
    }
  }
}

TEST(Damage, ASealedSegmentCutWhileItIsOpenIsNoDanger) {
  const Sample sample = MakeSegment(/*sealed=*/true);
  const TemporaryFolder folder;
  const Folder here = Folder::Make(folder.path());
  for (std::size_t size = 0; size < sample.bytes.size(); size += 13) {
    WriteRaw(folder.path() / "a.seg", sample.bytes);
    const auto segment = Segment::Open(here, "a.seg");
    ASSERT_EQ(::truncate((folder.path() / "a.seg").c_str(), static_cast<off_t>(size)), 0);
    for (int i = 0; i < kRecords; ++i) {
      const Bytes data = Block(i, SizeOf(i));
      const auto expect_right = [&](Record&& record) {
        EXPECT_EQ(record.data, data.view());
        EXPECT_LE(sample.ends[i], size);
        return true;
      };
      segment->Find(Index::kMemo, KeyOf(i), expect_right);
      segment->Find(Index::kObjects, HashOf(data.view()), expect_right);
    }
    EXPECT_NE(segment->TailFault(), "");
    segment->ForEach([](Record&&) {});
    segment->Prefixes(Index::kMemo);
  }
}

TEST(Damage, ChangedBytesNeverGiveAWrongRecord) {
  Random random(1, 0);
  for (const bool sealed : {false, true}) {
    const Sample sample = MakeSegment(sealed);
    const TemporaryFolder folder;
    const Folder here = Folder::Make(folder.path());
    int lost = 0;
    for (int round = 0; round < 1500; ++round) {
      std::string bytes = sample.bytes;
      const std::uint64_t changes = 1 + random.Below(4);
      for (std::uint64_t c = 0; c < changes; ++c) {
        const std::uint64_t at = random.Below(bytes.size());
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.Below(8)));
      }
      WriteRaw(folder.path() / "a.seg", bytes);
      const auto segment = Segment::Open(here, "a.seg");
      if (segment == nullptr) continue;
      for (int i = 0; i < kRecords; ++i) {
        bool right = true;  // an index may have lost one of both ways to a record
        segment->Find(Index::kMemo, KeyOf(i),
                      [&](Record&& record) {
                        right = record.data == Block(i, SizeOf(i)).view();
                        return true;
                      }) ||
            ++lost;
        segment->Find(Index::kObjects, HashOf(Block(i, SizeOf(i)).view()), [&](Record&& record) {
          right = right && record.data == Block(i, SizeOf(i)).view();
          return true;
        });
        ASSERT_TRUE(right);
      }
      segment->ForEach([&](Record&& record) { ASSERT_EQ(HashOf(record.data), record.hash); });
    }
    EXPECT_GT(lost, 0);
  }
}

TEST(Damage, AnObjectCannotForgeTheEndOfASegment) {
  // The data of the last record is itself a whole sealed segment, whose footer ends the file.
  const Sample inner = MakeSegment(/*sealed=*/true);
  const TemporaryFolder folder;
  const Folder here = Folder::Make(folder.path());
  const auto segment = Segment::Create(here, here, /*visible=*/true);
  segment->Append(RecordType::kObject, {}, HashOf(inner.bytes), inner.bytes);
  const auto reader = Segment::Open(here, segment->name());
  EXPECT_FALSE(reader->sealed());
  EXPECT_EQ(reader->CountOf(Index::kObjects), 1u);
  EXPECT_EQ(reader->CountOf(Index::kMemo), 0u);
}

TEST(PrefixTableTest, KeepsEqualPrefixesInOrder) {
  PrefixTable table;
  Random random(3, 0);
  for (std::uint64_t i = 1; i <= 3000; ++i) {
    table.Insert(random.Next(), 100000 + i);
    if (i % 3 == 0) table.Insert(42, i);
  }
  std::vector<std::uint64_t> offsets;
  table.Find(42, [&](std::uint64_t offset) {
    offsets.push_back(offset);
    return false;
  });
  ASSERT_EQ(offsets.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(offsets.begin(), offsets.end()));
  EXPECT_EQ(table.size(), 4000u);
  EXPECT_EQ(table.Entries().size(), 4000u);
}

class DamagedStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto store = Open();
    for (int i = 0; i < kRecords; ++i) store->Remember(KeyOf(i), Block(i, SizeOf(i)));
    store->Remember(KeyOf(100), large_);
    store->CompareAndSwap("name", std::nullopt, HashOf(large_.view()));
  }
  std::shared_ptr<Store> Open() const { return Store::Open(folder_.path()); }
  // The only file below a part of the store.
  std::filesystem::path FileIn(const std::string& part) const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path() / part)) {
      if (entry.is_regular_file()) return entry.path();
    }
    return {};
  }
  static void Flip(const std::filesystem::path& path, std::size_t at) {
    std::string bytes = ReadFile(path);
    bytes.at(at) ^= 4;
    WriteRaw(path, bytes);
  }

  const Bytes large_ = Block(100, 70000);
  TemporaryFolder folder_;
};

TEST_F(DamagedStoreTest, ADamagedObjectReadsAsAbsentAndIsWrittenAnew) {
  const auto store = Open();
  const auto file = FileIn("objects");
  Flip(file, 40000);
  EXPECT_EQ(store->Recall(KeyOf(100)), std::nullopt);
  EXPECT_EQ(store->Get(HashOf(large_.view())), std::nullopt);
  EXPECT_FALSE(store->Contains(HashOf(large_.view())));
  const auto faults = store->Verify().faults;
  ASSERT_EQ(faults.size(), 2u);  // the file, and the reference to it
  EXPECT_THAT(faults[0], HasSubstr(file.string() + ": its 70000 bytes have another hash"));
  EXPECT_THAT(faults[1], HasSubstr("refs/name"));
  store->Remember(KeyOf(100), large_);
  EXPECT_EQ(Open()->Recall(KeyOf(100)), large_);
  EXPECT_THAT(store->Verify().faults, IsEmpty());
}

TEST_F(DamagedStoreTest, ADamagedRecordReadsAsAbsentAndIsWrittenAnew) {
  const auto file = FileIn("segments");
  Flip(file, 32 + 16 + 64 + 16 + 3);  // the second record: the first has no data
  auto store = Open();
  EXPECT_EQ(store->Recall(KeyOf(0)), Block(0, SizeOf(0)));
  EXPECT_EQ(store->Recall(KeyOf(1)), std::nullopt);
  for (int i = 2; i < kRecords; ++i) EXPECT_EQ(store->Recall(KeyOf(i)), Block(i, SizeOf(i)));
  EXPECT_THAT(store->Verify().faults,
              ElementsAre(file.string() + ": offset 112: the record's checksum is wrong"));
  store->Remember(KeyOf(1), Block(1, SizeOf(1)));
  EXPECT_EQ(Open()->Recall(KeyOf(1)), Block(1, SizeOf(1)));
  store = nullptr;                               // what a living user saw is kept
  EXPECT_GT(Open()->Gc(0).objects_removed, 0u);  // collecting passes over damage
}

TEST_F(DamagedStoreTest, ForgedRecordsWithRightChecksumsAreRefusedByTheirHash) {
  // Another program of the same user writes a segment whose checksums are right and whose content
  // is a lie.
  {
    const Folder here = Folder::Make(folder_.path() / "segments");
    const Folder tmp = Folder::Make(folder_.path() / "tmp");
    const auto segment = Segment::Create(tmp, here, /*visible=*/true);
    segment->Append(RecordType::kObject, {}, KeyOf(200), "no such content");
    segment->Append(RecordType::kMemoObject, KeyOf(201), KeyOf(202), "no such content");
    segment->Seal(/*sync=*/false);
  }
  const std::string hex = KeyOf(203).Hex();
  std::filesystem::create_directories(folder_.path() / "objects" / hex.substr(0, 2));
  WriteRaw(folder_.path() / "objects" / hex.substr(0, 2) / hex.substr(2), "no such content");
  const auto store = Open();
  EXPECT_EQ(store->Get(KeyOf(200)), std::nullopt);
  EXPECT_EQ(store->Recall(KeyOf(201)), std::nullopt);
  EXPECT_EQ(store->Get(KeyOf(202)), std::nullopt);
  EXPECT_EQ(store->Get(KeyOf(203)), std::nullopt);
  EXPECT_EQ(store->Verify().faults.size(), 3u);
}

TEST_F(DamagedStoreTest, VerifyFindsPlantedDamageEverywhere) {
  for (const std::string part : {"objects", "segments", "refs"}) {
    const auto file = FileIn(part);
    const std::string good = ReadFile(file);
    const std::size_t step = std::max<std::size_t>(1, good.size() / 60);
    for (std::size_t at = 0; at < good.size(); at += step) {
      Flip(file, at);
      const auto faults = Open()->Verify().faults;
      EXPECT_THAT(faults, Contains(HasSubstr(part))) << "byte " << at;
      WriteRaw(file, good);
    }
  }
  EXPECT_THAT(Open()->Verify().faults, IsEmpty());
}

TEST_F(DamagedStoreTest, FlippedBytesNeverGiveWrongResults) {
  Random random(2, 0);
  for (const std::string part : {"objects", "segments", "refs"}) {
    const auto file = FileIn(part);
    const std::string good = ReadFile(file);
    for (int round = 0; round < 60; ++round) {
      Flip(file, random.Below(good.size()));
      const auto store = Open();
      for (int i = 0; i < kRecords; ++i) {
        const auto got = store->Recall(KeyOf(i));
        if (got) {
          ASSERT_EQ(*got, Block(i, SizeOf(i)));
        }
      }
      const auto got = store->Recall(KeyOf(100));
      if (got) {
        ASSERT_EQ(*got, large_);
      }
      ErrorOf([&] { ASSERT_EQ(store->ReadReference("name"), HashOf(large_.view())); });
      WriteRaw(file, good);
    }
  }
}

TEST_F(DamagedStoreTest, ADamagedReferenceIsAnErrorThatNamesTheFile) {
  const auto file = FileIn("refs");
  Flip(file, 5);
  EXPECT_THAT(ErrorOf([&] { Open()->ReadReference("name"); }),
              HasSubstr(file.string() + " is damaged"));
}

TEST_F(DamagedStoreTest, AVersionThatNeverReachedTheDiskDoesNotCount) {
  {
    const auto store = Open();
    store->CompareAndSwap("name", HashOf(large_.view()), KeyOf(1));
  }
  const auto newest = folder_.path() / "refs" / "name" / "@00000000000000000002";
  ASSERT_EQ(::truncate(newest.c_str(), 0), 0);
  const auto store = Open();
  EXPECT_EQ(store->ReadReference("name"), HashOf(large_.view()));
  EXPECT_TRUE(store->CompareAndSwap("name", HashOf(large_.view()), KeyOf(2)));
  EXPECT_EQ(store->ReadReference("name"), KeyOf(2));
}

TEST_F(DamagedStoreTest, StrangersInTheFolderAreReportedAndPassedOver) {
  const auto segments = folder_.path() / "segments";
  WriteRaw(segments / "empty.seg", "");
  WriteRaw(segments / "text.seg", std::string(1000, 'x'));
  WriteRaw(segments / "notes.txt", "hello");
  std::filesystem::create_directory(segments / "folder.seg");
  ASSERT_EQ(::mkfifo((segments / "pipe.seg").c_str(), 0600), 0);
  std::filesystem::create_symlink("/dev/zero", segments / "link.seg");
  std::filesystem::create_directory(folder_.path() / "objects" / "zz");
  WriteRaw(folder_.path() / "objects" / "zz" / "file", "hello");
  const auto store = Open();
  EXPECT_EQ(store->Recall(KeyOf(3)), Block(3, SizeOf(3)));
  EXPECT_EQ(store->Recall(KeyOf(999)), std::nullopt);
  EXPECT_EQ(store->Verify().faults.size(), 7u);
  store->Gc(0);
  EXPECT_EQ(store->Stat().memo_entries, 1u);  // of the object that the reference names
}

}  // namespace
}  // namespace windlass::store
