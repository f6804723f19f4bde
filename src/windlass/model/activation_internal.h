// The functions that turn margins into outputs.
#pragma once

#include <cstdint>
#include <span>

#include "windlass/model/model.h"

namespace windlass::model {

// values: [rows, outputs] row-major, margins before and outputs after. A row has the same bytes
// among any others.
void Activate(Activation activation, std::int64_t outputs, std::span<double> values);

}  // namespace windlass::model
