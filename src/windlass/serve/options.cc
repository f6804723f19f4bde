#include "windlass/serve/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "windlass/base/amount.h"
#include "windlass/base/error.h"
#include "windlass/base/secret.h"

namespace windlass::serve {
namespace {

constexpr int kIoThreads = 4;  // they parse, too

void CheckName(const std::string& name) {
  const auto plain = [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  if (!name.empty() && name.size() <= 128 && std::ranges::all_of(name, plain)) return;
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("name is \"{}\"; letters, digits, \"-\", \"_\" and \".\" were expected: "
                          "it becomes a part of the address",
                          name));
}

}  // namespace

std::vector<job::Field> ServeFields() {
  using job::FieldType;
  return {
      {"name",
       "under which the model is found: /v2/models/NAME",
       {FieldType::kText},
       false,
       "model"},
      {"address", "where to listen: 0.0.0.0 is everywhere", {FieldType::kText}, false, "127.0.0.1"},
      {"port", "0: any that is free", {FieldType::kInteger}, false, 8080, {}, 0.0, 65535.0},
      {"replicas",
       "threads that compute; 0: one a core",
       {FieldType::kInteger},
       false,
       0,
       {},
       0.0,
       4096.0},
      {"max_batch_size",
       "rows of different requests that are computed together, at most",
       {FieldType::kInteger},
       false,
       256,
       {},
       1.0},
      {"batch_wait",
       "how much later than its first row another may join a batch; none waits while a replica is "
       "free",
       {FieldType::kText, FieldType::kNumber},
       false,
       "10ms"},
      {"queue",
       "requests that wait for a replica, at most; more are answered 503",
       {FieldType::kInteger},
       false,
       1024,
       {},
       0.0},
      {"max_body",
       "of a request; larger ones are answered 413",
       {FieldType::kText, FieldType::kInteger},
       false,
       "16MiB"},
      {"max_connections", "open at the same time", {FieldType::kInteger}, false, 1024, {}, 1.0},
      {"timeout",
       "seconds until a request that has no answer gets 504",
       {FieldType::kNumber, FieldType::kInteger},
       false,
       60.0,
       {},
       0.001,
       86400.0},
      {"token",
       "where the bearer token is that clients must send: env:NAME or file:PATH",
       {FieldType::kText}}};
}

ServeOptions ReadServeOptions(const Json& spec) {
  ServeOptions options;
  const auto text = [&](const char* key) {
    const Json& value = spec.at(key);
    return value.is_string() ? value.get<std::string>() : value.dump();
  };
  options.name = spec.at("name");
  CheckName(options.name);
  options.http.address = spec.at("address");
  options.http.port = spec.at("port").get<std::uint16_t>();
  options.http.max_body_bytes = ParseBytes(text("max_body"), "max_body");
  options.http.max_connections = spec.at("max_connections").get<std::size_t>();
  options.http.answer_timeout =
      std::chrono::milliseconds(std::llround(1000 * spec.at("timeout").get<double>()));
  if (!spec.at("token").is_null()) options.http.token = ReadSecret("token", spec.at("token"));
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const int replicas = spec.at("replicas").get<int>();
  options.batcher.replicas = replicas == 0 ? cores : replicas;
  options.http.threads = std::min(cores, kIoThreads);
  options.batcher.max_batch = spec.at("max_batch_size").get<std::int64_t>();
  options.batcher.batch_wait = ParseDuration(text("batch_wait"), "batch_wait");
  options.batcher.queue = spec.at("queue").get<std::size_t>();
  return options;
}

}  // namespace windlass::serve
