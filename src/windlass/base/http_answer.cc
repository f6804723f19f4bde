// Requests and answers of the HTTP server, apart from sockets.
#include <fmt/format.h>

#include <new>
#include <string>

#include "windlass/base/error.h"
#include "windlass/base/http_server.h"
#include "windlass/base/json.h"

namespace windlass {
namespace {

std::string_view Reason(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Payload Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 416: return "Range Not Satisfiable";
    case 422: return "Unprocessable Entity";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return status < 400 ? "OK" : status < 500 ? "Bad Request" : "Internal Server Error";
  }
}

int StatusOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidInput:
    case ErrorCode::kUsage: return 400;
    case ErrorCode::kNotFound: return 404;
    case ErrorCode::kUnsupported: return 501;
    case ErrorCode::kUnavailable:
    case ErrorCode::kCancelled: return 503;
    case ErrorCode::kDeadlineExceeded: return 504;
    case ErrorCode::kIo:
    case ErrorCode::kCorrupt:
    case ErrorCode::kInternal: break;
  }
  return 500;
}

// A header's name or value that a handler gave must not begin another header.
void AppendClean(std::string& out, std::string_view text) {
  for (const char c : text) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
}

}  // namespace

HttpBodySink::~HttpBodySink() = default;
HttpBodySource::~HttpBodySource() = default;
HttpHandler::~HttpHandler() = default;

std::string_view HttpServerRequest::path() const {
  return std::string_view(target).substr(0, target.find('?'));
}

std::string_view HttpServerRequest::query() const {
  const std::size_t mark = target.find('?');
  return mark == target.npos ? std::string_view() : std::string_view(target).substr(mark + 1);
}

std::optional<std::string_view> HttpServerRequest::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return std::nullopt;
}

HttpAnswer HttpAnswer::Failure(int status, std::string_view message) {
  HttpAnswer answer;
  answer.status = status;
  answer.body =
      Json{{"error", message}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  if (status == 503) answer.headers.emplace_back("Retry-After", "1");
  return answer;
}

HttpAnswer HttpAnswer::Unauthorized() {
  HttpAnswer answer = Failure(401, "a bearer token is needed: Authorization: Bearer TOKEN");
  answer.headers.emplace_back("WWW-Authenticate", "Bearer");
  return answer;
}

HttpAnswer HttpAnswer::Of(const std::exception& error) {
  if (const auto* ours = dynamic_cast<const Error*>(&error)) {
    return Failure(StatusOf(ours->code()), ours->what());
  }
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return Failure(503, "out of memory");
  return Failure(500, fmt::format("internal error: {}", error.what()));
}

std::string HttpAnswer::Head(bool keep_alive) const {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", status, Reason(status));
  if (!content_type.empty()) {
    head += "Content-Type: ";
    AppendClean(head, content_type);
    head += "\r\n";
  }
  if (status != 204 && status != 304) {
    head += fmt::format("Content-Length: {}\r\n", source ? source_bytes : body.size());
  }
  for (const auto& [name, value] : headers) {
    AppendClean(head, name);
    head += ": ";
    AppendClean(head, value);
    head += "\r\n";
  }
  head += keep_alive ? "\r\n" : "Connection: close\r\n\r\n";
  return head;
}

}  // namespace windlass
