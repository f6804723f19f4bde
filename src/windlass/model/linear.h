// Linear models: our own JSON format, and the arithmetic of every linear structure.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/model/model.h"

namespace windlass::model {

// A model that is its structure. `column_names` is empty or has structure.columns() names;
// `output_names` has structure.outputs() names (or is empty: "0", "1", ...).
// Throws Error{kInvalidInput} when shapes disagree or a number is not finite.
std::unique_ptr<Model> MakeLinearModel(LinearStructure structure,
                                       std::vector<std::string> column_names,
                                       std::vector<std::string> output_names);

// Reads `{"windlass": "linear", "version": 1, "columns": [...], "activation":
// "identity|sigmoid|softmax", "coef": [...] or [[...], ...], "intercept": number or [...],
// "outputs": [...]}`; columns and outputs may be left out. `what` names the document in errors.
// Throws Error{kInvalidInput}.
std::unique_ptr<Model> ParseLinearModel(std::string_view json, std::string_view what);

}  // namespace windlass::model
