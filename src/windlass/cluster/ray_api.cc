#include "windlass/cluster/ray_api.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "windlass/base/secret.h"

namespace windlass::cluster {
namespace {

using std::chrono::seconds;

constexpr seconds kAnswer{30};
constexpr seconds kSubmission{120};  // Ray itself waits a minute for an agent to take it
constexpr seconds kUpload{900};
constexpr std::size_t kMostAnswer = std::size_t{1} << 30;

// The token and where it was found, in the order in which Ray looks. Both empty: there is none.
std::pair<std::string, std::string> FindToken(const RayEngine& engine) {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (!engine.token.empty()) return {ReadSecret("token", engine.token), engine.token};
  if (!variable("RAY_AUTH_TOKEN").empty()) {
    return {ReadSecret("token", "env:RAY_AUTH_TOKEN"), "RAY_AUTH_TOKEN"};
  }
  if (const std::string path = variable("RAY_AUTH_TOKEN_PATH"); !path.empty()) {
    return {ReadSecret("token", "file:" + path), path};
  }
  if (variable("RAY_AUTH_MODE") == "disabled" || variable("HOME").empty()) return {};
  const std::string path = variable("HOME") + "/.ray/auth_token";
  std::error_code unreadable;
  if (!std::filesystem::exists(path, unreadable)) return {};
  return {ReadSecret("token", "file:" + path), path};
}

// The last line that says something: of a traceback of Python, the error.
std::string LastLine(std::string_view text) {
  const auto end = text.find_last_not_of(" \r\n\t");
  if (end == text.npos) return "nothing";
  text = text.substr(0, end + 1);
  const auto begin = text.rfind('\n');
  std::string line(text.substr(begin == text.npos ? 0 : begin + 1));
  if (line.size() > 500) line = line.substr(0, 500) + " ...";
  return line;
}

std::string Path(std::string_view id, std::string_view rest = {}) {
  return fmt::format("/api/jobs/{}{}", id, rest);
}

}  // namespace

bool MayPass(const Error& error) {
  return error.code() == ErrorCode::kUnavailable || error.code() == ErrorCode::kDeadlineExceeded;
}

RayApi::RayApi(const RayEngine& engine, const CancelToken& token)
    : engine_(engine),
      connection_(Http().Connect()),
      cancelled_([token] { return token.cancelled(); }) {}

RayApi::~RayApi() = default;

void RayApi::Refuse(const HttpResponse& response) const {
  const std::string cluster = "the cluster at " + engine_.url;
  if (response.status == 401) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("{} asks for a token, and {}; give it by RAY_AUTH_TOKEN, "
                    "RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token, ?token=env:NAME or "
                    "?token=file:PATH",
                    cluster, token_from_.empty() ? "there is none here" : "did not get it"));
  }
  if (response.status == 403) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("{} refuses {}; RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH, "
                    "~/.ray/auth_token, ?token=env:NAME and ?token=file:PATH give one",
                    cluster,
                    token_from_.empty() ? "who has no token" : "the token from " + token_from_));
  }
  if (response.status >= 300 && response.status < 400) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} answers that it is elsewhere (status {}); give that address",
                            cluster, response.status));
  }
  if (response.status >= 502 && response.status <= 504) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("{} is not ready (status {})", cluster, response.status));
  }
  const std::string said = LastLine(response.body);
  // The head is there before its agent is.
  bool soon = false;
  for (const std::string_view sign : {"No available agent", "TimeoutError", "agent", "RpcError"}) {
    soon = soon || (response.status == 500 && said.find(sign) != said.npos);
  }
  throw Error(soon ? ErrorCode::kUnavailable : ErrorCode::kIo,
              fmt::format("{} says (status {}): {}", cluster, response.status, said));
}

HttpResponse RayApi::Ask(const std::string& method, const std::string& path, std::string body,
                         seconds limit) {
  HttpRequest request;
  request.method = method;
  request.url = engine_.url + path;
  request.body = std::move(body);
  request.ca_file = engine_.ca_file;
  request.most_bytes = kMostAnswer;
  request.deadline = Clock::now() + limit;
  request.headers.emplace_back("Accept", "application/json");
  if (!request.body.empty()) {
    request.headers.emplace_back("Content-Type",
                                 method == "PUT" ? "application/octet-stream" : "application/json");
  }
  // Each time: tokens in files are renewed.
  auto [token, from] = FindToken(engine_);
  token_from_ = std::move(from);
  if (!token.empty()) request.headers.emplace_back("Authorization", "Bearer " + token);
  for (const auto& [name, reference] : engine_.headers) {
    request.headers.emplace_back(name, ReadSecret("header", reference));
  }
  return WithContext([&] { return connection_->Do(request, cancelled_); },
                     [&] { return "the cluster at " + engine_.url; });
}

Json RayApi::AskJson(const std::string& method, const std::string& path, std::string body) {
  const HttpResponse response =
      Ask(method, path, std::move(body), method == "GET" ? kAnswer : kSubmission);
  if (response.status != 200) Refuse(response);
  try {
    return Json::parse(response.body);
  } catch (const Json::exception&) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("what answers at {} is not Ray's dashboard: {} is no JSON there; its "
                            "port is 8265 unless the cluster says otherwise",
                            engine_.url, path));
  }
}

Json RayApi::Version() {
  const HttpResponse response = Ask("GET", "/api/version", {}, kAnswer);
  if (response.status != 200 && response.status != 404) Refuse(response);
  Json version;
  if (response.status == 200) version = Json::parse(response.body, nullptr, false);
  if (!version.is_object() || !version.contains("ray_version")) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("what answers at {} is not Ray's dashboard; its port is 8265 unless "
                            "the cluster says otherwise",
                            engine_.url));
  }
  return version;
}

bool RayApi::HasPackage(const std::string& name) {
  const HttpResponse response = Ask("GET", "/api/packages/gcs/" + name, {}, kAnswer);
  if (response.status == 404) return false;
  if (response.status != 200) Refuse(response);
  return true;
}

void RayApi::PutPackage(const std::string& name, std::string bytes) {
  const HttpResponse response = Ask("PUT", "/api/packages/gcs/" + name, std::move(bytes), kUpload);
  if (response.status != 200) Refuse(response);
}

void RayApi::Submit(const Json& request) { AskJson("POST", "/api/jobs/", request.dump()); }

std::optional<Json> RayApi::Find(std::string_view id) {
  const HttpResponse response = Ask("GET", Path(id), {}, kAnswer);
  if (response.status == 404) {
    // Ray says it in words; a proxy before a head that is on its way says something else.
    if (response.body.find("does not exist") != response.body.npos) return std::nullopt;
    throw Error(ErrorCode::kUnavailable,
                fmt::format("the cluster at {} is not ready (status 404)", engine_.url));
  }
  if (response.status != 200) Refuse(response);
  Json job = Json::parse(response.body, nullptr, false);
  if (!job.is_object()) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("the cluster at {} does not say how job {} is", engine_.url, id));
  }
  return job;
}

Json RayApi::List() {
  Json jobs = AskJson("GET", "/api/jobs/");
  return jobs.is_array() ? jobs : Json::array();
}

std::string RayApi::Log(std::string_view id) {
  const HttpResponse response = Ask("GET", Path(id, "/logs"), {}, kAnswer);
  if (response.status == 404) return {};
  if (response.status != 200) Refuse(response);
  const Json logs = Json::parse(response.body, nullptr, false);
  if (!logs.is_object() || !logs.contains("logs") || !logs.at("logs").is_string()) return {};
  return logs.at("logs");
}

void RayApi::Stop(std::string_view id) {
  const HttpResponse response = Ask("POST", Path(id, "/stop"), {}, kSubmission);
  if (response.status != 200 && response.status != 404) Refuse(response);
}

void RayApi::Delete(std::string_view id) {
  const HttpResponse response = Ask("DELETE", Path(id), {}, kAnswer);
  if (response.status != 200 && response.status != 404) Refuse(response);
}

std::optional<RayApi::Workers> RayApi::CountWorkers(std::string_view ray_job) {
  const HttpResponse response =
      Ask("GET",
          fmt::format("/api/v0/actors?limit=10000&filter_keys=job_id&filter_predicates=%3D&"
                      "filter_values={}",
                      ray_job),
          {}, kAnswer);
  if (response.status != 200) return std::nullopt;
  const Json answer = Json::parse(response.body, nullptr, false);
  try {
    Workers workers;
    for (const Json& actor : answer.at("data").at("result").at("result")) {
      const std::string kind = actor.at("class_name"), state = actor.at("state");
      if (kind.find("WindlassWorker") == kind.npos || state == "DEAD") continue;
      ++workers.all;
      if (state == "ALIVE") ++workers.running;
    }
    return workers;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

Json RayApi::Usage() {
  const HttpResponse response = Ask("GET", "/api/cluster_status", {}, kAnswer);
  if (response.status != 200) return Json::object();
  const Json status = Json::parse(response.body, nullptr, false);
  try {
    const Json& report = status.at("data").at("clusterStatus").at("loadMetricsReport");
    const Json& usage = report.at("usage");
    return usage.is_object() ? usage : Json::object();
  } catch (const Json::exception&) {
    return Json::object();
  }
}

}  // namespace windlass::cluster
