#include "windlass/base/http_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <limits>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_set>
#include <utility>  // Boost 1.74 uses std::exchange without it

#include "windlass/base/error.h"
#include "windlass/base/log.h"
#include "windlass/base/process.h"
#include "windlass/base/token.h"

// Clang before 15 cannot compile libstdc++'s coroutines; only fuzz targets are built with it, and
// they need no sockets.
#define BOOST_ASIO_NO_DEPRECATED
#include <boost/asio/detail/config.hpp>
#ifdef BOOST_ASIO_HAS_CO_AWAIT
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#endif

namespace windlass {

#ifdef BOOST_ASIO_HAS_CO_AWAIT

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto kSweep = std::chrono::milliseconds(50);
constexpr std::size_t kReadBytes = 16U << 10;
constexpr std::size_t kChunkBytes = 256U << 10;
// How long we read on after an answer that a client may not expect while it still sends: closing at
// once could destroy the answer on its way.
constexpr auto kLinger = std::chrono::seconds(2);

auto Awaiting(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

struct Connection {
  // What it does now, and so what happens at its deadline.
  enum class Phase { kIdle, kReading, kAnswering, kWriting, kClosing };

  Connection(tcp::socket taken, asio::io_context& context, std::size_t header_bytes)
      : socket(std::move(taken)), answered(context), buffer(header_bytes + kReadBytes) {}

  void Enter(Phase next, Clock::time_point until) {
    phase = next;
    deadline = until;
  }

  tcp::socket socket;
  asio::steady_timer answered;  // never runs out: cancelled when there is an answer
  boost::beast::flat_buffer buffer;
  Phase phase = Phase::kIdle;
  Clock::time_point deadline{};
  bool late = false;  // the deadline passed
};

// One I/O thread and its connections. All but the context and the counters is touched by that
// thread only.
struct Loop {
  asio::io_context context{1};
  asio::steady_timer sweep{context};
  std::unordered_set<Connection*> connections;
  std::atomic<std::size_t> open = 0;
  bool stopping = false;  // finish what has begun
  bool ended = false;     // finish nothing
};

}  // namespace

// What a reply and its connection share. `connection` is looked at on the loop's thread only, and
// null once the connection has stopped to wait.
class HttpReply::Slot {
 public:
  Slot(std::shared_ptr<Loop> loop, std::shared_ptr<Connection> connection)
      : loop(std::move(loop)), connection(std::move(connection)) {}

  const std::shared_ptr<Loop> loop;
  std::shared_ptr<Connection> connection;
  std::optional<HttpAnswer> answer;
  std::atomic<bool> taken = false;  // there is an answer, or it comes too late
};

namespace {

// The copies that handlers hold: when the last goes without an answer, there is one all the same.
struct SlotHandle {
  explicit SlotHandle(std::shared_ptr<HttpReply::Slot> held) : slot(std::move(held)) {}
  ~SlotHandle() {
    if (slot->taken.load()) return;
    HttpReply(slot).Send(HttpAnswer::Failure(500, "the request was dropped"));
  }
  SlotHandle(const SlotHandle&) = delete;
  SlotHandle& operator=(const SlotHandle&) = delete;

  const std::shared_ptr<HttpReply::Slot> slot;
};

}  // namespace

void HttpReply::Send(HttpAnswer answer) const {
  if (slot_->taken.exchange(true)) return;
  asio::dispatch(slot_->loop->context, [slot = slot_, answer = std::move(answer)]() mutable {
    slot->answer = std::move(answer);
    if (slot->connection) slot->connection->answered.cancel();
  });
}

bool HttpReply::abandoned() const { return slot_->taken.load(); }

class HttpServer::Impl {
 public:
  Impl(const HttpServerOptions& options, HttpHandler& handler)
      : options_(options), token_(options.token), handler_(handler) {
    for (int t = 0; t < std::max(1, options.threads); ++t) {
      loops_.push_back(std::make_shared<Loop>());
    }
    acceptor_.emplace(loops_.front()->context);
    Listen();
    for (const auto& loop : loops_) {
      asio::co_spawn(loop->context, Sweep(loop), asio::detached);
    }
    asio::co_spawn(loops_.front()->context, Accept(), asio::detached);
    for (const auto& loop : loops_) threads_.emplace_back([loop] { loop->context.run(); });
  }

  ~Impl() {
    for (const auto& loop : loops_) {
      asio::post(loop->context, [this, loop] {
        loop->stopping = loop->ended = true;
        error_code ignored;
        if (loop == loops_.front()) acceptor_->close(ignored);
        loop->sweep.cancel();
        for (Connection* connection : loop->connections) {
          connection->socket.close(ignored);
          connection->answered.cancel();
        }
      });
    }
    for (std::thread& thread : threads_) thread.join();
  }

  std::uint16_t port() const { return endpoint_.port(); }

  std::string url() const {
    const auto address = endpoint_.address();
    const std::string host = address.is_unspecified() ? HostName()
                             : address.is_v6()        ? "[" + address.to_string() + "]"
                                                      : address.to_string();
    return fmt::format("http://{}:{}", host, port());
  }

  std::size_t connections() const {
    std::size_t count = 0;
    for (const auto& loop : loops_) count += loop->open;
    return count;
  }

  bool Shutdown(Deadline deadline) {
    auto told = std::make_shared<std::size_t>(0);  // loops; under mutex_
    for (const auto& loop : loops_) {
      asio::post(loop->context, [this, loop, told] {
        loop->stopping = true;
        error_code ignored;
        if (loop == loops_.front()) acceptor_->close(ignored);
        // A request that is on its way already is still read; then there is an end.
        for (Connection* connection : loop->connections) {
          if (connection->phase == Connection::Phase::kIdle) {
            connection->socket.shutdown(tcp::socket::shutdown_receive, ignored);
          }
        }
        const std::lock_guard lock(mutex_);
        ++*told;
        changed_.notify_all();
      });
    }
    std::unique_lock lock(mutex_);
    return changed_.wait_until(lock, deadline,
                               [&] { return *told == loops_.size() && connections() == 0; });
  }

 private:
  using Phase = Connection::Phase;

  void Listen() {
    error_code error;
    const std::string address = options_.address == "localhost" ? "127.0.0.1" : options_.address;
    const auto ip = asio::ip::make_address(address, error);
    if (error) {
      throw Error(ErrorCode::kUsage, fmt::format("cannot listen on \"{}\": not an IP address, such "
                                                 "as 127.0.0.1, 0.0.0.0 or ::1",
                                                 options_.address));
    }
    endpoint_ = tcp::endpoint(ip, options_.port);
    acceptor_->open(endpoint_.protocol(), error);
    if (!error) acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
    if (!error && options_.shared_port) {
      using SharedPort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
      acceptor_->set_option(SharedPort(true), error);
    }
    if (!error) acceptor_->bind(endpoint_, error);
    if (!error) acceptor_->listen(tcp::acceptor::max_listen_connections, error);
    if (error) {
      throw Error(ErrorCode::kIo, fmt::format("cannot listen on {} port {}: {}", options_.address,
                                              options_.port, error.message()));
    }
    endpoint_ = acceptor_->local_endpoint();
  }

  asio::awaitable<void> Accept() {
    const std::shared_ptr<Loop> own = loops_.front();
    for (std::size_t next = 0; !own->stopping; ++next) {
      const std::shared_ptr<Loop>& loop = loops_[next % loops_.size()];
      tcp::socket socket(loop->context);
      error_code error;
      co_await acceptor_->async_accept(socket, Awaiting(error));
      if (own->stopping) break;
      if (error) {  // most likely too many open files: others will close some
        asio::steady_timer pause(own->context, kSweep);
        co_await pause.async_wait(Awaiting(error));
        continue;
      }
      error_code ignored;
      socket.non_blocking(true, ignored);
      socket.set_option(tcp::no_delay(true), ignored);
      if (connections() >= options_.max_connections) {
        const HttpAnswer full = HttpAnswer::Failure(503, "too many connections");
        const std::string text = full.Head(false) + full.body;
        socket.write_some(asio::buffer(text), ignored);
        // Closing on what was sent and not read would destroy the answer.
        std::array<char, 4096> unread;
        socket.shutdown(tcp::socket::shutdown_send, ignored);
        socket.read_some(asio::buffer(unread), ignored);
        handler_.Refused(full.status);
        continue;
      }
      try {
        Begin(loop, std::move(socket));
      } catch (const std::exception& failure) {  // out of memory: others may free some
        Log(LogLevel::kWarning, fmt::format("a connection was refused: {}", failure.what()));
      }
    }
  }

  void Begin(const std::shared_ptr<Loop>& loop, tcp::socket socket) {
    auto connection =
        std::make_shared<Connection>(std::move(socket), loop->context, options_.max_header_bytes);
    ++loop->open;
    asio::dispatch(loop->context, [this, loop, connection = std::move(connection)] {
      loop->connections.insert(connection.get());
      asio::co_spawn(loop->context, Serve(loop, connection),
                     [this, loop, connection](const std::exception_ptr& failure) {
                       Leave(*loop, *connection, failure);
                     });
    });
  }

  void Leave(Loop& loop, Connection& connection, const std::exception_ptr& failure) {
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (const std::exception& error) {
      Log(LogLevel::kWarning, fmt::format("a connection was closed: {}", error.what()));
    }
    error_code ignored;
    connection.socket.close(ignored);
    loop.connections.erase(&connection);
    const std::lock_guard lock(mutex_);
    --loop.open;
    changed_.notify_all();
  }

  // Looks for connections whose deadline has passed, instead of a timer for each of their steps.
  asio::awaitable<void> Sweep(std::shared_ptr<Loop> loop) {
    while (!loop->ended) {
      error_code error;
      loop->sweep.expires_after(kSweep);
      co_await loop->sweep.async_wait(Awaiting(error));
      const auto now = Clock::now();
      for (Connection* connection : loop->connections) {
        if (connection->late || connection->deadline > now) continue;
        connection->late = true;
        if (connection->phase == Phase::kAnswering) {
          connection->answered.cancel();
        } else {
          connection->socket.cancel(error);
        }
      }
    }
  }

  asio::awaitable<void> Serve(std::shared_ptr<Loop> loop, std::shared_ptr<Connection> owned) {
    Connection& connection = *owned;
    bool alive = !loop->ended;
    while (alive) {
      if (connection.buffer.size() == 0) {
        connection.Enter(Phase::kIdle, Clock::now() + options_.idle_timeout);
        error_code error;
        if (loop->stopping) connection.socket.shutdown(tcp::socket::shutdown_receive, error);
        const std::size_t count = co_await connection.socket.async_read_some(
            connection.buffer.prepare(kReadBytes), Awaiting(error));
        if (error || count == 0) break;
        connection.buffer.commit(count);
      }
      alive = co_await ServeOne(loop, owned) && !loop->ended;
    }
  }

  // Reads and answers one request, whose first bytes are there. Says whether another may follow.
  asio::awaitable<bool> ServeOne(const std::shared_ptr<Loop>& loop,
                                 const std::shared_ptr<Connection>& owned) {
    Connection& connection = *owned;
    const auto begun = Clock::now();
    connection.late = false;
    connection.Enter(Phase::kReading, begun + options_.transfer_timeout);
    http::request_parser<http::buffer_body> parser;
    parser.header_limit(static_cast<std::uint32_t>(options_.max_header_bytes));
    parser.body_limit(
        std::numeric_limits<std::uint64_t>::max());  // checked below, where the head is known
    error_code error;
    co_await http::async_read_header(connection.socket, connection.buffer, parser, Awaiting(error));
    if (error) co_return co_await RefuseUnread(*loop, connection, error);

    HttpServerRequest request;
    TakeHead(parser, request);
    const bool head_only = request.method == "HEAD";
    if (head_only) request.method = "GET";
    const bool keep_alive = parser.keep_alive() && parser.get().version() >= 11;
    std::optional<HttpAnswer> refusal = CheckHead(parser, request);
    if (!refusal && !parser.is_done()) {
      try {
        request.sink = handler_.Sink(request);
        CheckLength(request.sink != nullptr, parser.content_length().value_or(0));
      } catch (const std::exception& failure) {
        refusal = RefusalOf(failure);
      }
    }
    if (!refusal && !parser.is_done()) {
      if (const auto expect = request.Header("expect"); expect && *expect == "100-continue") {
        static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
        co_await asio::async_write(
            connection.socket, asio::buffer(kContinue.data(), kContinue.size()), Awaiting(error));
        if (error) co_return false;
      }
      refusal = co_await ReadBody(connection, begun, parser, request, error);
      if (error) co_return co_await RefuseUnread(*loop, connection, error);
    }
    if (refusal) {
      // What is left of the request is not read: no other can follow.
      const bool whole = parser.is_done();
      handler_.Refused(refusal->status);
      co_return co_await Write(*loop, connection, *refusal, keep_alive && whole, head_only, !whole);
    }

    HttpAnswer answer = co_await Ask(loop, owned, std::move(request));
    if (loop->ended) co_return false;
    co_return co_await Write(*loop, connection, answer, keep_alive, head_only, false);
  }

  using Parser = http::request_parser<http::buffer_body>;

  static void TakeHead(const Parser& parser, HttpServerRequest& request) {
    const auto text = [](boost::string_view view) { return std::string(view.data(), view.size()); };
    const auto& message = parser.get();
    request.method = text(message.method_string());
    request.target = text(message.target());
    for (const auto& field : message) {
      std::string name = text(field.name_string());
      for (char& c : name) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      }
      request.headers.emplace_back(std::move(name), text(field.value()));
    }
    if (const auto length = parser.content_length()) request.content_length = *length;
  }

  std::optional<HttpAnswer> CheckHead(const Parser& parser,
                                      const HttpServerRequest& request) const {
    if (token_.wanted() && handler_.NeedsToken(request) &&
        !token_.Accepts(request.Header("authorization"))) {
      return HttpAnswer::Unauthorized();
    }
    if (parser.get().version() >= 11 && !request.Header("host")) {
      return HttpAnswer::Failure(400, "the header Host is missing");
    }
    if (request.Header("transfer-encoding") && !parser.chunked()) {
      return HttpAnswer::Failure(501, "of the transfer encodings only chunked is known");
    }
    if (const auto expect = request.Header("expect"); expect && *expect != "100-continue") {
      return HttpAnswer::Failure(417, "of the expectations only 100-continue is known");
    }
    return std::nullopt;
  }

  class TooLarge : public std::exception {
   public:
    explicit TooLarge(std::uint64_t most)
        : text_(fmt::format("the body is larger than {} bytes", most)) {}
    const char* what() const noexcept override { return text_.c_str(); }

   private:
    std::string text_;
  };

  void CheckLength(bool sink, std::uint64_t length) const {
    const std::uint64_t most = sink ? options_.max_sink_bytes : options_.max_body_bytes;
    if (length > most) throw TooLarge(most);
  }

  static HttpAnswer RefusalOf(const std::exception& error) {
    if (dynamic_cast<const TooLarge*>(&error) != nullptr) {
      return HttpAnswer::Failure(413, error.what());
    }
    return HttpAnswer::Of(error);
  }

  // Reads the body, which `parser` expects, and gives why it is refused, or `error` when it does
  // not come.
  asio::awaitable<std::optional<HttpAnswer>> ReadBody(Connection& connection,
                                                      Clock::time_point begun, Parser& parser,
                                                      HttpServerRequest& request,
                                                      error_code& error) {
    HttpBodySink* const sink = request.sink.get();
    std::string chunk;  // for a sink; else the body itself grows
    std::string& target = sink != nullptr ? chunk : request.body;
    std::uint64_t received = 0;
    std::size_t filled = 0;
    std::optional<HttpAnswer> refusal;
    while (!parser.is_done() && !refusal) {
      const auto left = parser.content_length_remaining();
      if (sink != nullptr) {
        chunk.resize(kChunkBytes);
        filled = 0;
      } else if (filled == target.size()) {
        // What is announced may never come: memory grows with what has come.
        const std::uint64_t most = std::max<std::uint64_t>(kReadBytes, 2 * filled);
        target.resize(
            filled +
            (left ? std::min<std::uint64_t>(std::max<std::uint64_t>(1, *left), most) : most));
      }
      auto& into = parser.get().body();
      into.data = target.data() + filled;
      into.size = target.size() - filled;
      into.more = true;
      const std::size_t room = into.size;
      co_await http::async_read_some(connection.socket, connection.buffer, parser, Awaiting(error));
      if (error == http::error::need_buffer) error = {};
      if (error) co_return std::nullopt;
      const std::size_t count = room - into.size;
      filled += count;
      received += count;
      connection.deadline = begun + options_.transfer_timeout + TimeFor(received);
      try {
        CheckLength(sink != nullptr, received);
        if (sink != nullptr && count > 0) sink->Write({chunk.data(), count});
      } catch (const std::exception& failure) {
        refusal = RefusalOf(failure);
      }
    }
    if (sink == nullptr) request.body.resize(filled);
    co_return refusal;
  }

  std::chrono::milliseconds TimeFor(std::uint64_t bytes) const {
    return std::chrono::milliseconds(bytes * 1000 /
                                     std::max<std::uint64_t>(1, options_.min_bytes_per_second));
  }

  // The request did not arrive whole.
  asio::awaitable<bool> RefuseUnread(const Loop& loop, Connection& connection,
                                     const error_code& error) {
    std::optional<HttpAnswer> answer;
    if (connection.late) {
      answer = HttpAnswer::Failure(408, fmt::format("the request did not arrive within {} ms",
                                                    options_.transfer_timeout.count()));
    } else if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      answer = HttpAnswer::Failure(
          431, fmt::format("the head is larger than {} bytes", options_.max_header_bytes));
    } else if (error.category() == make_error_code(http::error::bad_method).category() &&
               error != http::error::end_of_stream && error != http::error::partial_message) {
      answer = HttpAnswer::Failure(400, fmt::format("not a request: {}", error.message()));
    }
    if (!answer) co_return false;  // it vanished
    handler_.Refused(answer->status);
    co_return co_await Write(loop, connection, *answer, false, false, true);
  }

  // Lets the handler answer.
  asio::awaitable<HttpAnswer> Ask(const std::shared_ptr<Loop>& loop,
                                  const std::shared_ptr<Connection>& owned,
                                  HttpServerRequest request) {
    Connection& connection = *owned;
    connection.Enter(Phase::kAnswering, Clock::now() + options_.answer_timeout);
    connection.answered.expires_at(Clock::time_point::max());
    const auto slot = std::make_shared<HttpReply::Slot>(loop, owned);
    {
      const auto handle = std::make_shared<SlotHandle>(slot);
      HttpReply reply(std::shared_ptr<HttpReply::Slot>(handle, slot.get()));
      try {
        handler_.Handle(std::move(request), reply);
      } catch (const std::exception& failure) {
        reply.Send(HttpAnswer::Of(failure));
      }
    }
    while (!slot->answer) {
      error_code ignored;
      co_await connection.answered.async_wait(Awaiting(ignored));
      // An answer that was sent a moment before its time was over is on its way here.
      const bool over = connection.late || loop->ended;
      if (!over || slot->answer || slot->taken.exchange(true)) {
        if (over && !slot->answer) {
          asio::steady_timer moment(loop->context, std::chrono::milliseconds(1));
          co_await moment.async_wait(Awaiting(ignored));
        }
        continue;
      }
      slot->answer = HttpAnswer::Failure(
          504, fmt::format("there was no answer within {} ms", options_.answer_timeout.count()));
      handler_.Refused(504);
    }
    slot->connection = nullptr;
    co_return std::move(*slot->answer);
  }

  // Says whether another request may follow. `linger`: the client may still be sending this one.
  asio::awaitable<bool> Write(const Loop& loop, Connection& connection, HttpAnswer& answer,
                              bool keep_alive, bool head_only, bool linger) {
    if (loop.stopping) keep_alive = false;
    const bool bare = head_only || answer.status == 204 || answer.status == 304;
    const std::string head = answer.Head(keep_alive);
    const auto begun = Clock::now();
    connection.late = false;
    connection.Enter(Phase::kWriting,
                     begun + options_.transfer_timeout + TimeFor(bare ? 0 : answer.body.size()));
    error_code error;
    if (!bare && answer.source) {
      co_await asio::async_write(connection.socket, asio::buffer(head), Awaiting(error));
      std::string chunk(std::min<std::uint64_t>(kChunkBytes, answer.source_bytes), '\0');
      for (std::uint64_t sent = 0; !error && sent < answer.source_bytes;) {
        const std::size_t wanted =
            std::min<std::uint64_t>(chunk.size(), answer.source_bytes - sent);
        const std::size_t got = answer.source->Read({chunk.data(), wanted});
        if (got != wanted) {
          throw Error(ErrorCode::kIo,
                      fmt::format("the body of an answer ended after {} of {} bytes", sent + got,
                                  answer.source_bytes));
        }
        connection.deadline = begun + options_.transfer_timeout + TimeFor(sent + got);
        co_await asio::async_write(connection.socket, asio::buffer(chunk.data(), got),
                                   Awaiting(error));
        sent += got;
      }
    } else {
      const std::array<asio::const_buffer, 2> parts = {
          asio::buffer(head), asio::buffer(answer.body.data(), bare ? 0 : answer.body.size())};
      co_await asio::async_write(connection.socket, parts, Awaiting(error));
    }
    if (error) co_return false;
    if (linger) co_await Linger(connection);
    co_return keep_alive;
  }

  asio::awaitable<void> Linger(Connection& connection) {
    error_code error;
    connection.Enter(Phase::kClosing, Clock::now() + kLinger);
    connection.socket.shutdown(tcp::socket::shutdown_send, error);
    std::string rest(kReadBytes, '\0');
    while (!error && !connection.late) {
      co_await connection.socket.async_read_some(asio::buffer(rest), Awaiting(error));
    }
  }

  const HttpServerOptions options_;
  const BearerToken token_;
  HttpHandler& handler_;
  std::vector<std::shared_ptr<Loop>> loops_;
  std::optional<tcp::acceptor> acceptor_;  // of the first loop
  tcp::endpoint endpoint_;
  std::mutex mutex_;
  std::condition_variable changed_;  // a connection has gone
  std::vector<std::thread> threads_;
};

#else

class HttpReply::Slot {};
void HttpReply::Send(HttpAnswer) const {}
bool HttpReply::abandoned() const { return true; }

class HttpServer::Impl {
 public:
  Impl(const HttpServerOptions&, HttpHandler&) {
    throw Error(ErrorCode::kUnsupported,
                "this build has no HTTP server: its compiler knows no "
                "coroutines");
  }
  std::uint16_t port() const { return 0; }
  std::string url() const { return {}; }
  std::size_t connections() const { return 0; }
  bool Shutdown(Deadline) { return true; }
};

#endif

HttpServer::HttpServer(const HttpServerOptions& options, HttpHandler& handler)
    : impl_(std::make_unique<Impl>(options, handler)) {}
HttpServer::~HttpServer() = default;

std::uint16_t HttpServer::port() const { return impl_->port(); }
std::string HttpServer::url() const { return impl_->url(); }
std::size_t HttpServer::connections() const { return impl_->connections(); }
bool HttpServer::Shutdown(Deadline deadline) { return impl_->Shutdown(deadline); }

}  // namespace windlass
