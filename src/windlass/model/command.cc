// Models that are programs: command:PROGRAM ARGUMENTS reads rows and writes predictions as Arrow
// IPC.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>
#include <utility>

#include "windlass/base/cancel.h"
#include "windlass/base/child_process.h"
#include "windlass/base/error.h"
#include "windlass/base/hash.h"
#include "windlass/base/json.h"
#include "windlass/model/command_arrow_internal.h"
#include "windlass/model/formats_internal.h"

namespace windlass::model {
namespace {

constexpr std::chrono::milliseconds kPoolLook{20};  // at the user's wish to stop

bool Interrupted() { return ProcessCancelToken().cancelled(); }

struct CommandSettings {
  std::chrono::milliseconds timeout{300'000};  // for one batch
  int processes = 1;
};

CommandSettings ReadCommandSettings(const ObjectSpec& spec) {
  CommandSettings settings;
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

Hash HashOfFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  Hasher hasher;
  std::string piece(1 << 20, 0);
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())) || file.gcount() > 0) {
    hasher.Update(std::string_view(piece).substr(0, static_cast<std::size_t>(file.gcount())));
  }
  if (file.bad() || !file.eof()) {
    throw Error(ErrorCode::kIo, fmt::format("{} cannot be read", path));
  }
  return hasher.Finish();
}

// A command line, and what it is made of: a program and files count by their content, wherever they
// lie; other words as they are.
struct Command {
  std::string path;
  std::vector<std::string> words;
  Json identity = Json::array();
};

Command ReadCommand(const std::string& line) {
  Command command;
  command.words = SplitCommand(line);
  if (command.words.empty()) {
    throw Error(ErrorCode::kInvalidInput, "command: names no program");
  }
  command.path = FindProgram(command.words.front());
  for (std::size_t i = 0; i < command.words.size(); ++i) {
    const std::string& word = i == 0 ? command.path : command.words[i];
    std::error_code error;
    if (i == 0 || std::filesystem::is_regular_file(word, error)) {
      command.identity.push_back({{"file", HashOfFile(word).Hex()}});
    } else {
      command.identity.push_back(word);
    }
  }
  return command;
}

// A running program, and where its answers stand.
class Worker {
 public:
  Worker(const Command& command, const std::vector<std::string>& columns, const std::string& what)
      : what_(what), columns_(columns), answers_(what), child_(command.path, command.words) {
    child_.Write(EncodeArrowSchema(columns));
  }

  ArrowAnswer Ask(std::span<const double> x, std::int64_t rows, std::chrono::milliseconds timeout) {
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
    if (answer.rows != rows) {
      throw Error(ErrorCode::kInvalidInput, fmt::format("{}: the program answered {} rows with {}",
                                                        what_, rows, answer.rows));
    }
    return answer;
  }

  // It will not be asked again.
  void Kill() { child_.Kill(); }

 private:
  bool TakeMessagePart(Deadline deadline, ArrowAnswer& answer) {
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

  [[noreturn]] void ThrowEnded() {
    throw Error(ErrorCode::kUnavailable, fmt::format("{}: the program ended before it answered: {}",
                                                     what_, child_.Ending()));
  }

  [[noreturn]] void RefuseText(const std::string& text) const {
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

  static constexpr std::size_t kShown = 100;

  std::string what_;
  std::vector<std::string> columns_;
  ArrowAnswers answers_;
  ChildProcess child_;
};

class CommandModel final : public Model {
 public:
  explicit CommandModel(const ModelSource& source)
      : what_("command:" + source.spec.location), settings_(ReadCommandSettings(source.spec)) {
    command_ =
        WithContext([&] { return ReadCommand(source.spec.location); }, [&] { return what_; });
    try {
      content_ = Json::parse(source.content.view());
      if (content_.contains("columns")) {
        columns_ = content_.at("columns").get<std::vector<std::string>>();
        outputs_ = content_.at("outputs").get<std::vector<std::string>>();
      }
    } catch (const Json::exception&) {
      throw Error(ErrorCode::kCorrupt, what_ + ": what is known of the program cannot be read");
    }
    if (content_["command"] != command_.identity) {
      throw Error(ErrorCode::kInvalidInput,
                  what_ +
                      ": the program, or a file that it is given, is not the one with which the "
                      "job began");
    }
  }

  std::int64_t columns() const override {
    return columns_.empty() ? -1 : static_cast<std::int64_t>(columns_.size());
  }
  std::vector<std::string> output_names() const override { return outputs_; }
  bool accepts_missing() const override { return true; }  // it gets NaN

  void Predict(std::span<const double> x, std::int64_t rows, std::span<double> out) const override {
    const auto width = static_cast<std::int64_t>(outputs_.size());
    if (width == 0 || std::ssize(out) != rows * width) {
      throw Error(ErrorCode::kInternal, what_ + ": Predict was given room for other outputs");
    }
    const ArrowAnswer answer = Ask(columns_, x, rows);
    if (answer.names != outputs_) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: the program answered with columns {}, but with {} when the job "
                              "began",
                              what_, fmt::join(answer.names, ", "), fmt::join(outputs_, ", ")));
    }
    std::ranges::copy(answer.values, out.begin());
  }

  std::optional<Introduction> Introduce(std::span<const double> x, std::int64_t rows,
                                        const std::vector<std::string>& columns) const override {
    ArrowAnswer answer = Ask(columns, x, rows);
    Json content = content_;
    content["columns"] = columns;
    content["outputs"] = answer.names;
    return Introduction{
        WithContext([&] { return Bytes(CanonicalDump(content)); }, [&] { return what_; }),
        std::move(answer.values)};
  }

 private:
  // One answer, of a program that is free or, while there are few, of a new one.
  ArrowAnswer Ask(const std::vector<std::string>& columns, std::span<const double> x,
                  std::int64_t rows) const {
    std::unique_ptr<Worker> worker = Acquire();
    try {
      if (!worker) {
        worker = WithContext([&] { return std::make_unique<Worker>(command_, columns, what_); },
                             [&] { return what_; });
      }
      ArrowAnswer answer = worker->Ask(x, rows, settings_.timeout);
      Release(std::move(worker));
      return answer;
    } catch (...) {
      if (worker) worker->Kill();  // its answer may still come: it cannot be asked again
      worker.reset();
      Release(nullptr);
      throw;
    }
  }

  // Null: a new one may be started.
  std::unique_ptr<Worker> Acquire() const {
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
    std::unique_ptr<Worker> worker = std::move(idle_.back());
    idle_.pop_back();
    return worker;
  }

  void Release(std::unique_ptr<Worker> worker) const {
    {
      const std::lock_guard lock(mutex_);
      --busy_;
      if (worker) idle_.push_back(std::move(worker));
    }
    freed_.notify_one();
  }

  std::string what_;
  CommandSettings settings_;
  Command command_;
  Json content_;
  std::vector<std::string> columns_;
  std::vector<std::string> outputs_;

  mutable std::mutex mutex_;  // guards what follows
  mutable std::condition_variable freed_;
  mutable std::vector<std::unique_ptr<Worker>> idle_;
  mutable int busy_ = 0;
};

class CommandFormat final : public ModelFormat {
 public:
  std::vector<std::string> endings() const override { return {}; }
  std::vector<std::string> options() const override { return {"processes", "timeout"}; }
  std::vector<std::string> reach_options() const override { return {"processes", "timeout"}; }
  std::string usage(std::string_view name) const override {
    return fmt::format("{}:PROGRAM", name);
  }

  Bytes Read(const ObjectSpec& spec) const override {
    ReadCommandSettings(spec);
    return Bytes(CanonicalDump({{"command", ReadCommand(spec.location).identity}}));
  }

  std::unique_ptr<Model> Load(const ModelSource& source) const override {
    return std::make_unique<CommandModel>(source);
  }
};

}  // namespace

std::shared_ptr<const ModelFormat> MakeCommandFormat() { return std::make_shared<CommandFormat>(); }

}  // namespace windlass::model
