#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "windlass/table/number_internal.h"
#include "windlass/table/table.h"
#include "windlass/table/test_tables_internal.h"

namespace windlass::table {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Csv : public ::testing::Test {
 protected:
  Everything Read(const std::string& text, const ReadOptions& options = {}) {
    WriteFileAtomically(path_, text);
    return ReadAll(path_, options);
  }
  std::string Error(const std::string& text) {
    return ErrorOf([&] { Read(text); });
  }

  TemporaryFolder folder_;
  std::string path_ = PathIn(folder_, "data.csv");
};

TEST_F(Csv, QuotesSeparatorsAndLineEndsAsInRfc4180) {
  const Schema codes = {{"name", {"\"q\"", "x,\r\ny"}}, {"a \"b\", c", {}}};
  const Everything all =
      Read("name,\"a \"\"b\"\", c\"\r\n\"x,\r\ny\",1\r\n\"\"\"q\"\"\", 2 \r\n", {{}, false, codes});
  EXPECT_EQ(all.schema, codes);
  EXPECT_THAT(all.values, ElementsAre(1, 1, 0, 2));
}

TEST_F(Csv, MissingCellsAreNan) {
  const Schema codes = {{"a", {}}, {"b", {}}, {"c", {"x", "y"}}};
  const Everything all = Read("a,b,c\n1,,x\n,NA,\n3,nan,y\n\n4,7,x\n", {{}, false, codes});
  ASSERT_EQ(all.rows, 4);  // the blank line is none
  EXPECT_EQ(all.values[0], 1);
  EXPECT_TRUE(std::isnan(all.values[1]));
  EXPECT_TRUE(std::isnan(all.values[3]));
  EXPECT_TRUE(std::isnan(all.values[4]));
  EXPECT_TRUE(std::isnan(all.values[5]));
  EXPECT_EQ(all.values[10], 7);
}

TEST_F(Csv, WordsHaveNoCodesOfTheirOwn) {
  EXPECT_THAT(Error("a,b\n,1\nNA,2\nred,3\n"),
              HasSubstr("data.csv: row 2 (counted from 0), column \"a\": \"red\" is text; numbers "
                        "are wanted, or a dictionary-encoded (categorical) column"));
}

TEST_F(Csv, TrueAndFalseAreOneAndZero) {
  EXPECT_THAT(Read("a\ntrue\nFalse\nTRUE\n").values, ElementsAre(1, 0, 1));
  EXPECT_THAT(Error("a\ntrue\nmaybe\n"),
              HasSubstr("row 1 (counted from 0), column \"a\": \"maybe\" is neither"));
}

TEST_F(Csv, HeaderOnlyHasNoRows) {
  for (const char* text : {"a,b\n", "a,b",
                           "\xef\xbb\xbf"
                           "a,b\r\n"}) {
    const Everything all = Read(text);
    EXPECT_EQ(all.rows, 0);
    ASSERT_EQ(all.schema.size(), 2);
    EXPECT_EQ(all.schema[0].name, "a");
  }
}

TEST_F(Csv, CellsThatAreNoNumbersAreNamed) {
  std::string text = "Age,x\n";
  for (int i = 0; i < 17; ++i) text += "1,2\n";
  EXPECT_EQ(Error(text + "abc,2\n"),
            path_ + ": row 17 (counted from 0), column \"Age\": \"abc\" is not a number");
  EXPECT_THAT(Error(text + "1,1e999\n"),
              HasSubstr("row 17 (counted from 0), column \"x\": the cell is infinite"));
  EXPECT_THAT(Error(text + "1,-inf\n"), HasSubstr("the cell is infinite"));
  EXPECT_THAT(Error(text + "1,9007199254740993\n"),
              HasSubstr("the integer 9007199254740993 is beyond 2^53"));
  // Far behind the first block as well.
  for (int i = 0; i < 400'000; ++i) text += "1,2\n";
  EXPECT_THAT(Error(text + "12x,2\n"),
              HasSubstr("row 400017 (counted from 0), column \"Age\": \"12x\" is not a number"));
}

TEST_F(Csv, RaggedRowsAreNamed) {
  EXPECT_EQ(Error("a,b,c\n1,2,3\n4,5\n"), path_ +
                                              ": row 1 (counted from 0, without the header) has 2 "
                                              "cells, but the header names 3 columns");
  EXPECT_THAT(Error("a,b\n1,2\n3,4\n5,6,7\n"),
              HasSubstr("row 2 (counted from 0, without the header) has 3 cells"));
  std::string text = "a,b\n";
  for (int i = 0; i < 400'000; ++i) text += "1,2\n";
  EXPECT_THAT(Error(text + "1\n"),
              HasSubstr("row 400000 (counted from 0, without the header) has 1 cell,"));
}

TEST_F(Csv, HeadersAreChecked) {
  EXPECT_THAT(Error("a,b,a\n1,2,3\n"), HasSubstr("has two columns \"a\" (columns 0 and 2"));
  EXPECT_THAT(Error("a;b\n1;2\n"), HasSubstr("cells must be separated by commas, not by \";\""));
  EXPECT_THAT(Error("a\tb\n1\t2\n"), HasSubstr("not by \"\\t\""));
  EXPECT_THAT(Error("1.5,2\n3,4\n"),
              HasSubstr("the first line must name the columns, but it holds numbers"));
  EXPECT_THAT(Error("\n\n"), HasSubstr("data.csv holds no header"));
}

TEST_F(Csv, OtherEncodingsAreRefused) {
  EXPECT_THAT(Error("a,b\n1,caf\xe9\n"), HasSubstr("UTF-8"));
}

TEST_F(Csv, RowsLongerThanABlock) {
  std::string header, row;  // of 1.2 MB each
  constexpr int kColumns = 1'000;
  const std::string padding(1'200, ' ');
  for (int i = 0; i < kColumns; ++i) {
    header += fmt::format("{}c{}{}", i == 0 ? "" : ",", i, padding);
    row += fmt::format("{}{}{}", i == 0 ? "" : ",", i, padding);
  }
  const Everything all = Read(header + "\n" + row + "\n");
  ASSERT_EQ(all.values.size(), kColumns);
  EXPECT_EQ(all.values.back(), kColumns - 1);
}

TEST(Numbers, AreReadToTheLastBit) {
  using State = ParsedNumber::State;
  for (const double value :
       {0.1, 1e-310, 5e-324, 1.7976931348623157e308, -2.5, 123456789012345678.0 * 1e3}) {
    EXPECT_EQ(ParseNumber(fmt::format("{}", value)).value, value);
  }
  EXPECT_EQ(ParseNumber(" +1.5\t").value, 1.5);
  EXPECT_EQ(ParseNumber("1e-400").value, 0);
  EXPECT_EQ(ParseNumber("9007199254740992").value, 0x1p53);
  EXPECT_EQ(ParseNumber("-9007199254740993").state, State::kInexactInteger);
  EXPECT_EQ(ParseNumber("18446744073709551615").state, State::kInexactInteger);
  EXPECT_EQ(ParseNumber("9917788534431158").value, 9917788534431158.0);
  EXPECT_EQ(ParseNumber("123456789012345680000").value, 1.2345678901234568e20);
  EXPECT_EQ(ParseNumber("00000000000000000000000000000001").value, 1);
  EXPECT_EQ(ParseNumber("1e400").state, State::kInfinite);
  EXPECT_EQ(ParseNumber("Infinity").state, State::kInfinite);
  for (const char* text :
       {"1,5", "1.5.2", "0x10", "+-1", "++1", "1 2", "e5", "-", "+", "12x", "1e"}) {
    EXPECT_EQ(ParseNumber(text).state, State::kNotANumber) << text;
  }
}

TEST(Numbers, Halves) {
  EXPECT_EQ(HalfToDouble(0x3c00), 1.0);
  EXPECT_EQ(HalfToDouble(0xc000), -2.0);
  EXPECT_EQ(HalfToDouble(0x0001), 0x1p-24);
  EXPECT_EQ(HalfToDouble(0x03ff), 1023 * 0x1p-24);
  EXPECT_EQ(HalfToDouble(0x7bff), 65504.0);
  EXPECT_TRUE(std::isinf(HalfToDouble(0x7c00)));
  EXPECT_TRUE(std::isnan(HalfToDouble(0x7e00)));
  EXPECT_TRUE(std::signbit(HalfToDouble(0x8000)));
}

}  // namespace
}  // namespace windlass::table
