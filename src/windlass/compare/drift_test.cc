#include "windlass/compare/drift.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "windlass/base/file.h"
#include "windlass/compare/output.h"
#include "windlass/compare/periods.h"
#include "windlass/compare/testing_internal.h"

namespace windlass::compare {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Tick kQuiet = [](std::int64_t) {};

// Three periods of 400 rows: "age" shifts in the last, "sex" widens in it around the same mean.
FakeRun Seasons(std::uint64_t seed) {
  FakeRun run;
  Normal normal(seed);
  for (int r = 0; r < 1200; ++r) {
    const bool last = r % 3 == 2;
    run.phi.push_back(normal() + (last ? 0.5 : 0));
    run.phi.push_back((last ? 3.0 : 1.0) * normal());
  }
  return run;
}

std::string WriteText(const std::filesystem::path& path, const std::string& text) {
  WriteFileAtomically(path, text);
  return path.string();
}

// A column "when" of 1,200 rows.
std::string DataWith(const std::filesystem::path& path, const std::function<std::string(int)>& of) {
  std::string text = "x,when\n";
  for (int r = 0; r < 1200; ++r) text += fmt::format("{},{}\n", r, of(r));
  return WriteText(path, text);
}

std::vector<std::string> Names(const DriftResult& result) {
  std::vector<std::string> names;
  for (const Period& period : result.periods) names.push_back(period.name);
  return names;
}

const GroupDrift& GroupNamed(const DriftResult& result, const std::string& name) {
  for (const GroupDrift& group : result.outputs[0].groups) {
    if (result.layout.groups[group.group] == name) return group;
  }
  throw std::out_of_range(name);
}

TEST(Drift, FindsMeansAndShapesThatMove) {
  const TemporaryFolder folder;
  const std::string place = Seasons(3).Write(folder.path() / "a");
  const std::string months[] = {"2026-01", "2026-02", "2026-03"};
  const std::string data =
      DataWith(folder.path() / "rows.csv", [&](int r) { return months[r % 3]; });
  const DriftResult result = DriftByColumn(OpenExplanation(place), data, "when", 0, "", kQuiet);
  EXPECT_THAT(Names(result), ElementsAre("2026-01", "2026-02", "2026-03"));
  EXPECT_EQ(result.periods[1].rows, 400);
  const GroupDrift& age = GroupNamed(result, "age");
  EXPECT_FALSE(age.periods[0].compared);
  EXPECT_FALSE(age.periods[1].alarm());
  EXPECT_LT(age.periods[2].mean_change.p, kLevel);
  const GroupDrift& sex = GroupNamed(result, "sex");
  EXPECT_GT(sex.periods[2].mean_change.p, kLevel);
  EXPECT_LT(sex.periods[2].distance.p, kLevel);
  EXPECT_TRUE(sex.periods[2].alarm());
  EXPECT_EQ(result.layout.groups[result.outputs[0].groups[0].group], "sex");  // moved most
  EXPECT_EQ(result.tests, 2 * 2 * 3);
  WriteDriftTable(result, folder.path() / "drift.parquet");
}

TEST(Drift, FewFalseAlarmsWhereNothingMoves) {
  const TemporaryFolder folder;
  int alarms = 0;
  constexpr int kTrials = 100;
  for (std::uint64_t seed = 0; seed < kTrials; ++seed) {
    FakeRun run;
    Normal normal(seed);
    for (int i = 0; i < 600; ++i) run.phi.push_back(normal());
    const std::string place = run.Write(folder.path() / "a");
    std::string text = "when\n";
    for (int r = 0; r < 300; ++r) text += fmt::format("{}\n", r % 4);
    const std::string data = WriteText(folder.path() / "rows.csv", text);
    const DriftResult result = DriftByColumn(OpenExplanation(place), data, "when", 0, "", kQuiet);
    bool any = false;
    for (const GroupDrift& group : result.outputs[0].groups) {
      for (const GroupPeriod& period : group.periods) any = any || period.alarm();
    }
    if (any) ++alarms;
  }
  EXPECT_LE(alarms, 12);  // 5 expected at most; 12 has a chance of 0.4 %
}

TEST(Drift, PeriodsOfRunsInTheirOrder) {
  const TemporaryFolder folder;
  FakeRun run = Seasons(1);
  std::vector<Explanation> runs;
  for (const char* name : {"june", "april", "may"}) {
    runs.push_back(OpenExplanation(run.Write(folder.path() / name)));
    for (double& value : run.phi) value += 0.25;
  }
  const DriftResult result = DriftOfRuns(runs, "april", kQuiet);
  EXPECT_THAT(Names(result), ElementsAre("june", "april", "may"));
  EXPECT_EQ(result.reference, 1);
  const GroupDrift& age = GroupNamed(result, "age");
  EXPECT_NEAR(age.periods[0].mean_change.change, -0.25, 1e-12);
  EXPECT_NEAR(age.periods[2].mean_change.change, 0.25, 1e-12);
  EXPECT_NEAR(age.periods[2].distance.wasserstein, 0.25, 1e-12);
  EXPECT_THAT(ErrorOf([&] { DriftOfRuns(runs, "mai", kQuiet); }),
              HasSubstr("did you mean \"may\""));
}

TEST(Drift, RunsThatLackAGroup) {
  const TemporaryFolder folder;
  FakeRun a = Seasons(1), b = Seasons(2);
  b.groups = {"age", "income"};
  const DriftResult result = DriftOfRuns({OpenExplanation(a.Write(folder.path() / "a")),
                                          OpenExplanation(b.Write(folder.path() / "b"))},
                                         "", kQuiet);
  EXPECT_FALSE(GroupNamed(result, "sex").periods[1].compared);
  EXPECT_EQ(result.tests, 3);
  const Json json = ToJson(result);
  for (const Json& group : json["outputs"][0]["groups"]) {
    EXPECT_EQ(group["periods"][1].is_null(), group["group"] == "sex");
    EXPECT_EQ(group["periods"][0].is_null(), group["group"] == "income");
  }
}

// Periods "0".."n-1" of 10 rows each, of as many groups; those in `failed` have no number.
DriftResult Periods(const std::filesystem::path& folder, int periods, std::size_t groups,
                    const std::vector<int>& failed, const std::string& reference = "",
                    std::size_t outputs = 1) {
  FakeRun run;
  Normal normal(7);
  run.groups.clear();
  run.outputs.clear();
  for (std::size_t g = 0; g < groups; ++g) run.groups.push_back(fmt::format("g{}", g));
  for (std::size_t k = 0; k < outputs; ++k) run.outputs.push_back(fmt::format("y{}", k));
  std::string when = "when\n";
  for (int r = 0; r < 10 * periods; ++r) {
    when += fmt::format("{}\n", r % periods);
    const bool fails = std::ranges::find(failed, r % periods) != failed.end();
    for (std::size_t g = 0; g < groups * outputs; ++g) {
      run.phi.push_back(fails ? std::nan("") : normal());
    }
  }
  const std::string data = WriteText(folder / "rows.csv", when);
  return DriftByColumn(OpenExplanation(run.Write(folder / "a")), data, "when", 0, reference,
                       kQuiet);
}

TEST(Drift, PeriodsWhoseRowsAllFailedStay) {
  const TemporaryFolder folder;
  const DriftResult result = Periods(folder.path(), 4, 2, {2});
  EXPECT_EQ(result.periods[2].rows, 0);
  EXPECT_EQ(result.periods[2].failed, 10);
  EXPECT_EQ(result.tests, 2 * 2 * 3);
  const Json json = ToJson(result);
  EXPECT_TRUE(json["outputs"][0]["groups"][0]["periods"][2].is_null());
  EXPECT_TRUE(json["outputs"][0]["prediction"][2].is_null());
  EXPECT_EQ(json["periods"][2]["failed_rows"], 10);
  WriteDriftTable(result, folder.path() / "drift.parquet");
  const auto table = table::OpenTable((folder.path() / "drift.parquet").string(),
                                      {.columns = {"mean", "ks"}, .ignore_others = true});
  table::Chunk chunk;
  ASSERT_TRUE(table->Next(100, chunk));
  ASSERT_EQ(chunk.rows, 8);
  for (const std::size_t line : {2, 6}) {
    EXPECT_TRUE(std::isnan(chunk.values[2 * line]) && std::isnan(chunk.values[2 * line + 1]));
  }
  EXPECT_THAT(ErrorOf([&] { Periods(folder.path(), 4, 2, {0}); }),
              HasSubstr("the reference, period \"0\""));
  EXPECT_EQ(Periods(folder.path(), 4, 2, {0}, "1").tests, 2 * 2 * 3);
  EXPECT_THAT(ErrorOf([&] {
                Periods(folder.path(), 3, 2, {1, 2});
              }),
              HasSubstr("only \"0\" has rows with finite attributions"));
}

TEST(Drift, ListsWhatABrowserCanDraw) {
  const TemporaryFolder folder;
  const DriftResult result = Periods(folder.path(), 30, 70, {});
  const Json output = ToJson(result)["outputs"][0];
  EXPECT_EQ(output["groups"].size(), kListedGroups);
  EXPECT_EQ(output["all_groups"], 70);
  EXPECT_GE(output["groups"][0]["drift"], output["groups"][59]["drift"]);
  WriteDriftTable(result, folder.path() / "drift.parquet");
  EXPECT_EQ(table::OpenTable((folder.path() / "drift.parquet").string(),
                             {.columns = {"mean"}, .ignore_others = true})
                ->rows(),
            30 * 70);
  const Json many = ToJson(Periods(folder.path(), 300, 2, {}, "", 100));
  EXPECT_EQ(many["outputs"].size(), kListedCells / 300);
  EXPECT_EQ(many["outputs"][0]["groups"].size(), 1);
  EXPECT_EQ(many["all_outputs"], 100);
  EXPECT_THAT(ErrorOf([&] { Periods(folder.path(), 400, 501, {}); }),
              HasSubstr("400 periods of 501 groups and 1 outputs are 200400 cells"));
}

TEST(Drift, RowsWithoutAPeriodAreCounted) {
  const TemporaryFolder folder;
  const std::string place = Seasons(1).Write(folder.path() / "a");
  const std::string data = DataWith(folder.path() / "rows.csv", [](int r) {
    return r < 5 ? std::string() : fmt::format("{}", r % 2);
  });
  const DriftResult result = DriftByColumn(OpenExplanation(place), data, "when", 0, "", kQuiet);
  EXPECT_EQ(result.rows_without_period, 5);
  EXPECT_EQ(result.periods[0].rows + result.periods[1].rows, 1195);
}

TEST(Drift, SaysWhatIsWrongWithTheData) {
  const TemporaryFolder folder;
  const Explanation run = OpenExplanation(Seasons(1).Write(folder.path() / "a"));
  const auto error = [&](const std::string& text, const std::string& column, std::int64_t bins) {
    const std::string data = WriteText(folder.path() / "rows.csv", text);
    return ErrorOf([&] { DriftByColumn(run, data, column, bins, "", kQuiet); });
  };
  EXPECT_THAT(error("wen\n1\n", "when", 0), HasSubstr("did you mean \"wen\""));
  EXPECT_THAT(error("when\n1\n2\n", "when", 0), HasSubstr("only 2 rows, but row 2 was explained"));
  std::string longer = "when\n";
  for (int r = 0; r < 1201; ++r) longer += fmt::format("{}\n", r % 2);
  EXPECT_THAT(error(longer, "when", 0), HasSubstr("1201 rows, but 1200 were explained"));
  std::string many = "when\n", words = "when\n";
  for (int r = 0; r < 1200; ++r) {
    many += fmt::format("{}\n", r);
    words += fmt::format("word{}\n", r);
  }
  EXPECT_THAT(error(many, "when", 0), HasSubstr("--bins 12"));
  EXPECT_THAT(error(words, "when", 0), HasSubstr("more than 400 different values"));
  EXPECT_THAT(error("when\nword\n", "when", 3), HasSubstr("--bins does not cut"));
  std::string same = "when\n";
  for (int r = 0; r < 1200; ++r) same += "7\n";
  EXPECT_THAT(error(same, "when", 0), HasSubstr("a single period, \"7\""));
}

TEST(Periods, NumbersAscendAndWordsSort) {
  const TemporaryFolder folder;
  const auto names = [&](const std::string& text, std::int64_t bins = 0) {
    return OpenPeriods(WriteText(folder.path() / "rows.csv", text), "when", bins)->names();
  };
  EXPECT_THAT(names("when\n10\n9\n-1.5\n9\n"), ElementsAre("-1.5", "9", "10"));
  EXPECT_THAT(names("when\nb\na10\na9\nb\n"), ElementsAre("a10", "a9", "b"));
}

TEST(Periods, BinsHaveEquallyManyRows) {
  const TemporaryFolder folder;
  std::string text = "when\n";
  for (int r = 0; r < 1000; ++r) text += fmt::format("{}\n", r * 37 % 1000);
  const std::string data = WriteText(folder.path() / "rows.csv", text);
  const auto reader = OpenPeriods(data, "when", 4);
  EXPECT_THAT(reader->names(), ElementsAre("[0, 250)", "[250, 500)", "[500, 750)", "[750, 999]"));
  std::vector<std::int64_t> counts(4), periods;
  while (reader->Next(77, periods)) {
    for (const std::int64_t period : periods) ++counts[static_cast<std::size_t>(period)];
  }
  EXPECT_THAT(counts, ElementsAre(250, 250, 250, 250));
}

}  // namespace
}  // namespace windlass::compare
