#include "windlass/explain/output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace windlass::explain {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

PreparedPlan TwoColumns(Method method) {
  PreparedPlan prepared;
  prepared.plan.method = method;
  prepared.plan.columns = 2;
  prepared.plan.groups = {{0}, {1}};
  prepared.groups = {{"a", {0}}, {"b", {1}}};
  prepared.columns = {{"a", {}}, {"b", {"x", "y"}}};
  prepared.output_names = {"prediction"};
  return prepared;
}

// Rows [2] of values and attributions; half widths where the method samples.
struct Written {
  explicit Written(const PreparedPlan& prepared)
      : file(std::filesystem::path(testing::TempDir()) /
             ("windlass-output-" + std::to_string(getpid()) + ".parquet")),
        writer(prepared, file, "") {}
  ~Written() {
    writer.Close();
    std::filesystem::remove(file);
  }

  void Append(const std::vector<double>& values, const std::vector<double>& phi,
              const std::vector<double>& half_width, const std::vector<std::int32_t>& ranked) {
    Attributions rows;
    rows.outputs = 1;
    rows.players = 2;
    rows.base_value = {0.5};
    for (std::size_t i = 0; i < phi.size(); i += 2) {
      rows.prediction.push_back(0.5 + phi[i] + phi[i + 1]);
    }
    rows.phi = phi;
    rows.half_width = half_width;
    rows.ranked = ranked;
    writer.Append(static_cast<std::int64_t>(phi.size() / 2), values.data(), rows);
  }

  std::filesystem::path file;
  OutputWriter writer;
};

TEST(Output, BringsHalfWidthsIntoTheReport) {
  const PreparedPlan prepared = TwoColumns(Method::kMsr);
  Written written(prepared);
  written.Append({7, 0, 8, 1}, {1, -2, 3, 4}, {0.25, 0.5, 0.75, 1}, {2, 0});
  const ReportData data = written.writer.Report();
  EXPECT_THAT(data.half_width, ElementsAre(0.25, 0.5, 0.75, 1));
  EXPECT_THAT(data.importance_half_width, ElementsAre(0.5, 0.75));
  EXPECT_THAT(data.ranked, ElementsAre(2, 0));
  EXPECT_THAT(RenderReport(data), testing::HasSubstr("bf16"));
}

TEST(Output, BringsNoneWhereTheMethodIsExact) {
  const PreparedPlan prepared = TwoColumns(Method::kExact);
  Written written(prepared);
  written.Append({7, 0, 8, 1}, {1, -2, 3, 4}, {}, {});
  const ReportData data = written.writer.Report();
  EXPECT_THAT(data.half_width, IsEmpty());
  EXPECT_THAT(data.importance_half_width, IsEmpty());
  EXPECT_THAT(data.ranked, IsEmpty());
  EXPECT_THAT(data.cohorts.names, IsEmpty());
}

TEST(Output, TellsCohortsHoweverRowsAreCut) {
  PreparedPlan prepared = TwoColumns(Method::kMsr);
  prepared.cohorts.emplace("b", prepared.columns, prepared.groups, prepared.plan.background,
                           prepared.plan.weights);
  Written at_once(prepared);
  at_once.Append({7, 0, 8, 1, 9, 0}, {1, -2, 3, 4, 0.1, 6}, {0, 1, 0, 1, 2, 1}, {0, 1, 2});
  const ReportCohorts whole = at_once.writer.CohortMeans();
  EXPECT_THAT(whole.names, ElementsAre("x", "y"));
  EXPECT_THAT(whole.rows, ElementsAre(2, 1));
  EXPECT_THAT(whole.mean_abs, ElementsAre(0.55, 4, 3, 4));
  EXPECT_THAT(whole.half_width, ElementsAre(1, 1, 0, 1));
  EXPECT_THAT(whole.member, ElementsAre(0, 1, 0));
  Written cut(prepared);
  cut.Append({7, 0}, {1, -2}, {0, 1}, {0});
  cut.Append({8, 1, 9, 0}, {3, 4, 0.1, 6}, {0, 1, 2, 1}, {1, 2});
  EXPECT_EQ(RenderReport(cut.writer.Report()), RenderReport(at_once.writer.Report()));
}

}  // namespace
}  // namespace windlass::explain
