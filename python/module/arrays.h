// Rows of numbers between C++ and NumPy.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace windlass::python {

// A NumPy array that owns `values`.
template <typename T>
nanobind::object ArrayOf(std::vector<T> values, std::vector<std::size_t> shape) {
  auto* owned = new std::vector<T>(std::move(values));
  const nanobind::capsule owner(owned,
                                [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nanobind::cast(
      nanobind::ndarray<nanobind::numpy, T>(owned->data(), shape.size(), shape.data(), owner));
}

// A copy of x, [rows, columns], of its own: a callable may keep it.
inline nanobind::object RowsForPython(std::span<const double> x, std::int64_t rows) {
  const auto count = static_cast<std::size_t>(rows);
  return ArrayOf(std::vector<double>(x.begin(), x.end()),
                 {count, count == 0 ? 0 : x.size() / count});
}

// The numbers of a C-contiguous float64 array. Throws std::bad_cast for anything else.
inline std::vector<double> RowsFromPython(nanobind::handle array) {
  const auto values =
      nanobind::cast<nanobind::ndarray<const double, nanobind::ndim<2>, nanobind::c_contig,
                                       nanobind::device::cpu>>(array);
  return {values.data(), values.data() + values.size()};
}

}  // namespace windlass::python
