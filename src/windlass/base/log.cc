#include "windlass/base/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <mutex>

#include "windlass/base/error.h"

namespace windlass {
namespace {

spdlog::level::level_enum LevelOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
    case LogLevel::kNone: return spdlog::level::off;
  }
  return spdlog::level::err;
}

struct Sinks {
  std::mutex mutex;
  std::shared_ptr<spdlog::sinks::stderr_sink_mt> console;
  std::shared_ptr<spdlog::logger> logger;

  Sinks() : console(std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    console->set_level(spdlog::level::warn);
    console->set_pattern("windlass: %v");
    Rebuild(nullptr);
  }

  void Rebuild(std::shared_ptr<spdlog::sinks::sink> file) {
    std::vector<spdlog::sink_ptr> sinks = {console};
    if (file) sinks.push_back(std::move(file));
    logger = std::make_shared<spdlog::logger>("windlass", sinks.begin(), sinks.end());
    logger->set_level(spdlog::level::debug);
    // A log that cannot be written (a full disk) is no reason for noise: what failed says so
    // itself.
    logger->set_error_handler([](const std::string&) {});
    logger->flush_on(spdlog::level::debug);  // a killed process leaves all of its log
  }
};

Sinks& TheSinks() {
  static Sinks* sinks = new Sinks;
  return *sinks;
}

}  // namespace

void Log(LogLevel level, std::string_view message) {
  std::shared_ptr<spdlog::logger> logger;
  {
    const std::lock_guard lock(TheSinks().mutex);
    logger = TheSinks().logger;
  }
  logger->log(LevelOf(level), spdlog::string_view_t(message.data(), message.size()));
}

void SetConsoleLogLevel(LogLevel level) { TheSinks().console->set_level(LevelOf(level)); }

LogFile::LogFile(const std::filesystem::path& path) {
  try {
    auto file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path.string());
    file->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
    const std::lock_guard lock(TheSinks().mutex);
    TheSinks().Rebuild(std::move(file));
  } catch (const spdlog::spdlog_ex& error) {
    throw Error(ErrorCode::kIo, std::string("cannot open the log: ") + error.what());
  }
}

LogFile::~LogFile() {
  const std::lock_guard lock(TheSinks().mutex);
  TheSinks().Rebuild(nullptr);
}

}  // namespace windlass
