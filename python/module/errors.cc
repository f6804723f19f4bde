#include "errors.h"

#include <nanobind/stl/string.h>

#include <string>

namespace nb = nanobind;

namespace windlass::python {
namespace {

constexpr int kLastCode = static_cast<int>(ErrorCode::kInternal);

nb::object ErrorClass() { return nb::module_::import_("windlass._error").attr("Error"); }

}  // namespace

ErrorCode ErrorCodeOf(std::string_view name) {
  for (int code = 1; code <= kLastCode; ++code) {
    if (ErrorCodeName(static_cast<ErrorCode>(code)) == name) return static_cast<ErrorCode>(code);
  }
  return ErrorCode::kInternal;
}

void BindErrors(nb::module_&) {
  nb::register_exception_translator(
      [](const std::exception_ptr& thrown, void*) {
        try {
          std::rethrow_exception(thrown);
        } catch (const Error& error) {
          const nb::object type = ErrorClass();
          const nb::object raised =
              type(error.what(), std::string(ErrorCodeName(error.code())).c_str());
          PyErr_SetObject(type.ptr(), raised.ptr());
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
    const nb::object lines = nb::module_::import_("traceback")
                                 .attr("format_exception")(value.type(), value, raised.traceback());
    return Error(ErrorCode::kInternal, std::string(context) + " raised:\n" +
                                           nb::cast<std::string>(nb::str("").attr("join")(lines)));
  } catch (const std::exception&) {  // of the formatting itself
    return Error(ErrorCode::kInternal, std::string(context) + " raised: " + raised.what());
  }
}

}  // namespace windlass::python
