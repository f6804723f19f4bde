// Damaged files of every format: an error or (where the format has no checksum) other values, but
// never a crash, a hang, or memory out of proportion.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zip.h>

#include <fstream>
#include <random>

#include "windlass/table/table.h"
#include "windlass/table/test_tables_internal.h"

namespace windlass::table {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class Damage : public ::testing::TestWithParam<std::string> {
 protected:
  Damage() {
    std::vector<double> numbers;
    std::vector<std::string> words;
    for (int i = 0; i < 40; ++i) {
      numbers.push_back(i % 9 * 0.37);
      words.push_back(fmt::format("w{}", i % 5));
    }
    const std::string name = GetParam();
    std::shared_ptr<arrow::Array> column = Texts(words);
    if (name.starts_with("categories")) {
      std::string codes = "[0";
      for (int i = 1; i < 40; ++i) codes += fmt::format(", {}", i % 5);
      column = *arrow::DictionaryArray::FromArrays(
          FromJson(arrow::int8(), codes + "]"),
          FromJson(arrow::utf8(), R"(["w0", "w1", "w2", "w3", "w4"])"));
    } else if (!name.ends_with(".npy") && !name.ends_with(".npz")) {
      options_.codes = {{"x", {}}, {"word", {"w0", "w1", "w2", "w3", "w4"}}, {"n", {}}};
    }
    const auto table = TableOf({{"x", Doubles(numbers)},
                                {"word", column},
                                {"n", FromJson(arrow::int16(), IntegersJson())}});
    path_ = PathIn(folder_, name);
    const std::string npy =
        Npy(NpyHeaderText("<f8", name == "f.npy", "(20, 2)"), RawBytes(numbers));
    if (name.ends_with(".parquet")) {
      WriteParquet(path_, *table, 25);
    } else if (name.ends_with(".npy")) {
      WriteFileAtomically(path_, npy);
    } else if (name.ends_with(".npz")) {
      int code = 0;
      zip_t* archive = zip_open(path_.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
      zip_file_add(archive, "x.npy", zip_source_buffer(archive, npy.data(), npy.size(), 0), 0);
      EXPECT_EQ(zip_close(archive), 0);
    } else if (name.ends_with(".csv")) {
      std::string text = "x,word,n\n";
      for (int i = 0; i < 40; ++i) text += fmt::format("{},\"{}\",{}\n", numbers[i], words[i], i);
      WriteFileAtomically(path_, text);
    } else {
      WriteArrow(path_, *table, name == "stream.arrow", 25);
    }
    bytes_ = ReadFile(path_);
  }

  static std::string IntegersJson() {
    std::string json = "[null";
    for (int i = 1; i < 40; ++i) json += fmt::format(", {}", i);
    return json + "]";
  }

  // Reads a changed copy. Whatever is no Error fails the test; a crash fails it too.
  std::string ErrorFor(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;  // quick: no fsync
    return ErrorOf([&] { ReadAll(path_, options_, 7); });
  }

  TemporaryFolder folder_;
  std::string path_;
  std::string bytes_;
  ReadOptions options_;
};

TEST_P(Damage, TruncationIsAnError) {
  ASSERT_EQ(ErrorFor(bytes_), "no error");
  const std::size_t step = std::max<std::size_t>(1, bytes_.size() / 400);
  for (std::size_t size = 0; size < bytes_.size(); size += step) {
    const std::string error = ErrorFor(bytes_.substr(0, size));
    // A text or a stream cut at a row or a message is a shorter one.
    if (GetParam() == "t.csv" || GetParam() == "stream.arrow") continue;
    EXPECT_THAT(error, HasSubstr(GetParam())) << size;
    if (size > 16) {
      EXPECT_THAT(error, AnyOf(HasSubstr("truncated"), HasSubstr("corrupt"), HasSubstr("is empty")))
          << size;
    }
  }
}

TEST_P(Damage, FlippedBytesNeverCrash) {
  std::mt19937_64 random(11);
  constexpr int kTrials = 400;
  int refused = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::string bytes = bytes_;
    const int flips = 1 + static_cast<int>(random() % 3);
    for (int i = 0; i < flips; ++i) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    refused += ErrorFor(bytes) != "no error";
  }
  EXPECT_GT(refused, 0);
  RecordProperty("refused", refused);
}

INSTANTIATE_TEST_SUITE_P(Formats, Damage,
                         ::testing::Values("t.parquet", "categories.parquet", "file.arrow",
                                           "categories.arrow", "stream.arrow", "c.npy", "f.npy",
                                           "z.npz", "t.csv"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) c = c == '.' ? '_' : c;
                           return name;
                         });

TEST(ChangedData, IsFoundByChecksums) {
  const TemporaryFolder folder;
  const std::string path = PathIn(folder, "out.parquet");
  const auto writer = CreateParquet(path, {{"phi", OutputColumn::Type::kDouble}});
  writer->Append({OutputValues{{}, std::vector<double>(1000, 0.25), {}}});
  writer->Close();
  std::string bytes = ReadFile(path);
  bytes[4000] ^= 1;  // within the only page
  WriteFileAtomically(path, bytes);
  EXPECT_EQ(CodeOf([&] { ReadAll(path); }), ErrorCode::kInvalidInput);
  EXPECT_THAT(ErrorOf([&] { ReadAll(path); }), HasSubstr("out.parquet is corrupt or truncated"));
}

}  // namespace
}  // namespace windlass::table
