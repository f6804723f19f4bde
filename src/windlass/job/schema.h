// What a spec of one kind may hold: names, types, defaults, help. Flags, files and Python
// arguments are all checked against it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/json.h"

namespace windlass::job {

enum class FieldType { kText, kInteger, kNumber, kBoolean, kTexts };  // kTexts: a list

struct Field {
  std::string name;
  std::string help;
  std::vector<FieldType> types;  // any of these
  bool required = false;
  Json otherwise;                    // the default; null: the field stays null
  std::vector<std::string> choices;  // when not empty, a text must be one of these
  std::optional<double> minimum;
  std::optional<double> maximum;
};

class Schema {
 public:
  // `inputs`: the fields that name what is read: a file, a folder, or a URI.
  Schema(std::string kind, int version, std::vector<Field> fields,
         std::vector<std::string> inputs = {})
      : kind_(std::move(kind)),
        version_(version),
        fields_(std::move(fields)),
        inputs_(std::move(inputs)) {}

  const std::string& kind() const { return kind_; }
  int version() const { return version_; }
  const std::vector<Field>& fields() const { return fields_; }
  const std::vector<std::string>& inputs() const { return inputs_; }
  const Field* Find(std::string_view name) const;

  // The document with every field present: defaults filled in, "kind" and "version" checked.
  // `what` names the document. Throws Error{kInvalidInput} for an unknown key (naming the nearest
  // known one), a value of the wrong type or out of range, a missing required field, a newer
  // version.
  Json Normalise(const Json& document, std::string_view what) const;

  // The same as a JSON Schema (draft 2020-12), for editors.
  Json ToJsonSchema() const;

 private:
  void Check(const Field& field, const Json& value, std::string_view what) const;

  std::string kind_;
  int version_;
  std::vector<Field> fields_;
  std::vector<std::string> inputs_;
};

}  // namespace windlass::job
