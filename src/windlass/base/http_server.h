// A small HTTP/1.1 server: what it asks of a request before a handler sees it, and how a handler
// answers. The library behind it (Boost.Beast, coroutines on Boost.Asio) is in http_server.cc only.
//
// A connection belongs to one of a few I/O threads and serves one request after the other; further
// ones that a client sends meanwhile wait, so that answers come in their order. A handler is called
// on that thread when a request is complete and must not block: it answers at once or keeps the
// HttpReply and answers later, from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "windlass/base/cancel.h"

namespace windlass {

// Where the body of a request goes that is not to lie in memory. Called on an I/O thread, so that a
// file of this machine is fine and a slow remote place is not. Destroyed without having been handed
// to Handle when the request did not arrive whole.
class HttpBodySink {
 public:
  virtual ~HttpBodySink();

  // The next bytes. An Error becomes the answer, see HttpAnswer::Of.
  virtual void Write(std::string_view bytes) = 0;
};

// Where the body of an answer comes from that does not lie in memory. Called on an I/O thread.
class HttpBodySource {
 public:
  virtual ~HttpBodySource();

  // Fills `bytes` with the next ones, all of it unless the body ends; says how many. An Error ends
  // the connection, since the answer's status has gone out.
  virtual std::size_t Read(std::span<char> bytes) = 0;
};

struct HttpServerRequest {
  std::string method;                                        // "GET", also for HEAD
  std::string target;                                        // path and query, as they were sent
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;                                          // empty where a sink took it
  std::unique_ptr<HttpBodySink> sink;                        // as HttpHandler::Sink gave it
  std::optional<std::uint64_t> content_length;               // nothing where it came in chunks

  std::string_view path() const;   // the target without its query
  std::string_view query() const;  // behind the "?"; empty where there is none

  // The first header of this name, in lower case, or nothing.
  std::optional<std::string_view> Header(std::string_view name) const;
};

struct HttpAnswer {
  int status = 200;
  std::string content_type = "application/json";             // empty: no such header
  std::vector<std::pair<std::string, std::string>> headers;  // beside type, length, connection
  std::string body;
  std::unique_ptr<HttpBodySource> source;  // instead of body: gives source_bytes bytes
  std::uint64_t source_bytes = 0;

  // {"error": message}, as the Open Inference Protocol has it.
  static HttpAnswer Failure(int status, std::string_view message);

  // 401, with what a client must send.
  static HttpAnswer Unauthorized();

  // The failure of an Error: 404 for what was not found, 400 for other faults of who asks, 501 for
  // what is not supported, 503 (with Retry-After) and 504 for what may be well later, else 500.
  static HttpAnswer Of(const std::exception& error);

  // The status line and the headers, as they are sent.
  std::string Head(bool keep_alive) const;
};

// The way back to who asked. May be copied and kept; the first answer counts. When the last copy
// goes without one the answer is a 500.
class HttpReply {
 public:
  class Slot;
  explicit HttpReply(std::shared_ptr<Slot> slot) : slot_(std::move(slot)) {}

  // From any thread, also after the server has gone. Nothing happens when nobody waits any more.
  void Send(HttpAnswer answer) const;

  // Whether nobody waits any more: the time for an answer is over, or the server has gone.
  bool abandoned() const;

 private:
  std::shared_ptr<Slot> slot_;
};

class HttpHandler {
 public:
  virtual ~HttpHandler();

  // Whether this request needs the token, where there is one. A probe of a load balancer need not.
  virtual bool NeedsToken(const HttpServerRequest& /*head*/) const { return true; }

  // Called when a request's head is there and its body is not: gives where the body goes, or null
  // for HttpServerRequest::body. Not asked where there is no body. Throws Error to refuse it
  // unread.
  virtual std::unique_ptr<HttpBodySink> Sink(const HttpServerRequest& /*head*/) { return nullptr; }

  // A whole request. What it throws becomes the answer.
  virtual void Handle(HttpServerRequest request, HttpReply reply) = 0;

  // The server itself gave this answer: the request was malformed, too large, late, without its
  // token, or not answered in time.
  virtual void Refused(int /*status*/) {}
};

struct HttpServerOptions {
  std::string address = "127.0.0.1";  // IPv4 or IPv6, or "localhost"
  std::uint16_t port = 0;             // 0: any that is free
  bool shared_port = false;           // others may listen there too; the system deals connections
  int threads = 1;                    // for I/O
  std::string token;                  // who asks must send it as a bearer token; empty: anyone may
  std::size_t max_header_bytes = 16U << 10;        // 431 beyond
  std::uint64_t max_body_bytes = 16U << 20;        // 413 beyond
  std::uint64_t max_sink_bytes = 16ULL << 30;      // 413 beyond, where a sink takes the body
  std::size_t max_connections = 1024;              // 503 beyond
  std::chrono::milliseconds idle_timeout{60'000};  // between two requests of a connection
  // From a request's first byte to its last (408), and for the answer to be taken; a second more
  // for each min_bytes_per_second of a body.
  std::chrono::milliseconds transfer_timeout{20'000};
  std::uint64_t min_bytes_per_second = 64U << 10;
  std::chrono::milliseconds answer_timeout{60'000};  // from the handler's call: 504
};

class HttpServer {
 public:
  // Listens from here on. `handler` must outlive the server. Throws Error{kUsage} for an address
  // that is none, Error{kIo} when the system refuses it.
  HttpServer(const HttpServerOptions& options, HttpHandler& handler);
  ~HttpServer();  // closes whatever is open
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;
  std::string url() const;  // "http://127.0.0.1:8080"; of a wildcard address, this machine's name
  std::size_t connections() const;  // open now

  // Accepts nothing more, answers what has begun to arrive, and closes. Says whether all of that
  // was done by `deadline`.
  bool Shutdown(Deadline deadline);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace windlass
