// Models that are Python callables: python:MODULE:FUNCTION or python:FILE.pkl.
#include "windlass/base/error.h"
#include "windlass/model/formats_internal.h"
#include "windlass/model/python_host.h"

namespace windlass::model {
namespace {

const PythonHost& Host() {
  const Registry& registry = Registry::Global();
  if (registry.Has<PythonHost>(PythonHost::kInThisProcess)) {
    return registry.Find<PythonHost>(PythonHost::kInThisProcess);
  }
  throw Error(ErrorCode::kUnsupported, "this process has no Python for a model python:...");
}

class PythonFormat final : public ModelFormat {
 public:
  std::vector<std::string> endings() const override { return {}; }
  std::string usage(std::string_view) const override {
    return "python:MODULE:FUNCTION or python:FILE.pkl";
  }
  Bytes Read(const ObjectSpec& spec) const override { return Host().Read(spec); }
  std::unique_ptr<Model> Load(const ModelSource& source) const override {
    return Host().Load(source);
  }
};

}  // namespace

std::shared_ptr<const ModelFormat> MakePythonFormat() { return std::make_shared<PythonFormat>(); }

}  // namespace windlass::model
