#include "windlass/cli/bench_cluster.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "windlass/base/cancel.h"
#include "windlass/base/error.h"
#include "windlass/base/http.h"
#include "windlass/cluster/gateway.h"
#include "windlass/cluster/names.h"
#include "windlass/cluster/ray_api.h"
#include "windlass/cluster/ray_engine.h"
#include "windlass/cluster/ray_jobs.h"
#include "windlass/cluster/ray_run.h"
#include "windlass/cluster/submitted.h"
#include "windlass/job/run.h"
#include "windlass/job/source.h"

namespace windlass::cli {
namespace {

constexpr std::chrono::minutes kToStart{10};
constexpr std::chrono::minutes kToStop{5};
constexpr std::chrono::seconds kToServe{300};
constexpr std::chrono::seconds kToEnd{60};
constexpr std::chrono::seconds kToProbe{5};
constexpr std::chrono::milliseconds kLookAtService{500};
constexpr int kServicePort = 8267;  // of a replica's Pod, behind those of Ray and the gateway

bool Interrupted() { return ProcessCancelToken().cancelled(); }

// A service that runs as a Ray job. Its replicas listen at their Pods' own addresses alone, where
// the forwarding of a port comes out.
class ServedOnPods final : public bench::Served {
 public:
  ServedOnPods(const cluster::Access& access, const std::string& name, Json spec,
               const std::string& engine)
      : where_(cluster::RayEngine::Parse(engine)),
        jobs_(std::make_unique<cluster::RayJobs>(where_, nullptr)) {
    spec["address"] = "127.0.0.1";
    spec["port"] = kServicePort;
    const std::string model = "/v2/models/" + spec.at("name").get<std::string>();
    job::RunOptions options;
    options.engine = engine;
    options.memo = false;
    id_ = cluster::SubmitToRay(spec, "the service", options, [](const std::string&) {});
    cluster::DropSubmitted(id_);  // it ends with this process
    try {
      cluster::RayApi api(where_);  // submitting has started what tells the service's URL
      jobs_ = std::make_unique<cluster::RayJobs>(
          where_, cluster::OpenJobHome(where_, api, /*start=*/false, [](const std::string&) {}));
      WaitUntilServing();
      Reach(access, name);
    } catch (...) {
      Leave();
      throw;
    }
    for (const auto& forward : forwards_) urls_.push_back(forward->url() + model);
  }

  ~ServedOnPods() override { Leave(); }

  const std::vector<std::string>& urls() const override { return urls_; }

  void Stop() override {
    forwards_.clear();
    const std::string id = std::exchange(id_, "");
    const job::JobInfo ended = job::StopJob(*jobs_, id, kToEnd).job;
    if (ended.state == job::JobState::kFailed || ended.state == job::JobState::kDied) Fail(ended);
  }

 private:
  [[noreturn]] static void Fail(const job::JobInfo& info) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("the service (job {}) {}: {}", info.id, JobStateName(info.state),
                            info.error.empty() ? "nothing is known of why" : info.error));
  }

  void WaitUntilServing() {
    const Deadline deadline = Clock::now() + kToServe;
    for (;;) {
      ProcessCancelToken().Check();
      const job::JobInfo info = jobs_->Find(id_);
      if (info.ended()) Fail(info);
      if (!info.url.empty()) return;
      if (Clock::now() > deadline) {
        throw Error(
            ErrorCode::kDeadlineExceeded,
            fmt::format("the service (job {}) did not begin within {} s{}", id_, kToServe.count(),
                        info.waits_for.empty() ? "" : "; it waits for " + info.waits_for));
      }
      std::this_thread::sleep_for(kLookAtService);
    }
  }

  // Ray decides where replicas are: the Pods that answer have some.
  void Reach(const cluster::Access& access, const std::string& name) {
    const cluster::Kubectl kubectl(access, Interrupted);
    for (const cluster::PodInfo& pod : cluster::Inspect(kubectl, name).pods) {
      if (!pod.ready || pod.leaving) continue;
      auto forward = std::make_unique<cluster::PodForward>(access, pod.name, kServicePort);
      if (Answers(forward->url())) forwards_.push_back(std::move(forward));
    }
    if (forwards_.empty()) {
      throw Error(ErrorCode::kUnavailable,
                  fmt::format("the service (job {}) runs, but no Pod answers at port {}", id_,
                              kServicePort));
    }
  }

  static bool Answers(const std::string& url) {
    HttpRequest request;
    request.url = url + "/v2/health/ready";
    request.most_bytes = 1 << 16;
    request.deadline = Clock::now() + kToProbe;
    try {
      return Http().Connect()->Do(request, Interrupted).status == 200;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kCancelled) throw;
      return false;
    }
  }

  // What went wrong before is told; not that this did too.
  void Leave() {
    forwards_.clear();
    const std::string id = std::exchange(id_, "");
    if (id.empty()) return;
    try {
      jobs_->IgnoreInterrupts();
      jobs_->RequestStop(id, false);
    } catch (const Error&) {
    }
  }

  cluster::RayEngine where_;
  std::unique_ptr<cluster::RayJobs> jobs_;
  std::string id_;  // of the job while it runs
  std::vector<std::unique_ptr<cluster::PodForward>> forwards_;
  std::vector<std::string> urls_;
};

}  // namespace

SweepCluster::SweepCluster(Wanted wanted, cluster::Listeners listeners)
    : wanted_(std::move(wanted)),
      listeners_(std::move(listeners)),
      kubectl_(wanted_.access, Interrupted) {}

SweepCluster::~SweepCluster() {
  forward_.reset();
  try {
    End();
  } catch (const std::exception& error) {
    listeners_.warn(fmt::format("cluster {} is left as it is: {}", wanted_.name, error.what()));
  }
}

void SweepCluster::End() {
  const cluster::Kubectl kubectl(wanted_.access, [] { return false; });
  if (before_) {
    cluster::Scale(kubectl, wanted_.name,
                   cluster::ParseWorkers(std::to_string(*before_), "--workers"), "");
  }
  if (!started_) return;
  if (wanted_.keep) {
    listeners_.say(
        fmt::format("cluster {0} stays; windlass cluster stop {0} stops it", wanted_.name));
    return;
  }
  listeners_.say(fmt::format("stopping cluster {}, which the sweep started", wanted_.name));
  cluster::Stop(kubectl, wanted_.name, kToStop, listeners_.say);
}

void SweepCluster::Begin(int workers) {
  const std::string& name = wanted_.name;
  cluster::CheckClusterName(name);
  if (const auto there = kubectl_.Find({"raycluster", name})) {
    before_ = cluster::ReadCluster(*there).workers_wanted;
    ScaleTo(0);
    ScaleTo(workers);
    return;
  }
  StartFlags start = wanted_.start;
  if (start.values_file.empty() && start.sizes.image.empty() &&
      wanted_.engine_options.find("wheel=") == std::string::npos) {
    try {
      cluster::NoCluster(kubectl_, name);
    } catch (const Error& error) {
      throw Error(error.code(),
                  fmt::format("{}; to have it started, say which image has Windlass (--image, or "
                              "-f FILE)",
                              error.message()));
    }
  }
  start.sizes.workers = std::to_string(workers);
  const Json manifest = start.Manifest(name, wanted_.access.name_space, listeners_.warn);
  listeners_.say(fmt::format("starting cluster {}", name));
  started_ = true;
  cluster::Start(kubectl_, manifest, start.operator_options, kToStart, listeners_,
                 wanted_.keep ? "" : "--keep-cluster leaves it for a look");
}

void SweepCluster::ScaleTo(int workers) {
  cluster::Scale(kubectl_, wanted_.name,
                 cluster::ParseWorkers(std::to_string(workers), "--workers"), "");
  cluster::WaitUntilReady(kubectl_, wanted_.name, kToStart, listeners_.say);
}

std::string SweepCluster::Take(std::int64_t count) {
  const int workers = static_cast<int>(count);
  if (!forward_) {
    Begin(workers);
    forward_.emplace(wanted_.access, wanted_.name, cluster::ForwardOptions{"127.0.0.1", 0},
                     listeners_.say);
  } else {
    ScaleTo(0);
    ScaleTo(workers);
  }
  const std::string& engine = forward_->forwarded().engine;
  if (wanted_.engine_options.empty()) return engine;
  return engine + (engine.find('?') == engine.npos ? "?" : "&") + wanted_.engine_options;
}

std::unique_ptr<bench::Served> SweepCluster::Serve(Json spec, const std::string& engine) const {
  return std::make_unique<ServedOnPods>(wanted_.access, wanted_.name, std::move(spec), engine);
}

}  // namespace windlass::cli
