#include "windlass/base/error.h"

#include <algorithm>
#include <utility>

#include "windlass/base/utf8.h"

namespace windlass {
namespace {

constexpr char kSeparator = '\x1e';  // cannot occur in a message that we print on one line

// What a terminal may be sent: no control characters, and nothing that is no UTF-8.
std::string OneLine(std::string text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = Utf8Length(text, i);
    if (length == 0) text[i] = '?';
    if (static_cast<unsigned char>(text[i]) < 0x20 || text[i] == '\x7f') text[i] = ' ';
    i += std::max<std::size_t>(length, 1);
  }
  return text;
}

}  // namespace

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidInput: return "invalid input";
    case ErrorCode::kUsage: return "usage";
    case ErrorCode::kNotFound: return "not found";
    case ErrorCode::kIo: return "input/output";
    case ErrorCode::kCorrupt: return "corrupt data";
    case ErrorCode::kCancelled: return "cancelled";
    case ErrorCode::kDeadlineExceeded: return "deadline exceeded";
    case ErrorCode::kUnavailable: return "unavailable";
    case ErrorCode::kUnsupported: return "unsupported";
    case ErrorCode::kInternal: return "internal";
  }
  return "internal";
}

Error::Error(ErrorCode code, std::string message)
    : code_(code), message_(OneLine(std::move(message))) {
  Rebuild();
}

Error::Error(ErrorCode code, std::string message, const Error& cause)
    : code_(code),
      message_(OneLine(std::move(message))),
      cause_(std::make_shared<const Error>(cause)) {
  Rebuild();
}

void Error::AddContext(std::string_view context) {
  message_ = OneLine(std::string(context)) + ": " + message_;
  Rebuild();
}

int Error::exit_code() const {
  switch (code_) {
    case ErrorCode::kInvalidInput:
    case ErrorCode::kUsage:
    case ErrorCode::kNotFound:
    case ErrorCode::kUnsupported: return 2;
    case ErrorCode::kCancelled: return 130;
    default: return 1;
  }
}

std::string Error::Encode() const {
  std::string bytes;
  for (const Error* e = this; e != nullptr; e = e->cause()) {
    if (e != this) bytes += kSeparator;
    bytes += static_cast<char>(e->code_);
    bytes += e->message_;
  }
  return bytes;
}

Error Error::Decode(std::string_view bytes) {
  const auto end = bytes.find(kSeparator);
  const std::string_view head = bytes.substr(0, end);
  const int code = head.empty() ? 0 : static_cast<unsigned char>(head.front());
  if (code < static_cast<int>(ErrorCode::kInvalidInput) ||
      code > static_cast<int>(ErrorCode::kInternal)) {
    return Error(ErrorCode::kInternal, "an error that could not be decoded");
  }
  std::string message(head.substr(1));
  if (end == std::string_view::npos) return Error(static_cast<ErrorCode>(code), message);
  return Error(static_cast<ErrorCode>(code), message, Decode(bytes.substr(end + 1)));
}

void Error::Rebuild() {
  full_ = message_;
  for (const Error* e = cause(); e != nullptr; e = e->cause()) full_ += "; because " + e->message_;
}

}  // namespace windlass
