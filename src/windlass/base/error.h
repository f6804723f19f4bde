// The one exception type of Windlass.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>

#include "windlass/base/export.h"

namespace windlass {

// Stable numbers: they cross process and plug-in boundaries inside encoded errors.
enum class ErrorCode : std::uint8_t {
  kInvalidInput = 1,      // the user's files, values or models, damaged ones too; exit code 2
  kUsage = 2,             // the command line; exit code 2
  kNotFound = 3,          // something named does not exist; exit code 2
  kIo = 4,                // the operating system or a remote store refused; exit code 1
  kCorrupt = 5,           // what we stored or sent is not what we wrote; exit code 1
  kCancelled = 6,         // the user interrupted; exit code 130
  kDeadlineExceeded = 7,  // a wait or a task ran out of time; exit code 1
  kUnavailable = 8,       // a worker or server was lost; trying again may help; exit code 1
  kUnsupported = 9,       // valid, but this build or machine cannot do it; exit code 2
  kInternal = 10,         // a defect of Windlass; exit code 1
};

WINDLASS_API std::string_view ErrorCodeName(ErrorCode code);

// What was wrong, where, and what would be right. Thrown where the fault is understood, given
// context on the way up, caught only at the edges (a task, a request, main).
class WINDLASS_API Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message);
  Error(ErrorCode code, std::string message, const Error& cause);

  const char* what() const noexcept override { return full_.c_str(); }

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }
  const Error* cause() const { return cause_.get(); }

  // Prefixes the message: "while reading model.json: ...".
  void AddContext(std::string_view context);

  // Whether running the same thing again may succeed.
  bool retryable() const { return code_ == ErrorCode::kUnavailable; }

  // The process exit code that this error stands for: 1, 2 or 130.
  int exit_code() const;

  // A compact form that survives a process boundary, and its inverse.
  std::string Encode() const;
  static Error Decode(std::string_view bytes);

 private:
  void Rebuild();

  ErrorCode code_;
  std::string message_;
  std::shared_ptr<const Error> cause_;  // shared: exceptions are copied
  std::string full_;                    // message and causes, one line
};

// Runs `body`; an Error that leaves it is prefixed with `context()`.
template <typename Body, typename Context>
decltype(auto) WithContext(Body&& body, Context&& context) {
  try {
    return body();
  } catch (Error& error) {
    error.AddContext(context());
    throw;
  }
}

}  // namespace windlass
