#include "windlass/model/model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/json.h"
#include "windlass/model/dot_internal.h"
#include "windlass/model/formats_internal.h"

namespace windlass::model {
namespace {

constexpr const char* kOpaque = "opaque";

// What `opaque=1` makes: the same predictions, no structure to see.
class OpaqueModel final : public Model {
 public:
  explicit OpaqueModel(std::unique_ptr<Model> model) : model_(std::move(model)) {}

  std::int64_t columns() const override { return model_->columns(); }
  std::vector<std::string> column_names() const override { return model_->column_names(); }
  std::vector<std::vector<std::string>> column_categories() const override {
    return model_->column_categories();
  }
  std::vector<std::string> output_names() const override { return model_->output_names(); }
  std::int64_t outputs() const override { return model_->outputs(); }
  bool accepts_missing() const override { return model_->accepts_missing(); }
  void Predict(std::span<const double> x, std::int64_t rows, std::span<double> out) const override {
    model_->Predict(x, rows, out);
  }
  std::vector<std::string> notes() const override { return model_->notes(); }
  std::string library() const override { return model_->library(); }

 private:
  std::unique_ptr<Model> model_;
};

const ModelFormat& Format(const std::string& name) {
  return Registry::Global().Find<ModelFormat>(name);
}

std::vector<std::string> KnownFormats() {
  return Registry::Global().Names(ModelFormat::kRegistryKind);
}

// "linear:FILE (.json), onnx:FILE (.onnx)"
std::string Described(const std::vector<std::string>& formats) {
  std::vector<std::string> described;
  described.reserve(formats.size());
  for (const auto& name : formats) {
    const auto endings = Format(name).endings();
    described.push_back(Format(name).usage(name));
    if (!endings.empty()) described.back() += fmt::format(" ({})", fmt::join(endings, ", "));
  }
  return fmt::format("{}", fmt::join(described, ", "));
}

bool EndsWithIgnoringCase(std::string_view text, std::string_view ending) {
  const auto same = [](unsigned char a, unsigned char b) {
    return std::tolower(a) == std::tolower(b);
  };
  return text.size() >= ending.size() &&
         std::ranges::equal(text.substr(text.size() - ending.size()), ending, same);
}

// The "lineer" of "lineer:coef.json": a word before a colon that opens no "//". Empty if none.
std::string_view MisspeltName(std::string_view location) {
  const auto colon = location.find(':');
  if (colon == std::string_view::npos || colon < 2) return {};
  if (location.substr(colon + 1).starts_with("//")) return {};
  const std::string_view name = location.substr(0, colon);
  const auto in_name = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; };
  return std::ranges::all_of(name, in_name) ? name : std::string_view();
}

void CheckOptions(const ObjectSpec& spec, std::string_view text) {
  std::vector<std::string> allowed = Format(spec.name).options();
  allowed.emplace_back(kOpaque);
  std::ranges::sort(allowed);
  WithContext(
      [&] {
        spec.AllowOnly(allowed);
        spec.Flag(kOpaque, false);
      },
      [&] { return fmt::format("model \"{}\"", text); });
}

}  // namespace

Model::~Model() = default;

std::optional<Model::Introduction> Model::Introduce(std::span<const double>, std::int64_t,
                                                    const std::vector<std::string>&) const {
  return std::nullopt;
}

std::string ModelFormat::usage(std::string_view name) const { return fmt::format("{}:FILE", name); }

Bytes ModelFormat::Read(const ObjectSpec& spec) const {
  if (spec.location.find("://") != std::string::npos) {
    throw Error(ErrorCode::kUnsupported, "a model is read from a local file; download it first");
  }
  return Bytes(ReadFile(spec.location));
}

void CheckPredictShapes(const Model& model, std::span<const double> x, std::int64_t rows,
                        std::span<double> out) {
  const std::int64_t outputs = model.outputs();
  if (rows < 0 || std::ssize(x) != rows * model.columns() || std::ssize(out) != rows * outputs) {
    throw Error(ErrorCode::kInternal,
                fmt::format("Predict of {} rows was given {} inputs and room for {} outputs; {} "
                            "columns and {} outputs a row were expected",
                            rows, x.size(), out.size(), model.columns(), outputs));
  }
}

ObjectSpec ParseModelSpec(std::string_view text) {
  const std::vector<std::string> known = KnownFormats();
  ObjectSpec spec = ObjectSpec::Parse(text, known);
  if (spec.name.empty()) {
    if (const auto name = MisspeltName(spec.location); !name.empty()) {
      throw Error(ErrorCode::kNotFound,
                  fmt::format("model \"{}\": unknown model format \"{}\"; known: {}", text, name,
                              Described(known)));
    }
    for (const auto& name : known) {
      for (const auto& ending : Format(name).endings()) {
        if (EndsWithIgnoringCase(spec.location, ending)) spec.name = name;
      }
    }
    if (spec.name.empty()) {
      throw Error(ErrorCode::kNotFound, fmt::format("model \"{}\" is of no known format; known: {}",
                                                    text, Described(known)));
    }
  }
  if (spec.location.empty()) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("model \"{}\" names no {}; {} was expected", text,
                            Format(spec.name).reach_options().empty() ? "file" : "place",
                            Format(spec.name).usage(spec.name)));
  }
  CheckOptions(spec, text);
  return spec;
}

ModelSource ReadModel(std::string_view text) {
  ModelSource source;
  source.spec = ParseModelSpec(text);
  source.content = WithContext([&] { return Format(source.spec.name).Read(source.spec); },
                               [&] { return fmt::format("model {}", text); });
  return source;
}

std::string TakeReach(ModelSource& source) {
  const std::vector<std::string> keys = Format(source.spec.name).reach_options();
  if (keys.empty()) return {};
  Json reach = {{"location", std::exchange(source.spec.location, "the model")}};
  for (const auto& key : keys) {
    const auto found = source.spec.options.extract(key);
    if (!found.empty()) reach["options"][key] = found.mapped();
  }
  return CanonicalDump(reach);
}

void AddReach(ModelSource& source, std::string_view reach) {
  if (reach.empty()) return;
  try {
    const Json document = Json::parse(reach);
    source.spec.location = document.at("location").get<std::string>();
    if (!document.contains("options")) return;
    for (const auto& [key, value] : document.at("options").items()) {
      source.spec.options[key] = value.get<std::string>();
    }
  } catch (const Json::exception&) {
    throw Error(ErrorCode::kCorrupt, "a task says in no known way how its model is reached");
  }
}

std::unique_ptr<Model> LoadModel(const ModelSource& source) {
  CheckOptions(source.spec, fmt::format("{}:{}", source.spec.name, source.spec.location));
  std::unique_ptr<Model> model = Format(source.spec.name).Load(source);
  if (source.spec.Flag(kOpaque, false)) {
    model = std::make_unique<OpaqueModel>(std::move(model));
  }
  return model;
}

void RegisterModelFormats(Registry& registry) {
  registry.Add<ModelFormat>("command", MakeCommandFormat());
  registry.Add<ModelFormat>("lightgbm", MakeLightGBMFormat());
  registry.Add<ModelFormat>("linear", MakeLinearFormat());
  registry.Add<ModelFormat>("oip", MakeOipFormat());
  registry.Add<ModelFormat>("onnx", MakeOnnxFormat());
  registry.Add<ModelFormat>("python", MakePythonFormat());
  registry.Add<ModelFormat>("xgboost", MakeXGBoostFormat());
}

}  // namespace windlass::model
