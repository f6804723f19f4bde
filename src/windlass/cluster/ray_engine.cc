#include "windlass/cluster/ray_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "windlass/base/error.h"
#include "windlass/base/object_spec.h"
#include "windlass/base/s3.h"
#include "windlass/base/secret.h"

namespace windlass::cluster {
namespace {

// What is handed on to the engine of the job.
constexpr std::array kOfWorkers = {"cpus", "memory", "resources", "namespace", "start", "grace"};

[[noreturn]] void RefuseEngine(std::string_view engine, std::string_view why) {
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("--engine {}: {}; http(s)://HOST:PORT was expected, the address of Ray's "
                          "dashboard (its port is 8265 unless the cluster says otherwise)",
                          engine, why));
}

bool IsPlain(std::string_view text) {
  return std::ranges::all_of(
      text, [](unsigned char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; });
}

// "//host:8265" -> "http://host:8265" and "host".
void ReadPlace(RayEngine& engine, const std::string& scheme, std::string_view location) {
  const auto refuse = [&](std::string_view why) {
    RefuseEngine(fmt::format("{}:{}", scheme, location), why);
  };
  if (location.find('@') != location.npos) {
    throw Error(ErrorCode::kInvalidInput,
                "--engine: the address has a user in it; a token is given by ?token=env:NAME or "
                "?token=file:PATH");
  }
  if (!location.starts_with("//")) refuse("this is no address");
  std::string_view rest = location.substr(2);
  while (rest.ends_with('/')) rest.remove_suffix(1);
  if (!IsPlain(rest) || rest.find('#') != rest.npos) {
    refuse("the address has a character that must be written as %XX");
  }
  const std::string_view authority = rest.substr(0, rest.find('/'));
  const auto bracket = authority.find(']');
  const auto colon = authority.find(':', bracket == authority.npos ? 0 : bracket);
  engine.host = authority.substr(0, colon);
  if (engine.host.empty()) refuse("it names no host");
  if (colon != authority.npos) {
    int port = 0;
    const std::string_view text = authority.substr(colon + 1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535) {
      refuse(fmt::format("\"{}\" is no port", text));
    }
  }
  engine.url = fmt::format("{}://{}", scheme, rest);
}

// NAME:env:VARIABLE,NAME:file:PATH
void ReadHeaders(RayEngine& engine, std::string_view text) {
  for (;;) {
    const auto comma = text.find(',');
    const std::string_view one = text.substr(0, comma);
    const auto colon = one.find(':');
    const bool named =
        colon != one.npos && colon > 0 && std::ranges::all_of(one.substr(0, colon), [](char c) {
          return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
        });
    if (!named) {
      throw Error(ErrorCode::kInvalidInput,
                  "option header: NAME:env:VARIABLE or NAME:file:PATH was expected, several with "
                  "commas between them");
    }
    const std::string_view reference = one.substr(colon + 1);
    CheckSecretReference("header", reference);
    engine.headers.emplace_back(one.substr(0, colon), reference);
    if (comma == text.npos) return;
    text.remove_prefix(comma + 1);
  }
}

std::int64_t Bounded(const ObjectSpec& spec, const std::string& key, std::int64_t otherwise,
                     std::int64_t most) {
  const std::int64_t value = spec.Integer(key, otherwise);
  if (value >= 0 && value <= most) return value;
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("option {}={}: a number from 0 to {} was expected", key, value, most));
}

}  // namespace

std::string ShellQuoted(std::string_view word) {
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

bool RayEngine::Is(std::string_view engine) {
  if (engine.starts_with("ray://")) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("--engine {}: this is Ray Client's address. With it tasks and results "
                            "would go through a proxy that runs this process's calls on the head, "
                            "where the job's store is not. From outside of the cluster use "
                            "http://HOST:8265, its Jobs API; on a machine of it, ray or "
                            "ray:HOST:PORT (the head's address, usually port 6379)",
                            engine.substr(0, engine.find('?'))));
  }
  return engine.starts_with("http:") || engine.starts_with("https:");
}

RayEngine RayEngine::Parse(std::string_view text) {
  const ObjectSpec spec = ObjectSpec::Parse(text, {"http", "https"});
  RayEngine engine;
  engine.text = text;
  ReadPlace(engine, spec.name, spec.location);
  return WithContext(
      [&] {
        std::vector<std::string> known = {"token",        "header",   "ca",      "shared",
                                          "store",        "wheel",    "python",  "gateway",
                                          "gateway-port", "patience", "restarts"};
        known.insert(known.end(), kOfWorkers.begin(), kOfWorkers.end());
        std::ranges::sort(known);
        spec.AllowOnly(known);
        const auto option = [&](const std::string& key) {
          const auto found = spec.options.find(key);
          if (found == spec.options.end()) return std::string();
          if (found->second.empty()) {
            throw Error(ErrorCode::kInvalidInput, fmt::format("option {}: it says nothing", key));
          }
          return found->second;
        };
        engine.token = option("token");
        if (!engine.token.empty()) CheckSecretReference("token", engine.token);
        if (const std::string headers = option("header"); !headers.empty()) {
          ReadHeaders(engine, headers);
        }
        engine.ca_file = option("ca");
        const auto absolute = [](const std::string& key, const std::string& path) {
          if (path.empty() || path.starts_with('/')) return path;
          throw Error(ErrorCode::kInvalidInput,
                      fmt::format("option {}={}: an absolute path was expected, since jobs run in "
                                  "other folders",
                                  key, path));
        };
        if (const std::string shared = option("shared"); S3Place::Is(shared)) {
          engine.bucket = S3Place::Parse(shared).Text();
        } else {
          engine.shared = absolute("shared", shared);
        }
        engine.store = absolute("store", option("store"));
        if (engine.store.empty() && !engine.shared.empty()) {
          engine.store = (engine.shared / "windlass").string();
        }
        engine.gateway = option("gateway");
        while (engine.gateway.ends_with('/')) engine.gateway.pop_back();
        if (!engine.gateway.empty() && !engine.gateway.starts_with("http://") &&
            !engine.gateway.starts_with("https://")) {
          throw Error(
              ErrorCode::kInvalidInput,
              fmt::format("option gateway={}: http(s)://HOST:PORT was expected", engine.gateway));
        }
        engine.gateway_port =
            static_cast<std::uint16_t>(Bounded(spec, "gateway-port", kGatewayPort, 65'535));
        engine.wheel = option("wheel");
        if (const std::string python = option("python"); !python.empty()) engine.python = python;
        engine.patience = std::chrono::seconds(Bounded(spec, "patience", 300, 1'000'000));
        engine.restarts = static_cast<int>(Bounded(spec, "restarts", 3, 1000));
        char separator = '?';
        for (const char* key : kOfWorkers) {
          const auto found = spec.options.find(key);
          if (found == spec.options.end()) continue;
          engine.ray += fmt::format("{}{}={}", separator, key, found->second);
          separator = '&';
        }
        return engine;
      },
      [&] { return fmt::format("--engine {}", engine.url); });
}

}  // namespace windlass::cluster
