// The plug-in windlass_curl: HTTP by libcurl, which with what it brings is thirty libraries that
// most runs never need.
#include <memory>

#include "curl_connection.h"
#include "windlass/base/http.h"
#include "windlass/base/registry.h"

namespace windlass::curl {
namespace {

class Library final : public HttpLibrary {
 public:
  std::unique_ptr<HttpConnection> Connect() const override { return MakeConnection(); }
};

}  // namespace
}  // namespace windlass::curl

extern "C" WINDLASS_API int windlass_plugin(int abi, windlass::Registry& registry) {
  if (abi != windlass::kPluginAbi) return windlass::kPluginAbi;
  registry.Add<windlass::HttpLibrary>("curl", std::make_shared<windlass::curl::Library>());
  return 0;
}
