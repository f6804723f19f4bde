// Ray's Jobs REST API, as Ray 2.60 documents it (dashboard/modules/job/openapi.yml).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "windlass/base/error.h"
#include "windlass/base/http.h"
#include "windlass/base/json.h"
#include "windlass/cluster/ray_engine.h"

namespace windlass::cluster {

// All throw Error: {kUnavailable} when the cluster cannot be reached or is not ready,
// {kDeadlineExceeded} when it does not answer, {kCancelled} when the user interrupts,
// {kInvalidInput} for a token that is missing or wrong, {kUnsupported} when what answers is no Ray,
// {kIo} for what Ray refuses. Messages name the address and never a token. For one thread.
class RayApi {
 public:
  explicit RayApi(const RayEngine& engine, const CancelToken& token = ProcessCancelToken());
  ~RayApi();

  // From here on the user's interrupts do not matter: for asking a job to stop.
  void IgnoreInterrupts() {
    cancelled_ = [] { return false; };
  }

  // Whether the user has interrupted.
  const std::function<bool()>& cancelled() const { return cancelled_; }

  // {"version", "ray_version", "session_name", ...}
  Json Version();

  // A package by its name, such as _ray_pkg_0123.zip, in the cluster's key-value store. Asking for
  // it keeps it there for some minutes.
  bool HasPackage(const std::string& name);
  void PutPackage(const std::string& name, std::string bytes);

  void Submit(const Json& request);
  std::optional<Json> Find(std::string_view id);  // nothing: the cluster knows no such job
  Json List();
  std::string Log(std::string_view id);  // all of it; empty for a job that is not known
  void Stop(std::string_view id);
  void Delete(std::string_view id);

  // Windlass's workers of the driver that Ray knows by this job id (not ours): how many run, and
  // how many there are with those that Ray has no room for yet. Nothing where Ray does not say.
  struct Workers {
    std::int64_t running = 0;
    std::int64_t all = 0;
  };
  std::optional<Workers> CountWorkers(std::string_view ray_job);

  // Of the cluster's nodes: {"CPU": [used, total], ...}; empty where Ray does not say.
  Json Usage();

 private:
  HttpResponse Ask(const std::string& method, const std::string& path, std::string body,
                   std::chrono::seconds limit);
  Json AskJson(const std::string& method, const std::string& path, std::string body = {});
  [[noreturn]] void Refuse(const HttpResponse& response) const;

  const RayEngine engine_;
  std::unique_ptr<HttpConnection> connection_;
  std::function<bool()> cancelled_;
  std::string token_from_;  // where the token was found; empty: there is none
};

// A resource that the head's node alone has, and as much of it as names it.
inline constexpr std::string_view kHeadResource = "node:__internal_head__";
inline constexpr double kHeadShare = 0.001;

// Whether the same may well work in a moment.
bool MayPass(const Error& error);

}  // namespace windlass::cluster
