#include <algorithm>

#include "windlass/base/vector_math.h"
#include "windlass/model/activation_internal.h"

namespace windlass::model {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Sigmoid of every value, several at a time; each has the bytes that Sigmoid gives it alone.
void SigmoidAll(std::span<double> values) {
  const hn::ScalableTag<double> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto one = hn::Set(d, 1.0);
  std::size_t i = 0;
  for (; i + lanes <= values.size(); i += lanes) {
    const auto z = hn::LoadU(d, values.data() + i);
    const auto e = vector_math::Exp(d, hn::Neg(hn::Abs(z)));
    const auto above = hn::IfThenElse(hn::Ge(z, hn::Zero(d)), one, e);
    hn::StoreU(hn::Div(above, hn::Add(one, e)), d, values.data() + i);
  }
  for (; i < values.size(); ++i) values[i] = Sigmoid(values[i]);
}

// The largest margin is subtracted first, so that nothing overflows; sums run in class order.
void Softmax(std::span<double> margins) {
  const double largest = *std::ranges::max_element(margins);
  double sum = 0;
  for (double& margin : margins) {
    margin = Exp(margin - largest);
    sum += margin;
  }
  for (double& margin : margins) margin /= sum;
}

}  // namespace

void Activate(Activation activation, std::int64_t outputs, std::span<double> values) {
  switch (activation) {
    case Activation::kIdentity: return;
    case Activation::kSigmoid: return SigmoidAll(values);
    case Activation::kExp:
      for (double& value : values) value = Exp(value);
      return;
    case Activation::kSoftmax:
      for (std::size_t row = 0; row < values.size(); row += outputs) {
        Softmax(values.subspan(row, outputs));
      }
      return;
  }
}

}  // namespace windlass::model
