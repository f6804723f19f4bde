// Filling a built HTML page (web/dist) with its data.
#pragma once

#include <string>
#include <string_view>

namespace windlass {

// The page with `json` in place of its one placeholder, __WINDLASS_DATA__. The JSON, which must be
// one whole document, stays the same JSON, but nothing in it can end the script element that holds
// it. Throws Error{kInternal} when the placeholder does not stand exactly once.
std::string FillPage(std::string_view page, std::string_view json);

}  // namespace windlass
