#include "windlass/serve/replica.h"

#include <fmt/format.h>
#include <malloc.h>

#include <optional>

#include "windlass/base/token.h"
#include "windlass/job/service.h"
#include "windlass/serve/core.h"
#include "windlass/serve/options.h"

namespace windlass::serve {
namespace {

constexpr auto kGrace = std::chrono::seconds(5);  // to write the last answers
constexpr int kKeptBytes = 128 << 20;

}  // namespace

class Replica::Impl {
 public:
  Impl(const std::string& service, const Json& spec, const Bytes& prepared)
      : options(ReadServeOptions(spec)),
        core(Registry::Global().Find<job::ServiceKind>(service).Make(prepared), options.name,
             options.batcher),
        token(options.http.token) {
    // What a request freed, the next one needs: giving it back to the system each time costs more
    // than many models do.
    ::mallopt(M_TRIM_THRESHOLD, kKeptBytes);
    ::mallopt(M_MMAP_THRESHOLD, kKeptBytes / 4);
  }

  ServeOptions options;
  Core core;
  BearerToken token;
  std::optional<HttpServer> server;  // the last: its threads use the core
};

Replica::Replica(const std::string& service, const Json& spec, const Bytes& prepared)
    : impl_(std::make_unique<Impl>(service, spec, prepared)) {}

Replica::~Replica() = default;

std::string Replica::Listen(bool shared) {
  HttpServerOptions options = impl_->options.http;
  options.shared_port = shared;
  impl_->server.emplace(options, impl_->core);
  return impl_->server->url();
}

void Replica::Answer(std::string method, std::string target, Headers headers, std::string body,
                     const Send& send) {
  HttpServerRequest request;
  request.method = method == "HEAD" ? "GET" : std::move(method);
  request.target = std::move(target);
  request.headers = std::move(headers);
  request.body = std::move(body);
  const auto answered = [send](HttpAnswer answer) {
    Headers given = std::move(answer.headers);
    if (!answer.content_type.empty()) given.emplace_back("Content-Type", answer.content_type);
    send(answer.status, std::move(given), std::move(answer.body));
  };
  const auto refuse = [&](HttpAnswer answer) {
    impl_->core.Refused(answer.status);
    answered(std::move(answer));
  };
  const std::uint64_t most = impl_->options.http.max_body_bytes;
  if (impl_->token.wanted() && impl_->core.NeedsToken(request) &&
      !impl_->token.Accepts(request.Header("authorization"))) {
    refuse(HttpAnswer::Unauthorized());
  } else if (request.body.size() > most) {
    refuse(HttpAnswer::Failure(413, fmt::format("the body is larger than {} bytes", most)));
  } else {
    impl_->core.Answer(request, answered, {});
  }
}

bool Replica::Shutdown() {
  if (!impl_->server) return true;
  return impl_->server->Shutdown(Clock::now() + impl_->options.http.answer_timeout + kGrace);
}

std::size_t Replica::connections() const {
  return impl_->server ? impl_->server->connections() : 0;
}
std::uint64_t Replica::requests() const { return impl_->core.metrics().answered(); }
std::uint64_t Replica::rows() const { return impl_->core.metrics().rows(); }

}  // namespace windlass::serve
