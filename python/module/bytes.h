// Between bytes of Python and of C++. The caller holds the GIL.
#pragma once

#include <nanobind/nanobind.h>

#include <string_view>

namespace windlass::python {

inline std::string_view View(const nanobind::bytes& bytes) { return {bytes.c_str(), bytes.size()}; }

inline nanobind::bytes PythonBytes(std::string_view bytes) {
  return nanobind::bytes(bytes.data(), bytes.size());
}

}  // namespace windlass::python
