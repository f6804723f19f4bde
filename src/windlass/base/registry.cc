#include "windlass/base/registry.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "windlass/base/error.h"
#include "windlass/base/json.h"
#include "windlass/base/share.h"

namespace windlass {
namespace {

using PluginEntry = int (*)(int, Registry&);

std::filesystem::path PluginFolder() {
  if (const char* folder = std::getenv("WINDLASS_PLUGINS"); folder != nullptr && *folder != 0) {
    return folder;
  }
  return LibraryFolder() / "plugins";
}

}  // namespace

Registrable::~Registrable() = default;

Registry& Registry::Global() {
  static Registry* registry = new Registry;  // never destroyed: plug-ins outlive main
  return *registry;
}

void Registry::Add(std::string_view kind, std::string_view name,
                   std::shared_ptr<const Registrable> thing) {
  const std::lock_guard lock(mutex_);
  const bool fresh = things_[std::string(kind)].emplace(std::string(name), std::move(thing)).second;
  if (!fresh) {
    throw Error(ErrorCode::kInternal, fmt::format("{} \"{}\" is registered twice", kind, name));
  }
}

std::vector<std::string> Registry::Names(std::string_view kind) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  if (const auto found = things_.find(kind); found != things_.end()) {
    for (const auto& [name, thing] : found->second) names.push_back(name);
  }
  return names;
}

const Registrable& Registry::Lookup(std::string_view kind, std::string_view name) const {
  {
    const std::lock_guard lock(mutex_);
    if (const auto things = things_.find(kind); things != things_.end()) {
      if (const auto found = things->second.find(name); found != things->second.end()) {
        return *found->second;
      }
    }
  }
  throw Error(ErrorCode::kNotFound,
              fmt::format("unknown {} \"{}\"{}", kind, name, Suggestion(name, Names(kind))));
}

bool Registry::Contains(std::string_view kind, std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto things = things_.find(kind);
  return things != things_.end() && things->second.contains(name);
}

void Registry::LoadPlugin(const std::string& path) {
  std::error_code missing;
  const std::filesystem::path file = std::filesystem::canonical(path, missing);
  if (missing) {  // also keeps dlopen("") from answering with the main program
    throw Error(ErrorCode::kNotFound, fmt::format("plug-in {}: {}", path, missing.message()));
  }
  if (!std::filesystem::is_regular_file(file, missing)) {  // dlopen would wait at a pipe
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("plug-in {} is not a file; a shared module (.so) is wanted", path));
  }
  {
    const std::lock_guard lock(mutex_);
    if (plugins_.contains(file.string())) return;
  }
  void* module = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) {
    throw Error(ErrorCode::kUnsupported, fmt::format("plug-in {}: {}", path, ::dlerror()));
  }
  const auto entry = reinterpret_cast<PluginEntry>(::dlsym(module, "windlass_plugin"));
  if (entry == nullptr) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{} is no Windlass plug-in: it exports no windlass_plugin", path));
  }
  if (const int wanted = entry(kPluginAbi, *this); wanted != 0) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("plug-in {} wants plug-in interface {}, this Windlass has {}", path,
                            wanted, kPluginAbi));
  }
  const std::lock_guard lock(mutex_);
  plugins_.emplace(file.string(), module);
}

void Registry::LoadPluginNamed(std::string_view name) {
  const std::filesystem::path file = PluginFolder() / fmt::format("{}.so", name);
  if (!std::filesystem::exists(file)) {
    throw Error(
        ErrorCode::kNotFound,
        fmt::format("the plug-in \"{}\" is not installed: there is no {}", name, file.string()));
  }
  LoadPlugin(file.string());
}

std::vector<std::string> Registry::Plugins() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> files;
  for (const auto& [file, module] : plugins_) files.push_back(file);
  return files;
}

}  // namespace windlass
