// Programs that answer rows with predictions and stay alive for more: what models `command:` and
// `python:` share.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "windlass/base/child_process.h"
#include "windlass/base/object_spec.h"
#include "windlass/model/command_arrow_internal.h"

namespace windlass::model {

struct ProgramSettings {
  std::chrono::milliseconds timeout{300'000};  // for one batch
  int processes = 1;
};

// The options "timeout" and "processes". Throws Error{kInvalidInput}.
ProgramSettings ReadProgramSettings(const ObjectSpec& spec);

struct ProgramStart {
  std::string path;
  std::vector<std::string> arguments;  // the first is its name
  std::string preamble;                // what it is sent before the stream of rows
  bool log_errors = false;             // whether its standard error goes to the log
};

// A running program, and where its answers stand. For one thread at a time.
class Program {
 public:
  // `what` names it in errors. Throws Error as ChildProcess does.
  Program(const ProgramStart& start, const std::vector<std::string>& columns,
          const std::string& what);

  // x: [rows, columns]. Throws Error{kDeadlineExceeded, kInvalidInput, kUnavailable, kCancelled}, and
  // what the program says went wrong. After that it cannot be asked again.
  ArrowAnswer Ask(std::span<const double> x, std::int64_t rows, std::chrono::milliseconds timeout);

  // It will not be asked again.
  void Kill() { child_.Kill(); }

 private:
  bool TakeMessagePart(Deadline deadline, ArrowAnswer& answer);
  [[noreturn]] void ThrowEnded();
  [[noreturn]] void RefuseText(const std::string& text) const;

  std::string what_;
  std::vector<std::string> columns_;
  ArrowAnswers answers_;
  ChildProcess child_;
};

// Any number of threads ask, few programs answer. Each is started when it is first needed.
class ProgramPool {
 public:
  ProgramPool(std::string what, ProgramSettings settings, ProgramStart start);

  // One answer, of a program that is free or, while there are few, of a new one. Throws as
  // Program::Ask does.
  ArrowAnswer Ask(const std::vector<std::string>& columns, std::span<const double> x,
                  std::int64_t rows) const;

 private:
  std::unique_ptr<Program> Acquire() const;  // null: a new one may be started
  void Release(std::unique_ptr<Program> program) const;

  std::string what_;
  ProgramSettings settings_;
  ProgramStart start_;

  mutable std::mutex mutex_;  // guards what follows
  mutable std::condition_variable freed_;
  mutable std::vector<std::unique_ptr<Program>> idle_;
  mutable int busy_ = 0;
};

}  // namespace windlass::model
