#include "errors.h"

#include <nanobind/stl/string.h>

#include <map>
#include <string>
#include <utility>

namespace nb = nanobind;

namespace windlass::python {
namespace {

constexpr int kLastCode = static_cast<int>(ErrorCode::kInternal);
constexpr std::size_t kMostCauses = 16;

nb::object ErrorClass() { return nb::module_::import_("windlass._error").attr("Error"); }

nb::object MakeError(const Error& error) {
  return ErrorClass()(error.what(), std::string(ErrorCodeName(error.code())).c_str());
}

// What Python raised, by the text of the Error that it became; for holders of the GIL.
struct Causes {
  nb::ft_mutex mutex;  // where there is no GIL
  int scopes = 0;
  std::map<std::string, nb::object> raised;

  static Causes& Global() {
    static auto* causes = new Causes;  // objects of Python must not outlive it: never destroyed
    return *causes;
  }
};

void KeepCause(const std::string& text, const nb::object& value) {
  Causes& causes = Causes::Global();
  const nb::ft_lock_guard guard(causes.mutex);
  if (causes.scopes > 0 && causes.raised.size() < kMostCauses) causes.raised[text] = value;
}

nb::object FindCause(std::string_view text) {
  Causes& causes = Causes::Global();
  const nb::ft_lock_guard guard(causes.mutex);
  for (const auto& [message, value] : causes.raised) {
    if (text.find(message) != std::string_view::npos) return value;
  }
  return {};
}

}  // namespace

ErrorCode ErrorCodeOf(std::string_view name) {
  for (int code = 1; code <= kLastCode; ++code) {
    if (ErrorCodeName(static_cast<ErrorCode>(code)) == name) return static_cast<ErrorCode>(code);
  }
  return ErrorCode::kInternal;
}

CauseScope::CauseScope() {
  Causes& causes = Causes::Global();
  const nb::ft_lock_guard guard(causes.mutex);
  ++causes.scopes;
}

CauseScope::~CauseScope() {
  Causes& causes = Causes::Global();
  std::map<std::string, nb::object> freed;  // beyond the lock: this may run code of Python
  const nb::ft_lock_guard guard(causes.mutex);
  if (--causes.scopes == 0) freed.swap(causes.raised);
}

void BindErrors(nb::module_&) {
  nb::register_exception_translator(
      [](const std::exception_ptr& thrown, void*) {
        try {
          std::rethrow_exception(thrown);
        } catch (const Error& error) {
          PyErr_SetObject(ErrorClass().ptr(), MakeError(error).ptr());
        }
      },
      nullptr);
}

Error FromPython(nb::python_error& raised, const char* context) {
  try {
    const nb::object value = nb::borrow(raised.value());
    if (nb::isinstance(value, ErrorClass())) {
      return Error(ErrorCodeOf(nb::cast<std::string>(value.attr("code"))),
                   nb::cast<std::string>(nb::str(value)));
    }
    if (raised.matches(PyExc_KeyboardInterrupt)) return Error(ErrorCode::kCancelled, "interrupted");
    const auto said =
        nb::cast<std::string>(nb::module_::import_("windlass._error").attr("one_line")(value));
    Error error(ErrorCode::kInvalidInput, std::string(context) + " raised " + said);
    KeepCause(error.message(), value);
    return error;
  } catch (const std::exception&) {  // of the formatting itself
    return Error(ErrorCode::kInvalidInput, std::string(context) + " raised: " + raised.what());
  }
}

void ThrowInPython(const Error& error) {
  const nb::object raised = MakeError(error);
  if (nb::object cause = FindCause(error.what()); cause.is_valid()) {
    PyException_SetCause(raised.ptr(), cause.release().ptr());
  }
  PyErr_SetObject(ErrorClass().ptr(), raised.ptr());
  throw nb::python_error();
}

}  // namespace windlass::python
