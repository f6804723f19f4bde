#include "windlass/explain/explainer.h"

#include <fmt/format.h>

#include "windlass/base/error.h"
#include "windlass/explain/linear.h"

namespace windlass::explain {

std::shared_ptr<const Explainer> MakeExplainer(const Plan& plan) {
  const auto model = model::LoadModel(plan.model);
  switch (plan.method) {
    case Method::kLinear:
      if (model->linear() == nullptr) {
        throw Error(ErrorCode::kInvalidInput,
                    "method linear needs a model that shows that it is linear; this one does not");
      }
      return MakeLinearExplainer(plan, *model->linear());
    case Method::kExact:
    case Method::kKernel: break;
  }
  throw Error(ErrorCode::kUnsupported,
              fmt::format("method {} is not built in", MethodName(plan.method)));
}

}  // namespace windlass::explain
