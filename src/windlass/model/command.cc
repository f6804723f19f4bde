// Models that are programs: command:PROGRAM ARGUMENTS reads rows and writes predictions as Arrow
// IPC.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include "windlass/base/child_process.h"
#include "windlass/base/error.h"
#include "windlass/base/hash.h"
#include "windlass/base/json.h"
#include "windlass/model/formats_internal.h"
#include "windlass/model/program_internal.h"

namespace windlass::model {
namespace {

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

class CommandModel final : public Model {
 public:
  explicit CommandModel(const ModelSource& source) : what_("command:" + source.spec.location) {
    const ProgramSettings settings = ReadProgramSettings(source.spec);
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
    programs_.emplace(what_, settings, ProgramStart{command_.path, command_.words, "", false});
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
    const ArrowAnswer answer = programs_->Ask(columns_, x, rows);
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
    ArrowAnswer answer = programs_->Ask(columns, x, rows);
    Json content = content_;
    content["columns"] = columns;
    content["outputs"] = answer.names;
    return Introduction{
        WithContext([&] { return Bytes(CanonicalDump(content)); }, [&] { return what_; }),
        std::move(answer.values)};
  }

 private:
  std::string what_;
  Command command_;
  Json content_;
  std::vector<std::string> columns_;
  std::vector<std::string> outputs_;
  std::optional<ProgramPool> programs_;
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
    ReadProgramSettings(spec);
    return Bytes(CanonicalDump({{"command", ReadCommand(spec.location).identity}}));
  }

  std::unique_ptr<Model> Load(const ModelSource& source) const override {
    return std::make_unique<CommandModel>(source);
  }
};

}  // namespace

std::shared_ptr<const ModelFormat> MakeCommandFormat() { return std::make_shared<CommandFormat>(); }

}  // namespace windlass::model
