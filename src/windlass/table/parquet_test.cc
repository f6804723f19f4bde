#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <random>

#include "windlass/table/table.h"
#include "windlass/table/test_tables_internal.h"

namespace windlass::table {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Parquet, GivesRowsInOrderWhateverTheChunks) {
  const TemporaryFolder folder;
  const std::string path = PathIn(folder, "rows.parquet");
  std::vector<double> a(20'000), b(20'000);
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<double>(i);
    b[i] = std::sqrt(static_cast<double>(i % 977));
  }
  WriteParquet(path, *TableOf({{"a", Doubles(a)}, {"b", Doubles(b)}}), 7'000);
  for (const std::int64_t max_rows : {1, 7, 8192, 1'000'000}) {
    const Everything all = ReadAll(path, {}, max_rows);
    ASSERT_EQ(all.rows, 20'000);
    for (std::size_t i = 0; i < a.size(); ++i) {
      ASSERT_EQ(all.values[2 * i], a[i]);
      ASSERT_EQ(all.values[2 * i + 1], b[i]);
    }
  }
  EXPECT_EQ(OpenTable(path)->rows(), 20'000);
  EXPECT_THAT(ColumnNames(path), ElementsAre("a", "b"));
}

TEST(Parquet, SelectsAndReordersColumns) {
  const TemporaryFolder folder;
  const std::string path = PathIn(folder, "rows.parquet");
  WriteParquet(path,
               *TableOf({{"a", Doubles({1, 2})}, {"b", Doubles({3, 4})}, {"c", Doubles({5, 6})}}));
  EXPECT_THAT(ReadAll(path, {{"c", "a"}, true, {}}).values, ElementsAre(5, 1, 6, 2));
  EXPECT_THAT(ErrorOf([&] {
                OpenTable(path, {{"c", "a"}, false, {}});
              }),
              HasSubstr("has a column \"b\" that is not among the 2 columns wanted"));
  EXPECT_THAT(ErrorOf([&] {
                OpenTable(path, {{"a", "b", "cc"}, false, {}});
              }),
              HasSubstr("has no column \"cc\"; did you mean \"c\"?"));
}

// What was written, read back: through every split into calls the same bytes.
TEST(Writer, BytesDoNotDependOnTheCallsOfAppend) {
  const TemporaryFolder folder;
  constexpr std::size_t kRows = 150'000;  // two full row groups and a rest
  const std::vector<OutputColumn> columns = {{"row", OutputColumn::Type::kInt64},
                                             {"output", OutputColumn::Type::kText},
                                             {"phi", OutputColumn::Type::kDouble}};
  std::mt19937_64 random(7);
  std::vector<OutputValues> all(3);
  for (std::size_t i = 0; i < kRows; ++i) {
    all[0].integers.push_back(static_cast<std::int64_t>(i / 2));
    all[1].texts.push_back(i % 2 == 0 ? "no" : "yes");
    all[2].doubles.push_back(static_cast<double>(random() >> 11) * 0x1p-53 - 0.5);
  }
  const auto write = [&](const std::string& path, const std::function<std::size_t()>& next) {
    const auto writer = CreateParquet(path, columns);
    for (std::size_t from = 0; from < kRows;) {
      const std::size_t count = std::min(next(), kRows - from);
      std::vector<OutputValues> part(3);
      const auto slice = [&](auto& to, const auto& of) {
        to.assign(of.begin() + static_cast<std::ptrdiff_t>(from),
                  of.begin() + static_cast<std::ptrdiff_t>(from + count));
      };
      slice(part[0].integers, all[0].integers);
      slice(part[1].texts, all[1].texts);
      slice(part[2].doubles, all[2].doubles);
      writer->Append(part);
      from += count;
    }
    writer->Close();
    return ReadFile(path);
  };
  const std::string whole = write(PathIn(folder, "0.parquet"), [] { return kRows; });
  for (int split = 1; split < 8; ++split) {
    const std::size_t most = split == 1 ? 40 : std::size_t{1} << (2 * split + 3);
    const std::string path = PathIn(folder, std::to_string(split) + ".parquet");
    EXPECT_TRUE(write(path, [&] { return static_cast<std::size_t>(random() % most); }) == whole)
        << split;
  }
  const ReadOptions options{{}, false, {{"row", {}}, {"output", {"no", "yes"}}, {"phi", {}}}};
  const Everything back = ReadAll(PathIn(folder, "0.parquet"), options, 4096);
  ASSERT_EQ(back.rows, static_cast<std::int64_t>(kRows));
  for (std::size_t i = 0; i < kRows; ++i) {
    ASSERT_EQ(back.values[3 * i], static_cast<double>(i / 2));
    ASSERT_EQ(back.values[3 * i + 1], static_cast<double>(i % 2));
    ASSERT_EQ(back.values[3 * i + 2], all[2].doubles[i]);
  }
}

TEST(Writer, AnUnclosedFileIsNotReadable) {
  const TemporaryFolder folder;
  const std::string path = PathIn(folder, "half.parquet");
  {
    const auto writer = CreateParquet(path, {{"x", OutputColumn::Type::kDouble}});
    writer->Append({OutputValues{{}, std::vector<double>(70'000, 1.0), {}}});
  }
  EXPECT_EQ(CodeOf([&] { OpenTable(path); }), ErrorCode::kInvalidInput);
}

TEST(Writer, AFullDiskIsAnError) {
  const TemporaryFolder folder;
  const std::string path = PathIn(folder, "big.parquet");
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  rlimit small = old_limit;
  small.rlim_cur = 100'000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto write = [&] {
    const auto writer = CreateParquet(path, {{"x", OutputColumn::Type::kDouble}});
    writer->Append({OutputValues{{}, std::vector<double>(200'000, 1.0), {}}});
    writer->Close();
  };
  const ErrorCode code = CodeOf(write);
  const std::string message = ErrorOf(write);
  ::setrlimit(RLIMIT_FSIZE, &old_limit);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(code, ErrorCode::kIo);
  EXPECT_THAT(message, HasSubstr("cannot write " + path));
  EXPECT_THAT(message, HasSubstr("File too large"));
}

TEST(Writer, NamesAFolderThatIsMissing) {
  const auto write = [] { CreateParquet("/nowhere/x.parquet", {{"x", {}}}); };
  EXPECT_EQ(CodeOf(write), ErrorCode::kIo);
  EXPECT_THAT(ErrorOf(write), HasSubstr("cannot write /nowhere/x.parquet"));
}

}  // namespace
}  // namespace windlass::table
