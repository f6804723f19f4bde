#include "windlass/tune/space.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/vector_math.h"

namespace windlass::tune {
namespace {

// Where the middle of an integer's part and back is still exact.
constexpr double kMostIntegers = 0x1p50;
constexpr double kMostLogInteger = 0x1p40;
constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

const std::map<std::string, ParameterKind, std::less<>>& Types() {
  static const std::map<std::string, ParameterKind, std::less<>> types = {
      {"float", ParameterKind::kFloat},
      {"integer", ParameterKind::kInteger},
      {"categorical", ParameterKind::kCategorical},
      {"boolean", ParameterKind::kBoolean},
      {"ordinal", ParameterKind::kOrdinal},
      {"constant", ParameterKind::kConstant}};
  return types;
}

std::string_view TypeName(ParameterKind kind) {
  return std::ranges::find(Types(), kind, [](const auto& type) { return type.second; })->first;
}

bool IsWhole(double value) { return value == std::floor(value); }

[[noreturn]] void Invalid(std::string_view what, const std::string& why) {
  throw Error(ErrorCode::kInvalidInput, fmt::format("{}: {}", what, why));
}

// The value as in a Point; `what` names the document and the parameter.
double RawOf(const Parameter& parameter, const Json& value, std::string_view what) {
  if (!parameter.numeric()) {
    const auto found = std::ranges::find(parameter.choices, value);
    if (found == parameter.choices.end() || value.is_boolean() != found->is_boolean()) {
      Invalid(what, fmt::format("{} is none of {}", value.dump(), Json(parameter.choices).dump()));
    }
    return static_cast<double>(found - parameter.choices.begin());
  }
  if (!value.is_number()) Invalid(what, fmt::format("a number was expected, not {}", value.dump()));
  const double number = value.get<double>();
  if (parameter.kind == ParameterKind::kInteger && !IsWhole(number)) {
    Invalid(what, fmt::format("a whole number was expected, not {}", value.dump()));
  }
  if (!(number >= parameter.low && number <= parameter.high)) {
    Invalid(what,
            fmt::format("{} is outside of {} to {}", value.dump(), parameter.low, parameter.high));
  }
  return number;
}

Json JsonOf(const Parameter& parameter, double value) {
  if (parameter.kind == ParameterKind::kInteger) return static_cast<std::int64_t>(value);
  if (parameter.kind == ParameterKind::kFloat) return value;
  return parameter.choices[static_cast<std::size_t>(value)];
}

// Reads one parameter, but for its condition.
class ParameterReader {
 public:
  ParameterReader(std::string what, const Json& document)
      : what_(std::move(what)), document_(document) {}

  Parameter Read(const std::string& name) {
    Parameter parameter;
    parameter.name = name;
    if (!document_.is_object()) {
      Invalid(what_, R"(an object was expected, such as {"type": "float", "low": 0, "high": 1})");
    }
    const Json& type = At("type");
    const auto known = type.is_string() ? Types().find(type.get<std::string>()) : Types().end();
    if (known == Types().end()) {
      std::vector<std::string> names;
      for (const auto& [text, kind] : Types()) names.push_back(text);
      Invalid(what_, fmt::format("unknown type {}{}", type.dump(),
                                 windlass::Suggestion(
                                     type.is_string() ? type.get<std::string>() : "", names)));
    }
    parameter.kind = known->second;
    std::vector<std::string> keys = {"type", "when"};
    if (parameter.kind != ParameterKind::kConstant) keys.emplace_back("default");
    if (parameter.numeric()) {
      keys.insert(keys.end(), {"low", "high", "log"});
      ReadRange(parameter);
    } else if (parameter.kind == ParameterKind::kBoolean) {
      parameter.choices = {false, true};
    } else if (parameter.kind == ParameterKind::kConstant) {
      keys.emplace_back("value");
      parameter.choices = {Scalar(At("value"))};
    } else {
      keys.emplace_back("choices");
      ReadChoices(parameter);
    }
    for (const auto& [key, value] : document_.items()) {
      if (std::ranges::find(keys, key) == keys.end()) {
        Invalid(what_, fmt::format("unknown key \"{}\"{}", key, windlass::Suggestion(key, keys)));
      }
    }
    if (const auto initial = document_.find("default"); initial != document_.end()) {
      parameter.initial = RawOf(parameter, *initial, what_ + ", \"default\"");
    }
    return parameter;
  }

 private:
  const Json& At(const char* key) const {
    const auto found = document_.find(key);
    if (found == document_.end()) Invalid(what_, fmt::format("\"{}\" is missing", key));
    return *found;
  }

  const Json& Scalar(const Json& value) const {
    if (!value.is_primitive() || value.is_null() ||
        (value.is_number() && !std::isfinite(value.get<double>()))) {
      Invalid(what_,
              fmt::format("a text, a number, true or false was expected, not {}", value.dump()));
    }
    return value;
  }

  double End(const char* key) const {
    const Json& value = At(key);
    if (!value.is_number() || !std::isfinite(value.get<double>())) {
      Invalid(what_,
              fmt::format("\"{}\": a finite number was expected, not {}", key, value.dump()));
    }
    return value.get<double>();
  }

  void ReadRange(Parameter& parameter) const {
    parameter.low = End("low");
    parameter.high = End("high");
    if (const auto log = document_.find("log"); log != document_.end()) {
      if (!log->is_boolean()) Invalid(what_, "\"log\": true or false was expected");
      parameter.log = log->get<bool>();
    }
    if (!(parameter.low < parameter.high)) {
      Invalid(what_,
              fmt::format("\"low\" is {}, which is not below \"high\" ({}); a single value is "
                          "a \"constant\"",
                          parameter.low, parameter.high));
    }
    if (parameter.log && !(parameter.low > 0)) {
      Invalid(what_,
              fmt::format("\"low\" is {}, which has no logarithm: \"log\" needs a range above "
                          "0",
                          parameter.low));
    }
    if (!std::isfinite(parameter.high - parameter.low)) {
      Invalid(what_, "the range is wider than numbers reach");
    }
    if (parameter.kind != ParameterKind::kInteger) return;
    for (const auto& [key, end] : {std::pair("low", parameter.low), {"high", parameter.high}}) {
      if (!IsWhole(end)) {
        Invalid(what_, fmt::format("\"{}\" is {}, and a whole number was expected", key, end));
      }
    }
    if (std::max(std::abs(parameter.low), std::abs(parameter.high)) >
        (parameter.log ? kMostLogInteger : kMostIntegers / 2)) {
      Invalid(what_, fmt::format("integers reach to 2^{}", parameter.log ? 40 : 49));
    }
  }

  void ReadChoices(Parameter& parameter) const {
    const Json& choices = At("choices");
    if (!choices.is_array() || choices.empty()) {
      Invalid(what_, "\"choices\": a list of values was expected");
    }
    for (const Json& choice : choices) {
      const auto same = [&](const Json& other) {
        return other == Scalar(choice) && other.is_boolean() == choice.is_boolean();
      };
      if (std::ranges::any_of(parameter.choices, same)) {
        Invalid(what_, fmt::format("\"choices\": {} stands there twice", choice.dump()));
      }
      parameter.choices.push_back(choice);
    }
  }

  std::string what_;
  const Json& document_;
};

struct Condition {
  std::string parent;
  Json values;
};

Condition ReadCondition(const Json& when, const std::string& what) {
  if (!when.is_object() || when.size() != 1) {
    Invalid(what, R"("when": an object of one key was expected, such as {"booster": ["dart"]})");
  }
  Json values = when.begin().value();
  if (!values.is_array()) values = Json::array({values});
  if (values.empty()) Invalid(what, "\"when\": a value was expected");
  return {when.begin().key(), std::move(values)};
}

}  // namespace

std::int64_t Parameter::size() const {
  if (kind == ParameterKind::kFloat) return 0;
  if (kind == ParameterKind::kInteger) return static_cast<std::int64_t>(high - low) + 1;
  return std::ssize(choices);
}

double Parameter::ToUnit(double value) const {
  if (kind == ParameterKind::kFloat) {
    const double part =
        log ? (Log(value) - Log(low)) / (Log(high) - Log(low)) : (value - low) / (high - low);
    return std::clamp(part, 0.0, 1.0);
  }
  if (!log) return (value - low + 0.5) / static_cast<double>(size());
  const double least = Log(low - 0.5);
  return (0.5 * (Log(value - 0.5) + Log(value + 0.5)) - least) / (Log(high + 0.5) - least);
}

double Parameter::FromUnit(double coordinate) const {
  const double u = std::clamp(coordinate, 0.0, 1.0);
  if (kind == ParameterKind::kFloat) {
    const double value = log ? Exp(Log(low) + u * (Log(high) - Log(low))) : low + u * (high - low);
    return std::clamp(value, low, high);
  }
  if (!log) {
    const auto n = static_cast<double>(size());
    return low + std::min(std::floor(u * n), n - 1);
  }
  const double least = Log(low - 0.5);
  return std::clamp(std::round(Exp(least + u * (Log(high + 0.5) - least))), low, high);
}

Space Space::Parse(const Json& document, std::string_view what) {
  if (!document.is_object() || document.empty()) {
    Invalid(what,
            "an object with at least one hyper-parameter was expected, such as {\"lr\": "
            "{\"type\": \"float\", \"low\": 1e-5, \"high\": 0.1, \"log\": true}}");
  }
  std::map<std::string, Parameter> read;
  std::map<std::string, Condition> conditions;
  std::vector<std::string> names;
  for (const auto& [name, one] : document.items()) {
    const std::string where = fmt::format("{}, \"{}\"", what, name);
    if (name.empty()) Invalid(what, "a hyper-parameter needs a name");
    read.emplace(name, ParameterReader(where, one).Read(name));
    names.push_back(name);
    if (const auto when = one.find("when"); when != one.end()) {
      conditions.emplace(name, ReadCondition(*when, where));
    }
  }
  Space space;
  while (!read.empty()) {
    // The first name of those whose parent has its place.
    const auto ready = std::ranges::find_if(read, [&](const auto& entry) {
      const auto condition = conditions.find(entry.first);
      return condition == conditions.end() || space.Find(condition->second.parent) >= 0;
    });
    if (ready == read.end()) {
      for (const auto& [name, condition] : conditions) {
        if (std::ranges::find(names, condition.parent) == names.end()) {
          Invalid(fmt::format("{}, \"{}\"", what, name),
                  fmt::format("\"when\": there is no \"{}\"{}", condition.parent,
                              windlass::Suggestion(condition.parent, names)));
        }
      }
      Invalid(fmt::format("{}, \"{}\"", what, read.begin()->first),
              "\"when\": the conditions go round in a circle");
    }
    Parameter parameter = std::move(ready->second);
    if (const auto condition = conditions.find(parameter.name); condition != conditions.end()) {
      const std::string where = fmt::format("{}, \"{}\", \"when\"", what, parameter.name);
      parameter.parent = space.Find(condition->second.parent);
      const Parameter& parent = space[parameter.parent];
      if (parent.kind == ParameterKind::kFloat) {
        Invalid(where,
                fmt::format("\"{}\" is of floats, whose single values mean nothing", parent.name));
      }
      for (const Json& value : condition->second.values) {
        parameter.when.push_back(RawOf(parent, value, where));
      }
      std::ranges::sort(parameter.when);
    }
    if (parameter.size() != 1) space.varied_.push_back(space.size());
    space.parameters_.push_back(std::move(parameter));
    read.erase(ready);
  }
  return space;
}

Json Space::ToJson() const {
  Json document = Json::object();
  for (const Parameter& parameter : parameters_) {
    Json& one = document[parameter.name] = {{"type", TypeName(parameter.kind)}};
    if (parameter.numeric()) {
      one["low"] = JsonOf(parameter, parameter.low);
      one["high"] = JsonOf(parameter, parameter.high);
      if (parameter.log) one["log"] = true;
    } else if (parameter.kind == ParameterKind::kConstant) {
      one["value"] = parameter.choices.front();
    } else if (parameter.kind != ParameterKind::kBoolean) {
      one["choices"] = parameter.choices;
    }
    if (parameter.initial) one["default"] = JsonOf(parameter, *parameter.initial);
    if (parameter.parent >= 0) {
      const Parameter& parent = (*this)[parameter.parent];
      Json& values = one["when"][parent.name] = Json::array();
      for (const double value : parameter.when) values.push_back(JsonOf(parent, value));
    }
  }
  return document;
}

int Space::Find(std::string_view name) const {
  const auto found = std::ranges::find(parameters_, name, &Parameter::name);
  return found == parameters_.end() ? -1 : static_cast<int>(found - parameters_.begin());
}

bool Space::Active(int index, const Point& point) const {
  const Parameter& parameter = (*this)[index];
  if (parameter.parent < 0) return true;
  // What does not count is NaN, and equal to nothing.
  return std::ranges::find(parameter.when, point[static_cast<std::size_t>(parameter.parent)]) !=
         parameter.when.end();
}

Point Space::FromUnit(std::span<const double> coordinates) const {
  Point point;
  point.reserve(parameters_.size());
  std::size_t next = 0;
  for (int i = 0; i < size(); ++i) {
    const Parameter& parameter = (*this)[i];
    const double coordinate = parameter.size() == 1 ? 0.5 : coordinates[next++];
    point.push_back(kNothing);
    if (Active(i, point)) point.back() = parameter.FromUnit(coordinate);
  }
  return point;
}

std::vector<double> Space::ToUnit(const Point& point) const {
  std::vector<double> coordinates;
  coordinates.reserve(varied_.size());
  for (const int i : varied_) {
    const double value = point[static_cast<std::size_t>(i)];
    coordinates.push_back(std::isnan(value) ? 0.5 : (*this)[i].ToUnit(value));
  }
  return coordinates;
}

Point Space::Sample(Random& random) const {
  std::vector<double> coordinates(varied_.size());
  for (double& coordinate : coordinates) coordinate = random.Uniform();
  return FromUnit(coordinates);
}

Point Space::Initial() const {
  Point point;
  for (int i = 0; i < size(); ++i) {
    const Parameter& parameter = (*this)[i];
    point.push_back(kNothing);
    if (Active(i, point)) point.back() = parameter.initial.value_or(parameter.FromUnit(0.5));
  }
  return point;
}

Json Space::ToJson(const Point& point) const {
  Json values = Json::object();
  for (int i = 0; i < size(); ++i) {
    const double value = point[static_cast<std::size_t>(i)];
    if (!std::isnan(value)) values[(*this)[i].name] = JsonOf((*this)[i], value);
  }
  return values;
}

Point Space::FromJson(const Json& values, std::string_view what) const {
  if (!values.is_object()) Invalid(what, "an object from names to values was expected");
  Point point;
  std::size_t used = 0;
  for (int i = 0; i < size(); ++i) {
    const Parameter& parameter = (*this)[i];
    const auto value = values.find(parameter.name);
    point.push_back(kNothing);
    const std::string where = fmt::format("{}, \"{}\"", what, parameter.name);
    if (!Active(i, point)) {
      if (value == values.end()) continue;
      Invalid(where, fmt::format("it has no meaning with this value of \"{}\"",
                                 (*this)[parameter.parent].name));
    }
    if (value != values.end()) {
      point.back() = RawOf(parameter, *value, where);
      ++used;
    } else if (parameter.size() == 1) {
      point.back() = parameter.FromUnit(0.5);
    } else {
      Invalid(where, "it is missing");
    }
  }
  if (used < values.size()) {
    std::vector<std::string> names;
    for (const Parameter& parameter : parameters_) names.push_back(parameter.name);
    for (const auto& [name, value] : values.items()) {
      if (Find(name) < 0) {
        Invalid(what, fmt::format("there is no \"{}\"{}", name, windlass::Suggestion(name, names)));
      }
    }
  }
  return point;
}

void Space::Check(const Point& point) const {
  if (std::ssize(point) != size()) {
    throw Error(ErrorCode::kInternal,
                fmt::format("a point of {} values in a space of {}", point.size(), size()));
  }
  for (int i = 0; i < size(); ++i) {
    const Parameter& parameter = (*this)[i];
    const double value = point[static_cast<std::size_t>(i)];
    const double high =
        parameter.numeric() ? parameter.high : static_cast<double>(parameter.size() - 1);
    const bool good = Active(i, point)
                          ? value >= parameter.low && value <= high &&
                                (parameter.kind == ParameterKind::kFloat || IsWhole(value))
                          : std::isnan(value);
    if (!good) {
      throw Error(ErrorCode::kInternal,
                  fmt::format("a point with {} for \"{}\"", value, parameter.name));
    }
  }
}

}  // namespace windlass::tune
