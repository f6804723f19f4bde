#include "windlass/model/onnx_graph.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <utility>
#include <variant>

#include "windlass/model/affine_internal.h"
#include "windlass/model/onnx_proto_internal.h"

namespace windlass::model {
namespace {

using Value = std::variant<OnnxConstant, Affine>;
using ValuePtr = std::shared_ptr<const Value>;  // null: neither constant nor affine, or unknown

// Multiply-adds and numbers held while recognising, so that a hostile file costs no more than a
// second and 256 MiB; linear models of a million coefficients need a small part of it.
constexpr std::int64_t kBudget = 32'000'000;

ValuePtr Make(Value value) { return std::make_shared<const Value>(std::move(value)); }

// Evaluates the nodes that an output needs, in the order of the file, on values that are constant
// or affine in the inputs. Each operator is a method that gives null for what it does not know:
// then the graph is not (known to be) linear.
class Evaluator {
 public:
  Evaluator(const OnnxModelFile& model, const OnnxSignature& signature, std::string_view what)
      : model_(model), what_(what), budget_(kBudget) {
    std::int64_t first = 0;
    for (const auto& input : signature.inputs) {
      const bool floating =
          input.element == OnnxElement::kFloat || input.element == OnnxElement::kDouble;
      if (floating && Spend(3 * input.columns)) {  // others may be cut to whole numbers on the way
        values_[input.name] =
            Make(AffineInput(first, input.columns, signature.columns, input.rank == 1));
      }
      first += input.columns;
    }
    for (const auto& tensor : model.initializers) initializers_.emplace(tensor.name, &tensor);
  }

  std::optional<Affine> Evaluate(std::string_view output) {
    const std::set<const OnnxNode*> needed = NodesFor(output);
    for (const auto& node : model_.nodes) {
      if (!needed.contains(&node)) continue;
      const ValuePtr value = Apply(node);
      if (value == nullptr) return std::nullopt;
      const std::size_t at = node.Is(kOnnxMl, "LinearClassifier") ? 1 : 0;
      if (at >= node.outputs.size()) return std::nullopt;
      values_[std::string(node.outputs[at])] = value;
    }
    const ValuePtr value = Get(output);
    const Affine* affine = value == nullptr ? nullptr : std::get_if<Affine>(value.get());
    if (affine == nullptr || !Spend(affine->width() * affine->columns)) return std::nullopt;
    return DenseAffine(*affine);
  }

 private:
  using Handler = ValuePtr (Evaluator::*)(const OnnxNode&);

  std::set<const OnnxNode*> NodesFor(std::string_view output) const {
    std::set<const OnnxNode*> needed;
    std::vector<std::string_view> open = {output};
    while (!open.empty()) {
      const auto found = model_.producers.find(open.back());
      open.pop_back();
      if (found == model_.producers.end() || !needed.insert(found->second).second) continue;
      open.insert(open.end(), found->second->inputs.begin(), found->second->inputs.end());
    }
    return needed;
  }

  ValuePtr Apply(const OnnxNode& node) {
    static const std::map<std::pair<std::string_view, std::string_view>, Handler> kHandlers = {
        {{"", "Abs"}, &Evaluator::Abs},
        {{"", "Add"}, &Evaluator::AddSub},
        {{"", "Cast"}, &Evaluator::Cast},
        {{"", "Concat"}, &Evaluator::Concat},
        {{"", "Constant"}, &Evaluator::ConstantNode},
        {{"", "Div"}, &Evaluator::Div},
        {{"", "Flatten"}, &Evaluator::Flatten},
        {{"", "Gemm"}, &Evaluator::Gemm},
        {{"", "Identity"}, &Evaluator::Identity},
        {{"", "LpNormalization"}, &Evaluator::Normalize},
        {{"", "MatMul"}, &Evaluator::MatMul},
        {{"", "Mul"}, &Evaluator::Mul},
        {{"", "Neg"}, &Evaluator::Neg},
        {{"", "ReduceL1"}, &Evaluator::ReduceSum},
        {{"", "ReduceSum"}, &Evaluator::ReduceSum},
        {{"", "Reshape"}, &Evaluator::Reshape},
        {{"", "Sigmoid"}, &Evaluator::Sigmoid},
        {{"", "Softmax"}, &Evaluator::Softmax},
        {{"", "Squeeze"}, &Evaluator::Squeeze},
        {{"", "Sub"}, &Evaluator::AddSub},
        {{"", "Transpose"}, &Evaluator::Transpose},
        {{"", "Unsqueeze"}, &Evaluator::Unsqueeze},
        {{kOnnxMl, "LinearClassifier"}, &Evaluator::LinearClassifier},
        {{kOnnxMl, "LinearRegressor"}, &Evaluator::LinearRegressor},
        {{kOnnxMl, "Normalizer"}, &Evaluator::Normalize},
        {{kOnnxMl, "Scaler"}, &Evaluator::Scaler},
    };
    const auto found = kHandlers.find({node.domain, node.op});
    return found == kHandlers.end() ? nullptr : (this->*found->second)(node);
  }

  // --- operands ---

  bool Spend(std::int64_t amount) {
    if (amount < 0 || amount > budget_) return false;
    budget_ -= amount;
    return true;
  }

  ValuePtr Get(std::string_view name) {
    if (const auto found = values_.find(name); found != values_.end()) return found->second;
    const auto found = initializers_.find(name);
    if (found == initializers_.end()) return nullptr;
    return values_[std::string(name)] = FromTensor(*found->second);
  }

  ValuePtr FromTensor(const OnnxTensor& tensor) {
    std::size_t bytes = tensor.raw ? tensor.raw->size() : 0;
    for (const auto* chunks : {&tensor.floats, &tensor.doubles, &tensor.int32s, &tensor.int64s}) {
      for (const auto chunk : *chunks) bytes += chunk.size();
    }
    // At most one number a byte; float weights take two numbers' room for each 8 bytes.
    if (!Spend(static_cast<std::int64_t>(bytes / 4))) return nullptr;
    auto constant = tensor.Decode(what_);
    return constant ? Make(std::move(*constant)) : nullptr;
  }

  ValuePtr Input(const OnnxNode& node, std::size_t index) {
    return index < node.inputs.size() ? Get(node.inputs[index]) : nullptr;
  }

  const Affine* AffineAt(const OnnxNode& node, std::size_t index) {
    const ValuePtr value = Input(node, index);  // values_ keeps it
    return value == nullptr ? nullptr : std::get_if<Affine>(value.get());
  }

  const OnnxConstant* ConstantAt(const OnnxNode& node, std::size_t index) {
    const ValuePtr value = Input(node, index);
    return value == nullptr ? nullptr : std::get_if<OnnxConstant>(value.get());
  }

  // The constant as one number for each entry of [rows, width] or, if flat, [rows].
  static std::optional<std::vector<double>> Spread(const OnnxConstant& constant, std::int64_t width,
                                                   bool flat) {
    if (constant.dims.size() > (flat ? 1u : 2u)) return std::nullopt;
    if (constant.values.size() == 1) return std::vector<double>(width, constant.values[0]);
    const bool beside_columns = !flat && !constant.dims.empty() && constant.dims.back() == width;
    if (!beside_columns || std::ssize(constant.values) != width) return std::nullopt;
    return constant.values;
  }

  // The axes of a Squeeze and the like: an attribute, or since operator set 13 an input.
  std::optional<std::vector<std::int64_t>> Axes(const OnnxNode& node) {
    if (const OnnxAttribute* axes = node.Find("axes"); axes != nullptr) {
      return DecodeIntegers(axes->integers, what_);
    }
    const OnnxConstant* axes = ConstantAt(node, 1);
    if (axes == nullptr) return std::nullopt;
    return std::vector<std::int64_t>(axes->values.begin(), axes->values.end());
  }

  bool IsLastAxis(const OnnxNode& node) {
    const auto axes = Axes(node);
    return axes && axes->size() == 1 && ((*axes)[0] == 1 || (*axes)[0] == -1);
  }

  ValuePtr Flat(const Affine& value, bool flat) {
    if (!Spend(value.width() * (value.dense() ? value.columns : 3))) return nullptr;
    Affine copy = value;
    copy.flat = flat;
    return Make(std::move(copy));
  }

  // --- what changes no value ---

  ValuePtr Identity(const OnnxNode& node) { return Input(node, 0); }

  ValuePtr Cast(const OnnxNode& node) {
    ValuePtr value = Input(node, 0);
    const std::int64_t to = node.Integer("to", 0);
    if (value == nullptr || !IsFloating(to)) return nullptr;  // to integers: cuts off
    if (std::holds_alternative<Affine>(*value)) return value;
    OnnxConstant constant = std::get<OnnxConstant>(*value);
    if (!Spend(std::ssize(constant.values))) return nullptr;
    constant.type = static_cast<OnnxType>(to);
    if (constant.type == OnnxType::kFloat) {
      for (double& number : constant.values) number = static_cast<float>(number);
    }
    return Make(std::move(constant));
  }

  ValuePtr Flatten(const OnnxNode& node) {
    const Affine* value = AffineAt(node, 0);
    if (value == nullptr || node.Integer("axis", 1) != 1) return nullptr;
    return value->flat ? Flat(*value, false) : Input(node, 0);
  }

  ValuePtr Reshape(const OnnxNode& node) {
    const Affine* value = AffineAt(node, 0);
    const OnnxConstant* shape = ConstantAt(node, 1);
    if (value == nullptr || shape == nullptr || node.Integer("allowzero", 0) != 0) return nullptr;
    const auto& sizes = shape->values;
    const auto rows = [](double size) { return size == -1 || size == 0; };
    if (sizes.size() == 1 && rows(sizes[0]) && value->width() == 1) {
      return (sizes[0] == -1 || value->flat) ? Flat(*value, true) : nullptr;
    }
    if (sizes.size() != 2 || !rows(sizes[0])) return nullptr;
    const bool keeps = sizes[1] == static_cast<double>(value->width()) ||
                       (sizes[0] == 0 && sizes[1] == -1) ||
                       (sizes[0] == 0 && sizes[1] == 0 && !value->flat);
    return keeps ? Flat(*value, false) : nullptr;
  }

  ValuePtr Squeeze(const OnnxNode& node) {
    const Affine* value = AffineAt(node, 0);
    if (value == nullptr || value->flat || value->width() != 1 || !IsLastAxis(node)) return nullptr;
    return Flat(*value, true);
  }

  ValuePtr Unsqueeze(const OnnxNode& node) {
    const Affine* value = AffineAt(node, 0);
    if (value == nullptr || !value->flat || !IsLastAxis(node)) return nullptr;
    return Flat(*value, false);
  }

  ValuePtr Concat(const OnnxNode& node) {
    const std::int64_t axis = node.Integer("axis", 0);
    if (node.inputs.empty() || (axis != 1 && axis != -1)) return nullptr;
    std::vector<Affine> values;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Affine* value = AffineAt(node, i);
      if (value == nullptr || value->flat || value->activation == Activation::kSoftmax) {
        return nullptr;
      }
      if (!values.empty() && value->activation != values.front().activation) return nullptr;
      if (!Spend(value->width() * (value->dense() ? 2 * value->columns : 6))) return nullptr;
      values.push_back(*value);
    }
    const bool mixed =
        std::ranges::any_of(values, &Affine::dense) && !std::ranges::all_of(values, &Affine::dense);
    if (mixed) {
      for (const auto& value : values) {
        if (!Spend(2 * value.width() * value.columns)) return nullptr;
      }
    }
    return Make(ConcatenatedAffine(values));
  }

  // --- constants ---

  ValuePtr ConstantNode(const OnnxNode& node) {
    if (const auto* found = node.Find("value"); found != nullptr && found->tensor) {
      return FromTensor(*found->tensor);
    }
    OnnxConstant constant;
    constant.type = OnnxType::kFloat;
    if (const auto* found = node.Find("value_float"); found != nullptr && found->number) {
      constant.values = {*found->number};
    } else if (const auto* found = node.Find("value_floats"); found != nullptr) {
      for (const float number : DecodeFloats(found->floats, what_)) {
        constant.values.push_back(number);
      }
      constant.dims = {std::ssize(constant.values)};
    } else if (const auto* found = node.Find("value_int"); found != nullptr && found->integer) {
      constant.type = OnnxType::kInt64;
      constant.values = {static_cast<double>(*found->integer)};
    } else if (const auto* found = node.Find("value_ints"); found != nullptr) {
      constant.type = OnnxType::kInt64;
      for (const auto number : DecodeIntegers(found->integers, what_)) {
        constant.values.push_back(static_cast<double>(number));
      }
      constant.dims = {std::ssize(constant.values)};
    } else {
      return nullptr;
    }
    return Spend(std::ssize(constant.values)) ? Make(std::move(constant)) : nullptr;
  }

  ValuePtr Transpose(const OnnxNode& node) {
    const OnnxConstant* value = ConstantAt(node, 0);
    if (value == nullptr || value->dims.size() != 2 || !Spend(std::ssize(value->values))) {
      return nullptr;
    }
    if (const auto* order = node.Find("perm"); order != nullptr) {
      if (DecodeIntegers(order->integers, what_) != std::vector<std::int64_t>{1, 0}) return nullptr;
    }
    return Make(Transposed(*value));
  }

  static OnnxConstant Transposed(const OnnxConstant& value) {
    OnnxConstant turned = value;
    std::swap(turned.dims[0], turned.dims[1]);
    if (value.values.empty()) return turned;  // then a size that is not 0 may be absurd
    const std::int64_t rows = value.dims[0];
    const std::int64_t columns = value.dims[1];
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j) {
        turned.values[j * rows + i] = value.values[i * columns + j];
      }
    }
    return turned;
  }

  // --- arithmetic ---

  ValuePtr Scaled(const Affine& value, const std::vector<double>& scale,
                  const std::vector<double>& shift) {
    if (!value.linear()) return nullptr;
    if (!Spend(value.width() * (value.dense() ? value.columns : 3))) return nullptr;
    return Make(ScaledAffine(value, scale, shift));
  }

  // a + b and a - b, one of them constant. 1 - sigmoid(z) is sigmoid(-z).
  ValuePtr AddSub(const OnnxNode& node) {
    const bool subtract = node.op == "Sub";
    const bool constant_first = AffineAt(node, 0) == nullptr;
    const Affine* value = AffineAt(node, constant_first ? 1 : 0);
    const OnnxConstant* constant = ConstantAt(node, constant_first ? 0 : 1);
    if (value == nullptr || constant == nullptr || node.inputs.size() != 2) return nullptr;
    auto shift = Spread(*constant, value->width(), value->flat);
    if (!shift) return nullptr;
    const std::vector<double> scale(value->width(), subtract && constant_first ? -1.0 : 1.0);
    if (value->activation == Activation::kSigmoid) {
      const bool complement = subtract && constant_first &&
                              std::ranges::all_of(*shift, [](double s) { return s == 1; });
      if (!complement || !Spend(value->width() * value->columns)) return nullptr;
      return Make(ScaledAffine(*value, scale, std::vector<double>(value->width(), 0.0)));
    }
    if (subtract && !constant_first) {
      for (double& number : *shift) number = -number;
    }
    return Scaled(*value, scale, *shift);
  }

  ValuePtr Mul(const OnnxNode& node) {
    const bool constant_first = AffineAt(node, 0) == nullptr;
    const Affine* value = AffineAt(node, constant_first ? 1 : 0);
    const OnnxConstant* constant = ConstantAt(node, constant_first ? 0 : 1);
    if (value == nullptr || constant == nullptr) return nullptr;
    const auto scale = Spread(*constant, value->width(), value->flat);
    return scale ? Scaled(*value, *scale, std::vector<double>(value->width(), 0.0)) : nullptr;
  }

  ValuePtr Div(const OnnxNode& node) {
    const Affine* value = AffineAt(node, 0);
    const OnnxConstant* constant = ConstantAt(node, 1);
    if (value == nullptr || constant == nullptr) return nullptr;
    auto scale = Spread(*constant, value->width(), value->flat);
    if (!scale) return nullptr;
    if (std::ranges::all_of(*scale, [](double s) { return s == 1; })) return Input(node, 0);
    for (double& number : *scale) number = 1 / number;
    return Scaled(*value, *scale, std::vector<double>(value->width(), 0.0));
  }

  ValuePtr Neg(const OnnxNode& node) {
    const Affine* value = AffineAt(node, 0);
    if (value == nullptr) return nullptr;
    return Scaled(*value, std::vector<double>(value->width(), -1.0),
                  std::vector<double>(value->width(), 0.0));
  }

  ValuePtr Product(const Affine& value, const std::vector<double>& weights,
                   const std::vector<double>& shift) {
    if (!value.linear() || value.flat || shift.empty()) return nullptr;
    const std::int64_t outputs = std::ssize(shift);
    // Every size is below 2^27 here, or the file would be larger than what is read.
    const std::int64_t work = value.dense() ? value.width() * outputs : outputs;
    if (work > kBudget / value.columns || !Spend(work * value.columns)) return nullptr;
    return Make(ProductAffine(value, weights, shift));
  }

  ValuePtr MatMul(const OnnxNode& node) {
    const Affine* value = AffineAt(node, 0);
    const OnnxConstant* weights = ConstantAt(node, 1);
    if (value == nullptr || weights == nullptr) return nullptr;
    if (weights->dims.empty() || weights->dims.size() > 2 || weights->dims[0] != value->width()) {
      return nullptr;
    }
    const bool vector = weights->dims.size() == 1;
    const std::vector<double> zeros(vector ? 1 : weights->dims[1], 0.0);
    const ValuePtr product = Product(*value, weights->values, zeros);
    return vector && product != nullptr ? Flat(std::get<Affine>(*product), true) : product;
  }

  // alpha A B + beta C
  ValuePtr Gemm(const OnnxNode& node) {
    const Affine* value = AffineAt(node, 0);
    const OnnxConstant* b = ConstantAt(node, 1);
    if (value == nullptr || b == nullptr || b->dims.size() != 2) return nullptr;
    if (node.Integer("transA", 0) != 0 || !Spend(std::ssize(b->values))) return nullptr;
    OnnxConstant weights = node.Integer("transB", 0) != 0 ? Transposed(*b) : *b;
    if (weights.dims[0] != value->width()) return nullptr;
    const double alpha = node.Number("alpha", 1);
    const double beta = node.Number("beta", 1);
    std::vector<double> shift(weights.dims[1], 0.0);
    if (node.inputs.size() > 2 && !node.inputs[2].empty()) {
      const OnnxConstant* c = ConstantAt(node, 2);
      const auto spread = c == nullptr ? std::nullopt : Spread(*c, std::ssize(shift), false);
      if (!spread) return nullptr;
      std::ranges::transform(*spread, shift.begin(), [&](double s) { return beta * s; });
    }
    for (double& weight : weights.values) weight *= alpha;
    return Product(*value, weights.values, shift);
  }

  // --- ai.onnx.ml ---

  std::vector<double> Numbers(const OnnxNode& node, std::string_view attribute) {
    const OnnxAttribute* found = node.Find(attribute);
    if (found == nullptr) return {};
    const auto floats = DecodeFloats(found->floats, what_);
    return {floats.begin(), floats.end()};
  }

  // (x - offset) * scale
  ValuePtr Scaler(const OnnxNode& node) {
    const Affine* value = AffineAt(node, 0);
    if (value == nullptr) return nullptr;
    std::vector<double> offset = Numbers(node, "offset");
    std::vector<double> scale = Numbers(node, "scale");
    for (auto* numbers : {&offset, &scale}) {
      if (numbers->size() == 1) numbers->resize(value->width(), numbers->front());
      if (std::ssize(*numbers) != value->width()) return nullptr;
    }
    for (std::int64_t i = 0; i < value->width(); ++i) offset[i] *= -scale[i];
    return Scaled(*value, scale, offset);
  }

  // The coefficients of the two linear operators are [outputs, width]; margins of [rows, outputs].
  ValuePtr Margins(const OnnxNode& node, std::vector<double> coefficients,
                   const std::vector<double>& intercepts) {
    const Affine* value = AffineAt(node, 0);
    if (value == nullptr || intercepts.empty()) return nullptr;
    const std::int64_t outputs = std::ssize(intercepts);
    if (std::ssize(coefficients) != outputs * value->width()) return nullptr;
    OnnxConstant weights;
    weights.dims = {outputs, value->width()};
    weights.values = std::move(coefficients);
    return Product(*value, Transposed(weights).values, intercepts);
  }

  static std::optional<Activation> PostTransform(const OnnxNode& node) {
    const std::string_view name = node.Text("post_transform", "NONE");
    if (name == "NONE") return Activation::kIdentity;
    if (name == "LOGISTIC") return Activation::kSigmoid;
    if (name == "SOFTMAX") return Activation::kSoftmax;
    return std::nullopt;
  }

  // The runtime ignores the post_transform of one target, against the standard: left to it.
  ValuePtr LinearRegressor(const OnnxNode& node) {
    const auto activation = PostTransform(node);
    std::vector<double> intercepts = Numbers(node, "intercepts");
    const std::int64_t targets = node.Integer("targets", 1);
    if (!activation || targets < 1 || !Spend(targets)) return nullptr;
    if (targets == 1 && *activation != Activation::kIdentity) return nullptr;
    if (intercepts.empty()) intercepts.resize(targets, 0.0);
    if (std::ssize(intercepts) != targets) return nullptr;
    return Activated(Margins(node, Numbers(node, "coefficients"), intercepts), *activation);
  }

  // Binary classifiers with one row of coefficients: the runtime makes [1 - s, s] of the score s
  // after LOGISTIC and after NONE. (So it does after SOFTMAX, which is no softmax: left to it.)
  ValuePtr LinearClassifier(const OnnxNode& node) {
    const auto activation = PostTransform(node);
    std::vector<double> coefficients = Numbers(node, "coefficients");
    std::vector<double> intercepts = Numbers(node, "intercepts");
    const auto labels =
        std::max(LabelCount(node, "classlabels_ints"), LabelCount(node, "classlabels_strings"));
    if (!activation || intercepts.empty()) return nullptr;
    if (intercepts.size() == 1 && labels == 2) {
      if (*activation == Activation::kSoftmax) return nullptr;
      const double one = *activation == Activation::kIdentity ? 1.0 : 0.0;
      const std::size_t width = coefficients.size();
      coefficients.insert(coefficients.begin(), width, 0.0);
      for (std::size_t i = 0; i < width; ++i) coefficients[i] = -coefficients[width + i];
      intercepts.insert(intercepts.begin(), one - intercepts.front());
    }
    if (intercepts.size() != labels) return nullptr;
    return Activated(Margins(node, std::move(coefficients), intercepts), *activation);
  }

  std::size_t LabelCount(const OnnxNode& node, std::string_view attribute) {
    const OnnxAttribute* found = node.Find(attribute);
    if (found == nullptr) return 0;
    return std::max(found->texts.size(), DecodeIntegers(found->integers, what_).size());
  }

  // --- activations, and what changes no probabilities ---

  ValuePtr Activated(const ValuePtr& margins, Activation activation) {
    if (margins == nullptr || !std::holds_alternative<Affine>(*margins)) return nullptr;
    const Affine& value = std::get<Affine>(*margins);
    if (activation == Activation::kIdentity) return margins;
    if (!value.linear()) return nullptr;
    if (activation == Activation::kSoftmax && value.width() < 2) return nullptr;
    if (!Spend(value.width() * (value.dense() ? value.columns : 3))) return nullptr;
    Affine activated = value;
    activated.activation = activation;
    return Make(std::move(activated));
  }

  ValuePtr Sigmoid(const OnnxNode& node) { return Activated(Input(node, 0), Activation::kSigmoid); }

  // Before operator set 13 axis 1 is the default and means "from axis 1 on": the same for [rows,
  // width]. Since then it is the last axis.
  ValuePtr Softmax(const OnnxNode& node) {
    const Affine* value = AffineAt(node, 0);
    const std::int64_t axis = node.Integer("axis", -1);
    if (value == nullptr || value->flat || (axis != 1 && axis != -1)) return nullptr;
    return Activated(Input(node, 0), Activation::kSoftmax);
  }

  ValuePtr Abs(const OnnxNode& node) {
    const Affine* value = AffineAt(node, 0);
    return value == nullptr || value->linear() ? nullptr : Input(node, 0);
  }

  // The sum of probabilities is the constant 1.
  ValuePtr ReduceSum(const OnnxNode& node) {
    const Affine* value = AffineAt(node, 0);
    if (value == nullptr || value->flat || !IsLastAxis(node) || !SumsToOne(*value) ||
        node.Integer("keepdims", 1) != 1) {
      return nullptr;
    }
    OnnxConstant one;
    one.dims = {1, 1};
    one.type = OnnxType::kDouble;
    one.values = {1};
    return Make(std::move(one));
  }

  // Normalizer and LpNormalization, of what is normalised already.
  ValuePtr Normalize(const OnnxNode& node) {
    const Affine* value = AffineAt(node, 0);
    if (value == nullptr || value->flat || !SumsToOne(*value)) return nullptr;
    const std::int64_t axis = node.Integer("axis", -1);
    const bool sums = node.op == "Normalizer"
                          ? node.Text("norm", "MAX") == "L1"
                          : node.Integer("p", 2) == 1 && (axis == 1 || axis == -1);
    return sums ? Input(node, 0) : nullptr;
  }

  const OnnxModelFile& model_;
  std::string_view what_;
  std::int64_t budget_;
  std::map<std::string_view, const OnnxTensor*> initializers_;
  std::map<std::string, ValuePtr, std::less<>> values_;
};

bool AllFinite(const std::vector<double>& values) {
  return std::ranges::all_of(values, [](double value) { return std::isfinite(value); });
}

}  // namespace

std::optional<OnnxLinear> ReadOnnxLinear(std::string_view content, std::string_view what,
                                         const OnnxChoice& choice) {
  OnnxSignature signature = ReadOnnxSignature(content, what, choice);
  const OnnxModelFile model = ParseOnnxModel(content, what);
  if (model.has_functions) return std::nullopt;  // they may redefine operators
  auto affine = Evaluator(model, signature, what).Evaluate(signature.output);
  if (!affine || !AllFinite(affine->matrix) || !AllFinite(affine->bias)) return std::nullopt;
  OnnxLinear linear;
  linear.structure.coef = std::move(affine->matrix);
  linear.structure.intercept = std::move(affine->bias);
  linear.structure.activation = affine->activation;
  linear.column_names = std::move(signature.column_names);
  if (std::ssize(signature.output_names) == linear.structure.outputs()) {
    linear.output_names = std::move(signature.output_names);
  }
  return linear;
}

}  // namespace windlass::model
