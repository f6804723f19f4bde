#include "windlass/cli/spec_flags.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "windlass/base/error.h"
#include "windlass/base/registry.h"
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

const job::Schema& SchemaOf(const std::string& kind) {
  return Registry::Global().Find<job::Capability>(kind).schema();
}

}  // namespace

void SpecFlags::AddTo(CLI::App& command, bool require) {
  for (const job::Field& field : SchemaOf(kind_).fields()) {
    std::string text = field.help;
    text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
    if (field.choices.size() > 1) text += fmt::format(": {}", fmt::join(field.choices, ", "));
    if (!field.otherwise.is_null()) {
      text += fmt::format(" (default {})", field.otherwise.is_string()
                                               ? field.otherwise.get<std::string>()
                                               : field.otherwise.dump());
    }
    auto* option = field.types.front() == job::FieldType::kTexts
                       ? command.add_option(FlagOf(field.name), lists_[field.name], text)
                       : command.add_option(FlagOf(field.name), texts_[field.name], text);
    if (field.required && require) option->required();
  }
}

void SpecFlags::CheckRequired() const {
  for (const job::Field& field : SchemaOf(kind_).fields()) {
    if (!field.required || Given(field.name)) continue;
    std::string command = kind_;  // "serve_explain": windlass serve explain
    std::ranges::replace(command, '_', ' ');
    throw Error(ErrorCode::kUsage, fmt::format("{} is required: {}; see windlass {} --help",
                                               FlagOf(field.name), field.help, command));
  }
}

bool SpecFlags::Given(const std::string& field) const {
  const auto found = texts_.find(field);
  if (found != texts_.end()) return !found->second.empty();
  const auto list = lists_.find(field);
  return list != lists_.end() && !list->second.empty();
}

Json SpecFlags::Spec() const {
  const job::Schema& schema = SchemaOf(kind_);
  Json spec = {{"kind", kind_}};
  for (const auto& [name, text] : texts_) {
    if (!text.empty()) spec[name] = ValueOf(*schema.Find(name), text);
  }
  for (const auto& [name, list] : lists_) {
    if (!list.empty()) spec[name] = list;
  }
  return spec;
}

}  // namespace windlass::cli
