#include <arrow/util/io_util.h>
#include <fmt/format.h>
#include <parquet/exception.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <string_view>

#include "windlass/table/arrow_errors_internal.h"

namespace windlass::table {
namespace {

constexpr std::size_t kLongestDetail = 300;  // Arrow may print whole rows and stack traces

std::string Detail(std::string text) {
  text = text.substr(0, text.find('\n'));
  if (text.size() > kLongestDetail) text = text.substr(0, kLongestDetail) + "...";
  return text;
}

// What a server's failure means to the user: Arrow says "... AWS Error KIND during OPERATION
// operation: details", where KIND is "UNKNOWN (HTTP status 503)" for what the SDK has no word for.
void ThrowIfFromServer(std::string_view message, const std::string& name) {
  constexpr std::string_view kAws = "AWS Error ";
  if (message.starts_with(kNoAnswer)) {
    throw Error(ErrorCode::kIo, fmt::format("{}: {}", name, message));
  }
  const auto found = message.find(kAws);
  if (found == std::string_view::npos) return;
  std::string_view rest = message.substr(found + kAws.size());
  const std::string_view kind = rest.substr(0, rest.find(" during "));
  const auto colon = rest.find(": ");
  rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 2);
  const auto is_one_of = [&](std::initializer_list<std::string_view> words) {
    return std::ranges::any_of(words,
                               [&](std::string_view word) { return kind.find(word) != kind.npos; });
  };
  std::string what;
  if (is_one_of({"NETWORK_CONNECTION"})) {
    what = "the server cannot be reached, or fell silent: " + Detail(std::string(rest));
  } else if (is_one_of({"ACCESS_DENIED", "SIGNATURE", "ACCESS_KEY", "TOKEN", "UNRECOGNIZED_CLIENT",
                        "status 401", "status 403"})) {
    what =
        "the server refuses access: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, "
        "must be those of a user who may read it";
  } else if (is_one_of({"status 301", "status 307"})) {
    what = "the bucket is in another region; set AWS_REGION to it";
  } else {
    what = fmt::format("the server failed: {}", kind);
  }
  throw Error(ErrorCode::kIo, fmt::format("{}: {}", name, what));
}

}  // namespace

void ThrowStatus(const arrow::Status& status, const std::string& name) {
  if (status.IsCancelled()) throw Error(ErrorCode::kCancelled, "interrupted");
  ThrowIfFromServer(status.message(), name);
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
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} asks for more memory than there is, or is corrupt: {}", name,
                            Detail(status.message())));
  }
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("{} is corrupt or truncated: {}", name, Detail(status.message())));
}

void ThrowForeign(const std::exception& exception, const std::string& name) {
  if (const auto* carrier = dynamic_cast<const parquet::ParquetStatusException*>(&exception)) {
    ThrowStatus(carrier->status(), name);
  }
  if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} asks for more memory than there is, or is corrupt", name));
  }
  ThrowIfFromServer(exception.what(), name);
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("{} is corrupt or truncated: {}", name, Detail(exception.what())));
}

}  // namespace windlass::table
