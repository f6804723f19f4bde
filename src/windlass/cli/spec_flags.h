// The flags of a capability: the fields of its schema.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

#include "windlass/base/json.h"

namespace windlass::cli {

// Must stay where it is once AddTo was called: the parser writes into it.
class SpecFlags {
 public:
  explicit SpecFlags(std::string kind) : kind_(std::move(kind)) {}
  SpecFlags(const SpecFlags&) = delete;
  SpecFlags& operator=(const SpecFlags&) = delete;

  // One option a field, `--max-coalitions` for "max_coalitions". With `require`, those that the
  // schema requires must be given.
  void AddTo(CLI::App& command, bool require);

  // Throws Error{kUsage} when an option that the schema requires was not given.
  void CheckRequired() const;

  // Whether the option of this field was given.
  bool Given(const std::string& field) const;

  // What was given, as a spec that is yet to be normalised.
  Json Spec() const;

 private:
  std::string kind_;
  std::map<std::string, std::string> texts_;
  std::map<std::string, std::vector<std::string>> lists_;  // of fields that hold lists of texts
};

}  // namespace windlass::cli
