// Python callables as models of this process.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arrays.h"
#include "bindings.h"
#include "errors.h"
#include "windlass/base/json.h"
#include "windlass/base/registry.h"
#include "windlass/model/python_host.h"

namespace nb = nanobind;

namespace windlass::python {
namespace {

constexpr const char* kCallables = "windlass._callable";

// An answer, with the names of its outputs where they were not known yet.
struct Answer {
  std::vector<double> values;  // [rows, outputs]
  std::vector<std::string> outputs;
};

class CallableModel final : public model::Model {
 public:
  // `content`: what windlass._callable made of the model's place, and after Introduce also the
  // names of its columns and outputs.
  explicit CallableModel(const model::ModelSource& source)
      : what_(source.spec.location.starts_with("here/") ? "the model"
                                                        : "python:" + source.spec.location),
        content_(source.content.view()) {
    CallPython("reading a Python model", [&] {
      const nb::object loaded =
          nb::module_::import_(kCallables).attr("load")(source.spec.location, Content());
      const auto parts = nb::cast<nb::tuple>(loaded);
      callable_ = nb::borrow(parts[0]);
      columns_ = nb::cast<std::vector<std::string>>(parts[1]);
      outputs_ = nb::cast<std::vector<std::string>>(parts[2]);
    });
  }

  ~CallableModel() override { Free(callable_); }

  std::int64_t columns() const override { return columns_.empty() ? -1 : std::ssize(columns_); }
  std::vector<std::string> output_names() const override { return outputs_; }
  bool accepts_missing() const override { return true; }  // it gets NaN

  void Predict(std::span<const double> x, std::int64_t rows, std::span<double> out) const override {
    const Answer answer = Ask(x, rows, columns_);
    if (answer.values.size() != out.size()) {
      throw Error(ErrorCode::kInvalidInput, what_ + ": gave " +
                                                std::to_string(answer.values.size()) +
                                                " numbers for " + std::to_string(rows) + " rows, " +
                                                std::to_string(out.size()) + " were expected");
    }
    std::ranges::copy(answer.values, out.begin());
  }

  std::optional<Introduction> Introduce(std::span<const double> x, std::int64_t rows,
                                        const std::vector<std::string>& columns) const override {
    Answer answer = Ask(x, rows, columns);
    std::string content = CallPython("introducing a Python model", [&] {
      const auto bytes = nb::cast<nb::bytes>(
          nb::module_::import_(kCallables).attr("introduced")(Content(), columns, answer.outputs));
      return std::string(bytes.c_str(), bytes.size());
    });
    return Introduction{Bytes(std::move(content)), std::move(answer.values)};
  }

 private:
  nb::bytes Content() const { return nb::bytes(content_.data(), content_.size()); }

  Answer Ask(std::span<const double> x, std::int64_t rows,
             const std::vector<std::string>& columns) const {
    return CallPython(what_.c_str(), [&] {
      const auto answered = nb::cast<nb::tuple>(
          nb::module_::import_(kCallables).attr("ask")(callable_, RowsForPython(x, rows), columns));
      return Answer{RowsFromPython(answered[0]), nb::cast<std::vector<std::string>>(answered[1])};
    });
  }

  std::string what_;
  std::string content_;
  nb::object callable_;
  std::vector<std::string> columns_;
  std::vector<std::string> outputs_;
};

class ThisProcess final : public model::PythonHost {
 public:
  Bytes Read(const ObjectSpec& spec) const override {
    return CallPython("reading a Python model", [&] {
      const auto bytes =
          nb::cast<nb::bytes>(nb::module_::import_(kCallables).attr("content")(spec.location));
      return Bytes(std::string(bytes.c_str(), bytes.size()));
    });
  }
  std::unique_ptr<model::Model> Load(const model::ModelSource& source) const override {
    return std::make_unique<CallableModel>(source);
  }
};

}  // namespace

void BindCallables(nb::module_&) {
  Registry::Global().Add<model::PythonHost>(model::PythonHost::kInThisProcess,
                                            std::make_shared<ThisProcess>());
}

}  // namespace windlass::python
