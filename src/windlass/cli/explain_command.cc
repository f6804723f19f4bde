#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>
#include <memory>

#include <fmt/format.h>

#include "windlass/base/error.h"
#include "windlass/base/registry.h"
#include "windlass/cli/cli.h"
#include "windlass/job/capability.h"

namespace windlass::cli {
namespace {

// A flag's text as the first of the field's types that it reads as.
Json ValueOf(const job::Field& field, const std::string& text) {
  const char* end = text.data() + text.size();
  for (const job::FieldType type : field.types) {
    if (type == job::FieldType::kInteger) {
      std::int64_t value = 0;
      const auto [stop, error] = std::from_chars(text.data(), end, value);
      if (error == std::errc() && stop == end) return value;
    }
    if (type == job::FieldType::kNumber) {
      double value = 0;
      const auto [stop, error] = std::from_chars(text.data(), end, value);
      if (error == std::errc() && stop == end) return value;
    }
    if (type == job::FieldType::kBoolean && (text == "true" || text == "false")) {
      return text == "true";
    }
  }
  // A number is preferred to a text where both are allowed; what is neither stays a text, and the
  // schema says what would be right.
  return text;
}

std::string FlagOf(const std::string& name) {
  std::string flag = "--" + name;
  std::ranges::replace(flag, '_', '-');
  return flag;
}

// The flags of a capability are the fields of its schema.
struct SpecCommand {
  std::string kind;
  std::map<std::string, std::string> texts;
  RunFlags flags;

  void Run() {
    const job::Schema& schema = Registry::Global().Find<job::Capability>(kind).schema();
    Json spec = {{"kind", kind}};
    for (const auto& [name, text] : texts) {
      if (!text.empty()) spec[name] = ValueOf(*schema.Find(name), text);
    }
    RunAndPrint(spec, "the command line", flags);
  }
};

void AddSpecCommand(CLI::App& app, const std::string& kind, const std::string& help) {
  auto command = std::make_shared<SpecCommand>();
  command->kind = kind;
  auto* sub = app.add_subcommand(kind, help);
  const job::Schema& schema = Registry::Global().Find<job::Capability>(kind).schema();
  for (const job::Field& field : schema.fields()) {
    std::string text = field.help;
    text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
    if (!field.otherwise.is_null()) {
      text += fmt::format(" (default {})", field.otherwise.is_string()
                                                ? field.otherwise.get<std::string>()
                                                : field.otherwise.dump());
    }
    auto* option = sub->add_option(FlagOf(field.name), command->texts[field.name], text);
    if (field.required) option->required();
  }
  command->flags.AddTo(*sub, /*out_required=*/true);
  sub->final_callback([command] { command->Run(); });
}

}  // namespace

void AddExplainCommand(CLI::App& app, Outcome&) {
  AddSpecCommand(app, "explain", "Explain a model's predictions with Shapley values");
}

}  // namespace windlass::cli
