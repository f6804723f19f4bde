#include "windlass/explain/cohorts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/explain/label_cohorts.h"

namespace windlass::explain {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr double kMissingValue = std::numeric_limits<double>::quiet_NaN();

struct Table {
  table::Schema columns = {
      {"Age", {}}, {"Sex", {"Female", "Male"}}, {"Country=Peru", {}}, {"Country=Laos", {}}};
  std::vector<Group> groups = {{"Age", {0}}, {"Sex", {1}}, {"Country", {2, 3}}};
  std::vector<double> background = {10, 0, 1, 0,  //
                                    20, 1, 0, 0,  //
                                    30, 1, 0, 1,  //
                                    40, 1, 0, 1};
  std::vector<double> weights = {0.25, 0.25, 0.25, 0.25};

  Cohorts By(std::string_view name) const {
    return Cohorts(name, columns, groups, background, weights);
  }
};

std::string CohortOf(const Cohorts& cohorts, const std::vector<double>& row) {
  return cohorts.names()[cohorts.Of(row.data())];
}

std::string WhyNot(const Table& table, std::string_view name) {
  try {
    table.By(name);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    return error.what();
  }
  return "no error";
}

TEST(Cohorts, CutsNumbersAtQuartilesOfTheBackground) {
  const Cohorts cohorts = Table().By("Age");
  EXPECT_EQ(CohortOf(cohorts, {-5, 0, 0, 0}), "up to 10");
  EXPECT_EQ(CohortOf(cohorts, {10, 0, 0, 0}), "up to 10");
  EXPECT_EQ(CohortOf(cohorts, {10.5, 0, 0, 0}), "above 10, up to 20");
  EXPECT_EQ(CohortOf(cohorts, {30, 0, 0, 0}), "above 20, up to 30");
  EXPECT_EQ(CohortOf(cohorts, {1e9, 0, 0, 0}), "above 30");
  EXPECT_EQ(CohortOf(cohorts, {kMissingValue, 0, 0, 0}), "missing");
}

TEST(Cohorts, CutsByWeight) {
  Table table;
  table.weights = {0.01, 0.01, 0.97, 0.01};
  const Cohorts cohorts = table.By("Age");  // all quartiles are 30
  EXPECT_EQ(CohortOf(cohorts, {30, 0, 0, 0}), "up to 30");
  EXPECT_EQ(CohortOf(cohorts, {31, 0, 0, 0}), "above 30");
}

TEST(Cohorts, TellsRareZerosFromOnes) {
  Table table;
  table.background = {0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0};
  table.weights = {0.1, 0.3, 0.3, 0.3};
  const Cohorts cohorts = table.By("Age");
  EXPECT_EQ(CohortOf(cohorts, {0, 0, 0, 0}), "up to 0");
  EXPECT_EQ(CohortOf(cohorts, {1, 0, 0, 0}), "above 0");
}

TEST(Cohorts, LeavesOneNumberInOnePart) {
  Table table;
  for (std::size_t i = 0; i < table.background.size(); i += 4) table.background[i] = 7;
  EXPECT_EQ(CohortOf(table.By("Age"), {9, 0, 0, 0}), "all values");
}

TEST(Cohorts, NamesPartsWithDigitsThatCanBeRead) {
  Table table;
  for (std::size_t i = 0; i < table.background.size(); i += 4) table.background[i] /= 3;
  EXPECT_EQ(CohortOf(table.By("Age"), {0, 0, 0, 0}), "up to 3.33333");
  for (std::size_t i = 0; i < table.background.size(); i += 4) {
    table.background[i] = 0.125 + static_cast<double>(i) * 1e-9;  // six digits are too few
  }
  EXPECT_EQ(CohortOf(table.By("Age"), {1, 0, 0, 0}), "above 0.125000008");
}

TEST(Cohorts, KeepsCategories) {
  const Cohorts cohorts = Table().By("Sex");
  EXPECT_EQ(CohortOf(cohorts, {0, 1, 0, 0}), "Male");
  EXPECT_EQ(CohortOf(cohorts, {0, kMissingValue, 0, 0}), "missing");
}

TEST(Cohorts, ReadsColumnsOfZerosAndOnesAsCategories) {
  const Cohorts cohorts = Table().By("Country");
  EXPECT_EQ(CohortOf(cohorts, {0, 0, 1, 0}), "Peru");
  EXPECT_EQ(CohortOf(cohorts, {0, 0, 0, 1}), "Laos");
  EXPECT_EQ(CohortOf(cohorts, {0, 0, 0, 0}), "none of these");
  EXPECT_EQ(CohortOf(cohorts, {0, 0, 1, 1}), "several values");
  EXPECT_EQ(CohortOf(cohorts, {0, 0, 0.5, 0}), "several values");
  EXPECT_EQ(CohortOf(cohorts, {0, 0, kMissingValue, 0}), "missing");
  EXPECT_EQ(CohortOf(Table().By("Country=Laos"), {0, 0, 0, 1}), "above 0");
}

TEST(Cohorts, KeepTheCategoriesMostFrequentInTheBackground) {
  Table table;
  table.columns[1].categories.clear();
  for (int k = 0; k < 100; ++k) table.columns[1].categories.push_back("c" + std::to_string(k));
  for (std::size_t i = 1; i < table.background.size(); i += 4) table.background[i] = 90;
  const Cohorts cohorts = table.By("Sex");
  EXPECT_THAT(cohorts.names(), SizeIs(Cohorts::kNamed + 3));
  EXPECT_EQ(CohortOf(cohorts, {0, 90, 0, 0}), "c90");
  EXPECT_EQ(CohortOf(cohorts, {0, 18, 0, 0}), "c18");
  EXPECT_EQ(CohortOf(cohorts, {0, 19, 0, 0}), "other");
  EXPECT_EQ(CohortOf(cohorts, {0, 99, 0, 0}), "other");
}

TEST(Cohorts, SayWhatIsWrong) {
  EXPECT_EQ(WhyNot(Table(), "Agee"),
            "cohorts: \"Agee\" is no column or group of the model's, nor a column that --ignore "
            "passes over; did you mean \"Age\"?");
  EXPECT_THAT(WhyNot(Table(), "income of the household"),
              HasSubstr("; known: Age, Sex, Country, Country=Peru, Country=Laos"));
  Table table;
  table.background.clear();
  table.weights.clear();
  EXPECT_THAT(WhyNot(table, "Age"), HasSubstr("\"Age\" is a number, which is cut at quartiles"));
  EXPECT_EQ(CohortOf(table.By("Sex"), {0, 0, 0, 0}), "Female");
}

TEST(Cohorts, RefuseGroupsThatAreNoCategory) {
  Table numbers, words, two;
  numbers.groups[2].columns = {0, 2};
  words.groups[2].columns = {1, 2};
  two.background[3] = 1;  // both set in a row
  for (const Table& table : {numbers, words, two}) {
    EXPECT_THAT(WhyNot(table, "Country"), HasSubstr("not the 0/1 columns of one category"));
  }
}

TEST(Cohorts, HaveNamesThatDiffer) {
  Table table;
  table.columns[1].categories = {"missing", "several values"};
  const Cohorts cohorts = table.By("Sex");
  EXPECT_EQ(CohortOf(cohorts, {0, 0, 0, 0}), "missing");
  EXPECT_EQ(CohortOf(cohorts, {0, kMissingValue, 0, 0}), "missing_");
}

TEST(CohortSums, AverageTheRowsOfEachCohort) {
  const Table table;
  const Cohorts cohorts = table.By("Sex");
  CohortSums sums(cohorts, /*outputs=*/1, /*groups=*/2, /*intervals=*/true);
  const auto add = [&](double sex, double prediction, std::vector<double> phi,
                       std::vector<double> half_width) {
    const std::vector<double> row = {0, sex, 0, 0};
    return sums.Add(row.data(), &prediction, phi.data(), half_width.data());
  };
  const std::vector<int> member = {add(1, 4, {1, -2}, {0.5, 0}), add(1, 2, {-3, 4}, {1.5, 1}),
                                   add(kMissingValue, 8, {5, 6}, {2, 2})};
  const ReportCohorts means = sums.Means(member);
  EXPECT_EQ(means.by, "Sex");
  EXPECT_THAT(means.names, ElementsAre("Male", "missing"));  // nobody was "Female"
  EXPECT_THAT(means.rows, ElementsAre(2, 1));
  EXPECT_THAT(means.prediction, ElementsAre(3, 8));
  EXPECT_THAT(means.mean_abs, ElementsAre(2, 3, 5, 6));
  EXPECT_THAT(means.mean, ElementsAre(-1, 1, 5, 6));
  EXPECT_THAT(means.half_width, ElementsAre(1, 0.5, 2, 2));
  EXPECT_THAT(means.member, ElementsAre(0, 0, 1));
}

// By a column of a CSV file: the names of all cohorts, and those of its rows.
struct Labelled {
  std::vector<std::string> names, of_rows;
};

Labelled LabelledBy(const std::vector<std::string>& cells) {
  const TemporaryFolder folder;
  std::string text = "x,what\n";
  for (const std::string& cell : cells) text += "1," + cell + "\n";
  WriteFileAtomically(folder.path() / "rows.csv", text);
  const LabelCohorts cohorts(folder.path() / "rows.csv", "what");
  Labelled labelled{cohorts.names(), {}};
  const auto rows = cohorts.Open();
  for (std::size_t r = 0; r < cells.size(); ++r) {
    labelled.of_rows.push_back(cohorts.names()[rows->Next(1)[0]]);
  }
  EXPECT_THROW(rows->Next(1), Error);
  return labelled;
}

TEST(LabelCohorts, WordsHaveACohortEach) {
  const Labelled some = LabelledBy({"west", "east", "", "east"});
  EXPECT_THAT(some.names, ElementsAre("east", "west", "missing"));
  EXPECT_THAT(some.of_rows, ElementsAre("west", "east", "missing", "east"));
  std::vector<std::string> many = {"other", "rare"};
  for (int k = 0; k < 60; ++k) many.push_back("w" + std::to_string(k % 19));
  many.push_back("other");
  const Labelled most = LabelledBy(many);
  ASSERT_THAT(most.names, SizeIs(22));
  EXPECT_EQ(most.names[20], "other_");
  EXPECT_EQ(most.of_rows[0], "other");
  EXPECT_EQ(most.of_rows[1], "other_");
}

TEST(LabelCohorts, NumbersHaveACohortEachWhileTheyAreFew) {
  const Labelled few = LabelledBy({"3", "1.5", "", "3"});
  EXPECT_THAT(few.names, ElementsAre("1.5", "3", "missing"));
  EXPECT_THAT(few.of_rows, ElementsAre("3", "1.5", "missing", "3"));
  std::vector<std::string> numbers;
  for (int k = 1; k <= 40; ++k) numbers.push_back(std::to_string(k));
  const Labelled cut = LabelledBy(numbers);
  EXPECT_THAT(cut.names, ElementsAre("up to 10", "above 10, up to 20", "above 20, up to 30",
                                     "above 30", "missing"));
  EXPECT_EQ(cut.of_rows[9], "up to 10");
  EXPECT_EQ(cut.of_rows[10], "above 10, up to 20");
}

TEST(LabelCohorts, SaysWhatIsWrong) {
  EXPECT_THROW(LabelledBy({"", ""}), Error);
  EXPECT_THROW(LabelCohorts("none.csv", "what"), Error);
}

}  // namespace
}  // namespace windlass::explain
