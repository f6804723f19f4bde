// The parts of the module _windlass.
#pragma once

#include <nanobind/nanobind.h>

namespace windlass::python {

void BindEngines(nanobind::module_& module);
void BindExplain(nanobind::module_& module);
void BindGang(nanobind::module_& module);
void BindRun(nanobind::module_& module);
void BindCallables(nanobind::module_& module);
void BindHost(nanobind::module_& module);
void BindServices(nanobind::module_& module);

}  // namespace windlass::python
