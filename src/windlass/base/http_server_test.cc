// The HTTP server over real sockets of this machine.
#include "windlass/base/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "windlass/base/error.h"

namespace windlass {
namespace {

using std::chrono::milliseconds;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Client {
 public:
  explicit Client(const HttpServer& server) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server.port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  ~Client() { Close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // the server has closed: what it said is still to be read
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  // One answer, by its Content-Length unless it has no body (to HEAD).
  std::string Answer(bool body = true) {
    for (;;) {
      if (const std::size_t end = text_.find("\r\n\r\n"); end != text_.npos) {
        const std::size_t at = text_.find("Content-Length: ");
        const std::size_t length =
            body && at < end ? std::stoul(text_.substr(at + std::strlen("Content-Length: "))) : 0;
        if (text_.size() >= end + 4 + length) {
          std::string answer = text_.substr(0, end + 4 + length);
          text_.erase(0, end + 4 + length);
          return answer;
        }
      }
      if (!Read()) return "closed after: " + text_;
    }
  }

  // Whether the server closes, after whatever it says, within this time.
  bool Closes(milliseconds within = milliseconds(5000)) {
    const auto until = Clock::now() + within;
    while (Clock::now() < until) {
      if (!Read(within)) return true;
    }
    return false;
  }

 private:
  bool Read(milliseconds within = milliseconds(5000)) {
    pollfd ready{fd_, POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>(within.count())) <= 0) return false;
    char bytes[65536];
    const ssize_t count = ::recv(fd_, bytes, sizeof(bytes), 0);
    if (count <= 0) return false;
    text_.append(bytes, static_cast<std::size_t>(count));
    return true;
  }

  int fd_;
  std::string text_;
};

// Answers with what it was asked; other behaviour by path.
class Echo : public HttpHandler {
 public:
  struct CountingSink : HttpBodySink {
    void Write(std::string_view bytes) override {
      if (bytes.find('!') != bytes.npos) throw Error(ErrorCode::kInvalidInput, "no ! please");
      count += bytes.size();
    }
    std::size_t count = 0;
  };
  struct Zeros : HttpBodySource {
    std::size_t Read(std::span<char> bytes) override {
      std::fill(bytes.begin(), bytes.end(), '0');
      return bytes.size();
    }
  };

  bool NeedsToken(const HttpServerRequest& head) const override { return head.path() != "/live"; }

  std::unique_ptr<HttpBodySink> Sink(const HttpServerRequest& head) override {
    return head.path() == "/sink" ? std::make_unique<CountingSink>() : nullptr;
  }

  void Handle(HttpServerRequest request, HttpReply reply) override {
    if (request.path() == "/throw") throw Error(ErrorCode::kNotFound, "there is no such thing");
    if (request.path() == "/drop") return;
    if (request.path() == "/hold") {
      const std::lock_guard lock(mutex);
      held.push_back(reply);
      return;
    }
    HttpAnswer answer;
    answer.content_type = "text/plain";
    if (request.path() == "/zeros") {
      answer.source = std::make_unique<Zeros>();
      answer.source_bytes = 3'000'000;
    } else if (request.sink) {
      answer.body = std::to_string(static_cast<CountingSink&>(*request.sink).count);
    } else {
      answer.body = request.method + " " + request.target + " " + request.body;
    }
    if (request.path() == "/inject") answer.headers.emplace_back("X", "a\r\nEvil: b");
    reply.Send(std::move(answer));
  }

  void Refused(int status) override { refused = status; }

  std::size_t Held() {
    const std::lock_guard lock(mutex);
    return held.size();
  }
  void AwaitHeld(std::size_t count) {
    const auto until = Clock::now() + milliseconds(5000);
    while (Held() < count && Clock::now() < until) std::this_thread::sleep_for(milliseconds(1));
    ASSERT_EQ(Held(), count);
  }

  std::mutex mutex;
  std::vector<HttpReply> held;
  std::atomic<int> refused = 0;
};

constexpr std::string_view kHost = "Host: x\r\n";

std::string Get(std::string_view target, std::string_view headers = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\n" + std::string(kHost) +
         std::string(headers) + "\r\n";
}

std::string Post(std::string_view target, std::string_view body) {
  return "POST " + std::string(target) + " HTTP/1.1\r\n" + std::string(kHost) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

TEST(HttpServer, AnswersAndKeepsTheConnection) {
  Echo echo;
  const HttpServer server({}, echo);
  EXPECT_EQ(server.url(), "http://127.0.0.1:" + std::to_string(server.port()));
  Client client(server);
  for (int i = 0; i < 3; ++i) {
    client.Send(Post("/a?b=c", "body"));
    EXPECT_EQ(client.Answer(),
              "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 16"
              "\r\n\r\nPOST /a?b=c body");
  }
}

TEST(HttpServer, AnswersPipelinedRequestsInTheirOrder) {
  Echo echo;
  const HttpServer server({}, echo);
  Client client(server);
  client.Send(Get("/1") + Post("/2", "two") + Get("/hold") + Get("/4"));
  EXPECT_THAT(client.Answer(), EndsWith("GET /1 "));
  EXPECT_THAT(client.Answer(), EndsWith("POST /2 two"));
  echo.AwaitHeld(1);
  HttpAnswer late;
  late.body = "late";
  echo.held[0].Send(std::move(late));
  EXPECT_THAT(client.Answer(), EndsWith("late"));
  EXPECT_THAT(client.Answer(), EndsWith("GET /4 "));
}

TEST(HttpServer, ReadsChunksAndSinks) {
  Echo echo;
  const HttpServer server({}, echo);
  Client client(server);
  const std::string chunked =
      "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n";
  client.Send("POST /c HTTP/1.1\r\n" + std::string(kHost) + chunked);
  EXPECT_THAT(client.Answer(), EndsWith("POST /c abcdefg"));
  client.Send("PUT /sink HTTP/1.1\r\n" + std::string(kHost) + chunked);
  EXPECT_THAT(client.Answer(), EndsWith("\r\n\r\n7"));
  client.Send(Post("/sink", std::string(20'000'000, 'a')));  // beyond max_body_bytes
  EXPECT_THAT(client.Answer(), EndsWith("\r\n\r\n20000000"));
  client.Send(Post("/big", std::string(5'000'000, 'b')));
  EXPECT_EQ(client.Answer().size(), std::string("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                                "Content-Length: 5000010\r\n\r\n")
                                            .size() +
                                        5'000'010);
  client.Send(Get("/zeros"));
  EXPECT_THAT(client.Answer(), EndsWith(std::string(1000, '0')));
  client.Send(Post("/sink", "no!"));
  EXPECT_THAT(client.Answer(), HasSubstr("no ! please"));
}

TEST(HttpServer, TellsWhatIsWrong) {
  Echo echo;
  HttpServerOptions options;
  options.max_body_bytes = 1000;
  options.max_header_bytes = 2000;
  const HttpServer server(options, echo);
  const auto says = [&](std::string_view request, std::string_view status) {
    Client client(server);
    client.Send(request);
    EXPECT_THAT(client.Answer(), StartsWith("HTTP/1.1 " + std::string(status))) << request;
  };
  const std::string host(kHost);
  says("rubbish\r\n\r\n", "400");
  says("GET / HTTP/1.1\r\n\r\n", "400");  // no Host
  says("GET / HTTP/3.0\r\n" + host + "\r\n", "400");
  says("POST / HTTP/1.1\r\n" + host + "Content-Length: x\r\n\r\n", "400");
  says("POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400");
  says("POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
       "400");
  says("POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n", "501");
  says("POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nZZ\r\n", "400");
  says("POST / HTTP/1.1\r\n" + host + "Content-Length: 1001\r\n\r\n", "413");
  says("POST / HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999\r\n\r\n", "400");
  says("POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n7d1\r\n" +
           std::string(2001, 'a'),
       "413");
  says(Get("/", "X: " + std::string(3000, 'x') + "\r\n"), "431");
  says(Get("/throw"), "404");
  says(Get("/drop"), "500");
  says(Get("/inject"), "200");
  Client client(server);
  client.Send(Get("/inject"));
  EXPECT_THAT(client.Answer(), HasSubstr("X: a  Evil: b\r\n"));
  client.Send("HEAD /x HTTP/1.1\r\n" + host + "\r\n" + Get("/y"));
  EXPECT_THAT(client.Answer(/*body=*/false), HasSubstr("Content-Length: 7\r\n"));
  EXPECT_THAT(client.Answer(), EndsWith("GET /y "));
}

TEST(HttpServer, WantsTheToken) {
  Echo echo;
  HttpServerOptions options;
  options.token = "secret";
  const HttpServer server(options, echo);
  Client client(server);
  client.Send(Get("/a"));
  const std::string refused = client.Answer();
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 401 Unauthorized"));
  EXPECT_THAT(refused, HasSubstr("WWW-Authenticate: Bearer"));
  for (const char* wrong :
       {"Bearer secre", "Bearer secret2", "Basic secret", "Bearer ", "secret"}) {
    client.Send(Get("/a", "Authorization: " + std::string(wrong) + "\r\n"));
    EXPECT_THAT(client.Answer(), StartsWith("HTTP/1.1 401")) << wrong;
  }
  client.Send(Get("/a", "authorization: bearer secret\r\n"));
  EXPECT_THAT(client.Answer(), StartsWith("HTTP/1.1 200"));
  client.Send(Get("/live"));
  EXPECT_THAT(client.Answer(), StartsWith("HTTP/1.1 200"));
}

TEST(HttpServer, ClosesOnWhoDribblesOrVanishes) {
  Echo echo;
  HttpServerOptions options;
  options.transfer_timeout = milliseconds(200);
  options.idle_timeout = milliseconds(300);
  options.min_bytes_per_second = 1'000'000;
  HttpServer server(options, echo);
  Client silent(server), dribbles(server), lies(server), vanishes(server);
  vanishes.Send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
  vanishes.Close();
  lies.Send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
  const auto begun = Clock::now();
  for (int i = 0; i < 40 && Clock::now() - begun < milliseconds(1000); ++i) {
    dribbles.Send("G");
    std::this_thread::sleep_for(milliseconds(20));
  }
  EXPECT_THAT(dribbles.Answer(), StartsWith("HTTP/1.1 408"));
  EXPECT_THAT(lies.Answer(), StartsWith("HTTP/1.1 408"));
  EXPECT_TRUE(silent.Closes());
  EXPECT_TRUE(lies.Closes());
  Client well(server);
  well.Send(Get("/a"));
  EXPECT_THAT(well.Answer(), StartsWith("HTTP/1.1 200"));
}

TEST(HttpServer, DoesNotWaitForeverForAnAnswer) {
  Echo echo;
  HttpServerOptions options;
  options.answer_timeout = milliseconds(100);
  const HttpServer server(options, echo);
  Client client(server);
  client.Send(Get("/hold"));
  EXPECT_THAT(client.Answer(), StartsWith("HTTP/1.1 504"));
  EXPECT_EQ(echo.refused, 504);
  EXPECT_TRUE(echo.held.at(0).abandoned());
  echo.held[0].Send(HttpAnswer{});
  client.Send(Get("/a"));
  EXPECT_THAT(client.Answer(), EndsWith("GET /a "));
}

TEST(HttpServer, RefusesConnectionsBeyondTheLimit) {
  Echo echo;
  HttpServerOptions options;
  options.max_connections = 2;
  const HttpServer server(options, echo);
  Client a(server), b(server);
  a.Send(Get("/a"));
  b.Send(Get("/b"));
  a.Answer();
  b.Answer();
  Client c(server);
  const std::string refused = c.Answer();
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(refused, HasSubstr("Retry-After: 1"));
}

TEST(HttpServer, FinishesWhatItAccepted) {
  Echo echo;
  HttpServerOptions options;
  options.threads = 3;
  std::optional<HttpServer> server(std::in_place, options, echo);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<Client>(*server));
    clients.back()->Send(Get("/hold"));
  }
  Client idle(*server);
  idle.Send(Get("/a"));
  idle.Answer();
  echo.AwaitHeld(8);
  std::thread answers([&] {
    std::this_thread::sleep_for(milliseconds(50));
    for (const HttpReply& reply : echo.held) {
      HttpAnswer answer;
      answer.body = "done";
      reply.Send(std::move(answer));
    }
  });
  EXPECT_TRUE(server->Shutdown(Clock::now() + milliseconds(5000)));
  answers.join();
  for (auto& client : clients) {
    const std::string answer = client->Answer();
    EXPECT_THAT(answer, HasSubstr("Connection: close"));
    EXPECT_THAT(answer, EndsWith("done"));
    EXPECT_TRUE(client->Closes());
  }
  EXPECT_TRUE(idle.Closes());
  server.reset();
  echo.held[0].Send(HttpAnswer{});  // too late, and harmless
}

TEST(HttpServer, EndsWithRequestsOpen) {
  Echo echo;
  std::optional<HttpServer> server(std::in_place, HttpServerOptions{}, echo);
  Client holds(*server), half(*server);
  holds.Send(Get("/hold"));
  half.Send("GET / HT");
  echo.AwaitHeld(1);
  EXPECT_FALSE(server->Shutdown(Clock::now() + milliseconds(50)));
  server.reset();
  EXPECT_TRUE(echo.held[0].abandoned());
  EXPECT_TRUE(holds.Closes());
  EXPECT_TRUE(half.Closes());
}

TEST(HttpServer, SaysWhereItCannotListen) {
  Echo echo;
  const HttpServer server({}, echo);
  HttpServerOptions options;
  options.port = server.port();
  EXPECT_THROW(HttpServer(options, echo), Error);
  options.address = "nowhere";
  try {
    const HttpServer other(options, echo);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
  }
}

}  // namespace
}  // namespace windlass
