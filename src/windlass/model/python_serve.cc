// What a child process that holds a callable does.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/model/command_arrow_internal.h"
#include "windlass/model/python_host.h"

namespace windlass::model {
namespace {

// Says false when the input ends before the first byte.
bool ReadExactly(int fd, std::string& to) {
  std::size_t got = 0;
  while (got < to.size()) {
    const ssize_t count = ::read(fd, to.data() + got, to.size() - got);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      throw Error(ErrorCode::kIo, fmt::format("the rows cannot be read: {}", std::strerror(errno)));
    }
    if (count == 0) {
      if (got == 0) return false;
      throw Error(ErrorCode::kCorrupt, "the rows end in the middle");
    }
    got += static_cast<std::size_t>(count);
  }
  return true;
}

}  // namespace

void ServeRows(int input, int output,
               const std::function<HostAnswer(std::span<const double> x, std::int64_t rows,
                                              const std::vector<std::string>& columns)>& answer) {
  ArrowAnswers questions("the process that asks");
  std::optional<std::vector<std::string>> outputs;  // the stream's, once it has begun
  ArrowAnswer question;
  const auto say = [&](const HostAnswer& said, std::int64_t rows) {
    std::string bytes;
    if (!outputs) {
      outputs = said.outputs;
      bytes = EncodeArrowSchema(*outputs);
    }
    bytes += EncodeArrowAnswer(*outputs, said.values, rows, said.notes);
    WriteAll(output, bytes, "the answer");
  };
  for (;;) {
    std::string bytes(questions.wanted(), 0);
    if (!ReadExactly(input, bytes)) return;
    if (!questions.Take(std::move(bytes), question)) {
      if (questions.ended()) return;
      continue;
    }
    std::optional<Error> failed;
    HostAnswer said;
    try {
      said = answer(question.values, question.rows, question.names);
      if (outputs && said.outputs != *outputs) {
        throw Error(ErrorCode::kInvalidInput,
                    fmt::format("the model gave outputs {}, but before {}",
                                fmt::join(said.outputs, ", "), fmt::join(*outputs, ", ")));
      }
    } catch (const Error& error) {
      failed = error;
    }
    if (failed) {
      say({{}, {}, {{kErrorNote, failed->Encode()}}}, 0);
      return;
    }
    say(said, question.rows);
  }
}

}  // namespace windlass::model
