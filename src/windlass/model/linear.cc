#include "windlass/model/linear.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/json.h"
#include "windlass/model/activation_internal.h"
#include "windlass/model/dot_internal.h"
#include "windlass/model/formats_internal.h"
#include "windlass/model/invalid_internal.h"
#include "windlass/model/names_internal.h"

namespace windlass::model {
namespace {

constexpr int kVersion = 1;

class LinearModel final : public Model {
 public:
  LinearModel(LinearStructure structure, std::vector<std::string> column_names,
              std::vector<std::string> output_names)
      : structure_(std::move(structure)),
        column_names_(std::move(column_names)),
        output_names_(std::move(output_names)),
        padded_columns_(PaddedToLanes(structure_.columns())),
        padded_coef_(structure_.outputs() * padded_columns_) {
    for (std::int64_t output = 0; output < structure_.outputs(); ++output) {
      std::copy_n(structure_.coef.begin() + output * structure_.columns(), structure_.columns(),
                  padded_coef_.begin() + output * padded_columns_);
    }
  }

  std::int64_t columns() const override { return structure_.columns(); }
  std::vector<std::string> column_names() const override { return column_names_; }
  std::vector<std::string> output_names() const override { return output_names_; }
  std::int64_t outputs() const override { return structure_.outputs(); }
  const LinearStructure* linear() const override { return &structure_; }
  Activation activation() const override { return structure_.activation; }

  void Predict(std::span<const double> x, std::int64_t rows, std::span<double> out) const override {
    CheckPredictShapes(*this, x, rows, out);
    const std::int64_t columns = structure_.columns();
    const std::int64_t outputs = structure_.outputs();
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto result = out.subspan(row * outputs, outputs);
      for (std::int64_t output = 0; output < outputs; ++output) {
        result[output] =
            Dot(x.data() + row * columns, padded_coef_.data() + output * padded_columns_, columns) +
            structure_.intercept[output];
      }
    }
    Activate(structure_.activation, outputs, out);
  }

  std::unique_ptr<Model> Margin() const override {
    LinearStructure margin = structure_;
    margin.activation = Activation::kIdentity;
    return std::make_unique<LinearModel>(std::move(margin), column_names_, output_names_);
  }

 private:
  LinearStructure structure_;
  std::vector<std::string> column_names_;
  std::vector<std::string> output_names_;
  std::int64_t padded_columns_;
  std::vector<double> padded_coef_;  // [outputs, padded_columns], zeros behind each row
};

void CheckStructure(const LinearStructure& structure) {
  if (structure.intercept.empty()) ThrowInvalid("no intercept: one number per output was expected");
  const auto outputs = structure.intercept.size();
  if (structure.coef.empty() || structure.coef.size() % outputs != 0) {
    ThrowInvalid(
        fmt::format("{} coefficients for {} outputs; the same number, at least one, was expected "
                    "for each output",
                    structure.coef.size(), outputs));
  }
  const auto columns = structure.coef.size() / outputs;
  for (std::size_t i = 0; i < structure.coef.size(); ++i) {
    if (!std::isfinite(structure.coef[i])) {
      ThrowInvalid(fmt::format("coef[{}][{}] is {}; a finite number was expected", i / columns,
                               i % columns, structure.coef[i]));
    }
  }
  for (std::size_t i = 0; i < outputs; ++i) {
    if (!std::isfinite(structure.intercept[i])) {
      ThrowInvalid(fmt::format("intercept[{}] is {}; a finite number was expected", i,
                               structure.intercept[i]));
    }
  }
  if (structure.activation == Activation::kSoftmax && outputs == 1) {
    ThrowInvalid(
        "softmax of one output is always 1; give every class its coefficients, or use sigmoid");
  }
}

// The reader of the JSON form. Each method takes one key; errors name it.
class Document {
 public:
  explicit Document(const OrderedJson& json) : json_(json) {
    if (!json.is_object())
      ThrowInvalid(fmt::format("a JSON object was expected, not {}", Shown(json)));
    if (json_.contains("learner")) {
      ThrowInvalid("it looks like a model saved by XGBoost; write xgboost:FILE for one");
    }
    static const std::vector<std::string> kKeys = {"activation", "coef",    "columns", "intercept",
                                                   "outputs",    "version", "windlass"};
    for (const auto& [key, value] : json.items()) {
      if (std::ranges::find(kKeys, key) == kKeys.end()) {
        ThrowInvalid(fmt::format("unknown key \"{}\"{}", key, Suggestion(key, kKeys)));
      }
    }
    CheckKind();
  }

  LinearStructure Structure() const {
    LinearStructure structure;
    structure.activation = ReadActivation();
    const OrderedJson& coef = Required("coef", "a list of numbers, or one list for each output");
    if (!coef.is_array() || coef.empty()) {
      ThrowInvalid(
          fmt::format("\"coef\" is {}; a list of numbers, or one list for each output, was "
                      "expected",
                      Shown(coef)));
    }
    if (coef.front().is_array()) {
      for (std::size_t i = 0; i < coef.size(); ++i) {
        AppendRow(coef[i], i, coef[0].size(), structure);
      }
    } else {
      for (std::size_t i = 0; i < coef.size(); ++i) {
        structure.coef.push_back(NumberAt(coef[i], fmt::format("coef[{}]", i)));
      }
    }
    const std::size_t outputs = coef.front().is_array() ? coef.size() : 1;
    structure.intercept = Intercept(outputs);
    return structure;
  }

  std::vector<std::string> Names(const char* key) const {
    std::vector<std::string> names;
    const auto found = json_.find(key);
    if (found == json_.end()) return names;
    if (!found->is_array() || found->empty()) {
      ThrowInvalid(fmt::format("\"{}\" is {}; a list of names was expected", key, Shown(*found)));
    }
    for (const auto& name : *found) {
      if (!name.is_string()) {
        ThrowInvalid(fmt::format("{}[{}] is {}; a name in quotes was expected", key, names.size(),
                                 Shown(name)));
      }
      names.push_back(name.get<std::string>());
    }
    return names;
  }

 private:
  static std::string Shown(const OrderedJson& value) {
    if (value.is_array()) return value.empty() ? "an empty list" : "a list";
    if (value.is_object()) return "an object";
    const std::string text = value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
    constexpr std::size_t kShown = 60;
    return text.size() <= kShown ? text : text.substr(0, kShown) + "...";
  }

  const OrderedJson& Required(const char* key, std::string_view wanted) const {
    const auto found = json_.find(key);
    if (found == json_.end()) ThrowInvalid(fmt::format("\"{}\" is missing: {}", key, wanted));
    return *found;
  }

  void CheckKind() const {
    const OrderedJson& kind = Required("windlass", "\"windlass\": \"linear\" was expected");
    if (!kind.is_string() || kind.get<std::string>() != "linear") {
      ThrowInvalid(fmt::format("\"windlass\" is {}; \"linear\" was expected", Shown(kind)));
    }
    const OrderedJson& version = Required("version", fmt::format("{} was expected", kVersion));
    if (!version.is_number_integer() || version.get<std::int64_t>() != kVersion) {
      ThrowInvalid(fmt::format("\"version\" is {}; this Windlass reads version {}", Shown(version),
                               kVersion));
    }
  }

  Activation ReadActivation() const {
    const OrderedJson& value =
        Required("activation", "\"identity\", \"sigmoid\" or \"softmax\" was expected");
    if (!value.is_string()) {
      ThrowInvalid(
          fmt::format("\"activation\" is {}; \"identity\", \"sigmoid\" or \"softmax\" was expected",
                      Shown(value)));
    }
    const auto name = value.get<std::string>();
    if (name == "identity") return Activation::kIdentity;
    if (name == "sigmoid") return Activation::kSigmoid;
    if (name == "softmax") return Activation::kSoftmax;
    ThrowInvalid(fmt::format("unknown activation \"{}\"{}", name,
                             Suggestion(name, {"identity", "sigmoid", "softmax"})));
  }

  static double NumberAt(const OrderedJson& value, std::string_view place) {
    if (!value.is_number()) {
      ThrowInvalid(fmt::format("{} is {}; a number was expected", place, Shown(value)));
    }
    return value.get<double>();
  }

  static void AppendRow(const OrderedJson& row, std::size_t index, std::size_t columns,
                        LinearStructure& structure) {
    if (!row.is_array() || row.empty()) {
      ThrowInvalid(
          fmt::format("coef[{}] is {}; a list of numbers was expected", index, Shown(row)));
    }
    if (row.size() != columns) {
      ThrowInvalid(
          fmt::format("coef[{}] has {} numbers, but coef[0] has {}; every output needs the same "
                      "number of coefficients",
                      index, row.size(), columns));
    }
    for (std::size_t i = 0; i < columns; ++i) {
      structure.coef.push_back(NumberAt(row[i], fmt::format("coef[{}][{}]", index, i)));
    }
  }

  std::vector<double> Intercept(std::size_t outputs) const {
    const OrderedJson& value = Required("intercept", "a number, or a list of one for each output");
    std::vector<double> intercept;
    if (value.is_array()) {
      for (std::size_t i = 0; i < value.size(); ++i) {
        intercept.push_back(NumberAt(value[i], fmt::format("intercept[{}]", i)));
      }
    } else {
      intercept.push_back(NumberAt(value, "\"intercept\""));
    }
    if (intercept.size() != outputs) {
      ThrowInvalid(fmt::format("\"intercept\" has {} numbers, but \"coef\" has {} outputs",
                               intercept.size(), outputs));
    }
    return intercept;
  }

  const OrderedJson& json_;
};

class LinearFormat final : public ModelFormat {
 public:
  std::vector<std::string> endings() const override { return {".json"}; }

  std::unique_ptr<Model> Load(const ModelSource& source) const override {
    return ParseLinearModel(source.content.view(), source.spec.location);
  }
};

}  // namespace

std::shared_ptr<const ModelFormat> MakeLinearFormat() { return std::make_shared<LinearFormat>(); }

std::unique_ptr<Model> MakeLinearModel(LinearStructure structure,
                                       std::vector<std::string> column_names,
                                       std::vector<std::string> output_names) {
  CheckStructure(structure);
  if (!column_names.empty()) {
    CheckNames(column_names, structure.columns(), "column", "the coefficients have");
  }
  if (output_names.empty()) output_names = NumberedNames(structure.outputs());
  CheckNames(output_names, structure.outputs(), "output", "the coefficients have");
  return std::make_unique<LinearModel>(std::move(structure), std::move(column_names),
                                       std::move(output_names));
}

std::unique_ptr<Model> ParseLinearModel(std::string_view json, std::string_view what) {
  const OrderedJson parsed = ParseOrderedJson(json, what);
  return WithContext(
      [&] {
        const Document document(parsed);
        LinearStructure structure = document.Structure();
        return MakeLinearModel(std::move(structure), document.Names("columns"),
                               document.Names("outputs"));
      },
      [&] { return std::string(what); });
}

}  // namespace windlass::model
