#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "windlass/base/file.h"
#include "windlass/table/table.h"
#include "windlass/table/test_tables_internal.h"

namespace windlass::table {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::int64_t> AllCodes(LabelReader& reader, std::int64_t max_rows) {
  std::vector<std::int64_t> all, some;
  while (reader.Next(max_rows, some)) all.insert(all.end(), some.begin(), some.end());
  return all;
}

std::shared_ptr<arrow::Array> FromJson(const std::shared_ptr<arrow::DataType>& type,
                                       const std::string& json) {
  return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
}

TEST(Labels, OfWordsDatesAndDictionaries) {
  const TemporaryFolder folder;
  const std::string path = PathIn(folder, "rows.parquet");
  WriteParquet(path, *TableOf({{"word", FromJson(arrow::utf8(), R"(["b", "a", null, "b"])")},
                               {"day", FromJson(arrow::date32(), "[20000, 20000, 20001, null]")},
                               {"number", Doubles({1, 2, 3, 4})}}));
  for (const std::int64_t max_rows : {1, 3, 100}) {
    const auto words = OpenLabels(path, "word", 10);
    EXPECT_THAT(AllCodes(*words, max_rows), ElementsAre(0, 1, LabelReader::kMissing, 0));
    EXPECT_THAT(words->labels(), ElementsAre("b", "a"));
    const auto days = OpenLabels(path, "day", 10);
    EXPECT_THAT(AllCodes(*days, max_rows), ElementsAre(0, 0, 1, LabelReader::kMissing));
    EXPECT_THAT(days->labels(), ElementsAre("2024-10-04", "2024-10-05"));
  }
  EXPECT_EQ(OpenLabels(path, "number", 10), nullptr);
  EXPECT_THAT(ErrorOf([&] { OpenLabels(path, "wort", 10); }), HasSubstr("did you mean \"word\"?"));
  EXPECT_THAT(ErrorOf([&] {
                const auto words = OpenLabels(path, "word", 1);
                AllCodes(*words, 100);
              }),
              HasSubstr("more than 1 different values"));
}

TEST(Labels, TimesAreAsShortAsTheyAre) {
  const TemporaryFolder folder;
  const std::string path = PathIn(folder, "rows.parquet");
  const auto times = FromJson(
      arrow::timestamp(arrow::TimeUnit::MICRO),
      R"(["2026-01-31", "2026-01-31 10:20:00", "2026-01-31 00:00:00.5", "2026-01-31 10:20:30.25"])");
  WriteParquet(path, *TableOf({{"when", times}}));
  const auto labels = OpenLabels(path, "when", 10);
  AllCodes(*labels, 10);
  EXPECT_THAT(labels->labels(), ElementsAre("2026-01-31", "2026-01-31 10:20:00",
                                            "2026-01-31 00:00:00.5", "2026-01-31 10:20:30.25"));
}

TEST(Labels, OfTextFiles) {
  const TemporaryFolder folder;
  const std::string path = PathIn(folder, "rows.csv");
  WriteFileAtomically(path, "when,x\n2026-02,1\n2026-01,2\n,3\n");
  const auto labels = OpenLabels(path, "when", 10);
  EXPECT_THAT(AllCodes(*labels, 2), ElementsAre(0, 1, LabelReader::kMissing));
  EXPECT_THAT(labels->labels(), ElementsAre("2026-02", "2026-01"));
  EXPECT_EQ(OpenLabels(path, "x", 10), nullptr);
}

TEST(Tables, InfiniteCellsAreKeptWhenAskedFor) {
  const TemporaryFolder folder;
  const std::string path = PathIn(folder, "rows.parquet");
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  WriteParquet(path, *TableOf({{"a", Doubles({1, -kInfinity})}}));
  EXPECT_THAT(ErrorOf([&] { ReadAll(path); }), HasSubstr("infinite"));
  ReadOptions options;
  options.keep_infinite = true;
  EXPECT_THAT(ReadAll(path, options).values, ElementsAre(1, -kInfinity));
}

}  // namespace
}  // namespace windlass::table
