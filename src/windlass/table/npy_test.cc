#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "windlass/table/npy_internal.h"
#include "windlass/table/test_tables_internal.h"

namespace windlass::table {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<double> ValuesOf(const std::string& bytes, const ReadOptions& options = {}) {
  const auto reader = MakeNpyReader(std::make_unique<MemorySource>(bytes), "x.npy", options);
  Chunk chunk;
  std::vector<double> values;
  while (reader->Next(2, chunk)) {
    values.insert(values.end(), chunk.values.begin(), chunk.values.end());
  }
  return values;
}

template <typename T>
std::vector<double> ValuesOf(const std::string& type, const std::vector<T>& data) {
  return ValuesOf(Npy(NpyHeaderText(type, false, "(3, 1)"), RawBytes(data)));
}

std::string ErrorFor(const std::string& header, const std::string& data = "") {
  return ErrorOf([&] { ValuesOf(Npy(header, data)); });
}

TEST(NpyFormat, ReadsEveryTypeOfNumber) {
  EXPECT_THAT(ValuesOf<std::int8_t>("|i1", {1, -128, 127}), ElementsAre(1, -128, 127));
  EXPECT_THAT(ValuesOf<std::uint8_t>("|u1", {1, 2, 255}), ElementsAre(1, 2, 255));
  EXPECT_THAT(ValuesOf<std::int16_t>("<i2", {1, -2, 300}), ElementsAre(1, -2, 300));
  EXPECT_THAT(ValuesOf<std::uint16_t>(">u2", {0x0100, 0x0200, 0x0001}), ElementsAre(1, 2, 256));
  EXPECT_THAT(ValuesOf<std::int32_t>("<i4", {1, -2, 300}), ElementsAre(1, -2, 300));
  EXPECT_THAT(ValuesOf<std::uint32_t>("<u4", {1, 2, 4294967295}), ElementsAre(1, 2, 4294967295.0));
  EXPECT_THAT(ValuesOf<std::int64_t>("<i8", {1, -2, 1L << 53}), ElementsAre(1, -2, 0x1p53));
  EXPECT_THAT(ValuesOf<std::uint64_t>("<u8", {1, 2, 3}), ElementsAre(1, 2, 3));
  EXPECT_THAT(ValuesOf<std::uint8_t>("|b1", {1, 0, 1}), ElementsAre(1, 0, 1));
  EXPECT_THAT(ValuesOf<std::uint16_t>("<f2", {0x3c00, 0xc000, 0x0001}),
              ElementsAre(1, -2, 0x1p-24));
  EXPECT_THAT(ValuesOf<float>("<f4", {1, -2, 0.5F}), ElementsAre(1, -2, 0.5));
  EXPECT_THAT(ValuesOf<double>("<f8", {1, -2, 0.1}), ElementsAre(1, -2, 0.1));
}

TEST(NpyFormat, ReadsEveryVersionOfTheHeader) {
  const std::string text = NpyHeaderText("<f8", false, "(1, 1)") + "\n";
  for (const char version : {'\x02', '\x03'}) {
    std::string bytes = std::string("\x93NUMPY") + version + '\0';
    bytes += static_cast<char>(text.size());
    bytes += std::string(3, '\0') + text + RawBytes<double>({7});
    EXPECT_THAT(ValuesOf(bytes), ElementsAre(7));
  }
  std::string next = Npy(text, RawBytes<double>({7}));
  next[6] = 4;
  EXPECT_THAT(ErrorOf([&] { ValuesOf(next); }),
              HasSubstr("is npy version 4.0; versions 1.0 to 3.0 are read"));
  EXPECT_THAT(ValuesOf(Npy(R"({"shape": (1L, 2L), "fortran_order": False, "descr": "<i4"})",
                           RawBytes<std::int32_t>({3, 4}))),
              ElementsAre(3, 4));
}

TEST(NpyFormat, TransposesFortranOrder) {
  const std::string bytes =
      Npy(NpyHeaderText("<i4", true, "(3, 2)"), RawBytes<std::int32_t>({1, 2, 3, 4, 5, 6}));
  EXPECT_THAT(ValuesOf(bytes), ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_THAT(ValuesOf(bytes, {{"1"}, true, {}}), ElementsAre(4, 5, 6));
}

TEST(NpyFormat, RefusesWhatIsNoTableOfNumbers) {
  EXPECT_THAT(ErrorFor(NpyHeaderText("<f8", false, "(2,)"), RawBytes<double>({1, 2})),
              HasSubstr("x.npy holds an array of shape (2,); a table has two dimensions, (rows, "
                        "columns): reshape(-1, 1) makes it one column"));
  EXPECT_THAT(ErrorFor(NpyHeaderText("<f8", false, "()"), RawBytes<double>({1})),
              HasSubstr("of shape ()"));
  EXPECT_THAT(ErrorFor(NpyHeaderText("<f8", false, "(1, 1, 1)"), RawBytes<double>({1})),
              HasSubstr("of shape (1, 1, 1)"));
  EXPECT_THAT(ErrorFor(NpyHeaderText("<f8", false, "(3, 0)")), HasSubstr("has no columns"));
  EXPECT_THAT(ErrorFor(NpyHeaderText("<f8", false, "(0, 999999999999)")),
              HasSubstr("at most 1000000 are read"));
  EXPECT_THAT(ErrorFor(NpyHeaderText("|O", false, "(1, 1)"), "x"),
              HasSubstr("holds Python objects, which are pickled"));
  EXPECT_THAT(ErrorFor(NpyHeaderText("<U3", false, "(1, 1)"), "x"), HasSubstr("holds text"));
  EXPECT_THAT(ErrorFor(NpyHeaderText("<c16", false, "(1, 1)"), "x"),
              HasSubstr("holds complex numbers"));
  EXPECT_THAT(ErrorFor(NpyHeaderText("<M8[ns]", false, "(1, 1)"), "x"), HasSubstr("holds dates"));
  EXPECT_THAT(ErrorFor(NpyHeaderText("<f16", false, "(1, 1)"), "x"),
              HasSubstr("of a size that is not supported"));
  EXPECT_THAT(ErrorFor("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1, 1), }", "x"),
              HasSubstr("is a structured array"));
  EXPECT_THAT(ErrorFor(NpyHeaderText("<f8", false, "(1, 2)"), RawBytes<double>({1, INFINITY})),
              HasSubstr("x.npy: row 0 (counted from 0), column \"1\": the cell is infinite"));
  EXPECT_THAT(
      ErrorFor(NpyHeaderText("<i8", false, "(3, 1)"),
               RawBytes<std::int64_t>({1, 2, (1L << 53) + 1})),
      HasSubstr(
          "row 2 (counted from 0), column \"0\": the integer 9007199254740993 is beyond 2^53"));
}

TEST(NpyFormat, RefusesDamage) {
  EXPECT_THAT(
      ErrorFor(NpyHeaderText("<f8", false, "(3, 2)"), RawBytes<double>({1, 2, 3})),
      HasSubstr("x.npy is truncated: an array of shape (3, 2) takes 48 bytes, but 24 are there"));
  EXPECT_THAT(ErrorFor(NpyHeaderText("<f8", false, "(1, 1)"), RawBytes<double>({1, 2, 3})),
              HasSubstr("16 bytes follow the array"));
  EXPECT_THAT(ErrorFor(NpyHeaderText("<f8", false, "(4294967296, 4294967296)")),
              HasSubstr("takes more than 2^63 bytes"));
  for (const char* header :
       {"", "{", "{}", "[]", "{'descr': '<f8'}",
        "{'descr': '<f8', 'fortran_order': 1, 'shape': (1, 1)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1, -1)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1), 'x': 1}",
        "{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (1, 1)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1)} x",
        "{'descr': '|f8', 'fortran_order': False, 'shape': (1, 1)}",
        "{'descr': '', 'fortran_order': False, 'shape': (1, 1)}",
        "{'descr': '<f8, 'fortran_order': False, 'shape': (1, 1)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999, 1)}"}) {
    EXPECT_EQ(CodeOf([&] { ValuesOf(Npy(header, RawBytes<double>({1}))); }),
              ErrorCode::kInvalidInput)
        << header;
  }
}

TEST(NpyFormat, ColumnsAreNumbered) {
  const std::string bytes = Npy(NpyHeaderText("<f8", false, "(1, 2)"), RawBytes<double>({1, 2}));
  EXPECT_THAT(
      ErrorOf([&] {
        ValuesOf(bytes, {{"Age", "x"}, false, {}});
      }),
      HasSubstr(
          "an npy array has no column names, they are \"0\"..\"1\": x.npy has no column \"Age\""));
  EXPECT_THAT(ErrorOf([&] {
                ValuesOf(bytes, {{}, false, {{"0", {"a"}}, {"1", {}}}});
              }),
              HasSubstr("column \"0\" holds numbers, but it is categorical"));
}

}  // namespace
}  // namespace windlass::table
