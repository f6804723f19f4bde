// Any text as an explain spec: an Error or a normal form that is one, never a crash or a hang.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "windlass/base/error.h"
#include "windlass/base/json.h"
#include "windlass/explain/capability.h"
#include "windlass/job/capability.h"
#include "windlass/model/model.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace windlass;
  static const job::Schema& schema = []() -> const job::Schema& {
    explain::RegisterExplain(Registry::Global());
    model::RegisterModelFormats(Registry::Global());
    return Registry::Global().Find<job::Capability>("explain").schema();
  }();
  Json normal;
  try {
    normal = schema.Normalise(
        ParseJson(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz.json"),
        "fuzz.json");
  } catch (const Error&) {
    return 0;
  }
  // What was accepted is accepted again, from its canonical text too, and stays as it is.
  const std::string text = CanonicalDump(normal);
  if (CanonicalDump(schema.Normalise(ParseJson(text, "normal"), "normal")) != text) std::abort();
  try {
    model::ParseModelSpec(normal.at("model").get<std::string>());
  } catch (const Error&) {
  }
  return 0;
}
