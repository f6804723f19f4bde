// Helpers of this folder's tests: files made with Arrow's writers, and what a reader says of them.
#pragma once

#include <arrow/api.h>
#include <arrow/io/api.h>
#include <arrow/ipc/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

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

// Any type's array from JSON, as `[1, null, 3]`.
inline std::shared_ptr<arrow::Array> FromJson(const std::shared_ptr<arrow::DataType>& type,
                                              const std::string& json) {
  return *arrow::json::ArrayFromJSONString(type, json);
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
                         parquet::Compression::type codec = parquet::Compression::SNAPPY,
                         bool dictionary = true) {
  const auto sink = *arrow::io::FileOutputStream::Open(path);
  parquet::WriterProperties::Builder builder;
  builder.compression(codec);
  if (!dictionary) builder.disable_dictionary();
  const auto properties = builder.build();
  const auto arrow_properties = parquet::ArrowWriterProperties::Builder().store_schema()->build();
  ASSERT_TRUE(parquet::arrow::WriteTable(table, arrow::default_memory_pool(), sink, row_group_rows,
                                         properties, arrow_properties)
                  .ok());
  ASSERT_TRUE(sink->Close().ok());
}

inline void WriteArrow(const std::string& path, const arrow::Table& table, bool stream = false,
                       std::int64_t batch_rows = 65536) {
  const auto sink = *arrow::io::FileOutputStream::Open(path);
  const auto writer = stream ? *arrow::ipc::MakeStreamWriter(sink, table.schema())
                             : *arrow::ipc::MakeFileWriter(sink, table.schema());
  ASSERT_TRUE(writer->WriteTable(table, batch_rows).ok());
  ASSERT_TRUE(writer->Close().ok());
  ASSERT_TRUE(sink->Close().ok());
}

// An npy file's bytes: version 1.0, any header and data.
inline std::string Npy(const std::string& header, const std::string& data) {
  std::string bytes("\x93NUMPY\x01\x00", 8);
  const std::string line = header + "\n";
  bytes += static_cast<char>(line.size() & 0xff);
  bytes += static_cast<char>(line.size() >> 8);
  return bytes + line + data;
}

inline std::string NpyHeaderText(const std::string& type, bool fortran_order,
                                 const std::string& shape) {
  return "{'descr': '" + type + "', 'fortran_order': " + (fortran_order ? "True" : "False") +
         ", 'shape': " + shape + ", }";
}

template <typename T>
std::string RawBytes(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

inline std::string PathIn(const TemporaryFolder& folder, const std::string& name) {
  return (folder.path() / name).string();
}

}  // namespace windlass::table
