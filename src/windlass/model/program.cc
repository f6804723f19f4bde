#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <thread>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/log.h"
#include "windlass/model/program_internal.h"

namespace windlass::model {
namespace {

constexpr std::chrono::milliseconds kPoolLook{20};  // at the user's wish to stop
constexpr std::size_t kShown = 100;

bool Interrupted() { return ProcessCancelToken().cancelled(); }

}  // namespace

ProgramSettings ReadProgramSettings(const ObjectSpec& spec) {
  ProgramSettings settings;
  const double timeout = spec.Number("timeout", 300);
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const std::int64_t processes = spec.Integer("processes", cores);
  if (timeout < 0.001 || timeout > 86400) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("option timeout={}: seconds from 0.001 to 86400 were expected", timeout));
  }
  if (processes < 1 || processes > 1024) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("option processes={}: a number from 1 to 1024 was expected", processes));
  }
  settings.timeout = std::chrono::milliseconds(std::llround(1000 * timeout));
  settings.processes = static_cast<int>(processes);
  return settings;
}

Program::Program(const ProgramStart& start, const std::vector<std::string>& columns,
                 const std::string& what)
    : what_(what), columns_(columns), answers_(what), child_(start.path, start.arguments) {
  if (start.log_errors) {
    child_.OnErrorLine([what](std::string_view line) {
      Log(LogLevel::kWarning, fmt::format("{}: {}", what, line));
    });
  }
  child_.Write(start.preamble + EncodeArrowSchema(columns));
}

ArrowAnswer Program::Ask(std::span<const double> x, std::int64_t rows,
                         std::chrono::milliseconds timeout) {
  const Deadline deadline = Clock::now() + timeout;
  child_.Write(EncodeArrowRows(columns_, x, rows));
  ArrowAnswer answer;
  try {
    while (!TakeMessagePart(deadline, answer)) {
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kDeadlineExceeded) throw;
    const std::string line = child_.LastErrorLine();
    throw Error(ErrorCode::kDeadlineExceeded,
                fmt::format("{}: no answer for {} rows within {:g} s{}; a slow program needs a "
                            "longer ?timeout=SECONDS",
                            what_, rows, std::chrono::duration<double>(timeout).count(),
                            line.empty() ? "" : fmt::format(" (it says: {})", line)));
  }
  if (const auto failed = answer.notes.find(kErrorNote); failed != answer.notes.end()) {
    throw Error::Decode(failed->second);
  }
  if (answer.rows != rows) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: the program answered {} rows with {}", what_, rows, answer.rows));
  }
  return answer;
}

bool Program::TakeMessagePart(Deadline deadline, ArrowAnswer& answer) {
  const bool first = answers_.at_message();
  std::string bytes;
  if (!child_.Read(answers_.wanted(), bytes, deadline, Interrupted)) {
    const std::string rest = child_.Peek(kShown);
    if (first && !rest.empty()) RefuseText(rest);
    ThrowEnded();
  }
  if (first && bytes != "\xff\xff\xff\xff") RefuseText(bytes + child_.Peek(kShown));
  if (answers_.Take(std::move(bytes), answer)) return true;
  if (answers_.ended()) ThrowEnded();
  return false;
}

void Program::ThrowEnded() {
  throw Error(ErrorCode::kUnavailable,
              fmt::format("{}: the program ended before it answered: {}", what_, child_.Ending()));
}

void Program::RefuseText(const std::string& text) const {
  std::string shown;
  for (const unsigned char c : text.substr(0, text.find('\n'))) {
    shown += c >= ' ' && c < 0x7f ? static_cast<char>(c) : '?';
  }
  throw Error(
      ErrorCode::kInvalidInput,
      fmt::format("{}: the program wrote \"{}\" to its standard output, where only an Arrow "
                  "IPC stream may stand; messages go to standard error",
                  what_, shown));
}

ProgramPool::ProgramPool(std::string what, ProgramSettings settings, ProgramStart start)
    : what_(std::move(what)), settings_(settings), start_(std::move(start)) {}

ArrowAnswer ProgramPool::Ask(const std::vector<std::string>& columns, std::span<const double> x,
                             std::int64_t rows) const {
  std::unique_ptr<Program> program = Acquire();
  try {
    if (!program) {
      program = WithContext([&] { return std::make_unique<Program>(start_, columns, what_); },
                            [&] { return what_; });
    }
    ArrowAnswer answer = program->Ask(x, rows, settings_.timeout);
    Release(std::move(program));
    return answer;
  } catch (...) {
    if (program) program->Kill();  // its answer may still come: it cannot be asked again
    program.reset();
    Release(nullptr);
    throw;
  }
}

std::unique_ptr<Program> ProgramPool::Acquire() const {
  const Deadline deadline = Clock::now() + settings_.timeout;
  std::unique_lock lock(mutex_);
  while (idle_.empty() && busy_ == settings_.processes) {
    if (Interrupted()) throw Error(ErrorCode::kCancelled, "interrupted");
    if (Clock::now() > deadline) {
      throw Error(ErrorCode::kDeadlineExceeded,
                  fmt::format("{}: none of {} programs was free within {:g} s", what_, busy_,
                              std::chrono::duration<double>(settings_.timeout).count()));
    }
    freed_.wait_for(lock, kPoolLook);
  }
  ++busy_;
  if (idle_.empty()) return nullptr;
  std::unique_ptr<Program> program = std::move(idle_.back());
  idle_.pop_back();
  return program;
}

void ProgramPool::Release(std::unique_ptr<Program> program) const {
  {
    const std::lock_guard lock(mutex_);
    --busy_;
    if (program) idle_.push_back(std::move(program));
  }
  freed_.notify_one();
}

}  // namespace windlass::model
