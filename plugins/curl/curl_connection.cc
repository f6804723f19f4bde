#include "curl_connection.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstring>
#include <exception>
#include <mutex>

#include "windlass/base/error.h"

namespace windlass::curl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLook{20};  // at the user's wish to stop
constexpr std::chrono::seconds kConnect{10};
constexpr long kLongestSilence = 30;  // seconds
constexpr std::size_t kMostHeaderBytes = 256 * 1024;

struct FreeEasy {
  void operator()(CURL* handle) const { ::curl_easy_cleanup(handle); }
};
struct FreeMulti {
  void operator()(CURLM* handle) const { ::curl_multi_cleanup(handle); }
};
struct FreeList {
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};

[[noreturn]] void ThrowNoMemory() {
  throw Error(ErrorCode::kIo, "libcurl could not make a request: no memory");
}

void Start() {
  static const CURLcode started = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) {
    throw Error(ErrorCode::kIo,
                fmt::format("libcurl could not start: {}", ::curl_easy_strerror(started)));
  }
}

// What one exchange collects; callbacks are C: they report by flags and never throw.
struct Answer {
  HttpResponse response;
  std::size_t most_bytes = 0;
  std::size_t body_bytes = 0;
  std::size_t header_bytes = 0;
  bool too_long = false;
  const std::function<void(std::string_view)>* write = nullptr;
  CURL* easy = nullptr;
  std::exception_ptr thrown;  // by write
};

std::size_t OnBody(char* data, std::size_t size, std::size_t count, void* user) noexcept {
  Answer& answer = *static_cast<Answer*>(user);
  const std::size_t bytes = size * count;
  if (bytes > answer.most_bytes - answer.body_bytes) {
    answer.too_long = true;
    return 0;
  }
  answer.body_bytes += bytes;
  long status = 0;
  if (*answer.write) ::curl_easy_getinfo(answer.easy, CURLINFO_RESPONSE_CODE, &status);
  try {
    if (status == 200) {
      (*answer.write)({data, bytes});
    } else {
      answer.response.body.append(data, bytes);
    }
  } catch (...) {
    answer.thrown = std::current_exception();
    return 0;
  }
  return bytes;
}

std::size_t OnHeader(char* data, std::size_t size, std::size_t count, void* user) noexcept {
  Answer& answer = *static_cast<Answer*>(user);
  const std::size_t bytes = size * count;
  answer.header_bytes += bytes;
  if (answer.header_bytes > kMostHeaderBytes) {
    answer.too_long = true;
    return 0;
  }
  try {
    const std::string_view line(data, bytes);
    if (line.starts_with("HTTP/")) answer.response.headers.clear();  // an interim answer came first
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return bytes;
    std::string name(line.substr(0, colon));
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    const auto begin = line.find_first_not_of(" \t", colon + 1);
    const auto end = line.find_last_not_of(" \t\r\n");
    answer.response.headers.emplace_back(std::move(name),
                                         begin == std::string_view::npos || end < begin
                                             ? std::string()
                                             : std::string(line.substr(begin, end - begin + 1)));
  } catch (...) {
    return 0;
  }
  return bytes;
}

class Connection final : public HttpConnection {
 public:
  Connection() {
    Start();
    easy_.reset(::curl_easy_init());
    multi_.reset(::curl_multi_init());
    if (!easy_ || !multi_) ThrowNoMemory();
  }

  HttpResponse Do(const HttpRequest& request, const std::function<bool()>& cancelled) override {
    Answer answer;
    answer.most_bytes = request.most_bytes;
    answer.write = &request.write;
    answer.easy = easy_.get();
    const std::unique_ptr<curl_slist, FreeList> headers = Headers(request);
    ::curl_easy_reset(easy_.get());  // connections stay open
    error_[0] = 0;
    Set(CURLOPT_URL, request.url.c_str());
    Set(CURLOPT_PROTOCOLS_STR, "http,https");
    Set(CURLOPT_FOLLOWLOCATION, 0L);
    Set(CURLOPT_NOSIGNAL, 1L);
    Set(CURLOPT_ERRORBUFFER, error_);
    Set(CURLOPT_USERAGENT, "windlass");
    Set(CURLOPT_HTTPHEADER, headers.get());
    Set(CURLOPT_WRITEFUNCTION, &OnBody);
    Set(CURLOPT_WRITEDATA, &answer);
    Set(CURLOPT_HEADERFUNCTION, &OnHeader);
    Set(CURLOPT_HEADERDATA, &answer);
    Set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(milliseconds(kConnect).count()));
    Set(CURLOPT_TCP_NODELAY, 1L);
    if (!request.ca_file.empty()) Set(CURLOPT_CAINFO, request.ca_file.c_str());
    if (request.write) {  // which may be long: no limit on all of it bounds a silence
      Set(CURLOPT_LOW_SPEED_LIMIT, 1L);
      Set(CURLOPT_LOW_SPEED_TIME, kLongestSilence);
    }
    // Of a PUT without a body some servers want to be told the length, too.
    if (request.method == "POST" || request.method == "PUT" || !request.body.empty()) {
      Set(CURLOPT_POST, 1L);
      Set(CURLOPT_POSTFIELDS, request.body.data());
      Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    }
    if (request.method == "HEAD") {
      Set(CURLOPT_NOBODY, 1L);
    } else if (request.method != "GET" && request.method != "POST") {
      Set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
    const CURLcode code = Perform(request.deadline, cancelled);
    if (answer.thrown) std::rethrow_exception(answer.thrown);
    if (code != CURLE_OK) Throw(code, request, answer);
    long status = 0;
    ::curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    answer.response.status = static_cast<int>(status);
    return std::move(answer.response);
  }

 private:
  template <typename Value>
  void Set(CURLoption option, Value value) {
    const CURLcode code = ::curl_easy_setopt(easy_.get(), option, value);
    if (code == CURLE_OK) return;
    throw Error(code == CURLE_OUT_OF_MEMORY ? ErrorCode::kIo : ErrorCode::kInternal,
                fmt::format("libcurl refuses option {}: {}", static_cast<int>(option),
                            ::curl_easy_strerror(code)));
  }

  static std::unique_ptr<curl_slist, FreeList> Headers(const HttpRequest& request) {
    std::unique_ptr<curl_slist, FreeList> list;
    const auto add = [&](const std::string& line) {
      curl_slist* longer = ::curl_slist_append(list.get(), line.c_str());
      if (longer == nullptr) ThrowNoMemory();
      static_cast<void>(list.release());  // the first element, once there is one, stays the first
      list.reset(longer);
    };
    add("Expect:");  // a large body goes at once, without asking first
    for (const auto& [name, value] : request.headers) add(fmt::format("{}: {}", name, value));
    return list;
  }

  // Runs the transfer that is set up; between steps it looks at the clock and at `cancelled`.
  CURLcode Perform(Deadline deadline, const std::function<bool()>& cancelled) {
    if (::curl_multi_add_handle(multi_.get(), easy_.get()) != CURLM_OK) ThrowNoMemory();
    struct Remove {
      CURLM* multi;
      CURL* easy;
      ~Remove() { ::curl_multi_remove_handle(multi, easy); }
    } const remove{multi_.get(), easy_.get()};
    for (;;) {
      int running = 0;
      CURLMcode code = ::curl_multi_perform(multi_.get(), &running);
      if (code == CURLM_OK && running > 0) {
        if (cancelled()) throw Error(ErrorCode::kCancelled, "interrupted");
        const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
        if (left <= milliseconds(0)) return CURLE_OPERATION_TIMEDOUT;
        code = ::curl_multi_poll(multi_.get(), nullptr, 0,
                                 static_cast<int>(std::min(left, kLook).count()), nullptr);
      }
      if (code != CURLM_OK) {
        throw Error(ErrorCode::kIo, fmt::format("libcurl: {}", ::curl_multi_strerror(code)));
      }
      if (running == 0) break;
    }
    int left = 0;
    while (const CURLMsg* message = ::curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg == CURLMSG_DONE) return message->data.result;
    }
    throw Error(ErrorCode::kInternal, "libcurl ended a request without a result");
  }

  [[noreturn]] void Throw(CURLcode code, const HttpRequest& request, const Answer& answer) const {
    const std::string why = error_[0] != 0 ? error_ : ::curl_easy_strerror(code);
    if (answer.too_long) {
      throw Error(ErrorCode::kCorrupt,
                  fmt::format("the answer is longer than the {} bytes that it may have",
                              request.most_bytes));
    }
    switch (code) {
      case CURLE_OPERATION_TIMEDOUT:
        if (Clock::now() < request.deadline) {  // while connecting: nothing was heard yet
          throw Error(ErrorCode::kUnavailable, "the server cannot be reached: " + why);
        }
        throw Error(ErrorCode::kDeadlineExceeded, "no answer in time");
      case CURLE_COULDNT_RESOLVE_HOST:
      case CURLE_COULDNT_RESOLVE_PROXY:
      case CURLE_COULDNT_CONNECT:
        throw Error(ErrorCode::kUnavailable, "the server cannot be reached: " + why);
      case CURLE_GOT_NOTHING:
      case CURLE_SEND_ERROR:
      case CURLE_RECV_ERROR:
      case CURLE_PARTIAL_FILE:
      case CURLE_HTTP2:
      case CURLE_HTTP2_STREAM:
      case CURLE_SSL_CONNECT_ERROR:
        throw Error(ErrorCode::kUnavailable, "the connection was lost: " + why);
      case CURLE_UNSUPPORTED_PROTOCOL:
      case CURLE_WEIRD_SERVER_REPLY:
        throw Error(ErrorCode::kCorrupt, "the answer is no HTTP: " + why);
      default: throw Error(ErrorCode::kIo, why);
    }
  }

  std::unique_ptr<CURL, FreeEasy> easy_;
  std::unique_ptr<CURLM, FreeMulti> multi_;  // after easy_: freed first
  char error_[CURL_ERROR_SIZE] = {};
};

}  // namespace

std::unique_ptr<HttpConnection> MakeConnection() { return std::make_unique<Connection>(); }

}  // namespace windlass::curl
