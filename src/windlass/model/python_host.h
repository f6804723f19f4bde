// Where Python callables run: the model format `python:`.
#pragma once

#include <memory>
#include <string_view>

#include "windlass/base/registry.h"
#include "windlass/model/model.h"

namespace windlass::model {

// What a process that is Python registers under kInThisProcess. Without it, callables run in child
// processes.
class WINDLASS_API PythonHost : public Registrable {
 public:
  static constexpr std::string_view kRegistryKind = "Python host";
  static constexpr std::string_view kInThisProcess = "this process";

  // As ModelFormat::Read and Load.
  virtual Bytes Read(const ObjectSpec& spec) const = 0;
  virtual std::unique_ptr<Model> Load(const ModelSource& source) const = 0;
};

}  // namespace windlass::model
