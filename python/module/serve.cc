// Services within Python: replicas that Python brings requests to, and hosts that Python runs.
#include <nanobind/nanobind.h>
#include <nanobind/stl/function.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bindings.h"
#include "bytes.h"
#include "errors.h"
#include "windlass/base/cancel.h"
#include "windlass/base/json.h"
#include "windlass/base/registry.h"
#include "windlass/serve/replica.h"

namespace nb = nanobind;

namespace windlass::python {
namespace {

using serve::Replica;

class PythonReplica {
 public:
  PythonReplica(const std::string& service, const std::string& spec, const nb::bytes& prepared) {
    Bytes bytes{std::string(View(prepared))};
    const nb::gil_scoped_release release;
    replica_ = std::make_unique<Replica>(service, ParseJson(spec, "the spec"), bytes);
  }
  ~PythonReplica() {
    const nb::gil_scoped_release release;  // threads that end may need it
    replica_.reset();
  }
  PythonReplica(const PythonReplica&) = delete;
  PythonReplica& operator=(const PythonReplica&) = delete;

  std::string Listen(bool shared) {
    const nb::gil_scoped_release release;
    return replica_->Listen(shared);
  }

  // `done(status, headers, body)` is called once, from any thread.
  void Answer(std::string method, std::string target, Replica::Headers headers,
              const nb::bytes& body, nb::object done) {
    std::string text(View(body));
    // The last copy may go on a thread without the GIL.
    const std::shared_ptr<nb::object> kept(new nb::object(std::move(done)), [](nb::object* object) {
      Free(*object);
      delete object;
    });
    const nb::gil_scoped_release release;
    replica_->Answer(std::move(method), std::move(target), std::move(headers), std::move(text),
                     [kept](int status, Replica::Headers given, std::string answer) {
                       CallPython("answering a request", [&] {
                         (*kept)(status, std::move(given), PythonBytes(answer));
                         return 0;
                       });
                     });
  }

  bool Shutdown() {
    const nb::gil_scoped_release release;
    return replica_->Shutdown();
  }

  std::size_t Connections() const { return replica_->connections(); }
  std::uint64_t Requests() const { return replica_->requests(); }
  std::uint64_t Rows() const { return replica_->rows(); }

 private:
  std::unique_ptr<Replica> replica_;
};

class PythonServiceHost final : public serve::ServiceHost {
 public:
  explicit PythonServiceHost(nb::object serve) : serve_(std::move(serve)) {}
  ~PythonServiceHost() override { serve_.release(); }  // the registry outlives the interpreter

  void Serve(const Wanted& wanted, const Watcher& watcher) const override {
    CallPython("serving", [&] {
      nb::dict options;
      for (const auto& [key, value] : wanted.options) options[key.c_str()] = value;
      serve_(wanted.location, options, wanted.service, CanonicalDump(wanted.spec),
             PythonBytes(wanted.prepared.view()), nb::cpp_function(watcher.serving),
             nb::cpp_function(watcher.announce), nb::cpp_function(watcher.stop));
      return 0;
    });
  }

 private:
  nb::object serve_;
};

}  // namespace

void BindServices(nb::module_& module) {
  nb::class_<PythonReplica>(module, "ServiceReplica")
      .def(nb::init<const std::string&, const std::string&, const nb::bytes&>(), nb::arg("service"),
           nb::arg("spec"), nb::arg("prepared"))
      .def("listen", &PythonReplica::Listen, nb::arg("shared"))
      .def("answer", &PythonReplica::Answer, nb::arg("method"), nb::arg("target"),
           nb::arg("headers"), nb::arg("body"), nb::arg("done"))
      .def("shutdown", &PythonReplica::Shutdown)
      .def_prop_ro("connections", &PythonReplica::Connections)
      .def_prop_ro("requests", &PythonReplica::Requests)
      .def_prop_ro("rows", &PythonReplica::Rows);
  module.def("handle_signals", &InstallSignalHandlers,
             "SIGINT and SIGTERM ask the command to stop, whoever has taken them since it began.");
  module.def(
      "register_service_host",
      [](const std::string& name, nb::object serve) {
        Registry::Global().Add<serve::ServiceHost>(
            name, std::make_shared<PythonServiceHost>(std::move(serve)));
      },
      nb::arg("name"), nb::arg("serve"),
      "Registers where services run: serve(location, options, service, spec, prepared, serving, "
      "announce, stop) calls serving(url) once and returns when stop() has said true.");
}

}  // namespace windlass::python
