// Rows stream: what a table takes in memory does not grow with its rows.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>

#include "windlass/table/table.h"
#include "windlass/table/test_tables_internal.h"

namespace windlass::table {
namespace {

constexpr int kColumns = 49;
constexpr std::int64_t kMiB = 1 << 20;

// No two rows equal and hardly anything repeats: dictionaries do not help.
std::shared_ptr<arrow::Table> Batch(std::int64_t first, std::int64_t rows) {
  std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>> columns;
  for (int column = 0; column < kColumns; ++column) {
    std::vector<double> values;
    for (std::int64_t row = 0; row < rows; ++row) {
      values.push_back(static_cast<double>((first + row) * 7919 % 1'000'003) * (column + 1));
    }
    columns.emplace_back(fmt::format("c{}", column), Doubles(values));
  }
  return TableOf(columns);
}

void WriteLong(const std::string& path, std::int64_t rows, std::int64_t group_rows) {
  const auto sink = *arrow::io::FileOutputStream::Open(path);
  const auto first = Batch(0, 1);
  if (path.ends_with(".parquet")) {
    const auto properties = parquet::WriterProperties::Builder()
                                .compression(parquet::Compression::SNAPPY)
                                ->max_row_group_length(group_rows)
                                ->build();
    const auto writer = *parquet::arrow::FileWriter::Open(
        *first->schema(), arrow::default_memory_pool(), sink, properties);
    for (std::int64_t row = 0; row < rows; row += group_rows) {
      ASSERT_TRUE(
          writer->WriteTable(*Batch(row, std::min(group_rows, rows - row)), group_rows).ok());
    }
    ASSERT_TRUE(writer->Close().ok());
  } else {
    const auto writer = *arrow::ipc::MakeFileWriter(sink, first->schema());
    for (std::int64_t row = 0; row < rows; row += group_rows) {
      ASSERT_TRUE(writer->WriteTable(*Batch(row, std::min(group_rows, rows - row))).ok());
    }
    ASSERT_TRUE(writer->Close().ok());
  }
  ASSERT_TRUE(sink->Close().ok());
}

// Runs `body` in a process of its own, whose memory is not this one's, and gives its result.
std::int64_t InChild(const std::function<std::int64_t()>& body) {
  int ends[2];
  if (::pipe(ends) != 0) return -1;
  const pid_t child = ::fork();
  if (child == 0) {
    const std::int64_t result = body();
    const bool sent = ::write(ends[1], &result, sizeof(result)) == sizeof(result);
    ::_exit(sent ? 0 : 1);
  }
  ::close(ends[1]);
  std::int64_t result = -1;
  if (::read(ends[0], &result, sizeof(result)) != sizeof(result)) result = -1;
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return result;
}

// A line of this process's status, in bytes: "VmHWM:" is the largest resident set so far,
// "RssAnon:" what is resident now without mapped files, whose pages the kernel takes back at will.
std::int64_t StatusBytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key)) return std::stoll(line.substr(key.size())) * 1024;
  }
  return -1;
}

std::int64_t PeakOfReading(const std::string& path, std::int64_t rows) {
  return InChild([&]() -> std::int64_t {
    const bool is_mapped = path.ends_with(".arrow");
    std::int64_t read = 0;
    std::int64_t peak = 0;
    const auto reader = OpenTable(path);
    Chunk chunk;
    while (reader->Next(4096, chunk)) {
      read += chunk.rows;
      if (is_mapped) peak = std::max(peak, StatusBytes("RssAnon:"));
    }
    if (!is_mapped) peak = StatusBytes("VmHWM:");
    return read == rows ? peak : -2;
  });
}

void ExpectStreaming(const std::string& name, std::int64_t group_rows, std::int64_t few_rows,
                     std::int64_t many_rows, std::int64_t most_mib) {
  const TemporaryFolder folder;
  const std::string small = PathIn(folder, "small." + name);
  const std::string large = PathIn(folder, "large." + name);
  ASSERT_EQ(InChild([&]() -> std::int64_t {
              WriteLong(small, few_rows, std::min(group_rows, few_rows));
              WriteLong(large, many_rows, group_rows);
              return ::testing::Test::HasFailure() ? 1 : 0;
            }),
            0);
  const std::int64_t few = PeakOfReading(small, few_rows);
  const std::int64_t many = PeakOfReading(large, many_rows);
  ASSERT_GT(few, 0);
  ASSERT_GT(many, 0);
  EXPECT_LT(many - few, most_mib * kMiB) << few / kMiB << " -> " << many / kMiB << " MiB";
  ::testing::Test::RecordProperty("peak_of_few_mib", static_cast<int>(few / kMiB));
  ::testing::Test::RecordProperty("peak_of_many_mib", static_cast<int>(many / kMiB));
}

// The rest of an explanation needs some of the 64 MiB that a hundredfold table may take.
TEST(Memory, ParquetByRowGroups) { ExpectStreaming("parquet", 65'536, 25'600, 256'000, 32); }
TEST(Memory, ParquetInOneRowGroup) { ExpectStreaming("parquet", 262'144, 131'072, 262'144, 32); }
TEST(Memory, ArrowByBatches) { ExpectStreaming("arrow", 65'536, 25'600, 256'000, 16); }
TEST(Memory, ArrowInOneBatch) { ExpectStreaming("arrow", 256'000, 25'600, 256'000, 16); }

}  // namespace
}  // namespace windlass::table
