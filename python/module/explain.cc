// Explanations of tables in memory.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arrays.h"
#include "bindings.h"
#include "errors.h"
#include "interruptible.h"
#include "windlass/base/json.h"
#include "windlass/explain/memory_explainer.h"
#include "windlass/table/memory.h"

namespace nb = nanobind;

// Of the Arrow C stream interface, which anybody may declare.
extern "C" {
struct ArrowSchema;
struct ArrowArray;
struct ArrowArrayStream {
  int (*get_schema)(ArrowArrayStream*, ArrowSchema*);
  int (*get_next)(ArrowArrayStream*, ArrowArray*);
  const char* (*get_last_error)(ArrowArrayStream*);
  void (*release)(ArrowArrayStream*);
  void* private_data;
};
}

namespace windlass::python {
namespace {

using table::MemoryColumn;
using table::MemoryTable;

using Doubles = nb::ndarray<const double, nb::ndim<1>, nb::device::cpu>;
using Codes = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::device::cpu>;

template <typename T, typename Array>
std::vector<T> Copied(const Array& array) {
  std::vector<T> values(array.shape(0));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = array(i);
  return values;
}

// columns: (name, float64 values) or (name, int32 codes, categories) each.
std::unique_ptr<MemoryTable> FromColumns(const std::string& name, std::int64_t rows,
                                         const nb::list& columns) {
  std::vector<MemoryColumn> given;
  for (const nb::handle item : columns) {
    const auto parts = nb::cast<nb::tuple>(item);
    MemoryColumn column;
    column.name = nb::cast<std::string>(parts[0]);
    if (parts.size() == 2) {
      column.values = Copied<double>(nb::cast<Doubles>(parts[1]));
    } else {
      column.codes = Copied<std::int32_t>(nb::cast<Codes>(parts[1]));
      column.categories = nb::cast<std::vector<std::string>>(parts[2]);
    }
    given.push_back(std::move(column));
  }
  const nb::gil_scoped_release release;
  return std::make_unique<MemoryTable>(name, rows, std::move(given));
}

std::unique_ptr<MemoryTable> FromArrow(const std::string& name, const nb::object& source) {
  const nb::object capsule = source.attr("__arrow_c_stream__")();
  auto* stream =
      static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(capsule.ptr(), "arrow_array_stream"));
  if (stream == nullptr) throw nb::python_error();
  const nb::gil_scoped_release release;  // a stream made in Python takes the GIL itself
  // The stream moves out: its release becomes null, and the capsule frees the shell.
  return std::make_unique<MemoryTable>(name, stream);
}

class PythonExplainer {
 public:
  PythonExplainer(const std::string& spec, const std::string& engine, const std::string& workers) {
    explainer_ = RunInterruptibly([&](const CancelToken&) {
      return std::make_unique<explain::MemoryExplainer>(ParseJson(spec, "the arguments"),
                                                        "the arguments", engine,
                                                        engine::WorkerCount::Parse(workers));
    });
  }

  // Without the GIL, which threads that end may need. In a process that was forked from that of the
  // explainer they are not there to be waited for.
  ~PythonExplainer() {
    if (::getpid() != process_) {
      static_cast<void>(explainer_.release());
      return;
    }
    const nb::gil_scoped_release release;
    explainer_.reset();
  }
  PythonExplainer(const PythonExplainer&) = delete;
  PythonExplainer& operator=(const PythonExplainer&) = delete;

  void CheckProcess() const {
    if (::getpid() == process_) return;
    throw Error(ErrorCode::kUsage,
                "the explainer is of the process that this one was forked from; make one here");
  }

  std::string Describe() const { return explainer_->Describe().dump(); }

  nb::object BaseValue() {
    CheckProcess();
    std::vector<double> value =
        RunInterruptibly([&](const CancelToken& token) { return explainer_->BaseValue(token); });
    const std::size_t outputs = value.size();
    return ArrayOf(std::move(value), {outputs});
  }

  nb::dict Explain(const std::string& data, std::int64_t batch) {
    CheckProcess();
    explain::Explanation all = RunInterruptibly(
        [&](const CancelToken& token) { return explainer_->Explain(data, batch, token); });
    explain::Attributions& a = all.attributions;
    const auto rows = static_cast<std::size_t>(all.rows);
    const auto columns = static_cast<std::size_t>(all.columns);
    const auto outputs = static_cast<std::size_t>(a.outputs);
    const auto players = static_cast<std::size_t>(a.players);
    const std::size_t pairs = players * (players - 1) / 2;
    nb::dict found;
    found["values"] = ArrayOf(std::move(all.values), {rows, columns});
    found["base_value"] = ArrayOf(std::move(a.base_value), {outputs});
    found["prediction"] = ArrayOf(std::move(a.prediction), {rows, outputs});
    found["phi"] = ArrayOf(std::move(a.phi), {rows, outputs, players});
    if (!a.half_width.empty()) {
      found["half_width"] = ArrayOf(std::move(a.half_width), {rows, outputs, players});
      found["ranked"] = ArrayOf(std::move(a.ranked), {rows, outputs});
    }
    if (!a.interactions.empty()) {
      found["interactions"] = ArrayOf(std::move(a.interactions), {rows, outputs, pairs});
    }
    if (!a.interactions_half_width.empty()) {
      found["interactions_half_width"] =
          ArrayOf(std::move(a.interactions_half_width), {rows, outputs, pairs});
    }
    found["model_evaluations"] = a.model_evaluations;
    nb::list failures;
    for (const auto& failure : a.failures)
      failures.append(nb::make_tuple(failure.row, failure.why));
    found["failures"] = failures;
    return found;
  }

 private:
  const pid_t process_ = ::getpid();
  std::unique_ptr<explain::MemoryExplainer> explainer_;
};

}  // namespace

void BindExplain(nb::module_& module) {
  nb::class_<MemoryTable>(module, "MemoryTable")
      .def_static("from_columns", &FromColumns, nb::arg("name"), nb::arg("rows"),
                  nb::arg("columns"))
      .def_static("from_arrow", &FromArrow, nb::arg("name"), nb::arg("source"))
      .def_prop_ro("uri", &MemoryTable::uri)
      .def_prop_ro("rows", &MemoryTable::rows);
  nb::class_<PythonExplainer>(module, "Explainer")
      .def(nb::init<const std::string&, const std::string&, const std::string&>(), nb::arg("spec"),
           nb::arg("engine"), nb::arg("workers"))
      .def("describe", &PythonExplainer::Describe)
      .def("base_value", &PythonExplainer::BaseValue)
      .def("explain", &PythonExplainer::Explain, nb::arg("data"), nb::arg("batch") = 0);
}

}  // namespace windlass::python
