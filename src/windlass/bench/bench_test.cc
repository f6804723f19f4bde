#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/share.h"
#include "windlass/bench/counts.h"
#include "windlass/bench/results.h"
#include "windlass/bench/statistics.h"

namespace windlass::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::vector<std::int64_t> Parse(const std::vector<std::string>& texts, std::int64_t most = 1024) {
  return ParseCounts(texts, "--workers", most);
}

std::string ErrorOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

Sample RunOf(std::int64_t workers, std::int64_t batch, int run, double wall) {
  Sample sample;
  sample.workers = workers;
  sample.batch = batch;
  sample.run = run;
  sample.rows = 100;
  sample.tasks = 4;
  sample.method = "linear";
  sample.wall_s = wall;
  sample.cpu_s = 2 * wall;
  sample.compute_wall_s = wall / 2;
  sample.compute_cpu_s = wall;
  sample.job = "job";
  return sample;
}

SweepResult Result() {
  SweepResult result;
  result.options.workers = {1, 2};
  result.options.batches = {5};
  result.options.runs = 2;
  result.machine.cpu = "a </script> b";
  result.started_ms = 1'767'323'045'000;  // 2026-01-02 03:04:05 UTC
  result.spec = {{"data", "</script><b>"}};
  result.versions = Json::object();
  result.samples = {RunOf(1, 5, 1, 4), RunOf(2, 5, 1, 2), RunOf(1, 5, 2, 6)};
  return result;
}

TEST(Counts, AreListsAndRangesAscendingEachOnce) {
  EXPECT_THAT(Parse({"1", "2", "4"}), ElementsAre(1, 2, 4));
  EXPECT_THAT(Parse({"1:4"}), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Parse({"3:3"}), ElementsAre(3));
  EXPECT_THAT(Parse({"16", "2:4", "3", "1"}), ElementsAre(1, 2, 3, 4, 16));
  EXPECT_THAT(Parse({"1024"}), ElementsAre(1024));
  EXPECT_THAT(Parse({"1:1024"}), SizeIs(1024));
}

TEST(Counts, SayWhatIsWrongAndWhatWouldBeRight) {
  const auto error = [](const std::string& text) { return ErrorOf([&] { Parse({"1", text}); }); };
  EXPECT_THAT(error("0:"), HasSubstr("--workers 0:: 0 is below 1; give whole numbers"));
  EXPECT_THAT(error("1:"), HasSubstr("--workers 1:: an end of the range is missing"));
  EXPECT_THAT(error(":8"), HasSubstr("an end of the range is missing"));
  EXPECT_THAT(error("3:1"), HasSubstr("--workers 3:1: 3 comes after 1"));
  EXPECT_THAT(error("-2"), HasSubstr("-2 is below 1"));
  EXPECT_THAT(error("0"), HasSubstr("0 is below 1"));
  EXPECT_THAT(error("1025"), HasSubstr("1025 is beyond 1024"));
  EXPECT_THAT(error("99999999999999999999"), HasSubstr("is beyond 1024"));
  EXPECT_THAT(error("2.5"), HasSubstr("\"2.5\" is not a whole number"));
  EXPECT_THAT(error("two"), HasSubstr("\"two\" is not a whole number"));
  EXPECT_THAT(error("1:2:3"), HasSubstr("\"2:3\" is not a whole number"));
  EXPECT_THAT(error(" 2"), HasSubstr("\" 2\" is not a whole number"));
  EXPECT_THAT(error("+2"), HasSubstr("\"+2\" is not a whole number"));
  EXPECT_THAT(error(""), HasSubstr("there is no number"));
  EXPECT_THAT(error("1:8;"), HasSubstr("such as 1 2 4, or a range such as 1:8"));
}

TEST(Counts, ARangeCannotFillTheMemory) {
  const auto error = [](std::vector<std::string> texts) {
    return ErrorOf([&] { ParseCounts(texts, "--batch", std::int64_t{1} << 40); });
  };
  EXPECT_THAT(error({"1:1099511627776"}), HasSubstr("more than 1024 numbers"));
  EXPECT_THAT(error({"1:1024", "2000"}), HasSubstr("--batch 2000: more than 1024 numbers"));
}

TEST(Counts, DoubleUpToTheLast) {
  EXPECT_THAT(Doublings(1), ElementsAre(1));
  EXPECT_THAT(Doublings(2), ElementsAre(1, 2));
  EXPECT_THAT(Doublings(12), ElementsAre(1, 2, 4, 8, 12));
}

TEST(Statistics, MedianAndEnds) {
  const Spread odd = SpreadOf({3, 1, 10});
  EXPECT_EQ(odd.median, 3);
  EXPECT_EQ(odd.low, 1);
  EXPECT_EQ(odd.high, 10);
  EXPECT_EQ(SpreadOf({4, 1, 3, 10}).median, 3.5);
  EXPECT_EQ(SpreadOf({7}).median, 7);
  EXPECT_THAT(ErrorOf([] { SpreadOf({}); }), HasSubstr("no median"));
}

TEST(Statistics, SpeedUpIsAgainstOneWorkerOfTheSameBatch) {
  const std::vector<Sample> samples = {RunOf(2, 1, 1, 5), RunOf(1, 1, 1, 8),  RunOf(2, 10, 1, 1),
                                       RunOf(2, 1, 2, 3), RunOf(1, 1, 2, 12), RunOf(4, 10, 1, 0.5)};
  const auto all = Summarise(samples);
  ASSERT_THAT(all, SizeIs(4));
  EXPECT_EQ(all[0].workers, 1);
  EXPECT_EQ(all[0].batch, 1);
  EXPECT_EQ(all[0].runs, 2);
  EXPECT_EQ(all[0].wall.median, 10);
  EXPECT_EQ(all[0].wall.high, 12);
  EXPECT_EQ(all[0].compute.median, 5);
  EXPECT_EQ(all[0].cpu_s, 20);
  EXPECT_EQ(all[0].rows_per_s, 10);
  EXPECT_EQ(all[0].speed_up, 1.0);
  EXPECT_EQ(all[1].workers, 2);
  EXPECT_EQ(all[1].speed_up, 2.5);
  // Batch 10 was not run with 1 worker: that of batch 1 must not stand in for it.
  EXPECT_EQ(all[2].batch, 10);
  EXPECT_EQ(all[2].speed_up, std::nullopt);
  EXPECT_EQ(all[3].speed_up, std::nullopt);
  EXPECT_THAT(Summarise({}), SizeIs(0));
}

TEST(Statistics, ModesAreApart) {
  std::vector<Sample> samples = {RunOf(1, 5, 1, 8), RunOf(2, 5, 1, 4), RunOf(1, 5, 1, 6),
                                 RunOf(2, 5, 1, 2)};
  samples[2].mode = samples[3].mode = Mode::kServe;
  const auto all = Summarise(samples);
  ASSERT_THAT(all, SizeIs(4));
  EXPECT_EQ(all[1].mode, Mode::kPool);
  EXPECT_EQ(all[1].speed_up, 2.0);
  EXPECT_EQ(all[3].mode, Mode::kServe);
  EXPECT_EQ(all[3].speed_up, 3.0);
}

TEST(Results, TheCsvHoldsEverySample) {
  const std::string csv = ToCsv(Result());
  EXPECT_EQ(std::ranges::count(csv, '\n'), 4);
  EXPECT_THAT(csv, HasSubstr("\npool,2,5,1,100,4,linear,2,4,1,2,0,0,job,0\n"));
}

TEST(Results, ASweepCutShortSaysSo) {
  SweepResult result = Result();
  EXPECT_TRUE(ToJson(result)["stopped"].is_null());
  result.stopped = Error(ErrorCode::kCancelled, "interrupted");
  EXPECT_EQ(ToJson(result)["stopped"], "interrupted");
  EXPECT_THAT(ToJson(result)["samples"], SizeIs(3));
}

TEST(Results, ThePageHoldsTheDataAsData) {
  const std::string page = RenderSweep(ToJson(Result()));
  EXPECT_THAT(page, HasSubstr(R"("cpu":"a \u003c/script\u003e b")"));
  EXPECT_EQ(page.find("</script><b>"), std::string::npos);
  EXPECT_EQ(page.find("__WINDLASS_DATA__"), std::string::npos);
}

TEST(Results, NeverReplaceAFile) {
  const TemporaryFolder folder;
  const ResultsFolder results(folder.path() / "results");
  const ResultFiles first = results.Write(Result());
  EXPECT_EQ(first.json.filename(), "explain-20260102-030405.json");
  const std::string before = ReadFile(first.json);
  std::filesystem::remove(first.json);  // what is left still holds the name
  SweepResult other = Result();
  other.method = "another";
  EXPECT_EQ(results.Write(other).json.filename(), "explain-20260102-030405-2.json");
  EXPECT_EQ(results.Write(other).csv.filename(), "explain-20260102-030405-3.csv");
  WriteFileAtomically(first.json, before);
  EXPECT_EQ(results.Write(other).page.filename(), "explain-20260102-030405-4.html");
  EXPECT_EQ(ReadFile(first.json), before);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path() / "results")) {
    files += entry.is_regular_file() ? 1 : 100;  // no temporary folder is left
  }
  EXPECT_EQ(files, 12);
}

TEST(Results, AFolderOfNothingIsNotLeft) {
  const TemporaryFolder folder;
  { const ResultsFolder results(folder.path() / "results"); }
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "results"));
  WriteFileAtomically(folder.path() / "file", "");
  EXPECT_THAT(ErrorOf([&] { ResultsFolder results(folder.path() / "file"); }),
              HasSubstr("a file of that name exists"));
}

TEST(Share, IsWhereTheEnvironmentSays) {
  ::setenv("WINDLASS_SHARE", "/somewhere", 1);
  EXPECT_EQ(ShareFolder(), "/somewhere");
  ::unsetenv("WINDLASS_SHARE");
  EXPECT_TRUE(ShareFolder().is_absolute());
  EXPECT_EQ(ShareFolder().filename(), "windlass");
}

TEST(Machine, IsKnown) {
  EXPECT_GE(ThisMachine().cores, 1);
  EXPECT_FALSE(ThisMachine().host.empty());
}

}  // namespace
}  // namespace windlass::bench
