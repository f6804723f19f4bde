// Callables for a native process: what `python -m windlass.host` is made of.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <map>
#include <span>
#include <string>
#include <vector>

#include "arrays.h"
#include "bindings.h"
#include "errors.h"
#include "windlass/model/python_host.h"

namespace nb = nanobind;

namespace windlass::python {

void BindHost(nb::module_& module) {
  module.attr("HOST_PROTOCOL") = model::kHostProtocol;
  module.def(
      "serve",
      [](int input, int output, const std::string& what, const nb::object& answer) {
        const nb::gil_scoped_release release;
        model::ServeRows(
            input, output,
            [&](std::span<const double> x, std::int64_t rows,
                const std::vector<std::string>& columns) {
              return CallPython(what.c_str(), [&] {
                const auto said = nb::cast<nb::tuple>(answer(RowsForPython(x, rows), columns));
                return model::HostAnswer{nb::cast<std::vector<std::string>>(said[1]),
                                         RowsFromPython(said[0]),
                                         nb::cast<std::map<std::string, std::string>>(said[2])};
              });
            });
      },
      nb::arg("input"), nb::arg("output"), nb::arg("what"), nb::arg("answer"),
      "Answers the rows that come by the descriptor `input`, an Arrow IPC stream, on `output`:\n"
      "answer(rows, columns) gives (values, outputs, notes). Until the input ends.");
}

}  // namespace windlass::python
