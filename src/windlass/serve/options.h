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

}  // namespace windlass::serve
