#include <arrow/util/io_util.h>
#include <fmt/format.h>
#include <parquet/exception.h>

#include <cerrno>
#include <cstring>

#include "windlass/table/arrow_errors_internal.h"

namespace windlass::table {
namespace {

constexpr std::size_t kLongestDetail = 300;  // Arrow may print whole rows and stack traces

std::string Detail(std::string text) {
  text = text.substr(0, text.find('\n'));
  if (text.size() > kLongestDetail) text = text.substr(0, kLongestDetail) + "...";
  return text;
}

}  // namespace

void ThrowStatus(const arrow::Status& status, const std::string& name) {
  const int number = arrow::internal::ErrnoFromStatus(status);
  if (number == ENOENT) {
    throw Error(ErrorCode::kNotFound, fmt::format("{}: there is no such file", name));
  }
  if (number != 0) {
    throw Error(ErrorCode::kIo, fmt::format("{}: {}", name, std::strerror(number)));
  }
  if (status.IsNotImplemented()) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{} uses what is not supported: {}", name, Detail(status.message())));
  }
  if (status.IsOutOfMemory()) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{} asks for more memory than there is, or is corrupt: {}", name,
                            Detail(status.message())));
  }
  throw Error(ErrorCode::kCorrupt,
              fmt::format("{} is corrupt or truncated: {}", name, Detail(status.message())));
}

void ThrowForeign(const std::exception& exception, const std::string& name) {
  if (const auto* carrier = dynamic_cast<const parquet::ParquetStatusException*>(&exception)) {
    ThrowStatus(carrier->status(), name);
  }
  if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{} asks for more memory than there is, or is corrupt", name));
  }
  throw Error(ErrorCode::kCorrupt,
              fmt::format("{} is corrupt or truncated: {}", name, Detail(exception.what())));
}

}  // namespace windlass::table
