// One log for a process, and beside it the log of the job that runs.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "windlass/base/export.h"

namespace windlass {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kNone };  // kNone: above all that is logged

// Lines go to the job's log file while one is open; warnings and errors to standard error too.
WINDLASS_API void Log(LogLevel level, std::string_view message);

// What is at least this severe is also written to standard error. Default: kWarning.
void SetConsoleLogLevel(LogLevel level);

// While it lives, every line is also appended to the file.
class LogFile {
 public:
  explicit LogFile(const std::filesystem::path& path);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;
};

}  // namespace windlass
