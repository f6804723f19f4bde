// A service behind the paths of the Open Inference Protocol, whoever brings the requests: the HTTP
// server of this process, or another one.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "windlass/base/http_server.h"
#include "windlass/job/service.h"
#include "windlass/serve/batcher.h"
#include "windlass/serve/metrics.h"
#include "windlass/serve/protocol.h"

namespace windlass::serve {

class Core final : public HttpHandler {
 public:
  using Send = std::function<void(HttpAnswer)>;

  // `model`: the name under which the service is found.
  Core(std::unique_ptr<const job::Service> service, const std::string& model,
       const BatcherOptions& options);
  ~Core() override;

  // Answers by `send`, called once, at once or later, on this thread or another. `abandoned` (may
  // be empty) tells whether nobody waits any more.
  void Answer(const HttpServerRequest& request, const Send& send, std::function<bool()> abandoned);

  // Probes need no token.
  bool NeedsToken(const HttpServerRequest& head) const override;
  void Handle(HttpServerRequest request, HttpReply reply) override;
  void Refused(int status) override;

  const Metrics& metrics() const { return metrics_; }

 private:
  struct Asked;

  HttpAnswer Get(const HttpServerRequest& request, std::string_view path) const;
  HttpAnswer OfModel(const HttpServerRequest& request, std::string_view rest) const;
  std::size_t OperationOf(std::string_view path) const;
  void Run(std::size_t operation, const HttpServerRequest& request, const Send& send,
           std::function<bool()> abandoned);

  const std::unique_ptr<const job::Service> service_;
  const Protocol protocol_;
  Metrics metrics_;
  Batcher batcher_;  // the last: its threads use all of the above
};

}  // namespace windlass::serve
