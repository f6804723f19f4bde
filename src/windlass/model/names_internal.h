// Names of columns and outputs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace windlass::model {

// "0", "1", ...: names of outputs that have none of their own.
std::vector<std::string> NumberedNames(std::int64_t count);

// Throws Error{kInvalidInput} unless there are `wanted` names, none of them empty or twice.
// `thing` is what they name ("column"), `where` what needs them ("the coefficients have").
void CheckNames(const std::vector<std::string>& names, std::int64_t wanted, std::string_view thing,
                std::string_view where);

}  // namespace windlass::model
