// `--engine http(s)://HOST:8265[?...]`: a Ray cluster, reached over its Jobs REST API.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "windlass/base/export.h"

namespace windlass::cluster {

inline constexpr std::uint16_t kGatewayPort = 8266;

// Holds no secret: a token and the values of headers are references (base/secret.h).
struct RayEngine {
  std::string text;                                          // as it was given
  std::string url;                                           // "http://host:8265"
  std::string host;                                          // "host", "[::1]"
  std::string token;                                         // empty: as Ray finds it
  std::vector<std::pair<std::string, std::string>> headers;  // name and reference
  std::string ca_file;
  std::filesystem::path shared;               // a folder that both sides see under this path
  std::string bucket;                         // s3://..., where both sides meet instead
  std::string store;                          // WINDLASS_HOME of the job; empty: its own
  std::string gateway;                        // URL of the store gateway; empty: its port of `host`
  std::uint16_t gateway_port = kGatewayPort;  // where it listens, beside the head
  std::filesystem::path wheel;                // that travels with the job; empty: Windlass is there
  std::string python = "python";
  std::string ray = "ray";             // the engine that the job uses there
  std::chrono::seconds patience{300};  // with a cluster that does not answer
  int restarts = 3;                    // at most so often, of a job that the cluster forgot

  // Whether an engine is one of these. Throws Error{kUnsupported} for ray://, saying why.
  WINDLASS_API static bool Is(std::string_view engine);

  // Throws Error{kInvalidInput} naming what is wrong with it.
  static RayEngine Parse(std::string_view engine);
};

// A word of a command line as a shell reads it.
std::string ShellQuoted(std::string_view word);

}  // namespace windlass::cluster
