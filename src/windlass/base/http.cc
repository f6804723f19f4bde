#include "windlass/base/http.h"

#include <mutex>

#include "windlass/base/error.h"

namespace windlass {
namespace {

constexpr std::string_view kName = "curl";
constexpr std::string_view kPlugin = "windlass_curl";

}  // namespace

std::optional<std::string_view> HttpResponse::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return std::nullopt;
}

HttpConnection::~HttpConnection() = default;

const HttpLibrary& Http() {
  static std::mutex loading;  // two threads must not both find it missing
  const std::lock_guard lock(loading);
  Registry& registry = Registry::Global();
  try {
    if (!registry.Has<HttpLibrary>(kName)) registry.LoadPluginNamed(kPlugin);
    return registry.Find<HttpLibrary>(kName);
  } catch (const Error& error) {
    throw Error(ErrorCode::kUnsupported, "requests over HTTP need libcurl", error);
  }
}

}  // namespace windlass
