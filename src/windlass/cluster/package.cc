#include "windlass/cluster/package.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/hash.h"
#include "windlass/cluster/zip.h"

namespace windlass::cluster {
namespace {

// "onnx:model.onnx?opaque=1" -> "onnx:", "model.onnx", "?opaque=1".
struct Place {
  std::string prefix, path, options;
};

Place TakeApart(const std::string& text) {
  Place place;
  const auto mark = text.rfind('?');
  const bool options = mark != text.npos && text.find('=', mark) != text.npos;
  place.path = text.substr(0, options ? mark : text.npos);
  if (options) place.options = text.substr(mark);
  std::error_code unreadable;
  if (std::filesystem::exists(place.path, unreadable)) return place;
  const auto colon = place.path.find(':');
  const auto in_name = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; };
  if (colon != text.npos && colon > 1 &&
      std::ranges::all_of(place.path.substr(0, colon), in_name)) {
    place.prefix = place.path.substr(0, colon + 1);
    place.path = place.path.substr(colon + 1);
  }
  return place;
}

bool LiesUnder(const std::filesystem::path& path, const std::filesystem::path& folder) {
  if (folder.empty()) return false;
  const auto absolute = std::filesystem::absolute(path).lexically_normal();
  const auto normal = (folder / "").lexically_normal();  // ends with a slash
  return absolute.string().starts_with(normal.string());
}

class Finder {
 public:
  Finder(const std::filesystem::path& shared, Inputs& inputs) : shared_(shared), inputs_(inputs) {}

  void Change(Json& value) {
    if (value.is_array()) {
      for (Json& one : value) Change(one);
    } else if (value.is_string()) {
      value = Changed(value.get<std::string>());
    }
  }

 private:
  std::string Changed(const std::string& text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == text.npos || text[first] == '{' || text.find("://") != text.npos) return text;
    const Place place = TakeApart(text);
    std::error_code unreadable;
    const auto status = std::filesystem::status(place.path, unreadable);
    if (!std::filesystem::exists(status)) {
      if (!place.prefix.empty() || LiesUnder(place.path, shared_)) return text;
      throw Error(ErrorCode::kNotFound,
                  fmt::format("{}: there is no such file on this machine; what the cluster alone "
                              "sees is named by a URI (s3://, file://), or lies under ?shared=",
                              place.path));
    }
    if (LiesUnder(place.path, shared_)) {
      // Jobs run in other folders.
      return place.prefix + std::filesystem::absolute(place.path).lexically_normal().string() +
             place.options;
    }
    const std::string there = PathOf(place.path, std::filesystem::is_directory(status));
    inputs_.names.emplace(there, place.path);
    return place.prefix + there + place.options;
  }

  // The same for two fields that name the same file: specs may compare them.
  std::string PathOf(const std::string& path, bool folder) {
    const auto [found, fresh] = paths_.try_emplace(path);
    if (!fresh) return found->second;
    const std::filesystem::path normal = std::filesystem::absolute(path).lexically_normal();
    std::string name = normal.filename().string();
    if (name.empty()) name = normal.parent_path().filename().string();  // "folder/"
    // A name of its own for each: its ending tells its format.
    found->second = fmt::format("inputs/{}/{}", paths_.size(), name);
    if (!folder) {
      inputs_.files.emplace(found->second, path);
    } else {
      for (const auto& entry : std::filesystem::directory_iterator(path)) {
        if (!entry.is_regular_file()) continue;
        inputs_.files.emplace(found->second + "/" + entry.path().filename().string(), entry.path());
      }
    }
    return found->second;
  }

  const std::filesystem::path& shared_;
  Inputs& inputs_;
  std::map<std::string, std::string> paths_;
};

Package Named(std::string bytes) {
  // Ray's own are SHA-1, of 40 digits; as many of ours name it as well.
  return {fmt::format("_ray_pkg_{}.zip", HashOf(bytes).Hex().substr(0, 40)), std::move(bytes)};
}

}  // namespace

std::string Inputs::InWordsOfTheUser(std::string text) const {
  for (const auto& [there, here] : names) {
    for (auto at = text.find(there); at != text.npos; at = text.find(there, at + here.size())) {
      text.replace(at, there.size(), here);
    }
  }
  return text;
}

Inputs FindInputs(const Json& spec, const std::vector<std::string>& fields,
                  const std::filesystem::path& shared) {
  Inputs inputs;
  inputs.spec = spec;
  Finder finder(shared, inputs);
  for (const std::string& field : fields) {
    if (inputs.spec.contains(field)) finder.Change(inputs.spec[field]);
  }
  return inputs;
}

Package Pack(const std::map<std::string, std::filesystem::path>& files) {
  std::uintmax_t total = 0;
  for (const auto& [name, path] : files) {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    if (error) {
      throw Error(ErrorCode::kIo, fmt::format("{}: {}", path.string(), error.message()));
    }
    total += size + 256;
  }
  if (total > kMostPackageBytes) {
    std::string largest;
    std::uintmax_t most = 0;
    for (const auto& [name, path] : files) {
      std::error_code ignored;
      const std::uintmax_t size = std::filesystem::file_size(path, ignored);
      if (!ignored && size >= most) most = size, largest = path.string();
    }
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("the job's files have {} MiB together, most of it {}; up to {} MiB are "
                            "uploaded. Put them where the cluster reads them and name them by a "
                            "URI (s3://bucket/key), or into a folder that it sees under the same "
                            "path (?shared=FOLDER)",
                            (total >> 20) + 1, largest, kMostPackageBytes >> 20));
  }
  ZipWriter zip;
  for (const auto& [name, path] : files) zip.Add(name, ReadFile(path));
  return Named(zip.Finish());
}

Package PackWheel(const std::filesystem::path& wheel) {
  Package package = WithContext([&] { return Named(ReadFile(wheel)); },
                                [] { return std::string("option wheel"); });
  const bool zip = package.bytes.starts_with("PK\x03\x04");
  if (!zip || wheel.extension() != ".whl" || package.bytes.size() > kMostPackageBytes) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("option wheel={}: a wheel (.whl) of at most {} MiB was expected",
                            wheel.string(), kMostPackageBytes >> 20));
  }
  return package;
}

bool Upload(RayApi& api, Package package) {
  if (api.HasPackage(package.name)) return false;
  api.PutPackage(package.name, std::move(package.bytes));
  return true;
}

void AddWheel(const RayEngine& engine, RayApi& api, Json& runtime_env) {
  if (engine.wheel.empty()) return;
  Package package = PackWheel(engine.wheel);
  runtime_env["py_modules"] = {package.uri()};
  Upload(api, std::move(package));
}

}  // namespace windlass::cluster
