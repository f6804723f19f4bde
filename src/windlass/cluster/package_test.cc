#include "windlass/cluster/package.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/cluster/zip.h"

namespace windlass::cluster {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::uint32_t Number(const std::string& bytes, std::size_t at, int size) {
  std::uint32_t value = 0;
  for (int i = size - 1; i >= 0; --i) {
    value = value << 8 | static_cast<unsigned char>(bytes.at(at + static_cast<std::size_t>(i)));
  }
  return value;
}

TEST(Zip, HasTheCrcOfTheStandard) {
  EXPECT_EQ(Crc32(""), 0U);
  EXPECT_EQ(Crc32("123456789"), 0xcbf43926U);  // the check value of the CRC catalogue
}

// That Python's zipfile, and so Ray, reads it is seen in tests/ray/rest_test.py.
TEST(Zip, ListsItsFiles) {
  ZipWriter zip;
  zip.Add("a.txt", "123456789");
  zip.Add("b/c.bin", std::string("\0\n", 2));
  const std::string bytes = zip.Finish();
  const std::size_t end = bytes.size() - 22;
  EXPECT_EQ(Number(bytes, end, 4), 0x06054b50U);
  EXPECT_EQ(Number(bytes, end + 10, 2), 2U);
  const std::size_t directory = Number(bytes, end + 16, 4);
  EXPECT_EQ(directory + Number(bytes, end + 12, 4), end);
  EXPECT_EQ(Number(bytes, directory, 4), 0x02014b50U);
  EXPECT_EQ(Number(bytes, directory + 16, 4), 0xcbf43926U);
  EXPECT_EQ(Number(bytes, directory + 20, 4), 9U);
  EXPECT_EQ(Number(bytes, directory + 42, 4), 0U);  // where the file is
  EXPECT_EQ(bytes.substr(30, 14), "a.txt123456789");
  ZipWriter again;
  again.Add("a.txt", "123456789");
  again.Add("b/c.bin", std::string("\0\n", 2));
  EXPECT_EQ(again.Finish(), bytes);
  EXPECT_EQ(ZipWriter().Finish().size(), 22U);
}

class InputsTest : public ::testing::Test {
 protected:
  std::string File(const std::string& name, std::string_view content = "x") const {
    const std::filesystem::path path = folder_.path() / name;
    MakeFolders(path.parent_path());
    WriteFileAtomically(path, content);
    return path.string();
  }
  std::string Folder() const { return folder_.path().string(); }

 private:
  TemporaryFolder folder_;
};

TEST_F(InputsTest, BringsFilesAndLeavesTheRest) {
  const std::string model = File("model.onnx"), data = File("rows.parquet");
  const Json spec = {{"model", "onnx:" + model + "?opaque=1"},
                     {"data", data},
                     {"background", data},
                     {"groups", R"({"a": [0]})"},
                     {"coalitions", nullptr},
                     {"runs", {"s3://bucket/a.parquet", data, "python:module:function"}},
                     {"link", data}};
  const Inputs inputs =
      FindInputs(spec, {"model", "data", "background", "groups", "coalitions", "runs", "none"}, {});
  EXPECT_EQ(inputs.spec["model"], "onnx:inputs/1/model.onnx?opaque=1");
  EXPECT_EQ(inputs.spec["data"], "inputs/2/rows.parquet");
  EXPECT_EQ(inputs.spec["background"], inputs.spec["data"]) << "specs may compare them";
  EXPECT_EQ(inputs.spec["groups"], spec["groups"]);
  EXPECT_TRUE(inputs.spec["coalitions"].is_null());
  EXPECT_EQ(inputs.spec["runs"],
            Json({"s3://bucket/a.parquet", "inputs/2/rows.parquet", "python:module:function"}));
  EXPECT_EQ(inputs.spec["link"], data) << "no input";
  EXPECT_EQ(inputs.files.size(), 2U);
  EXPECT_EQ(inputs.files.at("inputs/2/rows.parquet"), data);
  EXPECT_EQ(inputs.InWordsOfTheUser("inputs/2/rows.parquet and inputs/1/model.onnx are wrong"),
            data + " and " + model + " are wrong");
}

TEST_F(InputsTest, BringsFolders) {
  File("run/summary.json");
  File("run/attributions.parquet");
  File("run/deep/none");
  const Inputs inputs = FindInputs({{"a", Folder() + "/run/"}}, {"a"}, {});
  EXPECT_EQ(inputs.spec["a"], "inputs/1/run");
  EXPECT_EQ(inputs.files.size(), 2U);
  EXPECT_TRUE(inputs.files.contains("inputs/1/run/summary.json"));
}

TEST_F(InputsTest, LeavesWhatBothSidesSee) {
  const std::string data = File("shared/rows.parquet"), near = File("shared2/rows.parquet");
  const Inputs inputs = FindInputs(
      {{"data", data}, {"model", "linear:" + Folder() + "/shared/there.json"}, {"b", near}},
      {"data", "model", "b"}, Folder() + "/shared");
  EXPECT_EQ(inputs.spec["data"], data);
  EXPECT_EQ(inputs.spec["model"], "linear:" + Folder() + "/shared/there.json");
  EXPECT_EQ(inputs.spec["b"], "inputs/1/rows.parquet") << "another folder";
}

TEST_F(InputsTest, NamesWhatIsMissing) {
  try {
    FindInputs({{"data", "/nowhere/rows.csv"}}, {"data"}, {});
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("/nowhere/rows.csv"), HasSubstr("?shared=")));
  }
}

TEST_F(InputsTest, PackagesAreNamedByTheirContent) {
  const std::string a = File("a", "1"), b = File("b", "1"), c = File("c", "2");
  EXPECT_EQ(Pack({{"x", a}}).name, Pack({{"x", b}}).name);
  EXPECT_NE(Pack({{"x", a}}).name, Pack({{"x", c}}).name);
  EXPECT_NE(Pack({{"x", a}}).name, Pack({{"y", a}}).name);
  EXPECT_THAT(Pack({{"x", a}}).uri(), ::testing::MatchesRegex("gcs://_ray_pkg_[0-9a-f]{40}\\.zip"));
}

TEST_F(InputsTest, WhatIsTooLargeSaysHowElse) {
  const std::string small = File("small"), large = File("large.parquet");
  std::filesystem::resize_file(large, std::uintmax_t{101} << 20);  // sparse
  try {
    Pack({{"a", small}, {"b", large}});
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("102 MiB together, most of it " + large),
                                    HasSubstr("s3://"), HasSubstr("?shared=")));
  }
}

}  // namespace
}  // namespace windlass::cluster
