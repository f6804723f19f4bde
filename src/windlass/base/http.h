// Requests over HTTP. The library behind it is a plug-in (plugins/curl), loaded by who asks first.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "windlass/base/cancel.h"
#include "windlass/base/registry.h"

namespace windlass {

struct HttpRequest {
  std::string method = "GET";
  std::string url;                                           // http:// or https://, no user in it
  std::vector<std::pair<std::string, std::string>> headers;  // in no message and no log
  std::string body;
  std::string ca_file;         // certificates to trust instead of the system's; empty: those
  std::size_t most_bytes = 0;  // of the answer's body
  // Where the body of an answer with status 200 goes instead of HttpResponse::body, in pieces. What
  // it throws leaves Do. A server that falls silent for half a minute counts as lost.
  std::function<void(std::string_view)> write;
  Deadline deadline{};  // for all of it
};

struct HttpResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  // The header's value, or nothing. `name` in lower case.
  std::optional<std::string_view> Header(std::string_view name) const;
};

// Keeps its connection open between requests to the same server. For one thread at a time.
class WINDLASS_API HttpConnection {
 public:
  virtual ~HttpConnection();

  // Follows no redirect and decodes no compression that was not asked for. Any status is an answer.
  // Throws Error{kUnavailable} when the server cannot be reached or is lost half-way,
  // {kDeadlineExceeded} after request.deadline, {kCancelled} when `cancelled` says so (it is asked
  // every few milliseconds), {kCorrupt} for an answer that is no HTTP or longer than allowed,
  // {kIo} for anything else (a certificate). Messages tell of the fault, not of the address.
  virtual HttpResponse Do(const HttpRequest& request, const std::function<bool()>& cancelled) = 0;
};

class WINDLASS_API HttpLibrary : public Registrable {
 public:
  static constexpr std::string_view kRegistryKind = "HTTP library";

  virtual std::unique_ptr<HttpConnection> Connect() const = 0;
};

// The HTTP library of this process. Loads the plug-in when none is registered yet. Throws
// Error{kUnsupported} when it cannot be loaded.
const HttpLibrary& Http();

}  // namespace windlass
