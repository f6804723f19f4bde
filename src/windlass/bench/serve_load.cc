#include "windlass/bench/serve_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <future>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "windlass/base/cancel.h"
#include "windlass/base/cpu_clock.h"
#include "windlass/base/error.h"
#include "windlass/base/http.h"
#include "windlass/base/object_spec.h"
#include "windlass/explain/memory_explainer.h"
#include "windlass/job/info.h"
#include "windlass/job/run.h"
#include "windlass/job/service.h"
#include "windlass/model/oip_protocol.h"
#include "windlass/serve/capability.h"
#include "windlass/serve/replica.h"

namespace windlass::bench {
namespace {

constexpr const char* kService = "explain";
constexpr const char* kName = "bench";
constexpr const char* kModel = "/v2/models/bench";
constexpr const char* kOutput = "attributions";
constexpr std::chrono::seconds kToStart{300};
constexpr std::chrono::seconds kToAnswer{300};
constexpr std::size_t kMostAnswer = 1U << 30;
constexpr std::int64_t kLeastClients = 16;
constexpr std::int64_t kMostClients = 128;

bool Interrupted() { return ProcessCancelToken().cancelled(); }

// The service while it runs, in this process or where the engine has it.
class ServedHere final : public Served {
 public:
  ServedHere(const Json& spec, const std::string& engine) {
    const Bytes prepared = Registry::Global().Find<job::ServiceKind>(kService).Prepare(spec);
    const ObjectSpec where = ObjectSpec::Parse(engine, {"local", "ray"});
    if (where.name == "local") {
      where.AllowOnly({});
      replica_.emplace(kService, spec, prepared);
      urls_ = {replica_->Listen(/*shared=*/false) + kModel};
      return;
    }
    auto announced = std::make_shared<std::promise<std::string>>();
    auto url = announced->get_future();
    elsewhere_ = std::async(std::launch::async, [this, spec, prepared, where, announced] {
      bool told = false;
      const auto serving = [&](const std::string& url) {
        told = true;
        announced->set_value(url + kModel);
      };
      try {
        Registry::Global()
            .Find<serve::ServiceHost>(where.name)
            .Serve({kService,
                    spec,
                    prepared,
                    where.location,
                    {where.options.begin(), where.options.end()}},
                   {serving, [](const std::string&) {},
                    [this] { return stop_.load() || Interrupted(); }});
      } catch (...) {
        if (told) throw;
        announced->set_exception(std::current_exception());
        return;
      }
      if (!told) {
        announced->set_exception(std::make_exception_ptr(
            Error(ErrorCode::kCancelled, "the service ended before it began")));
      }
    });
    if (url.wait_for(kToStart) != std::future_status::ready) {
      stop_ = true;
      throw Error(ErrorCode::kDeadlineExceeded,
                  fmt::format("the service did not begin within {} s", kToStart.count()));
    }
    urls_ = {url.get()};
  }

  ~ServedHere() override {
    stop_ = true;
    if (elsewhere_.valid()) elsewhere_.wait();
  }

  const std::vector<std::string>& urls() const override { return urls_; }

  void Stop() override {
    stop_ = true;
    if (elsewhere_.valid()) elsewhere_.get();
    if (replica_) replica_->Shutdown();
  }

 private:
  std::vector<std::string> urls_;
  std::optional<serve::Replica> replica_;
  std::atomic<bool> stop_ = false;
  std::future<void> elsewhere_;
};

double Quantile(const std::vector<double>& sorted, double q) {
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<std::size_t>(std::llround(q * last))];
}

}  // namespace

std::unique_ptr<Served> ServeHere(const Json& spec, const std::string& engine) {
  return std::make_unique<ServedHere>(spec, engine);
}

class ServeLoad::Impl {
 public:
  Impl(const Json& spec, const std::string& what) {
    explain::MemoryExplainer explainer(spec, what, "local", {});
    rows_ = explainer.Explain(spec.at("data"), 0, ProcessCancelToken());
    if (!rows_.attributions.failures.empty()) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("row {} has no attributions ({}); a service is measured with rows "
                              "that have",
                              rows_.attributions.failures.front().row,
                              rows_.attributions.failures.front().why));
    }
    const Json described = explainer.Describe();
    method_ = described.at("method");
    reason_ = described.at("reason");
    spec_ = spec;
    for (const char* of_jobs : {"cohorts", "version"}) spec_.erase(of_jobs);
    spec_["kind"] = serve::ServeKind(kService);
    spec_["name"] = kName;
    spec_["port"] = 0;
    what_ = what;
  }

  Sample Run(const StartService& start, const std::string& engine, std::int64_t replicas,
             std::int64_t batch, Batching batching) const {
    const std::int64_t rows = batching == Batching::kRay ? 1 : batch;
    // Enough of them that each replica finds a batch that waits while it computes another one.
    const std::int64_t clients = std::clamp(2 * replicas * (batching == Batching::kRay ? batch : 1),
                                            kLeastClients, kMostClients);
    const std::vector<std::string> bodies = Bodies(rows);
    Json spec = spec_;
    spec["replicas"] = replicas;
    spec["max_batch_size"] = batch;
    spec["queue"] = 2 * kMostClients;
    const auto service = start(job::Normalise(spec, what_), engine);
    std::vector<std::string> urls;
    for (const std::string& url : service->urls()) urls.push_back(url + "/explain");
    Send(urls, std::span(bodies).first((bodies.size() + 9) / 10), clients);  // a tenth to warm up
    Sample sample;
    sample.workers = replicas;
    sample.batch = batch;
    sample.rows = rows_.rows;
    sample.tasks = std::ssize(bodies);
    sample.method = method_;
    sample.started_ms = job::NowMs();
    const double cpu = ProcessCpuSeconds();
    const auto begun = Clock::now();
    Answers answers = Send(urls, bodies, clients);
    sample.wall_s = std::chrono::duration<double>(Clock::now() - begun).count();
    sample.cpu_s = ProcessCpuSeconds() - cpu;
    sample.compute_wall_s = sample.wall_s;
    sample.compute_cpu_s = sample.cpu_s;
    std::ranges::sort(answers.seconds);
    sample.latency_p50_s = Quantile(answers.seconds, 0.5);
    sample.latency_p99_s = Quantile(answers.seconds, 0.99);
    service->Stop();
    Compare(answers.bodies, rows);
    return sample;
  }

  std::string method_;
  std::string reason_;

 private:
  struct Answers {
    std::vector<std::string> bodies;
    std::vector<double> seconds;
  };

  std::size_t RowsOf(std::size_t request, std::int64_t rows) const {
    const std::int64_t first = static_cast<std::int64_t>(request) * rows;
    return static_cast<std::size_t>(std::min(rows, rows_.rows - first));
  }

  std::vector<std::string> Bodies(std::int64_t rows) const {
    model::OipSignature signature;
    signature.inputs = {{"rows", model::OipType::kFp64}};
    signature.columns = rows_.columns;
    signature.output = kOutput;
    std::vector<std::string> bodies;
    const auto width = static_cast<std::size_t>(rows_.columns);
    for (std::int64_t first = 0; first < rows_.rows; first += rows) {
      const std::size_t count = RowsOf(bodies.size(), rows);
      const auto x =
          std::span(rows_.values).subspan(static_cast<std::size_t>(first) * width, count * width);
      bodies.push_back(
          model::EncodeOipRequest(signature, x, static_cast<std::int64_t>(count), "the rows").body);
    }
    return bodies;
  }

  // Each client sends the next request that nobody has sent, until all have been answered.
  static Answers Send(const std::vector<std::string>& urls, std::span<const std::string> bodies,
                      std::int64_t clients) {
    Answers answers;
    answers.bodies.resize(bodies.size());
    answers.seconds.resize(bodies.size());
    std::atomic<std::size_t> next = 0;
    std::vector<std::future<void>> threads;
    for (std::int64_t client = 0; client < clients; ++client) {
      const std::string& url = urls[static_cast<std::size_t>(client) % urls.size()];
      threads.push_back(std::async(std::launch::async, [&] {
        const auto connection = Http().Connect();
        for (std::size_t i = next++; i < bodies.size(); i = next++) {
          HttpRequest request;
          request.method = "POST";
          request.url = url;
          request.headers = {{"Content-Type", "application/json"}};
          request.body = bodies[i];
          request.most_bytes = kMostAnswer;
          request.deadline = Clock::now() + kToAnswer;
          const auto begun = Clock::now();
          HttpResponse response;
          try {
            response = connection->Do(request, Interrupted);
            if (response.status != 200) {
              throw Error(ErrorCode::kUnavailable,
                          fmt::format("the service answered with status {}: {}", response.status,
                                      model::OipExcerpt(response.body)));
            }
          } catch (...) {
            next = bodies.size();  // the others need not go on
            throw;
          }
          answers.seconds[i] = std::chrono::duration<double>(Clock::now() - begun).count();
          answers.bodies[i] = std::move(response.body);
        }
      }));
    }
    for (auto& thread : threads) thread.wait();
    for (auto& thread : threads) thread.get();
    return answers;
  }

  void Compare(const std::vector<std::string>& bodies, std::int64_t rows) const {
    const auto width =
        static_cast<std::size_t>(rows_.attributions.outputs * rows_.attributions.players);
    std::size_t at = 0;
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      const std::size_t count = RowsOf(i, rows);
      const model::OipDocument answer = model::ParseOipDocument(bodies[i], "the service");
      const auto given = std::ranges::find(answer.outputs, kOutput, &model::OipTensor::name);
      if (given == answer.outputs.end()) {
        throw Error(ErrorCode::kCorrupt, fmt::format("the service's answer has no {}", kOutput));
      }
      const auto values = std::span(answer.values).subspan(given->first_value, given->values);
      const auto expected = std::span(rows_.attributions.phi).subspan(at, count * width);
      const auto same = [](double a, double b) {
        return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b) || a == b;
      };
      if (!std::ranges::equal(values, expected, same)) {
        throw Error(ErrorCode::kCorrupt,
                    fmt::format("the service's attributions of rows {} to {} are not those of the "
                                "job",
                                at / width, at / width + count - 1));
      }
      at += count * width;
    }
  }

  explain::Explanation rows_;
  Json spec_;
  std::string what_;
};

ServeLoad::ServeLoad(const Json& spec, const std::string& what)
    : impl_(std::make_unique<Impl>(spec, what)) {}
ServeLoad::~ServeLoad() = default;

Sample ServeLoad::Run(const StartService& start, const std::string& engine, std::int64_t replicas,
                      std::int64_t batch, Batching batching) const {
  return impl_->Run(start, engine, replicas, batch, batching);
}

const std::string& ServeLoad::method() const { return impl_->method_; }
const std::string& ServeLoad::reason() const { return impl_->reason_; }

}  // namespace windlass::bench
