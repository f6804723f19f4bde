// Source of the operators: the ONNX standard; where it leaves things open (NaN in Clip, precision
// of Scaler), ONNX Runtime 1.32 decides.
#include <algorithm>
#include <cmath>
#include <limits>

#include "windlass/model/onnx_trees_internal.h"

namespace windlass::model {
namespace {

constexpr std::size_t kMaxRanges = 4096;  // of columns
constexpr std::size_t kMaxSteps = 16;     // of one column

using Kind = OnnxStep::Kind;
using Columns = std::optional<OnnxTreeColumns>;

// Each operator is a method that gives nothing for what it does not know.
class ColumnsReader {
 public:
  ColumnsReader(const OnnxModelFile& model, const OnnxSignature& signature,
                OnnxConstants& constants)
      : model_(model), signature_(signature), constants_(constants) {}

  Columns Read(std::string_view name, int steps) {
    std::int64_t first = 0;
    for (const OnnxInput& input : signature_.inputs) {
      if (input.name == name) return Input(input, first);
      first += input.columns;
    }
    const OnnxNode* node = ProducerOf(model_, name);
    if (node == nullptr || steps == 0 || node->inputs.empty()) return {};
    if (node->Is("", "Concat")) return Concat(*node, steps - 1);
    if (node->domain.empty() && node->inputs.size() == 2) {
      if (const auto kind = ArithmeticOf(node->op)) return Calculate(*node, *kind, steps - 1);
    }
    auto columns = Read(node->inputs[0], steps - 1);
    if (!columns) return {};
    if (node->Is("", "Identity")) return columns;
    if (node->Is("", "Cast")) return Cast(*node, std::move(*columns));
    if (node->Is("", "Clip")) return Clip(*node, std::move(*columns));
    if (node->Is(kOnnxMl, "Scaler")) return Scaler(*node, std::move(*columns));
    if (node->Is(kOnnxMl, "Imputer")) return Imputer(*node, std::move(*columns));
    return {};
  }

 private:
  static Columns Input(const OnnxInput& input, std::int64_t first) {
    const bool single = input.element == OnnxElement::kFloat;
    if ((!single && input.element != OnnxElement::kDouble) || input.rank != 2) return {};
    OnnxTreeColumns columns;
    columns.ranges.push_back({first, input.columns, {}});
    columns.single = single;
    return single ? With(std::move(columns), {Kind::kRound}) : std::move(columns);
  }

  Columns Concat(const OnnxNode& node, int steps) {
    const std::int64_t axis = node.Integer("axis", 0);
    if (axis != 1 && axis != -1) return {};
    OnnxTreeColumns all;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const auto part = Read(node.inputs[i], steps);
      if (!part || all.ranges.size() + part->ranges.size() > kMaxRanges) return {};
      if (i > 0 && part->single != all.single) return {};
      all.ranges.insert(all.ranges.end(), part->ranges.begin(), part->ranges.end());
      all.single = part->single;
    }
    return all;
  }

  static Columns Cast(const OnnxNode& node, OnnxTreeColumns columns) {
    const std::int64_t to = node.Integer("to", 0);
    if (!IsFloating(to)) return {};  // others cut off
    const bool rounds = to == static_cast<std::int64_t>(OnnxType::kFloat) && !columns.single;
    columns.single = to == static_cast<std::int64_t>(OnnxType::kFloat);
    return rounds ? With(std::move(columns), {Kind::kRound}) : std::move(columns);
  }

  static std::optional<Kind> ArithmeticOf(std::string_view op) {
    if (op == "Add") return Kind::kAdd;
    if (op == "Sub") return Kind::kSubtract;
    if (op == "Mul") return Kind::kMultiply;
    if (op == "Div") return Kind::kDivide;
    return std::nullopt;
  }

  // With a constant on either side.
  Columns Calculate(const OnnxNode& node, Kind kind, int steps) {
    const bool first = constants_.Find(node.inputs[0]) != nullptr;
    if (first && kind == Kind::kDivide) return {};  // neither rises nor falls throughout
    if (first && kind == Kind::kSubtract) kind = Kind::kSubtractFrom;
    auto columns = Read(node.inputs[first ? 1 : 0], steps);
    const auto* by = columns ? Constant(node.inputs[first ? 0 : 1], *columns) : nullptr;
    const bool factors = kind == Kind::kMultiply || kind == Kind::kDivide;
    if (by == nullptr || !AreFinite(*by) || (factors && HasZero(*by))) return {};
    return With(std::move(*columns), {kind, by});
  }

  Columns Clip(const OnnxNode& node, OnnxTreeColumns columns) {
    if (node.Find("min") != nullptr || node.Find("max") != nullptr) return {};  // of old versions
    const std::vector<double>* bounds[2] = {};
    for (std::size_t i = 1; i < node.inputs.size() && i < 3; ++i) {
      if (node.inputs[i].empty()) continue;
      bounds[i - 1] = Constant(node.inputs[i], columns);
      if (bounds[i - 1] == nullptr || bounds[i - 1]->size() != 1) return {};
      if (std::isnan(bounds[i - 1]->front())) return {};
    }
    const auto [low, high] = bounds;
    if (low != nullptr && high != nullptr && low->front() > high->front()) return {};
    Columns clipped = std::move(columns);
    if (low != nullptr) clipped = With(std::move(*clipped), {Kind::kAtLeast, low});
    if (clipped && high != nullptr) clipped = With(std::move(*clipped), {Kind::kAtMost, high});
    return clipped;
  }

  // (x - offset) * scale in the precision of x, then in single precision.
  Columns Scaler(const OnnxNode& node, OnnxTreeColumns columns) {
    const auto* offset = Numbers(node, "offset", columns);
    const auto* scale = Numbers(node, "scale", columns);
    if (offset == nullptr || scale == nullptr || offset->size() != scale->size()) return {};
    if (HasZero(*scale)) return {};
    auto scaled = With(std::move(columns), {Kind::kSubtract, offset});
    if (scaled) scaled = With(std::move(*scaled), {Kind::kMultiply, scale});
    if (!scaled || scaled->single) return scaled;
    scaled->single = true;
    return With(std::move(*scaled), {Kind::kRound});
  }

  // A number in the place of a missing value. The runtime has it for single precision only.
  Columns Imputer(const OnnxNode& node, OnnxTreeColumns columns) {
    if (!columns.single || !std::isnan(node.Number("replaced_value_float", 0))) return {};
    const auto* by = Numbers(node, "imputed_value_floats", columns);
    return by == nullptr ? Columns() : With(std::move(columns), {Kind::kImpute, by});
  }

  // The columns after a step, whose numbers are [1] or [width].
  static Columns With(OnnxTreeColumns columns, const OnnxTreeColumns::Step& step) {
    std::int64_t at = 0;
    for (OnnxTreeColumns::Range& range : columns.ranges) {
      if (range.steps.size() == kMaxSteps) return {};
      range.steps.push_back(step);
      range.steps.back().at = at;
      range.steps.back().single = columns.single;
      at += range.count;
    }
    return columns;
  }

  // A constant of the columns' type, [1] or [width]; else null.
  const std::vector<double>* Constant(std::string_view name, const OnnxTreeColumns& columns) {
    const OnnxConstant* constant = constants_.Find(name);
    if (constant == nullptr || constant->dims.size() > 2) return nullptr;
    if (constant->type != (columns.single ? OnnxType::kFloat : OnnxType::kDouble)) return nullptr;
    const std::int64_t size = std::ssize(constant->values);
    if (size == 1) return &constant->values;
    const bool beside = size == columns.width() && constant->dims.back() == size;
    return beside ? &constant->values : nullptr;
  }

  // Finite numbers of an attribute, [1] or [width]; else null.
  const std::vector<double>* Numbers(const OnnxNode& node, std::string_view attribute,
                                     const OnnxTreeColumns& columns) {
    const std::vector<double>& numbers = constants_.Floats(node, attribute);
    const bool fits = numbers.size() == 1 || std::ssize(numbers) == columns.width();
    return fits && AreFinite(numbers) ? &numbers : nullptr;
  }

  static bool AreFinite(const std::vector<double>& numbers) {
    return std::ranges::all_of(numbers, [](double number) { return std::isfinite(number); });
  }
  static bool HasZero(const std::vector<double>& numbers) {
    return std::ranges::find(numbers, 0.0) != numbers.end();
  }

  const OnnxModelFile& model_;
  const OnnxSignature& signature_;
  OnnxConstants& constants_;
};

template <typename Number>
double Calculated(Kind kind, Number x, Number by) {
  switch (kind) {
    case Kind::kAdd: return x + by;
    case Kind::kSubtract: return x - by;
    case Kind::kSubtractFrom: return by - x;
    case Kind::kMultiply: return x * by;
    default: return x / by;
  }
}

}  // namespace

double OnnxStep::Apply(double x) const {
  switch (kind) {
    case Kind::kRound: return static_cast<float>(x);
    case Kind::kImpute: return std::isnan(x) ? by : x;
    case Kind::kAtLeast: return x < by ? by : x;
    case Kind::kAtMost: return x > by ? by : x;
    default: break;
  }
  return single ? Calculated(kind, static_cast<float>(x), static_cast<float>(by))
                : Calculated(kind, x, by);
}

bool OnnxStep::falls() const {
  if (kind == Kind::kSubtractFrom) return true;
  return (kind == Kind::kMultiply || kind == Kind::kDivide) && by < 0;
}

double OnnxTreeColumn::Apply(double x) const {
  for (const OnnxStep& step : steps) x = step.Apply(x);
  return x;
}

bool OnnxTreeColumn::plain() const {
  return std::ranges::all_of(steps, [](const OnnxStep& s) { return s.kind == Kind::kRound; });
}

bool OnnxTreeColumn::falls() const {
  return std::ranges::count_if(steps, [](const OnnxStep& s) { return s.falls(); }) % 2 != 0;
}

std::int64_t OnnxTreeColumns::width() const {
  std::int64_t width = 0;
  for (const Range& range : ranges) width += range.count;
  return width;
}

OnnxTreeColumn OnnxTreeColumns::At(std::int64_t at) const {
  OnnxTreeColumn column;
  for (const Range& range : ranges) {
    if (at >= range.count) {
      at -= range.count;
      continue;
    }
    column.table = range.first + at;
    for (const Step& step : range.steps) {
      const double by = step.by == nullptr     ? 0.0
                        : step.by->size() == 1 ? step.by->front()
                                               : (*step.by)[step.at + at];
      column.steps.push_back({step.kind, step.single, by});
    }
    break;
  }
  return column;
}

std::optional<OnnxTreeColumns> ReadOnnxTreeColumns(const OnnxModelFile& model,
                                                   const OnnxSignature& signature,
                                                   OnnxConstants& constants,
                                                   std::string_view name) {
  return ColumnsReader(model, signature, constants).Read(name, kMaxOnnxSteps);
}

}  // namespace windlass::model
