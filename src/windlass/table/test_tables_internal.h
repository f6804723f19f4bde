// Helpers of this folder's tests: files made with Arrow's writers, and what a reader says of them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <arrow/io/api.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/table/table.h"

namespace windlass::table {

// The error that `body` throws, or "no error".
inline std::string ErrorOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

inline ErrorCode CodeOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::kInternal;
}

struct Everything {
  Schema schema;
  std::int64_t rows = 0;
  std::vector<double> values;
};

inline Everything ReadAll(const std::string& uri, const ReadOptions& options = {},
                          std::int64_t max_rows = 1000) {
  const auto reader = OpenTable(uri, options);
  Everything all{reader->schema(), 0, {}};
  Chunk chunk;
  while (reader->Next(max_rows, chunk)) {
    EXPECT_EQ(chunk.first_row, all.rows);
    EXPECT_LE(chunk.rows, max_rows);
    EXPECT_EQ(chunk.values.size(), chunk.rows * all.schema.size());
    all.rows += chunk.rows;
    all.values.insert(all.values.end(), chunk.values.begin(), chunk.values.end());
  }
  EXPECT_EQ(chunk.rows, 0);
  return all;
}

template <typename Builder, typename Value>
std::shared_ptr<arrow::Array> ArrayOf(const std::vector<Value>& values,
                                      std::shared_ptr<arrow::DataType> type = nullptr) {
  auto builder = [&] {
    if constexpr (std::is_constructible_v<Builder, std::shared_ptr<arrow::DataType>,
                                          arrow::MemoryPool*>) {
      return Builder(type ? type : arrow::TypeTraits<typename Builder::TypeClass>::type_singleton(),
                     arrow::default_memory_pool());
    } else {
      return Builder();
    }
  }();
  for (const Value& value : values) EXPECT_TRUE(builder.Append(value).ok());
  return *builder.Finish();
}

inline std::shared_ptr<arrow::Array> Doubles(const std::vector<double>& values) {
  arrow::DoubleBuilder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return *builder.Finish();
}

inline std::shared_ptr<arrow::Array> Texts(const std::vector<std::string>& values) {
  arrow::StringBuilder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return *builder.Finish();
}

inline std::shared_ptr<arrow::Table> TableOf(
    const std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>>& columns) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& [name, array] : columns) {
    fields.push_back(arrow::field(name, array->type()));
    arrays.push_back(array);
  }
  return arrow::Table::Make(arrow::schema(fields), arrays);
}

inline void WriteParquet(const std::string& path, const arrow::Table& table,
                         std::int64_t row_group_rows = 65536,
                         parquet::Compression::type codec = parquet::Compression::SNAPPY) {
  const auto sink = *arrow::io::FileOutputStream::Open(path);
  const auto properties = parquet::WriterProperties::Builder().compression(codec)->build();
  const auto arrow_properties =
      parquet::ArrowWriterProperties::Builder().store_schema()->build();
  ASSERT_TRUE(parquet::arrow::WriteTable(table, arrow::default_memory_pool(), sink,
                                         row_group_rows, properties, arrow_properties)
                  .ok());
  ASSERT_TRUE(sink->Close().ok());
}

}  // namespace windlass::table
