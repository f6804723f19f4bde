#include "windlass/job/schema.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

#include "windlass/base/error.h"

namespace windlass::job {
namespace {

std::string_view TypeName(FieldType type) {
  switch (type) {
    case FieldType::kText: return "string";
    case FieldType::kInteger: return "integer";
    case FieldType::kNumber: return "number";
    case FieldType::kBoolean: return "boolean";
    case FieldType::kTexts: return "array";
  }
  return "string";
}

bool Fits(const Json& value, FieldType type) {
  switch (type) {
    case FieldType::kText: return value.is_string();
    case FieldType::kInteger: return value.is_number_integer();
    case FieldType::kNumber: return value.is_number();
    case FieldType::kBoolean: return value.is_boolean();
    case FieldType::kTexts:
      return value.is_array() &&
             std::ranges::all_of(value, [](const Json& item) { return item.is_string(); });
  }
  return false;
}

// Whether an address carries a password, as in s3://KEY:SECRET@bucket/rows.csv or in
// s3://bucket/rows.csv?secret_key=SECRET. Where one is, token=env:NAME or token=file:PATH, is none.
bool HoldsPassword(std::string_view text) {
  const auto scheme = text.find("://");
  if (scheme == std::string_view::npos) return false;
  const std::string_view rest = text.substr(scheme + 3);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  const auto at = authority.rfind('@');
  if (at != std::string_view::npos && authority.substr(0, at).find(':') != std::string_view::npos) {
    return true;
  }
  const auto mark = rest.find('?');
  if (mark == std::string_view::npos) return false;
  std::string_view query = rest.substr(mark + 1);
  while (!query.empty()) {
    const std::string_view option = query.substr(0, query.find('&'));
    std::string key(option.substr(0, option.find('=')));
    std::ranges::transform(key, key.begin(), [](unsigned char c) { return std::tolower(c); });
    constexpr std::array<std::string_view, 6> kSecrets = {"secret",    "password",   "token",
                                                          "signature", "credential", "access_key"};
    const auto names = [&](std::string_view word) { return key.find(word) != std::string::npos; };
    const std::string_view value = option.substr(std::min(option.size(), key.size() + 1));
    const bool says_where = value.starts_with("env:") || value.starts_with("file:");
    if (std::ranges::any_of(kSecrets, names) && !says_where) return true;
    query.remove_prefix(std::min(option.size() + 1, query.size()));
  }
  return HoldsPassword(
      rest);  // the address of a server, as endpoint_override=http://me:SECRET@host
}

// A spec is kept in records, printed and written as JSON: its texts are UTF-8, paths as the system
// reads them, and no secrets. None of these messages repeats the text.
void CheckText(const std::string& text, std::string_view field, std::string_view what) {
  if (HoldsPassword(text)) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("{}: \"{}\" holds a password; leave it out and give it by the "
                    "environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) or a profile, "
                    "or say where it is (token=env:NAME, token=file:PATH)",
                    what, field));
  }
  if (text.find('\0') != std::string::npos) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: \"{}\" holds a NUL character, which no name has", what, field));
  }
  WithContext([&] { CanonicalDump(Json(text)); },
              [&] { return fmt::format("{}: \"{}\"", what, field); });
}

std::vector<std::string_view> TypeNames(const Field& field) {
  std::vector<std::string_view> names;
  for (const FieldType type : field.types) names.push_back(TypeName(type));
  return names;
}

}  // namespace

const Field* Schema::Find(std::string_view name) const {
  const auto found = std::ranges::find(fields_, name, &Field::name);
  return found == fields_.end() ? nullptr : &*found;
}

void Schema::Check(const Field& field, const Json& value, std::string_view what) const {
  if (value.is_string()) CheckText(value.get_ref<const std::string&>(), field.name, what);
  if (value.is_array()) {
    for (const Json& item : value) {
      if (item.is_string()) CheckText(item.get_ref<const std::string&>(), field.name, what);
    }
  }
  if (std::ranges::none_of(field.types, [&](FieldType t) { return Fits(value, t); })) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: \"{}\" is {}, but must be of type {}", what, field.name,
                            value.dump(-1, ' ', false, Json::error_handler_t::replace),
                            fmt::join(TypeNames(field), " or ")));
  }
  if (value.is_string() && !field.choices.empty() &&
      std::ranges::find(field.choices, value.get<std::string>()) == field.choices.end()) {
    const bool numbers_too = std::ranges::any_of(field.types, [](FieldType t) {
      return t == FieldType::kInteger || t == FieldType::kNumber;
    });
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: \"{}\" is \"{}\"{}{}", what, field.name, value.get<std::string>(),
                            numbers_too ? ", but must be a whole number or a known word" : "",
                            Suggestion(value.get<std::string>(), field.choices)));
  }
  if (value.is_number()) {
    const double number = value.get<double>();
    if (!std::isfinite(number)) {
      throw Error(
          ErrorCode::kInvalidInput,
          fmt::format("{}: \"{}\" is {}, but must be a finite number", what, field.name, number));
    }
    if ((field.minimum && number < *field.minimum) || (field.maximum && number > *field.maximum)) {
      throw Error(
          ErrorCode::kInvalidInput,
          fmt::format("{}: \"{}\" is {}, but must be {}{}", what, field.name, value.dump(),
                      field.minimum ? fmt::format("at least {}", *field.minimum) : "",
                      field.maximum ? fmt::format("{}at most {}", field.minimum ? " and " : "",
                                                  *field.maximum)
                                    : ""));
    }
  }
}

Json Schema::Normalise(const Json& document, std::string_view what) const {
  if (!document.is_object()) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("{}: a spec is a JSON object such as {{\"kind\": \"{}\", ...}}", what, kind_));
  }
  std::vector<std::string> known = {"kind", "version"};
  for (const Field& field : fields_) known.push_back(field.name);
  for (const auto& [key, value] : document.items()) {
    if (std::ranges::find(known, key) == known.end()) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: unknown key \"{}\"{}", what, key, Suggestion(key, known)));
    }
  }
  if (const auto version = document.find("version"); version != document.end()) {
    if (!version->is_number_integer() || version->get<std::int64_t>() != version_) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: \"version\" is {}; this Windlass reads version {} of {} specs",
                              what, version->dump(), version_, kind_));
    }
  }
  Json normal = {{"kind", kind_}, {"version", version_}};
  for (const Field& field : fields_) {
    const auto value = document.find(field.name);
    if (value == document.end() || value->is_null()) {
      if (field.required) {
        throw Error(ErrorCode::kInvalidInput,
                    fmt::format("{}: \"{}\" is missing: {}", what, field.name, field.help));
      }
      normal[field.name] = field.otherwise;
    } else {
      Check(field, *value, what);
      normal[field.name] = *value;
    }
  }
  return normal;
}

Json Schema::ToJsonSchema() const {
  Json properties = {{"kind", {{"const", kind_}}}, {"version", {{"const", version_}}}};
  Json required = Json::array({"kind"});
  for (const Field& field : fields_) {
    Json types = Json::array();
    for (const auto name : TypeNames(field)) types.push_back(name);
    if (!field.required) types.push_back("null");
    Json property = {{"description", field.help}, {"type", types}};
    if (std::ranges::find(field.types, FieldType::kTexts) != field.types.end()) {
      property["items"] = {{"type", "string"}};
    }
    if (!field.choices.empty()) property["enum"] = field.choices;
    if (!field.otherwise.is_null()) property["default"] = field.otherwise;
    if (field.minimum) property["minimum"] = *field.minimum;
    if (field.maximum) property["maximum"] = *field.maximum;
    properties[field.name] = std::move(property);
    if (field.required) required.push_back(field.name);
  }
  return {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
          {"title", "windlass " + kind_},
          {"type", "object"},
          {"additionalProperties", false},
          {"properties", std::move(properties)},
          {"required", std::move(required)}};
}

}  // namespace windlass::job
