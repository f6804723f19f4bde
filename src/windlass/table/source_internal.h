// From a URI to an open file of a known format.
#pragma once

#include <arrow/io/interfaces.h>

#include <cstdint>
#include <memory>
#include <string>

namespace windlass::table {

enum class Format { kCsv, kParquet, kArrowFile, kArrowStream, kNpy, kNpz };

struct Source {
  std::string name;        // what messages call it: the URI as the user wrote it
  std::string local_path;  // empty for a remote file
  std::string array;       // the value of "?array=", for npz
  Format format = Format::kCsv;
  std::shared_ptr<arrow::io::RandomAccessFile> file;
  std::int64_t size = 0;  // bytes, above 0
};

// Opens a local path or a URI and compares its first bytes with what its ending promises.
//
// Throws Error{kNotFound} for a missing file, Error{kInvalidInput} for a folder, an empty file, an
// unknown ending, or content of another format (saying which it looks like).
Source OpenSource(const std::string& uri);

}  // namespace windlass::table
