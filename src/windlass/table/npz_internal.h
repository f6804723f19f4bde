// NumPy's npz format: a zip archive of npy arrays.
#pragma once

#include <memory>
#include <string>

#include "windlass/table/npy_internal.h"
#include "windlass/table/source_internal.h"

namespace windlass::table {

struct NpzArray {
  std::string name;  // for messages: `data.npz (array "x")`
  std::unique_ptr<ByteSource> source;
};

// The array that `source.array` names, or the only two-dimensional one. Stored arrays and deflated
// ones in C order stream; a deflated one in Fortran order is unpacked into memory, for its rows
// lie scattered over all of it.
//
// Throws Error{kInvalidInput} when there is not exactly one, listing what there is;
// Error{kInvalidInput} for a damaged archive (checksums are compared when the last byte is read).
NpzArray OpenNpzArray(const Source& source);

}  // namespace windlass::table
