// _windlass: what Python sees of libwindlass. The package windlass is the interface for users.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "bindings.h"
#include "errors.h"
#include "lifetime.h"
#include "windlass/base/build_info.h"
#include "windlass/base/log.h"
#include "windlass/base/registry.h"
#include "windlass/cli/builtins.h"
#include "windlass/cli/command.h"

namespace nb = nanobind;

NB_MODULE(_windlass, module) {
  using namespace windlass;
  // Registry and engines are those of the process; from 3.12 on nanobind says so itself.
  if (PyInterpreterState_GetID(PyInterpreterState_Get()) != 0) {
    PyErr_SetString(PyExc_ImportError, "windlass works in the main interpreter only");
    throw nb::python_error();
  }
  nb::set_leak_warnings(false);  // the registry keeps what Python gave it until the process ends
  RegisterBuiltins();
  python::BindErrors(module);
  python::BindLifetime(module);
  python::BindEngines(module);
  python::BindExplain(module);
  python::BindGang(module);
  python::BindRun(module);
  python::BindCallables(module);
  python::BindHost(module);
  python::BindServices(module);
  module.def("version", &Version);
  module.def("build_hash", &BuildHash);
  module.def(
      "log", [](const std::string& line) { Log(LogLevel::kInfo, line); }, nb::arg("line"),
      "A line for the log of the job that runs.");
  module.def(
      "plugins", [] { return Registry::Global().Plugins(); },
      "The files of the plug-ins that are loaded.");
  module.def(
      "load_plugin", [](const std::string& path) { Registry::Global().LoadPlugin(path); },
      nb::arg("path"), "Loads a plug-in.");
  module.def(
      "command",
      [](std::vector<std::string> arguments) {
        std::vector<char*> argv;
        for (std::string& argument : arguments) argv.push_back(argument.data());
        argv.push_back(nullptr);
        const nb::gil_scoped_release release;
        return cli::RunCommandLine(static_cast<int>(arguments.size()), argv.data());
      },
      nb::arg("arguments"), "Runs a command line, the program's name first; gives its exit code.");
}
