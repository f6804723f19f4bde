#include "windlass/compare/diff.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "windlass/base/file.h"
#include "windlass/compare/output.h"
#include "windlass/compare/testing_internal.h"

namespace windlass::compare {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

FakeRun Made(std::uint64_t seed, std::int64_t rows, double shift = 0) {
  FakeRun run;
  Normal normal(seed);
  for (std::int64_t r = 0; r < rows; ++r) {
    run.phi.push_back(normal() + shift);
    run.phi.push_back(0.5 * normal());
  }
  return run;
}

DiffResult DiffOf(const std::string& a, const std::string& b, const std::string& pairing = "auto") {
  return Diff(OpenExplanation(a), OpenExplanation(b), pairing, [](std::int64_t) {});
}

const GroupDiff& GroupNamed(const DiffResult& result, const std::string& name) {
  for (const GroupDiff& group : result.outputs[0].groups) {
    if (result.layout.groups[group.group] == name) return group;
  }
  throw std::out_of_range(name);
}

TEST(Diff, PredictionIsBaseAndGroups) {
  const TemporaryFolder folder;
  FakeRun a = Made(1, 500), b = Made(2, 300, 0.7);
  b.base = -0.25;
  b.digest = "1a7e";
  const DiffResult result = DiffOf(a.Write(folder.path() / "a"), b.Write(folder.path() / "b"));
  EXPECT_FALSE(result.pairing.paired);
  const OutputDiff& output = result.outputs[0];
  double sum = output.base.change;
  EXPECT_DOUBLE_EQ(output.base.change, -0.75);
  EXPECT_EQ(output.base.half_width, 0);
  for (const GroupDiff& group : output.groups) sum += group.mean.change;
  EXPECT_NEAR(sum, output.prediction.change, 1e-13);
  EXPECT_NEAR(output.remainder, 0, 1e-13);
  // The first one moved, and that is certain; of the other there is no telling.
  EXPECT_EQ(result.layout.groups[output.groups[0].group], "age");
  EXPECT_LT(output.groups[0].mean.p, 1e-6);
  EXPECT_GT(output.groups[1].mean.p, kLevel);
  EXPECT_EQ(result.tests, 6);
}

TEST(Diff, PairsRowsOfTheSameData) {
  const TemporaryFolder folder;
  const FakeRun a = Made(1, 400);
  FakeRun b = a;
  for (std::size_t r = 0; r < 400; ++r) b.phi[2 * r] += r == 17 ? 3.0 : 0.01;
  const std::string to_a = a.Write(folder.path() / "a"), to_b = b.Write(folder.path() / "b");
  const DiffResult paired = DiffOf(to_a, to_b), independent = DiffOf(to_a, to_b, "independent");
  ASSERT_TRUE(paired.pairing.paired);
  const Change& change = GroupNamed(paired, "age").mean;
  EXPECT_NEAR(change.change, (399 * 0.01 + 3) / 400, 1e-12);
  EXPECT_LT(change.half_width, 0.3 * GroupNamed(independent, "age").mean.half_width);
  EXPECT_EQ(GroupNamed(paired, "sex").mean.p, 1);
  EXPECT_EQ(GroupNamed(paired, "sex").distance.ks, 0);
  ASSERT_THAT(paired.outputs[0].rows, SizeIs(kMovedRows));
  EXPECT_EQ(paired.outputs[0].rows[0].row, 17);
  EXPECT_NEAR(paired.outputs[0].rows[0].phi[0], 3, 1e-12);
  EXPECT_THAT(independent.outputs[0].rows, SizeIs(0));
}

TEST(Diff, RowsThatMovedAlikeAreTheFirst) {
  const TemporaryFolder folder;
  FakeRun a, b;
  a.phi.assign(200, 0.0);
  b.phi.assign(200, 1.0);
  const DiffResult result = DiffOf(a.Write(folder.path() / "a"), b.Write(folder.path() / "b"));
  ASSERT_THAT(result.outputs[0].rows, SizeIs(kMovedRows));
  for (std::size_t i = 0; i < kMovedRows; ++i) {
    EXPECT_EQ(result.outputs[0].rows[i].row, static_cast<std::int64_t>(i));
  }
}

TEST(Diff, FailedRowsAreCountedAndLeftOut) {
  const TemporaryFolder folder;
  FakeRun a = Made(1, 50), b = Made(1, 50);
  a.phi[2 * 7] = kNaN;
  b.phi[2 * 9] = kNaN;
  b.phi[2 * 10] = kNaN;
  const std::string to_a = a.Write(folder.path() / "a"), to_b = b.Write(folder.path() / "b");
  const DiffResult paired = DiffOf(to_a, to_b);
  EXPECT_EQ(paired.rows_a, 47);
  EXPECT_EQ(paired.failed_pairs, 3);
  EXPECT_EQ(ToJson(paired)["failed_pairs"], 3);
  EXPECT_TRUE(ToJson(paired)["a"]["failed_rows"].is_null());
  const DiffResult independent = DiffOf(to_a, to_b, "independent");
  EXPECT_EQ(independent.rows_a, 49);
  EXPECT_EQ(independent.rows_b, 48);
  EXPECT_EQ(independent.failed_a, 1);
  EXPECT_EQ(independent.failed_b, 2);
  EXPECT_TRUE(ToJson(independent)["failed_pairs"].is_null());
  a.phi[2 * 9] = kNaN;  // a pair that failed on both sides is one
  EXPECT_EQ(DiffOf(a.Write(folder.path() / "a"), to_b).failed_pairs, 3);
  b.phi.assign(100, kNaN);
  EXPECT_THAT(ErrorOf([&] { DiffOf(to_a, b.Write(folder.path() / "b"), "independent"); }),
              HasSubstr("none of its rows"));
  EXPECT_THAT(ErrorOf([&] { DiffOf(to_a, folder.path() / "b", "paired"); }),
              HasSubstr("no row has finite attributions in both (50 failed)"));
}

TEST(Diff, GroupsOfOneRunAreListed) {
  const TemporaryFolder folder;
  FakeRun a = Made(1, 100), b = Made(2, 100);
  b.groups = {"sex", "income"};
  const DiffResult result = DiffOf(a.Write(folder.path() / "a"), b.Write(folder.path() / "b"));
  EXPECT_EQ(GroupNamed(result, "age").only, 'a');
  EXPECT_EQ(GroupNamed(result, "income").only, 'b');
  EXPECT_EQ(GroupNamed(result, "sex").only, 0);
  EXPECT_EQ(result.tests, 3);
  EXPECT_NEAR(result.outputs[0].remainder, 0, 1e-13);
  EXPECT_EQ(GroupNamed(result, "age").mean.b, 0);
  const Json json = ToJson(result);
  for (const Json& group : json["outputs"][0]["groups"]) {
    EXPECT_EQ(group["distance"].is_null(), !group["only_in"].is_null());
  }
}

TEST(Diff, SampledRowsWidenTheIntervals) {
  const TemporaryFolder folder;
  FakeRun a = Made(1, 100), b = Made(2, 100);
  const DiffResult exact = DiffOf(a.Write(folder.path() / "a"), b.Write(folder.path() / "b"));
  a.half_width = 0.125;
  b.half_width = 0.25;
  const DiffResult sampled = DiffOf(a.Write(folder.path() / "a"), b.Write(folder.path() / "b"));
  EXPECT_TRUE(sampled.a.intervals);
  EXPECT_NEAR(GroupNamed(sampled, "age").mean.half_width,
              GroupNamed(exact, "age").mean.half_width + 0.375, 1e-12);
  EXPECT_EQ(GroupNamed(sampled, "age").mean.change, GroupNamed(exact, "age").mean.change);
  a.half_width = std::numeric_limits<double>::infinity();
  const Json json = ToJson(DiffOf(a.Write(folder.path() / "a"), folder.path() / "b"));
  EXPECT_TRUE(json["outputs"][0]["groups"][0]["mean"]["high"].is_null());
}

// The noise of sampled attributions is no change of the model's.
TEST(Diff, NoiseOfOneSideIsNotTested) {
  const TemporaryFolder folder;
  Normal normal(3);
  FakeRun exact, sampled;
  for (int r = 0; r < 1000; ++r) {
    exact.phi.insert(exact.phi.end(), {0.25, normal()});  // most rows alike in one group
    sampled.phi.insert(sampled.phi.end(), {0.25 + 0.01 * normal(), exact.phi.back()});
  }
  for (const double half_width : {0.02, -1.0}) {
    sampled.half_width = half_width;
    const DiffResult result =
        DiffOf(exact.Write(folder.path() / "a"), sampled.Write(folder.path() / "b"));
    const Distance& distance = GroupNamed(result, "age").distance;
    EXPECT_GT(distance.ks, 0.4);
    EXPECT_EQ(distance.p < kLevel, half_width < 0);
  }
}

TEST(Diff, ASingleOutputWithoutANameIsAnyOther) {
  const TemporaryFolder folder;
  FakeRun a = Made(1, 100), b = Made(2, 100);
  a.outputs = {"0"};
  b.outputs = {"income"};
  const DiffResult result = DiffOf(a.Write(folder.path() / "a"), b.Write(folder.path() / "b"));
  EXPECT_EQ(result.layout.outputs, std::vector<std::string>{"income"});
  const Json json = ToJson(result);
  EXPECT_TRUE(json["outputs_only_in"]["a"].empty());
  EXPECT_TRUE(json["outputs_only_in"]["b"].empty());
}

TEST(Diff, RowsBeyondWhatCanBeSquaredAreLeftOut) {
  const TemporaryFolder folder;
  const FakeRun a = Made(1, 100);
  FakeRun b = Made(2, 100);
  b.phi[4] = 1e308;
  b.phi[5] = -1e308;
  const Json json = ToJson(DiffOf(a.Write(folder.path() / "a"), b.Write(folder.path() / "b")));
  EXPECT_TRUE(json["outputs"][0]["groups"][0]["mean"]["change"].is_number());
}

TEST(Diff, OneRowHasNoIntervalAndJsonNoNaN) {
  const TemporaryFolder folder;
  const DiffResult result =
      DiffOf(Made(1, 1).Write(folder.path() / "a"), Made(2, 1).Write(folder.path() / "b"));
  const Json json = ToJson(result);
  const Json& group = json["outputs"][0]["groups"][0];
  EXPECT_TRUE(group["mean"]["low"].is_null());
  EXPECT_EQ(json["outputs"][0]["base_value"]["low"], 0.0);
  EXPECT_TRUE(group["mean"]["change"].is_number());
  EXPECT_EQ(group["mean"]["certain"], false);
  EXPECT_EQ(json.dump().find("nan"), std::string::npos);
  EXPECT_EQ(json.dump().find("inf"), std::string::npos);
  WriteDiffTable(result, folder.path() / "diff.parquet");
}

TEST(Diff, SeveralOutputsAreMatchedByName) {
  const TemporaryFolder folder;
  FakeRun a = Made(1, 60), b = Made(2, 90);
  a.outputs = {"x", "y"};
  b.outputs = {"z", "y", "x"};
  const DiffResult result =
      DiffOf(a.Write(folder.path() / "a"), b.Write(folder.path() / "b"), "independent");
  EXPECT_THAT(result.layout.outputs, ::testing::ElementsAre("x", "y"));
  EXPECT_EQ(result.rows_a, 30);
  EXPECT_EQ(result.rows_b, 30);
  EXPECT_EQ(ToJson(result)["outputs_only_in"]["b"], Json({"z"}));
  // Output "x" of b is the third line of each row.
  double mean = 0;
  for (std::size_t r = 0; r < 30; ++r) mean += b.phi[(r * 3 + 2) * 2] / 30;
  EXPECT_NEAR(GroupNamed(result, "age").mean.b, mean, 1e-12);
}

// What is read in other pieces is the same: row groups hold 65,536 lines, blocks 4,096 rows.
TEST(Diff, DoesNotDependOnTheCut) {
  const TemporaryFolder folder;
  const FakeRun run = Made(5, 70'000);
  const Explanation opened = OpenExplanation(run.Write(folder.path() / "a"));
  const Layout layout = LayoutOf({opened});
  const RowMap map(opened, layout);
  std::vector<double> sums;
  for (const std::int64_t rows : {1, 777, 4096, 1'000'000}) {
    ExplanationReader reader(opened);
    Totals totals(layout, 100);
    Block block;
    Row row;
    while (reader.Next(rows, block)) {
      for (std::int64_t r = 0; r < block.rows; ++r) {
        if (map.Fill(block, r, row)) totals.Add(row);
      }
    }
    EXPECT_EQ(totals.rows(), 70'000);
    const std::vector<double> sample = totals.Sample(0, 0);
    sums.push_back(totals.Of(0, Quantity::Phi(0)).mean + totals.Of(0, Quantity::Phi(0)).variance +
                   sample[0] + sample[99]);
  }
  for (const double sum : sums) EXPECT_EQ(sum, sums[0]);
}

TEST(Diff, SaysWhatCannotBeCompared) {
  const TemporaryFolder folder;
  const FakeRun a = Made(1, 20);
  const std::string to_a = a.Write(folder.path() / "a");
  FakeRun b = Made(2, 20);
  b.link = "identity";
  EXPECT_THAT(ErrorOf([&] { DiffOf(to_a, b.Write(folder.path() / "b")); }),
              HasSubstr("link logit"));
  b.link = "logit";
  b.outputs = {"z"};
  EXPECT_THAT(ErrorOf([&] { DiffOf(to_a, b.Write(folder.path() / "b")); }),
              HasSubstr("no output is in both"));
  b = Made(2, 21);
  EXPECT_THAT(ErrorOf([&] { DiffOf(to_a, b.Write(folder.path() / "b"), "paired"); }),
              HasSubstr("one has 20 rows, the other 21"));
  b = Made(2, 20);
  for (std::int64_t r = 1; r <= 20; ++r) b.row.push_back(r);
  EXPECT_THAT(ErrorOf([&] { DiffOf(to_a, b.Write(folder.path() / "b"), "paired"); }),
              HasSubstr("where one has row 0, the other has row 1"));
  b.row[3] = 1;
  EXPECT_THAT(ErrorOf([&] { DiffOf(to_a, b.Write(folder.path() / "b"), "independent"); }),
              HasSubstr("rows must ascend"));
  b = Made(2, 0);
  EXPECT_THAT(ErrorOf([&] { OpenExplanation(b.Write(folder.path() / "b")); }),
              HasSubstr("has no rows"));
  EXPECT_THAT(ErrorOf([&] { OpenExplanation((folder.path() / "none").string()); }),
              HasSubstr("there is no such file or folder"));
  EXPECT_THAT(ErrorOf([&] { OpenExplanation(folder.path().string()); }),
              HasSubstr("holds no attributions.parquet"));
}

// Probabilities and margins are no more alike than two links.
TEST(Diff, OutputsInOtherUnitsAreRefused) {
  const TemporaryFolder folder;
  FakeRun a = Made(1, 20), b = Made(2, 20);
  a.spec["output"] = "margin";
  const std::string to_a = a.Write(folder.path() / "a");
  EXPECT_EQ(ErrorOf([&] { DiffOf(to_a, b.Write(folder.path() / "b")); }), "no error");
  b.spec["output"] = "probability";
  EXPECT_THAT(ErrorOf([&] { DiffOf(to_a, b.Write(folder.path() / "b")); }),
              HasSubstr("a was explained with output margin, "));
  EXPECT_THAT(ErrorOf([&] { DiffOf(to_a, (folder.path() / "b").string()); }),
              HasSubstr("explain both with the same --output"));
  b.spec["output"] = "margin";
  EXPECT_EQ(ErrorOf([&] { DiffOf(to_a, b.Write(folder.path() / "b")); }), "no error");
}

// One unit, but other values: compared, with a word.
TEST(Diff, SaysThatValuesAreOthers) {
  const TemporaryFolder folder;
  FakeRun a = Made(1, 20), b = Made(2, 20);
  const auto said = [&] {
    const Json json = ToJson(DiffOf(a.Write(folder.path() / "a"), b.Write(folder.path() / "b")));
    return json["other_values"].dump();
  };
  EXPECT_EQ(said(), "[]");
  a.spec = {{"tree_mode", "interventional"}, {"coalitions", nullptr}};
  EXPECT_EQ(said(), "[]");  // b does not tell
  b.spec = {{"tree_mode", "interventional"}, {"coalitions", nullptr}, {"interactions", 2}};
  EXPECT_EQ(said(), "[]");
  b.spec["tree_mode"] = "path";
  EXPECT_THAT(said(), HasSubstr("a has values against a background (interventional), "));
  EXPECT_THAT(said(), HasSubstr("b has path dependent values (--tree-mode path)"));
  b.spec = {{"coalitions", "tree.json"}};
  b.nodes = Json::parse(R"([{"node": "both", "groups": ["age", "sex"], "mean_abs": 1.0}])");
  EXPECT_THAT(said(), HasSubstr("a has Shapley values, "));
  EXPECT_THAT(said(), HasSubstr("b has Owen values of a hierarchy (--coalitions)"));
  // Another file with the same nodes is the same; the sum of one is no part of that.
  a.spec = {{"coalitions", "copy.json"}};
  a.nodes = Json::parse(R"([{"node": "all", "groups": ["age", "sex"], "mean_abs": 2.0}])");
  EXPECT_EQ(said(), "[]");
  a.nodes[0]["groups"] = {"age"};
  EXPECT_THAT(said(), HasSubstr("b has those of another"));
}

TEST(Diff, RunsWithoutACommonGroupAreRefused) {
  const TemporaryFolder folder;
  FakeRun a = Made(1, 20), b = Made(2, 20);
  b.groups = {"income", "debt"};
  EXPECT_THAT(ErrorOf([&] { DiffOf(a.Write(folder.path() / "a"), b.Write(folder.path() / "b")); }),
              HasSubstr("share no group: one has \"age\", \"sex\", the other \"income\", "
                        "\"debt\""));
}

TEST(Diff, PairsByChoiceWithoutSummaries) {
  const TemporaryFolder folder;
  const std::string a = Made(1, 20).Write(folder.path() / "a", false);
  const std::string b = Made(2, 20).Write(folder.path() / "b", false);
  EXPECT_FALSE(DiffOf(a, b).pairing.paired);
  EXPECT_TRUE(DiffOf(a, b, "paired").pairing.paired);
  const Json json = ToJson(DiffOf(a, b));
  EXPECT_TRUE(json["link"].is_null());
  EXPECT_EQ(json["links_unknown"], Json({a, b}));
}

TEST(Diff, PairsRowsWhoseValuesAreTheSame) {
  const TemporaryFolder folder;
  const auto pairing = [&](const std::string& data, const std::string& digest, std::int64_t rows) {
    FakeRun b = Made(2, rows);
    b.data = data;
    b.digest = digest;
    return DiffOf(Made(1, 20).Write(folder.path() / "a"), b.Write(folder.path() / "b")).pairing;
  };
  EXPECT_TRUE(pairing("rows.csv", "5eed", 20).paired);
  EXPECT_EQ(pairing("copy.csv", "5eed", 20).reason, "both explained the same rows");
  // A file that was written anew in between has the same name.
  EXPECT_FALSE(pairing("rows.csv", "1a7e", 20).paired);
  EXPECT_EQ(pairing("rows.csv", "1a7e", 20).reason, "the rows explained differ");
  EXPECT_EQ(pairing("rows.csv", "5eed", 19).reason, "the rows explained differ");
  EXPECT_EQ(pairing("rows.csv", "", 20).reason,
            "no summary.json tells whether the rows are the same");
}

// A run as CSV, which does not tell its number of rows.
std::string WriteCsv(const std::filesystem::path& path, int lines, int outputs) {
  std::string text = "row,output,base_value,prediction,age\n";
  for (int line = 0; line < lines; ++line) {
    text += fmt::format("{},{},0,{},{}\n", line / outputs, line % outputs == 0 ? "y" : "z",
                        line % 7, line % 7);
  }
  WriteFileAtomically(path, text);
  return path.string();
}

TEST(Diff, PairsAllRowsOfBothOrNone) {
  const TemporaryFolder folder;
  const std::string a = WriteCsv(folder.path() / "a.csv", 4096, 1);
  const auto error = [&](int rows) {
    const std::string b = WriteCsv(folder.path() / "b.csv", rows, 1);
    return ErrorOf([&] { DiffOf(a, b, "paired"); }) + "; " +
           ErrorOf([&] { DiffOf(b, a, "paired"); });
  };
  EXPECT_EQ(error(4096), "no error; no error");
  for (const int rows : {10, 4095, 4097, 9000}) {
    EXPECT_THAT(error(rows), HasSubstr(fmt::format("one has 4096 rows, the other {};", rows)));
    EXPECT_THAT(error(rows), HasSubstr(fmt::format("one has {} rows, the other 4096;", rows)));
  }
  const std::string part = WriteCsv(folder.path() / "part.csv", 9, 2);
  EXPECT_THAT(ErrorOf([&] { DiffOf(part, part, "independent"); }),
              HasSubstr("9 lines, which is no multiple of its 2 outputs"));
}

TEST(Diff, RowsNameWhatMovedThem) {
  const TemporaryFolder folder;
  FakeRun a, b;
  a.phi.assign(40, 0);
  b.phi.assign(40, 0);
  b.base = a.base + 1;
  b.phi[2 * 3] = 2;  // row 3: up by 3.25, most of it "age"
  b.phi[2 * 3 + 1] = 0.25;
  b.phi[2 * 4] = -5;  // row 4: down by 4, "age" alone
  b.phi[2 * 5] = -1;  // row 5: not at all
  const std::string to_a = a.Write(folder.path() / "a");
  const Json rows = ToJson(DiffOf(to_a, b.Write(folder.path() / "b")))["outputs"][0]["rows_moved"];
  EXPECT_EQ(rows[0]["row"], 4);
  EXPECT_EQ(rows[0]["parts"], Json::parse(R"([{"group": "age", "change": -5.0}])"));
  EXPECT_EQ(rows[0]["others"], 1.0);
  EXPECT_EQ(rows[1]["row"], 3);
  EXPECT_EQ(rows[1]["parts"].size(), 3);
  EXPECT_EQ(rows[1]["parts"][1]["group"], Json());  // the base value
  EXPECT_EQ(rows[2]["parts"], Json::parse(R"([{"group": null, "change": 1.0}])"));
  EXPECT_THAT(rows, SizeIs(19));
  EXPECT_THAT(DiffOf(to_a, to_a).outputs[0].rows, SizeIs(0));
}

TEST(Diff, SummariesAreReadThroughUris) {
  const TemporaryFolder folder;
  FakeRun a = Made(1, 20);
  const std::string place = a.Write(folder.path() / "a");
  for (const char* file : {"", "/", "/attributions.parquet"}) {
    const Explanation run = OpenExplanation("file://" + place + file);
    EXPECT_EQ(run.link, "logit");
    EXPECT_EQ(run.data_digest, "5eed");
  }
  FakeRun b = a;
  b.link = "identity";
  const std::string other = "file://" + b.Write(folder.path() / "b");
  EXPECT_THAT(ErrorOf([&] { DiffOf("file://" + place, other); }), HasSubstr("link identity"));
  EXPECT_TRUE(OpenExplanation("file://" + a.Write(folder.path() / "c", false)).link.empty());
}

TEST(Diff, PagesHoldWhateverNamesSay) {
  const TemporaryFolder folder;
  FakeRun a = Made(1, 20);
  a.groups = {"</script><b>", "a\"b"};
  const std::string place = a.Write(folder.path() / "a");
  const std::string page = RenderDiff(ToJson(DiffOf(place, place)));
  EXPECT_EQ(page.find("</script><b>"), std::string::npos);
}

}  // namespace
}  // namespace windlass::compare
