// What holds for every format alike: equal values give equal chunks, and each refusal says what,
// where and what would be right.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zip.h>

#include <bit>
#include <cmath>
#include <limits>

#include "windlass/table/table.h"
#include "windlass/table/test_tables_internal.h"

namespace windlass::table {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

void WriteNpz(const std::string& path,
              const std::vector<std::pair<std::string, std::string>>& files,
              int method = ZIP_CM_DEFLATE) {
  int code = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  ASSERT_NE(archive, nullptr);
  for (const auto& [name, bytes] : files) {
    zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    const zip_int64_t index = zip_file_add(archive, name.c_str(), source, 0);
    ASSERT_GE(index, 0);
    ASSERT_EQ(zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), method, 0), 0);
  }
  ASSERT_EQ(zip_close(archive), 0);
}

std::vector<std::uint64_t> Bits(const std::vector<double>& values) {
  std::vector<std::uint64_t> bits;
  for (const double value : values) {
    bits.push_back(std::isnan(value) ? 0x7ff8000000000000 : std::bit_cast<std::uint64_t>(value));
  }
  return bits;
}

// The same numbers in every format: columns "0".."2", as npy names them.
class SameValues : public ::testing::Test {
 protected:
  static constexpr std::int64_t kRows = 3'001;
  static constexpr std::int64_t kColumns = 3;

  SameValues() {
    for (std::int64_t row = 0; row < kRows; ++row) {
      rows_.push_back(std::sin(static_cast<double>(row)) * std::pow(10.0, row % 40 - 20));
      rows_.push_back(row % 7 == 3 ? kNan : static_cast<double>(row));
      rows_.push_back(row % 2 == 0 ? -0.0 : 1e-310 * static_cast<double>(row));
    }
    std::vector<std::vector<double>> columns(kColumns);
    for (std::size_t i = 0; i < rows_.size(); ++i) columns[i % kColumns].push_back(rows_[i]);
    for (const auto& column : columns)
      by_column_.insert(by_column_.end(), column.begin(), column.end());
    table_ = TableOf(
        {{"0", Doubles(columns[0])}, {"1", Doubles(columns[1])}, {"2", Doubles(columns[2])}});
  }

  std::string Path(const std::string& name) const { return PathIn(folder_, name); }

  void ExpectSame(const std::string& uri, std::optional<std::int64_t> rows = kRows) const {
    for (const std::int64_t max_rows : {1L, 100L, 1'000'000L}) {
      const Everything all = ReadAll(uri, {}, max_rows);
      EXPECT_EQ(all.rows, kRows) << uri;
      EXPECT_TRUE(Bits(all.values) == Bits(rows_)) << uri;
      ASSERT_EQ(all.schema.size(), 3);
      EXPECT_EQ(all.schema[2].name, "2");
    }
    EXPECT_EQ(OpenTable(uri)->rows(), rows) << uri;
    EXPECT_THAT(ColumnNames(uri), ElementsAre("0", "1", "2"));
    const Everything some = ReadAll(uri, {{"2", "0"}, true, {}}, 777);
    ASSERT_EQ(some.values.size(), 2 * kRows) << uri;
    std::vector<double> wanted;
    for (std::int64_t row = 0; row < kRows; ++row) {
      wanted.push_back(rows_[row * 3 + 2]);
      wanted.push_back(rows_[row * 3]);
    }
    EXPECT_TRUE(Bits(some.values) == Bits(wanted)) << uri;
  }

  TemporaryFolder folder_;
  std::vector<double> rows_;       // row-major
  std::vector<double> by_column_;  // column-major
  std::shared_ptr<arrow::Table> table_;
};

TEST_F(SameValues, Parquet) {
  WriteParquet(Path("one.parquet"), *table_);
  WriteParquet(Path("groups.parquet"), *table_, 500, parquet::Compression::ZSTD);
  ExpectSame(Path("one.parquet"));
  ExpectSame(Path("groups.parquet"));
  ExpectSame("file://" + Path("one.parquet"));
}

TEST_F(SameValues, ArrowFileAndStream) {
  WriteArrow(Path("a.arrow"), *table_, false, 1000);
  WriteArrow(Path("b.feather"), *table_);
  WriteArrow(Path("c.ipc"), *table_, true, 700);
  ExpectSame(Path("a.arrow"));
  ExpectSame(Path("b.feather"));
  ExpectSame(Path("c.ipc"), std::nullopt);
}

TEST_F(SameValues, Csv) {
  for (const char* line_end : {"\n", "\r\n"}) {
    std::string text = std::string("0,\"1\",2") + line_end;
    for (std::int64_t row = 0; row < kRows; ++row) {
      const double* cells = &rows_[row * 3];
      text += fmt::format("{},{}, {} {}", cells[0],
                          std::isnan(cells[1]) ? "" : fmt::to_string(cells[1]), cells[2], line_end);
    }
    WriteFileAtomically(Path("rows.csv"), text);
    ExpectSame(Path("rows.csv"), std::nullopt);
    text.resize(text.size() - std::string(line_end).size());  // no line end at the end
    WriteFileAtomically(Path("rows.csv"), text);
    ExpectSame(Path("rows.csv"), std::nullopt);
  }
}

TEST_F(SameValues, NpyInBothOrders) {
  WriteFileAtomically(Path("c.npy"),
                      Npy(NpyHeaderText("<f8", false, "(3001, 3)"), RawBytes(rows_)));
  WriteFileAtomically(Path("f.npy"),
                      Npy(NpyHeaderText("<f8", true, "(3001, 3)"), RawBytes(by_column_)));
  std::vector<std::uint64_t> swapped;
  for (const double value : rows_) {
    swapped.push_back(__builtin_bswap64(std::bit_cast<std::uint64_t>(value)));
  }
  WriteFileAtomically(Path("big.npy"),
                      Npy(NpyHeaderText(">f8", false, "(3001, 3)"), RawBytes(swapped)));
  ExpectSame(Path("c.npy"));
  ExpectSame(Path("f.npy"));
  ExpectSame(Path("big.npy"));
}

TEST_F(SameValues, NpzStoredAndDeflated) {
  const std::string c = Npy(NpyHeaderText("<f8", false, "(3001, 3)"), RawBytes(rows_));
  const std::string f = Npy(NpyHeaderText("<f8", true, "(3001, 3)"), RawBytes(by_column_));
  const std::string vector = Npy(NpyHeaderText("<i8", false, "(1,)"), RawBytes<std::int64_t>({5}));
  for (const int method : {ZIP_CM_STORE, ZIP_CM_DEFLATE}) {
    WriteNpz(Path("c.npz"), {{"x.npy", c}, {"labels.npy", vector}}, method);
    ExpectSame(Path("c.npz"));
    WriteNpz(Path("f.npz"), {{"x.npy", f}, {"y.npy", c}}, method);
    ExpectSame(Path("f.npz") + "?array=x");
    ExpectSame(Path("f.npz") + "?array=y");
  }
}

TEST(Types, EveryNumberBecomesADouble) {
  const TemporaryFolder folder;
  const auto numbers = [&](const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
    const auto table = TableOf({{"x", FromJson(type, json)}});
    WriteArrow(PathIn(folder, "x.arrow"), *table);
    WriteParquet(PathIn(folder, "x.parquet"), *table);
    const auto from_arrow = ReadAll(PathIn(folder, "x.arrow")).values;
    EXPECT_EQ(Bits(from_arrow), Bits(ReadAll(PathIn(folder, "x.parquet")).values))
        << type->ToString();
    return Bits(from_arrow);
  };
  for (const auto& type : {arrow::int8(), arrow::int16(), arrow::int32(), arrow::int64()}) {
    EXPECT_EQ(numbers(type, "[1, null, -128, 127]"), Bits({1, kNan, -128, 127}));
  }
  for (const auto& type : {arrow::uint8(), arrow::uint16(), arrow::uint32(), arrow::uint64()}) {
    EXPECT_EQ(numbers(type, "[1, null, 255]"), Bits({1, kNan, 255}));
  }
  EXPECT_EQ(numbers(arrow::float16(), "[1.5, null, -0.25]"), Bits({1.5, kNan, -0.25}));
  EXPECT_EQ(numbers(arrow::float32(), "[1.5, null, NaN]"), Bits({1.5, kNan, kNan}));
  EXPECT_EQ(numbers(arrow::float64(), "[0.1, null, -1e300]"), Bits({0.1, kNan, -1e300}));
  EXPECT_EQ(numbers(arrow::boolean(), "[true, null, false]"), Bits({1, kNan, 0}));
  EXPECT_EQ(numbers(arrow::decimal128(5, 1), R"(["0.3", null, "-123.4"])"),
            Bits({0.3, kNan, -123.4}));
  EXPECT_EQ(numbers(arrow::decimal256(40, 2), R"(["0.07", null, "12.50"])"),
            Bits({0.07, kNan, 12.5}));
  EXPECT_EQ(numbers(arrow::int64(), "[9007199254740992, -9007199254740992]"),
            Bits({0x1p53, -0x1p53}));
  const auto dictionary = *arrow::DictionaryArray::FromArrays(
      FromJson(arrow::int8(), "[1, 0, null, 1]"), FromJson(arrow::int64(), "[7, 9]"));
  WriteArrow(PathIn(folder, "d.arrow"), *TableOf({{"x", dictionary}}));
  EXPECT_EQ(Bits(ReadAll(PathIn(folder, "d.arrow")).values), Bits({9, 7, kNan, 9}));
}

TEST(Types, RefusedCellsAreNamed) {
  const TemporaryFolder folder;
  const auto refusal = [&](const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
    const auto table =
        TableOf({{"ok", FromJson(arrow::int8(), "[1, 2, 3]")}, {"Age", FromJson(type, json)}});
    WriteArrow(PathIn(folder, "x.arrow"), *table);
    WriteParquet(PathIn(folder, "x.parquet"), *table);
    EXPECT_EQ(CodeOf([&] { ReadAll(PathIn(folder, "x.arrow")); }), ErrorCode::kInvalidInput);
    EXPECT_THAT(ErrorOf([&] { ReadAll(PathIn(folder, "x.parquet"), {}, 2); }),
                HasSubstr("x.parquet: "));
    return ErrorOf([&] { ReadAll(PathIn(folder, "x.arrow"), {}, 2); });
  };
  const std::string place = "x.arrow: row 2 (counted from 0), column \"Age\": ";
  EXPECT_THAT(refusal(arrow::float64(), "[1, 2, Inf]"), HasSubstr(place + "the cell is infinite"));
  EXPECT_THAT(refusal(arrow::float32(), "[1, null, -Inf]"),
              HasSubstr(place + "the cell is infinite"));
  EXPECT_THAT(refusal(arrow::int64(), "[1, 2, 9007199254740993]"),
              HasSubstr(place + "the integer 9007199254740993 is beyond 2^53"));
  EXPECT_THAT(refusal(arrow::uint64(), "[1, 2, 18446744073709551615]"),
              HasSubstr(place + "the integer 18446744073709551615 is beyond 2^53"));
  for (const auto& [type, json] :
       {std::pair{arrow::timestamp(arrow::TimeUnit::SECOND), "[0, 1, 2]"},
        std::pair{arrow::date32(), "[0, 1, 2]"}, std::pair{arrow::binary(), R"(["a", "b", "c"])"},
        std::pair{arrow::list(arrow::int8()), "[[1], [2], [3]]"}}) {
    EXPECT_THAT(
        refusal(type, json),
        AllOf(HasSubstr("x.arrow: column \"Age\" is of type "),
              HasSubstr("numbers, booleans, decimals and dictionaries of numbers or text")));
    // A column that is not wanted may be of any type.
    EXPECT_THAT(ReadAll(PathIn(folder, "x.parquet"), {{"ok"}, true, {}}).values,
                ElementsAre(1, 2, 3));
    EXPECT_THAT(ReadAll(PathIn(folder, "x.arrow"), {{"ok"}, true, {}}).values,
                ElementsAre(1, 2, 3));
  }
}

TEST(Categories, PlainTextWithoutCodesIsRefused) {
  const TemporaryFolder folder;
  const auto table = TableOf({{"x", Doubles({1, 2, 3})},
                              {"Country", FromJson(arrow::utf8(), R"([null, "Cuba", "Peru"])")},
                              {"none", FromJson(arrow::utf8(), "[null, null, null]")}});
  WriteParquet(PathIn(folder, "t.parquet"), *table, 1);
  WriteArrow(PathIn(folder, "t.arrow"), *table, false, 1);
  WriteFileAtomically(PathIn(folder, "t.csv"), "x,Country,none\n1,,\n2,Cuba,\n3,Peru,\n");
  constexpr const char* kWanted =
      "numbers are wanted, or a dictionary-encoded (categorical) column of Parquet or Arrow IPC";
  for (const char* name : {"t.parquet", "t.arrow", "t.csv"}) {
    EXPECT_THAT(ErrorOf([&] { OpenTable(PathIn(folder, name)); }),
                AllOf(HasSubstr(name),
                      HasSubstr("row 1 (counted from 0), column \"Country\": \"Cuba\" is text; "),
                      HasSubstr(kWanted)));
    EXPECT_EQ(CodeOf([&] { OpenTable(PathIn(folder, name)); }), ErrorCode::kInvalidInput);
    EXPECT_EQ(ReadAll(PathIn(folder, name), {{"x"}, true, {}}).rows, 3);
  }
  for (const char* name : {"t.parquet", "t.arrow"}) {
    EXPECT_THAT(ErrorOf([&] {
                  OpenTable(PathIn(folder, name), {{"none"}, true, {}});
                }),
                AllOf(HasSubstr("column \"none\" is of type string; "), HasSubstr(kWanted)));
  }
}

// A model knows the codes of the dictionary that it was trained on: unused values count.
TEST(Categories, ADictionaryThatIsNotWholeIsRefused) {
  const TemporaryFolder folder;
  const auto dictionary = [](const std::string& values) {
    return TableOf({{"c", *arrow::DictionaryArray::FromArrays(FromJson(arrow::int8(), "[2, 0, 2]"),
                                                              FromJson(arrow::utf8(), values))}});
  };
  const std::string path = PathIn(folder, "d.parquet");
  const auto whole = dictionary(R"(["b", "never", "a"])");
  WriteParquet(path, *whole, 2);
  const Everything all = ReadAll(path);
  EXPECT_THAT(all.schema[0].categories, ElementsAre("b", "never", "a"));
  EXPECT_THAT(all.values, ElementsAre(2, 0, 2));

  WriteParquet(path, *whole, 2, parquet::Compression::SNAPPY, /*dictionary=*/false);
  EXPECT_THAT(ErrorOf([&] { OpenTable(path); }),
              HasSubstr("d.parquet: column \"c\" is categorical, but the file was written without "
                        "its dictionary"));
  EXPECT_THAT(ReadAll(path, {{}, false, all.schema}).values, ElementsAre(2, 0, 2));  // by value

  const std::string arrow = PathIn(folder, "d.arrow");
  WriteArrow(arrow, *dictionary(R"(["b", "a", "a"])"));
  EXPECT_THAT(ErrorOf([&] { OpenTable(arrow); }),
              HasSubstr("d.arrow: the dictionary of column \"c\" holds \"a\" twice"));
  WriteArrow(arrow, *dictionary(R"(["b", null, "a"])"));
  EXPECT_THAT(ErrorOf([&] { OpenTable(arrow); }),
              HasSubstr("d.arrow: the dictionary of column \"c\" holds a missing value"));
}

// The background's dictionary fixes the codes: that of the data may have another order, and more
// or fewer values.
TEST(Categories, OtherDictionariesGoByValue) {
  const TemporaryFolder folder;
  const Schema codes = {{"c", {"x", "b", "a"}}};
  const auto write = [&](const std::string& indices, const std::string& values) {
    const auto column = *arrow::DictionaryArray::FromArrays(FromJson(arrow::int8(), indices),
                                                            FromJson(arrow::utf8(), values));
    WriteParquet(PathIn(folder, "t.parquet"), *TableOf({{"c", column}}));
    WriteArrow(PathIn(folder, "t.arrow"), *TableOf({{"c", column}}));
  };
  for (const char* name : {"t.parquet", "t.arrow"}) {
    const auto read = [&] { return ReadAll(PathIn(folder, name), {{}, false, codes}).values; };
    write("[0, 1, 2]", R"(["a", "b", "x"])");  // another order
    EXPECT_THAT(read(), ElementsAre(2, 1, 0)) << name;
    write("[0, 0, 0]", R"(["a"])");  // fewer
    EXPECT_THAT(read(), ElementsAre(2, 2, 2)) << name;
    write("[1, 3, 2]", R"(["new", "x", "a", "b"])");  // more, of which no row makes use
    EXPECT_THAT(read(), ElementsAre(0, 1, 2)) << name;
    write("[1, 0, 2]", R"(["new", "x", "a", "b"])");
    EXPECT_THAT(ErrorOf([&] { read(); }),
                HasSubstr("row 1 (counted from 0), column \"c\": \"new\" does not occur among the "
                          "column's 3 categories (\"x\", \"b\", \"a\")"));
  }
}

TEST(Categories, DictionariesKeepTheirOrderAndGrow) {
  const TemporaryFolder folder;
  const auto part = [](const std::string& indices, const std::string& dictionary) {
    return *arrow::DictionaryArray::FromArrays(FromJson(arrow::int32(), indices),
                                               FromJson(arrow::utf8(), dictionary));
  };
  const auto first = part("[1, 0, null]", R"(["z", "b", "never"])");
  const auto second = part("[0, 1, 1]", R"(["a", "b"])");
  const auto schema = arrow::schema({arrow::field("c", first->type())});
  const auto table = arrow::Table::Make(
      schema, {std::make_shared<arrow::ChunkedArray>(arrow::ArrayVector{first, second})});
  WriteArrow(PathIn(folder, "d.arrow"), *table, true);  // a stream: dictionaries may be replaced
  const Everything all = ReadAll(PathIn(folder, "d.arrow"));
  EXPECT_THAT(all.schema[0].categories, ElementsAre("z", "b", "never", "a"));
  EXPECT_EQ(Bits(all.values), Bits({1, 0, kNan, 3, 1, 1}));
  WriteParquet(PathIn(folder, "d.parquet"), *table, 3);
  const Everything parquet = ReadAll(PathIn(folder, "d.parquet"));
  EXPECT_EQ(parquet.schema[0].categories.front(), "z");
  for (std::size_t i = 0; i < 6; ++i) {
    if (std::isnan(all.values[i])) continue;
    EXPECT_EQ(parquet.schema[0].categories[static_cast<std::size_t>(parquet.values[i])],
              all.schema[0].categories[static_cast<std::size_t>(all.values[i])]);
  }
}

TEST(Categories, CodesAreThoseGiven) {
  const TemporaryFolder folder;
  const auto table = TableOf({{"c", Texts({"b", "a", "x"})}, {"n", Doubles({1, 2, 3})}});
  WriteParquet(PathIn(folder, "t.parquet"), *table);
  WriteArrow(PathIn(folder, "t.arrow"), *table);
  WriteFileAtomically(PathIn(folder, "t.csv"), "c,n\nb,1\na,2\nx,3\n");
  for (const std::string name : {"t.parquet", "t.arrow", "t.csv"}) {
    const std::string path = PathIn(folder, name);
    const Schema codes = {{"c", {"x", "b", "a"}}, {"n", {}}};
    EXPECT_THAT(ReadAll(path, {{}, false, codes}).values, ElementsAre(1, 1, 2, 2, 0, 3));
    EXPECT_THAT(ErrorOf([&] {
                  ReadAll(path, {{}, false, {{"c", {"a", "b"}}, {"n", {}}}});
                }),
                HasSubstr("row 2 (counted from 0), column \"c\": \"x\" does not occur among the "
                          "column's 2 categories (\"a\", \"b\")"));
    EXPECT_THAT(ErrorOf([&] {
                  ReadAll(path, {{}, false, {{"c", {}}, {"n", {}}}});
                }),
                name == "t.csv"
                    ? HasSubstr("row 0 (counted from 0), column \"c\": \"b\" is not a number")
                    : HasSubstr("column \"c\" holds text (string), but numbers are wanted"));
  }
  // Numbers where text was: CSV has no types, so "1" is the category "1"; Parquet says double.
  const Schema codes = {{"c", {"x", "b", "a"}}, {"n", {"3", "2", "1"}}};
  EXPECT_THAT(ReadAll(PathIn(folder, "t.csv"), {{}, false, codes}).values,
              ElementsAre(1, 2, 2, 1, 0, 0));
  EXPECT_THAT(ErrorOf([&] {
                ReadAll(PathIn(folder, "t.parquet"), {{}, false, codes});
              }),
              HasSubstr("column \"n\" holds numbers (double), but it is categorical"));
}

TEST(Categories, NumbersHaveCodesWhereTheyAreAModels) {
  const TemporaryFolder folder;
  const auto table = TableOf({{"c", Doubles({2, 0, kNan})}, {"n", Doubles({40, 10, 20})}});
  WriteParquet(PathIn(folder, "t.parquet"), *table);
  WriteArrow(PathIn(folder, "t.arrow"), *table);
  WriteFileAtomically(PathIn(folder, "t.csv"), "c,n\n2,40\n0,10\n,20\n");
  const auto options = [](std::vector<std::string> words, std::vector<std::string> numbers) {
    ReadOptions options;
    options.codes = {{"c", std::move(words)}, {"n", std::move(numbers)}};
    options.numbers_have_codes = true;
    return options;
  };
  for (const std::string name : {"t.parquet", "t.arrow", "t.csv"}) {
    SCOPED_TRACE(name);
    const std::string path = PathIn(folder, name);
    const Everything all = ReadAll(path, options({"x", "b", "a"}, {"20", "10", "4e1"}));
    EXPECT_EQ(Bits(all.values), Bits({2, 2, 0, 1, kNan, 0}));
    EXPECT_THAT(all.schema[0].categories, ElementsAre("x", "b", "a"));
    EXPECT_THAT(all.schema[1].categories, ElementsAre("20", "10", "4e1"));
    EXPECT_THAT(ErrorOf([&] {
                  ReadAll(path, options({"x", "b"}, {"20", "10", "40"}));
                }),
                HasSubstr("row 0 (counted from 0), column \"c\": 2 is no code of the column's "
                          "categories, which are 0..1"));
    EXPECT_THAT(ErrorOf([&] {
                  ReadAll(path, options({"x", "b", "a"}, {"20", "40"}));
                }),
                HasSubstr("row 1 (counted from 0), column \"n\": 10 does not occur among the "
                          "column's 2 categories (20, ...)"));
  }
  // An array has numbers only.
  const std::string array("\x93NUMPY\x01\0\x46\0", 10);
  const std::string header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1), }";
  const double two = 2;
  WriteFileAtomically(PathIn(folder, "t.npy"),
                      array + header + std::string(0x46 - header.size() - 1, ' ') + "\n" +
                          std::string(reinterpret_cast<const char*>(&two), sizeof two));
  ReadOptions one;
  one.codes = {{"0", {"x", "b", "a"}}};
  EXPECT_THAT(ErrorOf([&] { ReadAll(PathIn(folder, "t.npy"), one); }), HasSubstr("holds numbers"));
  one.numbers_have_codes = true;
  EXPECT_THAT(ReadAll(PathIn(folder, "t.npy"), one).values, ElementsAre(2));
}

TEST(Opening, SaysWhatIsWrongWithTheFile) {
  const TemporaryFolder folder;
  const auto error = [&](const std::string& name) {
    return ErrorOf([&] { OpenTable(PathIn(folder, name)); });
  };
  const auto write = [&](const std::string& name, const std::string& content) {
    WriteFileAtomically(PathIn(folder, name), content);
  };
  EXPECT_EQ(CodeOf([&] { OpenTable(PathIn(folder, "none.csv")); }), ErrorCode::kNotFound);
  EXPECT_THAT(error("none.csv"), HasSubstr("none.csv: there is no such file"));
  EXPECT_EQ(CodeOf([&] { OpenTable("file://" + PathIn(folder, "none.csv")); }),
            ErrorCode::kNotFound);
  MakeFolders(folder.path() / "sub.csv");
  EXPECT_THAT(error("sub.csv"), HasSubstr("sub.csv is a folder; a file is wanted"));
  write("empty.parquet", "");
  EXPECT_THAT(error("empty.parquet"), HasSubstr("empty.parquet is empty"));
  write("data.xlsx", "PK\x03\x04");
  EXPECT_THAT(error("data.xlsx"),
              HasSubstr("the ending \".xlsx\" is not that of a table; known are .csv, .parquet, "
                        ".arrow, .feather, .ipc, .npy or .npz"));
  write("data", "x");
  EXPECT_THAT(error("data"), HasSubstr("no ending that tells its format"));
  write("text.parquet", "a,b\n1,2\n");
  EXPECT_THAT(error("text.parquet"), HasSubstr("is not Parquet: it looks like text (name it .csv"));
  EXPECT_EQ(CodeOf([&] { OpenTable(PathIn(folder, "text.parquet")); }), ErrorCode::kInvalidInput);
  WriteParquet(PathIn(folder, "p.csv"), *TableOf({{"x", Doubles({1})}}));
  EXPECT_THAT(error("p.csv"), HasSubstr("is not CSV: it looks like Parquet (name it .parquet)"));
  WriteArrow(PathIn(folder, "a.npy"), *TableOf({{"x", Doubles({1})}}));
  EXPECT_THAT(error("a.npy"),
              HasSubstr("is not npy: it looks like an Arrow file (name it .arrow)"));
  write("j.arrow", "{\"a\": 1}");
  EXPECT_THAT(error("j.arrow"), HasSubstr("is not Arrow IPC: it looks like JSON"));
  write("z.csv", std::string("\x1f\x8b\x08\x00", 4));
  EXPECT_THAT(error("z.csv"), HasSubstr("it looks like gzip data (unpack it first)"));
  write("u.csv", std::string("\xff\xfe"
                             "a\0,\0",
                             6));
  EXPECT_THAT(error("u.csv"), HasSubstr("it looks like UTF-16 text (save it as UTF-8)"));
  write("n.npz", "\x93NUMPY\x01");
  EXPECT_THAT(error("n.npz"), HasSubstr("is not npz: it looks like an npy array (name it .npy)"));
  EXPECT_THAT(ErrorOf([] { OpenTable("gopher://x/y.csv"); }),
              HasSubstr("file:// or s3:// is wanted"));
}

TEST(Npz, ListsItsArrays) {
  const TemporaryFolder folder;
  const std::string path = PathIn(folder, "many.npz");
  const std::string matrix = Npy(NpyHeaderText("<f8", false, "(1, 2)"), RawBytes<double>({1, 2}));
  const std::string vector = Npy(NpyHeaderText("<f8", false, "(2,)"), RawBytes<double>({1, 2}));
  WriteNpz(path, {{"train.npy", matrix}, {"test.npy", matrix}, {"y.npy", vector}});
  EXPECT_THAT(
      ErrorOf([&] { OpenTable(path); }),
      AllOf(HasSubstr("holds 2 two-dimensional arrays of numbers (train (1, 2), test (1, 2), "
                      "y (2,)); name one, as in "),
            HasSubstr("many.npz?array=train")));
  EXPECT_THAT(ErrorOf([&] { OpenTable(path + "?array=tset"); }),
              HasSubstr("there is no array \"tset\"; did you mean \"test\"?"));
  EXPECT_THAT(ErrorOf([&] { OpenTable(path + "?array=y"); }),
              HasSubstr("(array \"y\") holds an array of shape (2,); a table has two dimensions"));
  EXPECT_THAT(ReadAll(path + "?array=test").values, ElementsAre(1, 2));
  WriteNpz(path, {{"readme.txt", "hello"}});
  EXPECT_THAT(ErrorOf([&] { OpenTable(path); }), HasSubstr("holds no npy array"));
}

}  // namespace
}  // namespace windlass::table
