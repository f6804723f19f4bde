// A program that is written to and read from, with deadlines; started without a shell.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "windlass/base/cancel.h"

namespace windlass {

// The words of a command line: spaces separate them, '...' and "..." keep them together, a
// backslash takes the next character as it is (not within '...'). Nothing else is special: there is
// no shell. Throws Error{kInvalidInput} for a quote that is not closed.
std::vector<std::string> SplitCommand(std::string_view command);

// The file that a program's name stands for: the name itself where it has a slash, else the first
// such file in $PATH. Throws Error{kNotFound}, or {kInvalidInput} when it cannot be executed.
std::string FindProgram(const std::string& name);

// For one thread at a time.
class ChildProcess {
 public:
  // Starts `path` with these arguments, the first of which is its name, in a process group of its
  // own; it is killed when this process dies, however it dies. Throws Error{kIo, kInvalidInput}.
  ChildProcess(const std::string& path, const std::vector<std::string>& arguments);

  // Closes its standard input, waits a moment for it to end, and kills its group.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Calls it with each whole line of standard error, from now on, during Read and Ending.
  void OnErrorLine(std::function<void(std::string_view)> call) { on_error_line_ = std::move(call); }

  // Puts bytes in line for its standard input. They go out during Read.
  void Write(std::string bytes);

  // Its standard input ends after what is in line for it.
  void CloseInput();

  // Waits until `count` bytes of its standard output are there and moves them to `to`. Says false
  // when the output ended before. Throws Error{kDeadlineExceeded}, or {kCancelled} when `cancelled`
  // says so.
  bool Read(std::size_t count, std::string& to, Deadline deadline,
            const std::function<bool()>& cancelled);

  // All of its standard output up to its end; longer than `most` bytes is Error{kCorrupt}. Throws as
  // Read does.
  std::string ReadAll(std::size_t most, Deadline deadline, const std::function<bool()>& cancelled);

  // What more of its output is there by now, for a message; at most `most` bytes.
  std::string Peek(std::size_t most);

  // Says how it ended ("it exited with status 3"), after its output did, and what it last wrote to
  // its standard error.
  std::string Ending();

  // The last line of its standard error, at most 300 characters; empty: none.
  std::string LastErrorLine() const;

  // Its exit status once it has ended, which is waited for; 128 and the signal's number when one
  // ended it. Throws as Read does.
  int Wait(Deadline deadline, const std::function<bool()>& cancelled);

  // The end of what it wrote to its standard error, at most 4 KiB.
  const std::string& error_text() const { return error_tail_; }

  // Asks it to end, as Ctrl-C would.
  void Interrupt();
  void Kill();

 private:
  void Pump(std::size_t wanted, int wait_ms);
  void ReadErrors();
  bool HasEnded(int wait_ms);

  pid_t pid_ = -1;
  int input_ = -1;   // what we write
  int output_ = -1;  // what we read
  int errors_ = -1;
  bool exited_ = false;  // by itself, with status_; else by signal status_
  int status_ = 0;
  std::string unsent_;
  std::size_t sent_ = 0;
  bool no_more_input_ = false;
  std::string received_;
  std::string error_tail_;
  std::function<void(std::string_view)> on_error_line_;
  std::string error_line_;  // which is not whole yet
};

}  // namespace windlass
