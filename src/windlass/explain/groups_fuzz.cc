// Any text as a groups file: an Error or a partition of the columns.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "windlass/base/error.h"
#include "windlass/explain/groups.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace windlass;
  static const std::vector<std::string> columns = {"Age", "Sex", "Country=1", "Country=2"};
  try {
    const auto groups = explain::Groups::Parse(
        std::string_view(reinterpret_cast<const char*>(data), size), columns, "fuzz.json");
    std::size_t listed = 0;
    for (const explain::Group& group : groups) listed += group.columns.size();
    if (listed != columns.size() || groups.player_of_column().size() != listed) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
