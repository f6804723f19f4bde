// Reading and writing at the size of the Adult job: 49 columns in, 14 out.
#include <arrow/api.h>
#include <arrow/io/api.h>
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <parquet/arrow/writer.h>

#include <random>

#include "windlass/base/file.h"
#include "windlass/table/table.h"

namespace windlass::table {
namespace {

constexpr int kColumns = 49;
constexpr int kRows = 262'144;

// 4 columns of 100..10,000 different values, the others 0 and 1: one-hot, as Adult's.
std::shared_ptr<arrow::Table> InputTable() {
  std::mt19937_64 random(1);
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (int column = 0; column < kColumns; ++column) {
    arrow::DoubleBuilder builder;
    const std::uint64_t distinct = column < 4 ? 100ULL << (2 * column) : 2;
    for (int row = 0; row < kRows; ++row) {
      if (!builder.Append(static_cast<double>(random() % distinct)).ok()) std::abort();
    }
    fields.push_back(arrow::field(fmt::format("c{}", column), arrow::float64()));
    arrays.push_back(*builder.Finish());
  }
  return arrow::Table::Make(arrow::schema(fields), arrays);
}

void ReadParquet(benchmark::State& state) {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "rows.parquet").string();
  {
    const auto sink = *arrow::io::FileOutputStream::Open(path);
    const auto codec = static_cast<parquet::Compression::type>(state.range(0));
    const auto properties = parquet::WriterProperties::Builder().compression(codec)->build();
    if (!parquet::arrow::WriteTable(*InputTable(), arrow::default_memory_pool(), sink, 65536,
                                    properties)
             .ok()) {
      std::abort();
    }
  }
  Chunk chunk;
  for (auto _ : state) {
    const auto reader = OpenTable(path);
    while (reader->Next(state.range(1), chunk)) benchmark::DoNotOptimize(chunk.values.data());
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}
BENCHMARK(ReadParquet)
    ->ArgNames({"codec", "chunk"})
    ->Args({parquet::Compression::SNAPPY, 256})
    ->Args({parquet::Compression::SNAPPY, 4096})
    ->Args({parquet::Compression::ZSTD, 4096})
    ->Args({parquet::Compression::UNCOMPRESSED, 4096})
    ->Unit(benchmark::kMillisecond);

void ReadCsv(benchmark::State& state) {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "rows.csv").string();
  std::mt19937_64 random(1);
  std::string text;
  for (int column = 0; column < kColumns; ++column) {
    text += fmt::format("{}c{}", column == 0 ? "" : ",", column);
  }
  constexpr int kCsvRows = 20'000;
  for (int row = 0; row < kCsvRows; ++row) {
    for (int column = 0; column < kColumns; ++column) {
      text += column == 0 ? "\n" : ",";
      text += column < 4 ? fmt::to_string(static_cast<double>(random() >> 11) * 0x1p-53)
                         : fmt::to_string(random() % 2);
    }
  }
  WriteFileAtomically(path, text);
  Chunk chunk;
  for (auto _ : state) {
    const auto reader = OpenTable(path);
    while (reader->Next(4096, chunk)) benchmark::DoNotOptimize(chunk.values.data());
  }
  state.SetItemsProcessed(state.iterations() * kCsvRows);
}
BENCHMARK(ReadCsv)->Unit(benchmark::kMillisecond);

// Opening a small file: part of what explaining one row costs.
void OpenOneRow(benchmark::State& state) {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "row.parquet").string();
  {
    const auto sink = *arrow::io::FileOutputStream::Open(path);
    if (!parquet::arrow::WriteTable(*InputTable()->Slice(0, 1), arrow::default_memory_pool(), sink)
             .ok()) {
      std::abort();
    }
  }
  Chunk chunk;
  for (auto _ : state) {
    OpenTable(path)->Next(1, chunk);
    benchmark::DoNotOptimize(chunk.values.data());
  }
}
BENCHMARK(OpenOneRow)->Unit(benchmark::kMicrosecond);

// row, output, and 12 attributions.
void WriteParquet(benchmark::State& state) {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "out.parquet").string();
  constexpr int kNumbers = 12;
  constexpr std::size_t kAppended = 2048;
  constexpr std::size_t kDifferent = kRows / kAppended;
  std::vector<OutputColumn> columns = {{"row", OutputColumn::Type::kInt64},
                                       {"output", OutputColumn::Type::kText}};
  std::mt19937_64 random(1);
  std::vector<std::vector<OutputValues>> blocks(kDifferent,
                                                std::vector<OutputValues>(2 + kNumbers));
  for (std::size_t row = 0; row < kRows; ++row) {
    auto& values = blocks[row / kAppended];
    values[0].integers.push_back(static_cast<std::int64_t>(row));
    values[1].texts.push_back("1");
    for (int i = 0; i < kNumbers; ++i) {
      values[2 + i].doubles.push_back(static_cast<double>(random() >> 11) * 0x1p-53 - 0.5);
    }
  }
  for (int i = 0; i < kNumbers; ++i) {
    columns.push_back({fmt::format("phi{}", i), OutputColumn::Type::kDouble});
  }
  for (auto _ : state) {
    const auto writer = CreateParquet(path, columns);
    for (const auto& block : blocks) writer->Append(block);
    writer->Close();
  }
  state.SetItemsProcessed(state.iterations() * kRows);
  state.counters["bytes_a_row"] = static_cast<double>(std::filesystem::file_size(path)) / kRows;
}
BENCHMARK(WriteParquet)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace windlass::table
