#include "windlass/serve/capability.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <thread>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/object_spec.h"
#include "windlass/job/capability.h"
#include "windlass/job/progress.h"
#include "windlass/serve/options.h"
#include "windlass/serve/replica.h"

namespace windlass::serve {
namespace {

constexpr auto kLook = std::chrono::milliseconds(50);  // at the wish to stop

class Serve final : public job::Capability {
 public:
  explicit Serve(std::string service)
      : service_(std::move(service)),
        schema_(ServeKind(service_), 1, Fields(service_),
                Registry::Global().Find<job::ServiceKind>(service_).inputs()) {}

  const job::Schema& schema() const override { return schema_; }
  bool is_service() const override { return true; }

  Json Run(const Json& spec, job::Context& context) const override {
    ReadServeOptions(spec);  // what is wrong with them is said before anything is loaded
    const auto& kind = Registry::Global().Find<job::ServiceKind>(service_);
    const ObjectSpec engine = ObjectSpec::Parse(context.engine(), {"local", "ray"});
    if (engine.name != "local") return RunElsewhere(spec, kind.Prepare(spec), engine, context);
    engine.AllowOnly({});
    Replica replica(service_, spec, kind.Prepare(spec));
    Announce(spec, replica.Listen(/*shared=*/false), "", context);
    context.progress().Begin("requests", 0);
    std::uint64_t seen = 0;
    const auto advance = [&] {
      const std::uint64_t answered = replica.requests();
      if (answered != seen) context.progress().Advance(static_cast<std::int64_t>(answered - seen));
      seen = answered;
    };
    while (!context.token().cancelled()) {
      std::this_thread::sleep_for(kLook);
      advance();
    }
    context.Announce("stopping: what was accepted is finished first");
    const bool finished = replica.Shutdown();
    advance();
    if (!finished) {
      throw Error(ErrorCode::kDeadlineExceeded,
                  fmt::format("{} connections were still busy when the time for answers was over",
                              replica.connections()));
    }
    return {{"requests", replica.requests()}, {"rows", replica.rows()}};
  }

 private:
  static void Announce(const Json& spec, const std::string& url, std::string_view how,
                       job::Context& context) {
    const std::string model =
        fmt::format("{}/v2/models/{}", url, spec.at("name").get<std::string>());
    context.Announce(fmt::format("serving at {}{}{}", model, how,
                                 spec.at("token").is_null() ? "" : ", with a token"));
    context.Serving(model);
  }

  Json RunElsewhere(const Json& spec, Bytes prepared, const ObjectSpec& engine,
                    job::Context& context) const {
    const auto& host = Registry::Global().Find<ServiceHost>(engine.name);
    context.progress().Begin("requests", 0);
    const auto replicas = std::max<std::int64_t>(1, spec.at("replicas").get<std::int64_t>());
    host.Serve({service_,
                spec,
                std::move(prepared),
                engine.location,
                {engine.options.begin(), engine.options.end()}},
               {[&](const std::string& url) {
                  Announce(spec, url,
                           fmt::format(" with {} replica{}", replicas, replicas > 1 ? "s" : ""),
                           context);
                },
                [&](const std::string& line) { context.Announce(line); },
                [&] { return context.token().cancelled(); }});
    return Json::object();
  }

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
