#include "windlass/explain/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "windlass/base/error.h"

namespace windlass::explain {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::string_view kOpen = R"(<script id="windlass-data" type="application/json">)";
constexpr std::string_view kClose = "</script>";

// Three of 1,000 rows, two groups, one output.
ReportData Small() {
  return {.windlass_version = "1.2.3",
          .model = "model.json",
          .data = "rows.parquet",
          .link = "logit",
          .method = "linear",
          .reason = "the model is linear",
          .rows = 1000,
          .model_evaluations = 100,
          .outputs = {"prediction"},
          .groups = {{"Age", {"Age"}, {}}, {"Sex", {"Sex=1"}, {"Female", "Male"}}},
          .importance = {0.5, 0.25},
          .row = {0, 7, 999},
          .base_value = {-1.5},
          .prediction = {-0.75, -1.25, -2.0},
          .phi = {0.5, 0.25, 0.0, 0.25, -0.25, -0.25},
          .value = {39, 1, 50, 0, 28.5, 1}};
}

// The same, sampled, and split into cohorts.
ReportData Sampled() {
  ReportData data = Small();
  data.importance_half_width = {0.125, 0.25};
  data.half_width = {0.5, 0.1, 0, kInfinity, 1, 2};
  data.ranked = {2, 0, 1};
  data.cohorts = {.by = "Sex",
                  .names = {"Female", "Male"},
                  .rows = {400, 600},
                  .prediction = {-1, -2},
                  .mean_abs = {0.5, 0.25, 0.75, 0.125},
                  .mean = {-0.5, 0.25, 0.75, 0},
                  .half_width = {0.1, 0.2, 0.3, 0.4},
                  .member = {1, 0, 1}};
  return data;
}

std::string DataText(const std::string& page) {
  const std::size_t begin = page.find(kOpen) + kOpen.size();
  return page.substr(begin, page.find(kClose, begin) - begin);
}

Json DataOf(const ReportData& data) { return Json::parse(DataText(RenderReport(data))); }

std::string DecodeBase64(const std::string& text) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<std::uint32_t>(kDigits.find(c));
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>(bits >> count & 0xff);
    }
  }
  return bytes;
}

template <typename Float, typename Bits>
std::vector<Float> DecodeFloats(const Json& text) {
  const std::string bytes = DecodeBase64(text.get<std::string>());
  EXPECT_EQ(bytes.size() % sizeof(Bits), 0u);
  std::vector<Float> numbers;
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(Bits)) {
    Bits bits = 0;
    for (std::size_t k = 0; k < sizeof(Bits); ++k) {
      bits |= static_cast<Bits>(static_cast<unsigned char>(bytes[at + k])) << (8 * k);
    }
    numbers.push_back(std::bit_cast<Float>(bits));
  }
  return numbers;
}

std::vector<double> Doubles(const Json& packed) {
  return DecodeFloats<double, std::uint64_t>(packed.at("f64"));
}
std::vector<float> Floats(const Json& packed) {
  return DecodeFloats<float, std::uint32_t>(packed.at("f32"));
}

TEST(Report, HoldsTheData) {
  const Json json = DataOf(Small());
  EXPECT_EQ(json["windlass"], "1.2.3");
  EXPECT_EQ(json["rows"], 1000);
  EXPECT_EQ(json["model_evaluations"], 100);
  EXPECT_EQ(json["outputs"], Json({"prediction"}));
  EXPECT_EQ(json["groups"][1]["name"], "Sex");
  EXPECT_EQ(json["groups"][1]["categories"], Json({"Female", "Male"}));
  EXPECT_EQ(json["importance"], Json({0.5, 0.25}));
  EXPECT_EQ(json["row"], Json({0, 7, 999}));
  EXPECT_THAT(Doubles(json["prediction"]), ElementsAre(-0.75, -1.25, -2.0));
  EXPECT_THAT(Floats(json["phi"]), ElementsAre(0.5f, 0.25f, 0.0f, 0.25f, -0.25f, -0.25f));
  EXPECT_THAT(Floats(json["value"]), ElementsAre(39.0f, 1.0f, 50.0f, 0.0f, 28.5f, 1.0f));
}

TEST(Report, HoldsIntervalsRoundedUp) {
  const Json json = DataOf(Sampled());
  EXPECT_EQ(json["importance_half_width"], Json({0.125, 0.25}));
  EXPECT_EQ(json["ranked"], Json({2, 0, 1}));
  const std::string bytes = DecodeBase64(json["half_width"]["bf16"].get<std::string>());
  ASSERT_EQ(bytes.size(), 12u);
  std::vector<float> widths;
  for (std::size_t k = 0; k < bytes.size(); k += 2) {
    const auto low = static_cast<unsigned char>(bytes[k]);
    const auto high = static_cast<unsigned char>(bytes[k + 1]);
    widths.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(high << 8 | low) << 16));
  }
  EXPECT_THAT(widths, ElementsAre(0.5f, 0.10009765625f, 0.0f, kInfinity, 1.0f, 2.0f));
}

TEST(Report, HoldsCohorts) {
  const Json cohorts = DataOf(Sampled())["cohorts"];
  EXPECT_EQ(cohorts["by"], "Sex");
  EXPECT_EQ(cohorts["names"], Json({"Female", "Male"}));
  EXPECT_EQ(cohorts["rows"], Json({400, 600}));
  EXPECT_EQ(cohorts["mean_abs"], Json({0.5, 0.25, 0.75, 0.125}));
  EXPECT_EQ(cohorts["half_width"], Json({0.1, 0.2, 0.3, 0.4}));
  EXPECT_EQ(cohorts["member"], Json({1, 0, 1}));
}

TEST(Report, HasNothingOfIntervalsWhereThereAreNone) {
  const Json json = DataOf(Small());
  for (const auto* key : {"half_width", "importance_half_width", "ranked", "cohorts"}) {
    EXPECT_FALSE(json.contains(key)) << key;
  }
}

TEST(Report, IsOneFileThatReachesForNothing) {
  const std::string page = RenderReport(Small());
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, Not(HasSubstr("__WINDLASS_DATA__")));
  for (const auto* reference : {"<script src", "rel=\"stylesheet", "<img", "@import", "url("}) {
    EXPECT_THAT(page.substr(0, page.find(kOpen)), Not(HasSubstr(reference)));
  }
  EXPECT_LT(page.size(), 1536u * 1024u);
}

TEST(Report, SameDataGivesSameBytes) {
  EXPECT_EQ(RenderReport(Small()), RenderReport(Small()));
  ReportData quiet = Small();
  ReportData negative = Small();
  quiet.value[0] = kNan;
  negative.value[0] = -kNan;  // another bit pattern of the same thing
  EXPECT_EQ(RenderReport(quiet), RenderReport(negative));
}

TEST(Report, KeepsTextFromBecomingMarkup) {
  const std::string hostile =
      "</script><script>alert(1)</script><!-- & \xe2\x80\xa8\xe2\x80\xa9 \\";
  ReportData data = Sampled();
  data.groups[0].name = hostile;
  data.groups[1].categories[0] = hostile;
  data.groups[1].columns[0] = hostile;
  data.model = data.data = data.method = data.reason = data.outputs[0] = hostile;
  data.cohorts.by = data.cohorts.names[1] = hostile;
  const std::string page = RenderReport(data);
  const std::string text = DataText(page);
  EXPECT_THAT(text, Each(Not(::testing::AnyOf('<', '>', '&'))));
  EXPECT_THAT(text, Not(HasSubstr("\xe2\x80\xa8")));
  EXPECT_THAT(text, Not(HasSubstr("\xe2\x80\xa9")));
  EXPECT_THAT(page, Not(HasSubstr("alert(1)</script>")));
  const Json json = Json::parse(text);
  EXPECT_EQ(json["groups"][0]["name"], hostile);
  EXPECT_EQ(json["groups"][1]["categories"][0], hostile);
  EXPECT_EQ(json["reason"], hostile);
  EXPECT_EQ(json["cohorts"]["by"], hostile);
  EXPECT_EQ(json["cohorts"]["names"][1], hostile);
}

TEST(Report, LeavesAPlaceholderInTheDataAlone) {
  ReportData data = Small();
  data.groups[0].name = "__WINDLASS_DATA__";
  EXPECT_EQ(DataOf(data)["groups"][0]["name"], "__WINDLASS_DATA__");
}

TEST(Report, ShowsBytesThatAreNotUtf8AsReplacements) {
  ReportData data = Small();
  data.groups[0].name =
      "Stra\xdf"
      "e";
  EXPECT_EQ(DataOf(data)["groups"][0]["name"],
            "Stra\xef\xbf\xbd"
            "e");
}

TEST(Report, KeepsWhatIsNotFinite) {
  ReportData data = Small();
  data.importance = {kNan, kInfinity};
  data.base_value = {-kInfinity};
  data.prediction[1] = kInfinity;
  data.phi[2] = kNan;
  data.value[3] = kNan;
  const Json json = DataOf(data);
  EXPECT_EQ(json["importance"], Json({nullptr, "Infinity"}));
  EXPECT_EQ(json["base_value"], Json({"-Infinity"}));
  EXPECT_EQ(Doubles(json["prediction"])[1], kInfinity);
  EXPECT_TRUE(std::isnan(Floats(json["phi"])[2]));
  EXPECT_TRUE(std::isnan(Floats(json["value"])[3]));
}

TEST(Report, UsesDoublePrecisionWhereSingleWouldShowAnotherNumber) {
  for (const double number : {16777217.0, 1.7e9 + 1, 1e300, -1e300, 1e-300}) {
    ReportData data = Small();
    data.value[0] = number;
    EXPECT_EQ(Doubles(DataOf(data)["value"])[0], number);
  }
  for (const double number : {16777216.0, 0.1, -0.0, kInfinity}) {
    ReportData data = Small();
    data.value[0] = number;
    EXPECT_EQ(Floats(DataOf(data)["value"])[0], static_cast<float>(number));
  }
}

TEST(Report, AcceptsNoRowsAndNoGroups) {
  ReportData data = Small();
  data.row.clear();
  data.prediction.clear();
  data.phi.clear();
  data.value.clear();
  EXPECT_THAT(Floats(DataOf(data)["phi"]), ElementsAre());
  data.groups.clear();
  data.importance.clear();
  EXPECT_EQ(DataOf(data)["groups"], Json::array());
}

TEST(Report, RefusesShapesThatDoNotFit) {
  const std::vector<std::pair<std::string, std::function<void(ReportData&)>>> faults = {
      {"interactions has 2 entries, but [outputs, pairs] needs 1",
       [](ReportData& data) {
         data.interactions = {1, 2};
       }},
      {"importance has 1 entries, but [outputs, groups] needs 2",
       [](ReportData& data) { data.importance.pop_back(); }},
      {"base_value has 2 entries", [](ReportData& data) { data.base_value.push_back(0); }},
      {"prediction has 4 entries", [](ReportData& data) { data.prediction.push_back(0); }},
      {"phi has 5 entries, but [shown, outputs, groups] needs 6",
       [](ReportData& data) { data.phi.pop_back(); }},
      {"value has 7 entries", [](ReportData& data) { data.value.push_back(0); }},
      {"outputs is empty", [](ReportData& data) { data.outputs.clear(); }},
      {"link is \"log\"", [](ReportData& data) { data.link = "log"; }},
      {"row 7 follows row 7", [](ReportData& data) { data.row[2] = 7; }},
      {"row 1000 follows row 7; row numbers must ascend within 0..999",
       [](ReportData& data) { data.row[2] = 1000; }},
      {"row -1", [](ReportData& data) { data.row[0] = -1; }},
      {"importance_half_width has 1 entries",
       [](ReportData& data) { data.importance_half_width.pop_back(); }},
      {"half_width has 5 entries", [](ReportData& data) { data.half_width.pop_back(); }},
      {"half_width has 6 entries, but [shown, outputs, groups] of methods that sample needs 0",
       [](ReportData& data) { data.importance_half_width.clear(); }},
      {"ranked has 2 entries", [](ReportData& data) { data.ranked.pop_back(); }},
      {"cohorts.rows has 1 entries", [](ReportData& data) { data.cohorts.rows.pop_back(); }},
      {"cohorts.mean_abs has 3 entries",
       [](ReportData& data) { data.cohorts.mean_abs.pop_back(); }},
      {"cohorts.mean has 3 entries", [](ReportData& data) { data.cohorts.mean.pop_back(); }},
      {"cohorts.half_width has 0 entries",
       [](ReportData& data) { data.cohorts.half_width.clear(); }},
      {"cohorts.member has 2 entries", [](ReportData& data) { data.cohorts.member.pop_back(); }},
      {"a row is in cohort 2 of 2", [](ReportData& data) { data.cohorts.member[0] = 2; }},
  };
  for (const auto& [expected, fault] : faults) {
    ReportData data = Sampled();
    fault(data);
    try {
      RenderReport(data);
      ADD_FAILURE() << "no error where one should say: " << expected;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInternal);
      EXPECT_THAT(error.what(), HasSubstr(expected));
    }
  }
}

// tests/web runs this with a folder in WINDLASS_REPORT_PAGES, so that what this code wrote, hostile
// names included, is looked at by a browser too.
TEST(Report, WritesPagesForTheBrowserCheck) {
  const char* wanted = std::getenv("WINDLASS_REPORT_PAGES");
  const std::filesystem::path folder =
      wanted ? std::filesystem::path(wanted)
             : std::filesystem::path(testing::TempDir()) /
                   ("windlass-report-pages-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  ReportData hostile = Small();
  hostile.groups[0].name = "</script><script>alert(1)</script>";
  hostile.groups[1].categories = {"<img src=x onerror=alert(1)>", "&amp;"};
  ReportData holes = Small();
  holes.value = {kNan, 1, kInfinity, kNan, 28.5, 1};
  holes.phi[2] = kNan;
  ReportData sampled = Sampled();
  sampled.groups[0].name = hostile.groups[0].name;
  sampled.cohorts.names[0] = hostile.groups[1].categories[0];
  for (const auto& [name, data] : {std::pair{"small", Small()}, std::pair{"hostile", hostile},
                                   std::pair{"holes", holes}, std::pair{"sampled", sampled}}) {
    std::ofstream file(folder / (std::string(name) + ".html"), std::ios::binary);
    file << RenderReport(data);
    ASSERT_TRUE(file.flush()) << name;
  }
  if (!wanted) std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace windlass::explain
