// HTTP by libcurl.
#pragma once

#include <memory>

#include "windlass/base/http.h"

namespace windlass::curl {

// Throws Error{kIo} when libcurl cannot start.
std::unique_ptr<HttpConnection> MakeConnection();

}  // namespace windlass::curl
