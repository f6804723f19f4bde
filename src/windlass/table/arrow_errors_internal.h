// From Arrow's statuses and exceptions to windlass::Error.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <exception>
#include <new>
#include <string>
#include <utility>

#include "windlass/base/error.h"

namespace windlass::table {

// How the message of a status begins that says that a server was given up.
inline constexpr const char* kNoAnswer = "the server gave no answer within ";

// Throws what `status` stands for; `name` is the file, as the user wrote it. A status that carries
// an errno came from the operating system (kIo, kNotFound), one of the AWS SDK's from a server
// (kIo); Status::Cancelled is the user's wish (kCancelled); any other says that the bytes are not
// what the format asks for (kInvalidInput).
[[noreturn]] void ThrowStatus(const arrow::Status& status, const std::string& name);
[[noreturn]] void ThrowForeign(const std::exception& exception, const std::string& name);

inline void Check(const arrow::Status& status, const std::string& name) {
  if (!status.ok()) [[unlikely]]
    ThrowStatus(status, name);
}

template <typename T>
T ValueOf(arrow::Result<T>&& result, const std::string& name) {
  Check(result.status(), name);
  return std::move(result).ValueUnsafe();
}

// Runs `body`, which calls Arrow or Parquet: what they throw (parquet::ParquetException, bad_alloc
// for a corrupt length) becomes an Error that names the file.
template <typename Body>
decltype(auto) Guarded(const std::string& name, Body&& body) {
  try {
    return body();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& exception) {
    ThrowForeign(exception, name);
  }
}

}  // namespace windlass::table
