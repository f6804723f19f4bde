// What a job reads on this machine, brought to a cluster.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/json.h"
#include "windlass/cluster/ray_api.h"

namespace windlass::cluster {

// Ray's dashboard takes no more in one package, and keeps it in the head's memory.
inline constexpr std::size_t kMostPackageBytes = (std::size_t{100} << 20) - (std::size_t{64} << 10);

// The files that a spec names, and the spec as it reads beside them.
struct Inputs {
  Json spec;
  std::map<std::string, std::string> names;  // of each text in `spec` that was changed: the user's
  std::map<std::string, std::filesystem::path> files;  // by path in the package

  // A text of the job's with the user's names of its files.
  std::string InWordsOfTheUser(std::string text) const;
};

// `fields`: those of `spec` that may name files (Schema::inputs). Left as they are: URIs, JSON,
// what lies under `shared`, and what names no file behind a prefix ("python:module:function").
// Throws Error{kNotFound} for a path that leads to nothing.
Inputs FindInputs(const Json& spec, const std::vector<std::string>& fields,
                  const std::filesystem::path& shared);

struct Package {
  std::string name;   // as Ray names packages: made from the content, _ray_pkg_<hex>.zip
  std::string bytes;  // a ZIP archive
  std::string uri() const { return "gcs://" + name; }
};

// Throws Error{kInvalidInput} saying how large files come to the cluster, {kIo} and others.
Package Pack(const std::map<std::string, std::filesystem::path>& files);

// A wheel is an archive of what stands in a folder of modules: it travels as it is.
Package PackWheel(const std::filesystem::path& wheel);

// Uploads a package unless the cluster has it. Says whether it had to.
bool Upload(RayApi& api, Package package);

// Uploads the engine's wheel, if it names one, and lets a job's runtime environment have it.
void AddWheel(const RayEngine& engine, RayApi& api, Json& runtime_env);

}  // namespace windlass::cluster
