// The one grammar that makes a pluggable object from a string: name[:location][?key=value&...].
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace windlass {

struct ObjectSpec {
  std::string name;      // "onnx", "local", "kmeans"
  std::string location;  // "model.onnx", "http://host/path"; may be empty
  std::map<std::string, std::string> options;

  // `onnx:model.onnx?opaque=1`. A text without a name that is known (see `known`) but with a
  // scheme or a file ending is a bare location: name stays empty, so that the caller recognises
  // it by its ending. Percent escapes are decoded in option values only.
  //
  // Throws Error{kInvalidInput} for a malformed option or one that stands twice.
  static ObjectSpec Parse(std::string_view text, const std::vector<std::string>& known);

  // An option's value as a type, or the default when absent.
  // Throws Error{kInvalidInput} naming the option when the text is not of that type.
  bool Flag(const std::string& key, bool otherwise) const;
  std::int64_t Integer(const std::string& key, std::int64_t otherwise) const;
  double Number(const std::string& key, double otherwise) const;

  // Throws Error{kInvalidInput} naming the nearest allowed key when another one is present.
  void AllowOnly(const std::vector<std::string>& keys) const;
};

}  // namespace windlass
