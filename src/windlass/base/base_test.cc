#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "windlass/base/amount.h"
#include "windlass/base/byte_reader.h"
#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/hash.h"
#include "windlass/base/json.h"
#include "windlass/base/object_spec.h"
#include "windlass/base/random.h"
#include "windlass/base/registry.h"
#include "windlass/base/sync_point.h"

namespace windlass {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename Body>
std::string ErrorOf(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Error, ContextAndCausesMakeOneLine) {
  Error inner(ErrorCode::kIo, "disk\nfull");
  Error outer(ErrorCode::kUnavailable, "task 3 failed", inner);
  outer.AddContext("while explaining");
  EXPECT_STREQ(outer.what(), "while explaining: task 3 failed; because disk full");
  EXPECT_TRUE(outer.retryable());
}

TEST(Error, ShowsNothingThatIsNoText) {
  EXPECT_STREQ(Error(ErrorCode::kIo, "a\xff\x1b[1m \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80").what(),
               "a? [1m \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
  // Cut short, too long, a surrogate, beyond Unicode.
  EXPECT_STREQ(Error(ErrorCode::kIo, "\xc3 \xe2\x82").what(), "? ??");
  EXPECT_STREQ(Error(ErrorCode::kIo, "\xc0\xaf \xe0\x80\xaf").what(), "?? ???");
  EXPECT_STREQ(Error(ErrorCode::kIo, "\xed\xa0\x80 \xf4\x90\x80\x80").what(), "??? ????");
}

TEST(Error, SurvivesEncoding) {
  const Error error(ErrorCode::kDeadlineExceeded, "late",
                    Error(ErrorCode::kIo, "slow", Error(ErrorCode::kCorrupt, "bad")));
  const Error decoded = Error::Decode(error.Encode());
  EXPECT_STREQ(decoded.what(), error.what());
  EXPECT_EQ(decoded.code(), ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(decoded.cause()->cause()->code(), ErrorCode::kCorrupt);
  EXPECT_EQ(Error::Decode("").code(), ErrorCode::kInternal);
  EXPECT_EQ(Error::Decode("\xff"
                          "x")
                .code(),
            ErrorCode::kInternal);
}

TEST(ByteReader, RefusesToRunPastTheEnd) {
  std::string bytes;
  AppendString(bytes, "abc");
  AppendVector(bytes, std::vector<double>{1, 2});
  ByteReader whole(bytes, "record");
  EXPECT_EQ(whole.ReadString(), "abc");
  EXPECT_THAT(whole.ReadVector<double>(), ElementsAre(1, 2));
  whole.Finish();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    ByteReader cut(std::string_view(bytes).substr(0, size), "record");
    EXPECT_THAT(ErrorOf([&] {
                  cut.ReadString();
                  cut.ReadVector<double>();
                }),
                HasSubstr("record ends early"));
  }
  const std::uint64_t huge = ~std::uint64_t{0};
  ByteReader lying({reinterpret_cast<const char*>(&huge), sizeof huge}, "record");
  EXPECT_THAT(ErrorOf([&] { lying.ReadVector<double>(); }), HasSubstr("ends early"));
}

// The first vector is BLAKE2b's own for "abc" with a 32-byte digest.
TEST(Hash, IsBlake2b256) {
  EXPECT_EQ(HashOf("abc").Hex(),
            "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
  EXPECT_EQ(Hash::FromHex(HashOf("abc").Hex()), HashOf("abc"));
  EXPECT_THAT(ErrorOf([] { Hash::FromHex("xyz"); }), HasSubstr("64 lower-case"));
  EXPECT_NE(Hasher().Field("ab").Field("c").Finish(), Hasher().Field("a").Field("bc").Finish());
}

TEST(Json, ErrorsNameThePlace) {
  EXPECT_THAT(ErrorOf([] { ParseJson("{\n  \"a\": 1,,\n}", "spec.json"); }),
              HasSubstr("spec.json:2:10: not valid JSON"));
  EXPECT_THAT(ErrorOf([] { ParseJson(" \n", "spec.json"); }), HasSubstr("spec.json is empty"));
  EXPECT_THAT(ErrorOf([] { ParseJson(R"({"a": 1, "a": 2})", "x"); }),
              HasSubstr("key \"a\" stands twice"));
  EXPECT_THAT(ErrorOf([] { ParseJson(std::string(100000, '['), "x"); }),
              HasSubstr("nested more than"));
  EXPECT_EQ(CanonicalDump(ParseJson(R"({"b": 0.1, "a": [1, 2]})", "x")), R"({"a":[1,2],"b":0.1})");
}

TEST(Json, SuggestsWhatIsNear) {
  EXPECT_EQ(Suggestion("dta", {"data", "model"}), "; did you mean \"data\"?");
  EXPECT_EQ(Suggestion("zzzzzz", {"data", "model"}), "; known: data, model");
}

TEST(Random, IsAPureFunctionOfSeedStreamAndIndex) {
  Random a(7, 3), b(7, 3), other(7, 4);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t word = a.Next();
    EXPECT_EQ(word, b.Next());
    EXPECT_NE(word, other.Next());
    seen.insert(word);
  }
  EXPECT_EQ(seen.size(), 1000u);
  std::array<int, 10> counts{};
  for (int i = 0; i < 100'000; ++i) ++counts[a.Below(10)];
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 500);
}

TEST(ObjectSpec, TakesApartAndChecks) {
  const auto spec = ObjectSpec::Parse("onnx:dir/model.onnx?opaque=1&output=a%26b", {"onnx"});
  EXPECT_EQ(spec.name, "onnx");
  EXPECT_EQ(spec.location, "dir/model.onnx");
  EXPECT_TRUE(spec.Flag("opaque", false));
  EXPECT_EQ(spec.options.at("output"), "a&b");
  EXPECT_EQ(ObjectSpec::Parse("s3://bucket/a.onnx", {"onnx"}).location, "s3://bucket/a.onnx");
  EXPECT_EQ(ObjectSpec::Parse("what?.csv", {}).location, "what?.csv");
  EXPECT_THAT(ErrorOf([] { ObjectSpec::Parse("onnx:a?b=1&b=2", {"onnx"}); }),
              HasSubstr("stands twice"));
  EXPECT_THAT(ErrorOf([&] {
                spec.AllowOnly({"opaqe", "output"});
              }),
              HasSubstr("did you mean \"opaqe\""));
  EXPECT_THAT(ErrorOf([&] { spec.Integer("output", 0); }), HasSubstr("whole number"));
}

TEST(File, AtomicWriteLeavesTheOldOrTheNew) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.txt";
  WriteFileAtomically(path, "one");
  WriteFileAtomically(path, "two");
  EXPECT_EQ(ReadFile(path), "two");
  EXPECT_THAT(ErrorOf([&] { WriteFileAtomically(folder.path() / "no" / "a.txt", "x"); }),
              HasSubstr("cannot write"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
  EXPECT_THAT(ErrorOf([&] { ReadFile(folder.path() / "missing"); }), HasSubstr("missing"));
  EXPECT_THAT(ErrorOf([&] { ReadFile(folder.path()); }), HasSubstr("is a folder"));
}

TEST(SyncPoint, FiresWhereItIsArmed) {
  int hits = 0;
  ArmSyncPoint("test.here", [&] { ++hits; });
  SyncPoint("test.here");
  SyncPoint("test.elsewhere");
  EXPECT_EQ(hits, 1);
  DisarmSyncPoints();
  SyncPoint("test.here");
  EXPECT_EQ(hits, 1);
}

struct Thing : Registrable {
  static constexpr std::string_view kRegistryKind = "thing";
};

TEST(Registry, NamesTheNearestKnown) {
  Registry registry;
  registry.Add<Thing>("linear", std::make_shared<Thing>());
  EXPECT_TRUE(registry.Has<Thing>("linear"));
  EXPECT_THAT(ErrorOf([&] { registry.Find<Thing>("liner"); }),
              HasSubstr("unknown thing \"liner\"; did you mean \"linear\"?"));
  EXPECT_THAT(ErrorOf([&] { registry.Add<Thing>("linear", std::make_shared<Thing>()); }),
              HasSubstr("registered twice"));
  EXPECT_THAT(ErrorOf([&] { registry.LoadPlugin(""); }), HasSubstr("plug-in"));
  EXPECT_THAT(ErrorOf([&] { registry.LoadPlugin("/proc/self/exe"); }), HasSubstr("plug-in"));
}

TEST(Amount, DurationsAreNumbersAndUnits) {
  const std::pair<const char*, std::int64_t> right[] = {
      {"10ms", 10'000},         {"0.5", 500'000},       {"250us", 250},
      {"90", 90'000'000},       {"2min", 120'000'000},  {"10m", 600'000'000},
      {"1h30m", 5'400'000'000}, {"1m0.5s", 60'500'000}, {"0", 0},
      {"24h", 86'400'000'000}};
  for (const auto& [text, microseconds] : right) {
    EXPECT_EQ(ParseDuration(text, "x").count(), microseconds) << text;
  }
  for (const char* wrong :
       {"", "ms", "-1ms", "1 ms", "25h", "nan", "inf", "1e9s", "5x", "m", "1h-5m", "1hm"}) {
    EXPECT_THROW(ParseDuration(wrong, "x"), Error) << wrong;
  }
  using std::chrono::seconds;
  EXPECT_EQ(ParseDuration("48h", "x", seconds(1), std::chrono::hours(168)), std::chrono::hours(48));
  try {
    ParseDuration("0", "--timeout", seconds(1), seconds(90));
    ADD_FAILURE();
  } catch (const Error& caught) {
    EXPECT_NE(std::string_view(caught.what()).find("--timeout is \"0\""), std::string_view::npos);
    EXPECT_NE(std::string_view(caught.what()).find("from 1s to 90s"), std::string_view::npos);
  }
}

TEST(Amount, SizesAreBytes) {
  EXPECT_EQ(ParseBytes("16MiB", "x"), 16U << 20);
  EXPECT_EQ(ParseBytes("4kB", "x"), 4000U);
  EXPECT_EQ(ParseBytes("1.5K", "x"), 1536U);
  EXPECT_EQ(ParseBytes("17", "x"), 17U);
  for (const char* wrong : {"", "MiB", "-1", "1TB", "1e30", "1MiB2", "2000GiB"}) {
    EXPECT_THROW(ParseBytes(wrong, "x"), Error) << wrong;
  }
}

}  // namespace
}  // namespace windlass
