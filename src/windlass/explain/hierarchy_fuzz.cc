// Any text as a file of coalitions: an Error, or a hierarchy of the groups that can be used.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "windlass/base/error.h"
#include "windlass/explain/hierarchy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace windlass;
  static const std::vector<std::string> groups = {"Age", "Sex", "Country", "Race", "Hours"};
  try {
    const auto [hierarchy, names] = explain::ParseHierarchy(
        std::string_view(reinterpret_cast<const char*>(data), size), groups, "fuzz.json");
    if (!hierarchy.Fits(5) || names.size() != hierarchy.parents.size()) std::abort();
    const std::vector<std::int32_t> some = {0, 2, 3};
    const explain::Hierarchy pruned = explain::Prune(hierarchy, some);
    if (!pruned.Fits(3) || explain::ConsistentCoalitions(pruned) > 8 ||
        explain::ConsistentCoalitions(hierarchy) > 32) {
      std::abort();
    }
  } catch (const Error&) {
  }
  return 0;
}
