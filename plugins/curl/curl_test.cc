// HTTP by libcurl, against a socket on 127.0.0.1 that says whatever a test wants.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include "curl_connection.h"
#include "windlass/base/error.h"

namespace windlass::curl {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr bool kClose = false;

// Serves one connection after another. `answer` gets a whole request and the connection, and says
// whether to keep it.
class RawServer {
 public:
  using Answer = std::function<bool(const std::string& request, int fd)>;

  explicit RawServer(Answer answer) : answer_(std::move(answer)) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* general = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(fd_, general, size), 0);
    EXPECT_EQ(::listen(fd_, 16), 0);
    EXPECT_EQ(::getsockname(fd_, general, &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~RawServer() {
    ::shutdown(fd_, SHUT_RDWR);  // ends accept()
    thread_.join();
    ::close(fd_);
  }

  std::string url() const { return fmt::format("http://127.0.0.1:{}/path", port_); }
  int connections() const { return connections_; }

 private:
  void Serve() {
    for (;;) {
      const int client = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) return;
      ++connections_;
      for (std::string request; ReadRequest(client, request) && answer_(request, client);) {
        request.clear();
      }
      ::close(client);
    }
  }

  static bool ReadRequest(int client, std::string& request) {
    for (std::size_t wanted = std::string::npos; request.size() < wanted;) {
      char piece[4096];
      const ssize_t count = ::recv(client, piece, sizeof piece, 0);
      if (count <= 0) return false;
      request.append(piece, static_cast<std::size_t>(count));
      const auto end = request.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      const auto length = request.find("Content-Length: ");
      wanted = end + 4 + (length < end ? std::stoul(request.substr(length + 16)) : 0);
    }
    return true;
  }

  Answer answer_;
  int fd_ = -1;
  int port_ = 0;
  std::atomic<int> connections_ = 0;
  std::thread thread_;
};

void Say(int fd, std::string_view text) { ::send(fd, text.data(), text.size(), MSG_NOSIGNAL); }

RawServer::Answer Always(std::string text, bool keep = true) {
  return [text = std::move(text), keep](const std::string&, int fd) {
    Say(fd, text);
    return keep;
  };
}

HttpRequest To(const std::string& url, milliseconds patience = milliseconds(20'000)) {
  HttpRequest request;
  request.url = url;
  request.most_bytes = 1000;
  request.deadline = Clock::now() + patience;
  return request;
}

HttpResponse Ask(const HttpRequest& request) {
  return MakeConnection()->Do(request, [] { return false; });
}

std::string ErrorOf(ErrorCode code, const HttpRequest& request) {
  try {
    Ask(request);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "no error";
}

TEST(Curl, SendsWhatItIsGiven) {
  std::string seen;
  RawServer server([&](const std::string& request, int fd) {
    seen = request;
    Say(fd, "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nX-Empty:\r\nContent-Length: 2\r\n\r\nok");
    return true;
  });
  HttpRequest request = To(server.url());
  request.method = "POST";
  request.headers = {{"Authorization", "Bearer t"}, {"Content-Type", "application/json"}};
  request.body = std::string("a\0b", 3);
  const HttpResponse response = Ask(request);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "ok");
  EXPECT_EQ(response.Header("content-type"), "a/b");
  EXPECT_EQ(response.Header("x-empty"), "");
  EXPECT_EQ(response.Header("none"), std::nullopt);
  EXPECT_THAT(seen, HasSubstr("POST /path HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("\r\nAuthorization: Bearer t\r\n"));
  EXPECT_THAT(seen, HasSubstr("\r\nContent-Type: application/json\r\n"));
  EXPECT_TRUE(seen.ends_with(std::string("\r\n\r\na\0b", 7)));
}

TEST(Curl, PutsABody) {
  std::string seen;
  RawServer server([&](const std::string& request, int fd) {
    seen = request;
    Say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    return true;
  });
  HttpRequest request = To(server.url());
  request.method = "PUT";
  request.body = "content";
  EXPECT_EQ(Ask(request).status, 200);
  EXPECT_THAT(seen, HasSubstr("PUT /path HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("\r\n\r\ncontent"));
}

TEST(Curl, WritesTheBodyOfAGoodAnswerWhereItIsTold) {
  RawServer good(Always("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"));
  std::string written;
  HttpRequest request = To(good.url());
  request.write = [&](std::string_view piece) { written += piece; };
  EXPECT_EQ(Ask(request).body, "");
  EXPECT_EQ(written, "body");

  request.write = [](std::string_view) { throw Error(ErrorCode::kIo, "the disk is full"); };
  EXPECT_EQ(ErrorOf(ErrorCode::kIo, request), "the disk is full");

  RawServer bad(Always("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"));
  request = To(bad.url());
  request.write = [&](std::string_view piece) { written += piece; };
  EXPECT_EQ(Ask(request).body, "none");
  EXPECT_EQ(written, "body");
}

TEST(Curl, NamesCertificatesThatCannotBeRead) {
  RawServer server(Always(""));
  HttpRequest request = To("https" + server.url().substr(4));
  request.ca_file = "/nowhere/ca.pem";
  EXPECT_THAT(ErrorOf(ErrorCode::kIo, request), HasSubstr("/nowhere/ca.pem"));
}

TEST(Curl, KeepsItsConnection) {
  RawServer server(Always("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
  const auto connection = MakeConnection();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(connection->Do(To(server.url()), [] { return false; }).status, 404);
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST(Curl, ReadsPiecesAndInterimAnswers) {
  RawServer server(
      Always("HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n"
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
             "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"));
  const HttpResponse response = Ask(To(server.url()));
  EXPECT_EQ(response.body, "abcde");
  EXPECT_EQ(response.Header("x-early"), std::nullopt);
}

TEST(Curl, FollowsNoRedirect) {
  RawServer server(
      Always("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
             "Content-Length: 0\r\n\r\n"));
  const HttpResponse response = Ask(To(server.url()));
  EXPECT_EQ(response.status, 302);
  EXPECT_EQ(response.Header("location"), "http://127.0.0.1:1/");
  EXPECT_THAT(ErrorOf(ErrorCode::kCorrupt, To("file:///etc/hostname")), HasSubstr("disabled"));
}

TEST(Curl, TellsALostServerFromABadAnswer) {
  std::string gone;
  {
    RawServer server(Always("", kClose));
    gone = server.url();
    EXPECT_THAT(ErrorOf(ErrorCode::kUnavailable, To(gone)), HasSubstr("the connection was lost: "));
  }
  EXPECT_THAT(ErrorOf(ErrorCode::kUnavailable, To(gone)),
              HasSubstr("the server cannot be reached: "));
  const auto answering = [](const std::string& answer, ErrorCode code) {
    RawServer server(Always(answer, kClose));
    return ErrorOf(code, To(server.url()));
  };
  EXPECT_THAT(
      answering("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", ErrorCode::kUnavailable),
      HasSubstr("the connection was lost: "));
  EXPECT_THAT(answering("220 ftp.example.com ready\r\n", ErrorCode::kCorrupt),
              HasSubstr("the answer is no HTTP: "));
  const std::string long_body(1001, 'x');
  EXPECT_THAT(answering("HTTP/1.1 200 OK\r\n\r\n" + long_body, ErrorCode::kCorrupt),
              HasSubstr("longer than the 1000 bytes"));
  EXPECT_THAT(answering("HTTP/1.1 200 OK\r\nX: " + std::string(90'000, 'x') + "\r\n" +
                            "Y: " + std::string(90'000, 'x') +
                            "\r\nZ: " + std::string(90'000, 'x') + "\r\n\r\n",
                        ErrorCode::kCorrupt),
              HasSubstr("longer than"));
}

TEST(Curl, GivesUpInTimeAndWhenTheUserDoes) {
  RawServer server(Always("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"));  // and then nothing
  EXPECT_EQ(ErrorOf(ErrorCode::kDeadlineExceeded, To(server.url(), milliseconds(100))),
            "no answer in time");
  int looks = 0;
  try {
    MakeConnection()->Do(To(server.url()), [&] { return ++looks > 3; });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
}

}  // namespace
}  // namespace windlass::curl
