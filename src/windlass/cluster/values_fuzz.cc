// Any text as a values file: a RayCluster or a refusal; what was read is read as the same again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "windlass/base/error.h"
#include "windlass/cluster/manifest.h"
#include "windlass/cluster/values.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace windlass;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const cluster::Values read = cluster::ReadValues(text, "values.yaml");
    const Json complete = cluster::CompleteValues(read.values, {});
    if (!cluster::MakeRayCluster("fuzz", "", complete).contains("spec")) std::abort();
    // JSON is YAML.
    if (cluster::ReadValues(read.values.dump(), "again").values != read.values) std::abort();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidInput) std::abort();
  }
  return 0;
}
