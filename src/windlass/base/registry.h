// What can be named in a spec: model formats, task kinds, capabilities, engines. Filled
// explicitly (RegisterBuiltins, plug-ins), because linkers drop static initialisers.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/export.h"

namespace windlass {

inline constexpr int kPluginAbi = 1;

// A thing that can be registered derives from Registrable and is looked up by (kind, name).
class WINDLASS_API Registrable {
 public:
  virtual ~Registrable();
};

class WINDLASS_API Registry {
 public:
  // The registry of this process: one, however many modules are loaded.
  static Registry& Global();

  // `kind` says what sort of thing it is, in words for error messages: "model format".
  // Throws Error{kInternal} when (kind, name) is taken.
  void Add(std::string_view kind, std::string_view name, std::shared_ptr<const Registrable> thing);

  // T has `static constexpr std::string_view kRegistryKind`.
  template <typename T>
  void Add(std::string_view name, std::shared_ptr<const T> thing) {
    Add(T::kRegistryKind, name, std::move(thing));
  }

  // Throws Error{kNotFound} naming the nearest known name.
  template <typename T>
  const T& Find(std::string_view name) const {
    return static_cast<const T&>(Lookup(T::kRegistryKind, name));
  }

  template <typename T>
  bool Has(std::string_view name) const {
    return Contains(T::kRegistryKind, name);
  }

  // Sorted.
  std::vector<std::string> Names(std::string_view kind) const;

  // Loads a shared module and lets it register: `extern "C" int windlass_plugin(int abi_version,
  // windlass::Registry&)`, 0 for success, else the version that it wants. Loading the same file
  // again does nothing. Throws Error{kUnsupported} naming the file.
  void LoadPlugin(const std::string& path);

  // Loads `<name>.so` from the plug-in folder: $WINDLASS_PLUGINS, else `windlass/plugins` beside
  // libwindlass.so. Throws Error{kNotFound} saying where it looked.
  void LoadPluginNamed(std::string_view name);

  // The files of those loaded so far.
  std::vector<std::string> Plugins() const;

 private:
  const Registrable& Lookup(std::string_view kind, std::string_view name) const;
  bool Contains(std::string_view kind, std::string_view name) const;

  mutable std::mutex mutex_;
  std::map<std::string, std::map<std::string, std::shared_ptr<const Registrable>, std::less<>>,
           std::less<>>
      things_;
  std::map<std::string, void*> plugins_;  // by canonical path; never closed
};

}  // namespace windlass
