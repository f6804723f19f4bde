// The fields that the spec of every service has beside its own, and what they mean.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/http_server.h"
#include "windlass/base/json.h"
#include "windlass/job/schema.h"
#include "windlass/serve/batcher.h"

namespace windlass::serve {

struct ServeOptions {
  std::string name;
  HttpServerOptions http;
  BatcherOptions batcher;
};

std::vector<job::Field> ServeFields();

// Reads the token, too, where the spec names one. Throws Error{kInvalidInput, kNotFound, kIo}.
ServeOptions ReadServeOptions(const Json& spec);

// "10ms", "0.5s", "250us"; a number without a unit counts seconds. `what` names it in messages.
// Throws Error{kInvalidInput}.
std::chrono::microseconds ParseDuration(std::string_view text, std::string_view what);

// "16MiB", "4MB", "1000": bytes. Throws Error{kInvalidInput}.
std::uint64_t ParseBytes(std::string_view text, std::string_view what);

}  // namespace windlass::serve
