// Models that are Python callables: python:MODULE:FUNCTION or python:FILE.pkl. In a process that is
// Python they are called right here, else in child processes `python -m windlass.host`.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "windlass/base/child_process.h"
#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/json.h"
#include "windlass/model/formats_internal.h"
#include "windlass/model/program_internal.h"
#include "windlass/model/python_host.h"

namespace windlass::model {
namespace {

constexpr const char* kHeaderNote = "windlass.header";

// The host process of this machine: `action` is "read" or "serve", see windlass/host.py.
ProgramStart Host(const std::string& action, const std::string& place, std::string_view content) {
  const char* named = std::getenv("WINDLASS_PYTHON");
  const std::string name = named == nullptr || *named == 0 ? "python3" : named;
  ProgramStart start;
  start.path =
      WithContext([&] { return FindProgram(name); },
                  [] { return "a model of Python needs it (WINDLASS_PYTHON says which)"; });
  start.arguments = {name,
                     "-m",
                     "windlass.host",
                     std::to_string(kHostProtocol),
                     action,
                     place,
                     std::to_string(content.size())};
  start.preamble = content;
  start.log_errors = true;
  return start;
}

// Runs `body`, which asks a host; says what to install where its Python has no windlass.
template <typename Body>
auto OfHost(const std::string& path, Body&& body) {
  try {
    return body();
  } catch (const Error& error) {
    const std::string_view said = error.what();
    if (error.code() == ErrorCode::kUnavailable &&
        said.find("No module named") != std::string_view::npos) {
      throw Error(ErrorCode::kNotFound,
                  fmt::format("models of Python are called by {}, which cannot import windlass; "
                              "install the wheel of Windlass there, or name a Python that has "
                              "it in WINDLASS_PYTHON",
                              path),
                  error);
    }
    throw;
  }
}

// What windlass._callable makes of a place: a line of JSON and, of a pickle, its bytes.
struct Content {
  Json header;
  std::string_view body;
};

Content Split(std::string_view content, const std::string& what) {
  const auto end = content.find('\n');
  try {
    if (end == std::string_view::npos) throw Json::other_error::create(0, "", nullptr);
    return {Json::parse(content.substr(0, end)), content.substr(end + 1)};
  } catch (const Json::exception&) {
    throw Error(ErrorCode::kCorrupt, what + ": what is known of the model cannot be read");
  }
}

Bytes Join(const Json& header, std::string_view body) {
  std::string content = CanonicalDump(header);
  content += '\n';
  content += body;
  return Bytes(std::move(content));
}

class HostedModel final : public Model {
 public:
  explicit HostedModel(const ModelSource& source)
      : what_("python:" + source.spec.location),
        content_(source.content),
        host_(Host("serve", source.spec.location, source.content.view())),
        programs_(what_, ReadProgramSettings(source.spec), host_) {
    const Json header = Split(content_.view(), what_).header;
    try {
      if (header.contains("columns")) {
        columns_ = header.at("columns").get<std::vector<std::string>>();
        outputs_ = header.at("outputs").get<std::vector<std::string>>();
      }
    } catch (const Json::exception&) {
      throw Error(ErrorCode::kCorrupt, what_ + ": what is known of the model cannot be read");
    }
  }

  std::int64_t columns() const override { return columns_.empty() ? -1 : std::ssize(columns_); }
  std::vector<std::string> output_names() const override { return outputs_; }
  bool accepts_missing() const override { return true; }  // it gets NaN

  void Predict(std::span<const double> x, std::int64_t rows, std::span<double> out) const override {
    const ArrowAnswer answer = Ask(columns_, x, rows);
    if (answer.names != outputs_ || answer.values.size() != out.size()) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: gave outputs {}, but {} when the job began", what_,
                              fmt::join(answer.names, ", "), fmt::join(outputs_, ", ")));
    }
    std::ranges::copy(answer.values, out.begin());
  }

  std::optional<Introduction> Introduce(std::span<const double> x, std::int64_t rows,
                                        const std::vector<std::string>& columns) const override {
    ArrowAnswer answer = Ask(columns, x, rows);
    Content known = Split(content_.view(), what_);
    known.header["columns"] = columns;
    known.header["outputs"] = answer.names;
    return Introduction{Join(known.header, known.body), std::move(answer.values)};
  }

 private:
  ArrowAnswer Ask(const std::vector<std::string>& columns, std::span<const double> x,
                  std::int64_t rows) const {
    return OfHost(host_.path, [&] { return programs_.Ask(columns, x, rows); });
  }

  std::string what_;
  Bytes content_;
  ProgramStart host_;
  ProgramPool programs_;
  std::vector<std::string> columns_;
  std::vector<std::string> outputs_;
};

// Null: callables run in child processes.
const PythonHost* ThisProcess() {
  const Registry& registry = Registry::Global();
  if (!registry.Has<PythonHost>(PythonHost::kInThisProcess)) return nullptr;
  return &registry.Find<PythonHost>(PythonHost::kInThisProcess);
}

class PythonFormat final : public ModelFormat {
 public:
  std::vector<std::string> endings() const override { return {}; }
  std::vector<std::string> options() const override { return {"processes", "timeout"}; }
  std::vector<std::string> reach_options() const override { return {"processes", "timeout"}; }
  std::string usage(std::string_view) const override {
    return "python:MODULE:FUNCTION or python:FILE.pkl";
  }

  Bytes Read(const ObjectSpec& spec) const override {
    const ProgramSettings settings = ReadProgramSettings(spec);
    if (const PythonHost* here = ThisProcess()) return here->Read(spec);
    const ProgramStart host = Host("read", spec.location, "");
    const ArrowAnswer answer = OfHost(host.path, [&] {
      return Program(host, {}, "python:" + spec.location).Ask({}, 0, settings.timeout);
    });
    const auto line = answer.notes.find(kHeaderNote);
    const Json header =
        Split(line == answer.notes.end() ? "" : line->second + "\n", spec.location).header;
    return Join(header, header.contains("pickle") ? ReadFile(spec.location) : std::string());
  }

  std::unique_ptr<Model> Load(const ModelSource& source) const override {
    if (const PythonHost* here = ThisProcess()) return here->Load(source);
    return std::make_unique<HostedModel>(source);
  }
};

}  // namespace

std::shared_ptr<const ModelFormat> MakePythonFormat() { return std::make_shared<PythonFormat>(); }

}  // namespace windlass::model
