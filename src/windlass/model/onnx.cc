#include <fmt/format.h>

#include <mutex>

#include "windlass/base/error.h"
#include "windlass/model/formats_internal.h"
#include "windlass/model/linear.h"
#include "windlass/model/onnx_graph.h"
#include "windlass/model/onnx_runtime.h"

namespace windlass::model {
namespace {

constexpr std::string_view kRuntime = "onnxruntime";
constexpr std::string_view kPlugin = "windlass_onnx";

const OnnxRuntime& Runtime(std::string_view what) {
  static std::mutex loading;  // two threads must not both find it missing
  const std::lock_guard lock(loading);
  Registry& registry = Registry::Global();
  try {
    if (!registry.Has<OnnxRuntime>(kRuntime)) registry.LoadPluginNamed(kPlugin);
    return registry.Find<OnnxRuntime>(kRuntime);
  } catch (const Error& error) {
    throw Error(ErrorCode::kUnsupported, fmt::format("{} needs ONNX Runtime to run", what), error);
  }
}

class OnnxFormat final : public ModelFormat {
 public:
  std::vector<std::string> endings() const override { return {".onnx"}; }
  std::vector<std::string> options() const override { return {"columns", "output", "threads"}; }

  std::unique_ptr<Model> Load(const ModelSource& source) const override {
    const std::string& what = source.spec.location;
    const std::string_view content = source.content.view();
    const OnnxChoice choice = Choice(source.spec);
    const int threads = static_cast<int>(Bounded(source.spec, "threads", 1, 1, 1024));
    if (!source.spec.Flag("opaque", false)) {
      if (auto linear = ReadOnnxLinear(content, what, choice)) {
        return MakeLinearModel(std::move(linear->structure), std::move(linear->column_names),
                               std::move(linear->output_names));
      }
      if (auto trees = ReadOnnxTrees(content, what, choice)) {
        return MakeTreeModel(std::move(trees->ensemble), trees->activation,
                             std::move(trees->names));
      }
    }
    OnnxProgram program;
    program.signature = ReadOnnxSignature(content, what, choice);
    program.content = OnnxForRuntime(content, program.signature, what);
    program.what = what;
    program.threads = threads;
    return Runtime(what).Load(program);
  }

 private:
  static std::int64_t Bounded(const ObjectSpec& spec, const std::string& key,
                              std::int64_t otherwise, std::int64_t low, std::int64_t high) {
    const std::int64_t value = spec.Integer(key, otherwise);
    if (value < low || value > high) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: option {}={}: a number from {} to {} was expected",
                              spec.location, key, value, low, high));
    }
    return value;
  }

  static OnnxChoice Choice(const ObjectSpec& spec) {
    OnnxChoice choice;
    if (const auto found = spec.options.find("output"); found != spec.options.end()) {
      choice.output = found->second;
    }
    if (spec.options.contains("columns")) {
      choice.columns = Bounded(spec, "columns", 1, 1, 100'000'000);
    }
    return choice;
  }
};

}  // namespace

std::shared_ptr<const ModelFormat> MakeOnnxFormat() { return std::make_shared<OnnxFormat>(); }

}  // namespace windlass::model
