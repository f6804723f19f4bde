#include "windlass/serve/capability.h"

#include <fmt/format.h>
#include <malloc.h>

#include <memory>
#include <thread>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/job/capability.h"
#include "windlass/job/progress.h"
#include "windlass/serve/core.h"
#include "windlass/serve/options.h"

namespace windlass::serve {
namespace {

constexpr auto kLook = std::chrono::milliseconds(50);  // at the wish to stop
constexpr auto kGrace = std::chrono::seconds(5);       // to write the last answers

constexpr int kKeptBytes = 128 << 20;

class Serve final : public job::Capability {
 public:
  explicit Serve(std::string service)
      : service_(std::move(service)), schema_(ServeKind(service_), 1, Fields(service_)) {}

  const job::Schema& schema() const override { return schema_; }
  bool is_service() const override { return true; }

  Json Run(const Json& spec, job::Context& context) const override {
    const ServeOptions options = ReadServeOptions(spec);
    Core core(Registry::Global().Find<job::ServiceKind>(service_).Make(spec), options.name,
              options.batcher);
    // What a request freed, the next one needs: giving it back to the system each time costs more
    // than many models do.
    ::mallopt(M_TRIM_THRESHOLD, kKeptBytes);
    ::mallopt(M_MMAP_THRESHOLD, kKeptBytes / 4);
    HttpServer server(options.http, core);
    context.Announce(fmt::format("serving {} at {}/v2/models/{}{}", service_, server.url(),
                                 options.name, options.http.token.empty() ? "" : ", with a token"));
    context.progress().Begin("requests", 0);
    std::uint64_t seen = 0;
    const auto advance = [&] {
      const std::uint64_t answered = core.metrics().answered();
      context.progress().Advance(static_cast<std::int64_t>(answered - seen));
      seen = answered;
    };
    while (!context.token().cancelled()) {
      std::this_thread::sleep_for(kLook);
      if (core.metrics().answered() != seen) advance();
    }
    context.Announce("stopping: what was accepted is finished first");
    const bool finished = server.Shutdown(Clock::now() + options.http.answer_timeout + kGrace);
    advance();
    if (!finished) {
      throw Error(ErrorCode::kDeadlineExceeded,
                  fmt::format("{} connections were still busy when the time for answers was over",
                              server.connections()));
    }
    return {{"requests", core.metrics().answered()}, {"rows", core.metrics().rows()}};
  }

 private:
  static std::vector<job::Field> Fields(const std::string& service) {
    std::vector<job::Field> fields = Registry::Global().Find<job::ServiceKind>(service).fields();
    for (job::Field& field : ServeFields()) fields.push_back(std::move(field));
    return fields;
  }

  std::string service_;
  job::Schema schema_;
};

}  // namespace

std::string ServeKind(std::string_view service) { return fmt::format("serve_{}", service); }

void RegisterServe(Registry& registry) {
  for (const std::string& service : registry.Names(job::ServiceKind::kRegistryKind)) {
    registry.Add<job::Capability>(ServeKind(service), std::make_shared<Serve>(service));
  }
}

}  // namespace windlass::serve
