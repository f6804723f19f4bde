#include "windlass/cluster/gateway.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <thread>
#include <utility>

#include "windlass/base/build_info.h"
#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/http_server.h"
#include "windlass/cluster/package.h"
#include "windlass/cluster/ray_jobs.h"

namespace windlass::cluster {
namespace {

constexpr int kProtocol = 1;
constexpr std::string_view kJobs = "/v1/jobs";
constexpr std::string_view kTasks = "/v1/tasks/";
constexpr auto kGatewayAnswer = std::chrono::seconds(30);
constexpr auto kToStart = std::chrono::seconds(240);
constexpr auto kToBeReached = std::chrono::seconds(20);
constexpr auto kLook = std::chrono::milliseconds(200);
constexpr std::size_t kMostTask = std::size_t{4} << 30;  // with its inputs
constexpr std::chrono::minutes kToFetchTask{10};
constexpr std::size_t kMostTold = std::size_t{256} << 20;
constexpr int kAttempts = 4;
constexpr const char* kTokenVariable = "WINDLASS_GATEWAY_TOKEN";

class OutputFile final : public HttpBodySource {
 public:
  explicit OutputFile(const std::filesystem::path& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) {
    struct stat status {};
    if (fd_ < 0 || ::fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) {
      if (fd_ >= 0) ::close(fd_);
      throw Error(ErrorCode::kNotFound, "the job has no such output, or it was removed");
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
  }
  ~OutputFile() override { ::close(fd_); }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  std::uint64_t size() const { return size_; }

  std::size_t Read(std::span<char> bytes) override {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t got = ::read(fd_, bytes.data() + done, bytes.size() - done);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        throw Error(ErrorCode::kIo, fmt::format("cannot read: {}", std::strerror(errno)));
      }
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

 private:
  int fd_;
  std::uint64_t size_ = 0;
};

class GatewayHandler final : public HttpHandler {
 public:
  explicit GatewayHandler(std::filesystem::path home)
      : home_(std::move(home)), jobs_(OpenFolderHome(home_)) {}

  void Handle(HttpServerRequest request, HttpReply reply) override {
    const bool get = request.method == "GET";
    if (!get && request.method != "DELETE") {
      reply.Send(HttpAnswer::Failure(405, "GET and DELETE are known here"));
      return;
    }
    reply.Send(get ? Get(request.path()) : Delete(request.path()));
  }

 private:
  static HttpAnswer Say(const Json& json) {
    HttpAnswer answer;
    answer.body = json.dump(-1, ' ', false, Json::error_handler_t::replace);
    return answer;
  }

  // What follows /v1/jobs/: the job, and what of it.
  static std::pair<std::string_view, std::string_view> TakeApart(std::string_view path) {
    if (!path.starts_with(kJobs) || path.substr(kJobs.size()).size() < 2 ||
        path[kJobs.size()] != '/') {
      throw Error(ErrorCode::kNotFound, "nothing is known of that path");
    }
    path.remove_prefix(kJobs.size() + 1);
    const auto slash = path.find('/');
    const std::string_view id = path.substr(0, slash);
    CheckJobId(id);
    return {id, slash == path.npos ? std::string_view() : path.substr(slash + 1)};
  }

  HttpAnswer Get(std::string_view path) {
    if (path == "/v1/windlass") {
      return Say({{"protocol", kProtocol},
                  {"version", Version()},
                  {"build", BuildHash()},
                  {"home", home_.string()}});
    }
    if (path == kJobs) {
      Json list = Json::array();
      for (const job::JobInfo& record : jobs_->Records()) list.push_back(record.ToJson());
      return Say(list);
    }
    if (path.starts_with(kTasks)) {
      HttpAnswer answer;
      answer.content_type = "application/octet-stream";
      answer.body = jobs_->FailedTask(path.substr(kTasks.size())).view();
      return answer;
    }
    const auto [id, what] = TakeApart(path);
    if (what.empty()) {
      const auto record = jobs_->Record(id);
      if (!record) throw Error(ErrorCode::kNotFound, "there is no record of that job");
      return Say(record->ToJson());
    }
    if (what == "result") return Say(jobs_->Result(id).ToJson());
    constexpr std::string_view kOutputs = "outputs/";
    if (!what.starts_with(kOutputs)) throw Error(ErrorCode::kNotFound, "a job has no such part");
    const std::string_view name = what.substr(kOutputs.size());
    CheckOutputName(name);
    auto file = std::make_unique<OutputFile>(OutputsFolder(home_, id) / name);
    HttpAnswer answer;
    answer.content_type = "application/octet-stream";
    answer.source_bytes = file->size();
    answer.source = std::move(file);
    return answer;
  }

  HttpAnswer Delete(std::string_view path) {
    const auto [id, what] = TakeApart(path);
    if (!what.empty() && what != "outputs") {
      throw Error(ErrorCode::kNotFound, "a job has no such part to be removed");
    }
    jobs_->Remove(id, /*record=*/what.empty());
    return Say(Json::object());
  }

  std::filesystem::path home_;
  std::unique_ptr<JobHome> jobs_;
};

class GatewayHome final : public JobHome {
 public:
  GatewayHome(std::string url, std::string token, std::string ca_file,
              std::function<bool()> cancelled)
      : url_(std::move(url)),
        token_(std::move(token)),
        ca_file_(std::move(ca_file)),
        connection_(Http().Connect()),
        cancelled_(std::move(cancelled)) {}

  void IgnoreInterrupts() override {
    cancelled_ = [] { return false; };
  }

  std::optional<job::JobInfo> Record(std::string_view id) override {
    const HttpResponse response = Ask("GET", Path(id));
    if (response.status == 404) return std::nullopt;
    return job::JobInfo::FromJson(Parsed(response), "the store gateway");
  }

  std::vector<job::JobInfo> Records() override {
    std::vector<job::JobInfo> records;
    for (const Json& one : Parsed(Ask("GET", std::string(kJobs)))) {
      records.push_back(job::JobInfo::FromJson(one, "the store gateway"));
    }
    return records;
  }

  JobResult Result(std::string_view id) override {
    return JobResult::FromJson(Parsed(Ask("GET", Path(id) + "/result")));
  }

  void Fetch(std::string_view id, const JobOutput& output,
             const std::filesystem::path& to) override {
    CheckOutputName(output.name);
    for (int attempt = 1;; ++attempt) {
      const int fd = ::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
      if (fd < 0) {
        throw Error(ErrorCode::kIo,
                    fmt::format("cannot write {}: {}", to.string(), std::strerror(errno)));
      }
      struct Close {
        int fd;
        ~Close() { ::close(fd); }
      } const close{fd};
      try {
        HttpRequest request = Request("GET", fmt::format("{}/outputs/{}", Path(id), output.name));
        request.most_bytes = output.size;
        // A megabyte in ten seconds is slow; less is a connection that hangs.
        request.deadline += std::chrono::seconds(output.size / 100'000);
        request.write = [&](std::string_view piece) { WriteAll(fd, piece, to); };
        const HttpResponse response = Do(request);
        if (response.status != 200) Refuse(response);
        return;
      } catch (const Error& error) {
        if (!MayPass(error) || attempt == kAttempts) throw;
        std::this_thread::sleep_for(kLook * attempt);
      }
    }
  }

  Bytes FailedTask(std::string_view id) override {
    CheckJobId(id);  // as plain a word
    HttpRequest request = Request("GET", fmt::format("{}{}", kTasks, id));
    request.most_bytes = kMostTask;
    request.deadline += kToFetchTask;
    HttpResponse response = Do(request);
    if (response.status != 200) Refuse(response);
    return Bytes(std::move(response.body));
  }

  void Remove(std::string_view id, bool record) override {
    const HttpResponse response = Ask("DELETE", Path(id) + (record ? "" : "/outputs"));
    if (response.status != 200 && response.status != 404) Refuse(response);
  }

  // Throws Error{kUnsupported} when what answers is no gateway that we understand.
  Json Introduce() {
    const HttpResponse response = Ask("GET", "/v1/windlass");
    const Json told = response.status == 200 ? Json::parse(response.body, nullptr, false) : Json();
    if (told.is_object() && told.value("protocol", 0) == kProtocol) return told;
    if (response.status == 401 || response.status == 403) Refuse(response);
    throw Error(ErrorCode::kUnsupported,
                fmt::format("what answers at {} is no store gateway of this Windlass (status {})",
                            url_, response.status));
  }

 private:
  static std::string Path(std::string_view id) {
    CheckJobId(id);
    return fmt::format("{}/{}", kJobs, id);
  }

  HttpRequest Request(const std::string& method, const std::string& path) const {
    HttpRequest request;
    request.method = method;
    request.url = url_ + path;
    request.ca_file = ca_file_;
    request.deadline = Clock::now() + kGatewayAnswer;
    request.most_bytes = kMostTold;
    if (!token_.empty()) request.headers.emplace_back("Authorization", "Bearer " + token_);
    return request;
  }

  HttpResponse Do(const HttpRequest& request) {
    return WithContext([&] { return connection_->Do(request, cancelled_); },
                       [&] { return "the store gateway at " + url_; });
  }

  HttpResponse Ask(const std::string& method, const std::string& path) {
    return Do(Request(method, path));
  }

  [[noreturn]] void Refuse(const HttpResponse& response) const {
    const Json told = Json::parse(response.body, nullptr, false);
    const std::string said = told.is_object() ? told.value("error", "") : "";
    const ErrorCode code = response.status == 404   ? ErrorCode::kNotFound
                           : response.status >= 502 ? ErrorCode::kUnavailable
                                                    : ErrorCode::kIo;
    throw Error(code, fmt::format("the store gateway at {} says (status {}): {}", url_,
                                  response.status, said.empty() ? "nothing" : said));
  }

  Json Parsed(const HttpResponse& response) const {
    if (response.status != 200) Refuse(response);
    const Json told = Json::parse(response.body, nullptr, false);
    if (told.is_discarded()) {
      throw Error(ErrorCode::kCorrupt,
                  fmt::format("the store gateway at {} answers what is no JSON", url_));
    }
    return told;
  }

  std::string url_;
  std::string token_;
  std::string ca_file_;
  std::unique_ptr<HttpConnection> connection_;
  std::function<bool()> cancelled_;
};

bool IsLoopback(std::string_view host) {
  return host.starts_with("127.") || host == "localhost" || host == "[::1]";
}

struct FoundGateway {
  std::string id;
  std::string token;
  std::uint16_t port = kGatewayPort;
  bool running = false;
};

std::optional<FoundGateway> FindGateway(const RayEngine& engine, RayApi& api) {
  for (const Json& details : api.List()) {
    try {
      const Json& metadata = details.at("metadata");
      if (!metadata.is_object() || !metadata.contains(kGatewayMetadata)) continue;
      const std::string status = details.at("status");
      if (status != "RUNNING" && status != "PENDING") continue;
      const Json told = Json::parse(metadata.at(std::string(kGatewayMetadata)).get<std::string>());
      if (told.at("protocol") != kProtocol || told.at("store") != engine.store) continue;
      FoundGateway found;
      found.id = details.at("submission_id");
      found.token = details.at("runtime_env").at("env_vars").at(kTokenVariable);
      found.port = told.at("port");
      found.running = status == "RUNNING";
      return found;
    } catch (const Json::exception&) {
      continue;  // another's job
    }
  }
  return std::nullopt;
}

std::string UrlOf(const RayEngine& engine, std::uint16_t port) {
  return engine.gateway.empty() ? fmt::format("http://{}:{}", engine.host, port) : engine.gateway;
}

std::string StartGateway(const RayEngine& engine, RayApi& api) {
  const std::string id = "windlass-gateway-" + UniqueName().substr(0, 12);
  const std::uint16_t port = engine.gateway_port;
  Json environment = {{kTokenVariable, UniqueName() + UniqueName()},
                      {"WINDLASS_COMMAND_BUILD", BuildHash()}};
  if (!engine.store.empty()) environment["WINDLASS_HOME"] = engine.store;
  Json runtime = {{"env_vars", std::move(environment)}};
  AddWheel(engine, api, runtime);
  api.Submit(
      {{"entrypoint",
        fmt::format("exec {} -m windlass store serve --address {} --port {} --token env:{}",
                    ShellQuoted(engine.python), IsLoopback(engine.host) ? "127.0.0.1" : "0.0.0.0",
                    port, kTokenVariable)},
       {"submission_id", id},
       {"runtime_env", std::move(runtime)},
       {"entrypoint_resources", {{std::string(kHeadResource), kHeadShare}}},
       {"metadata",
        {{std::string(kGatewayMetadata),
          Json{{"protocol", kProtocol}, {"store", engine.store}, {"port", port}}.dump()}}}});
  return id;
}

}  // namespace

void ServeGateway(const GatewayOptions& options, const CancelToken& token,
                  const std::function<void(const std::string& url)>& ready) {
  GatewayHandler handler(options.home);
  HttpServerOptions server_options;
  server_options.address = options.address;
  server_options.port = options.port;
  server_options.token = options.token;
  server_options.max_body_bytes = 64 << 10;
  HttpServer server(server_options, handler);
  ready(server.url());
  while (!token.cancelled()) std::this_thread::sleep_for(kLook);
  server.Shutdown(Clock::now() + kGatewayAnswer);
}

std::unique_ptr<JobHome> ConnectGateway(const std::string& url, const std::string& token,
                                        const std::string& ca_file,
                                        std::function<bool()> cancelled) {
  return std::make_unique<GatewayHome>(url, token, ca_file, std::move(cancelled));
}

std::unique_ptr<JobHome> OpenJobHome(const RayEngine& engine, RayApi& api, bool start,
                                     const Say& say) {
  if (!engine.bucket.empty()) {
    try {
      return OpenBucketHome(engine.bucket, api.cancelled());
    } catch (const Error& error) {
      // It has been asked for a while; unlike a head, it does not come back under the same name.
      if (!MayPass(error)) throw;
      throw Error(ErrorCode::kIo, "option shared", error);
    }
  }
  if (!engine.shared.empty()) {
    std::error_code unreadable;
    if (!std::filesystem::is_directory(engine.shared, unreadable)) {
      throw Error(ErrorCode::kNotFound,
                  fmt::format("option shared={}: there is no such folder on this machine",
                              engine.shared.string()));
    }
    if (engine.store.starts_with((engine.shared / "").string())) {
      return OpenFolderHome(engine.store);
    }
  }
  const Deadline deadline = Clock::now() + kToStart;
  std::string started;
  std::optional<Deadline> reached;  // until then it must have answered
  for (bool told = false;; std::this_thread::sleep_for(kLook)) {
    if (api.cancelled()()) throw Error(ErrorCode::kCancelled, "interrupted");
    const auto gateway = FindGateway(engine, api);
    if (!gateway && !start) return nullptr;
    if (!gateway && started.empty()) {
      if (!told) say("starts the store gateway beside the cluster's head");
      told = true;
      started = StartGateway(engine, api);
      continue;
    }
    if (gateway && gateway->running) {
      const std::string url = UrlOf(engine, gateway->port);
      auto home =
          std::make_unique<GatewayHome>(url, gateway->token, engine.ca_file, api.cancelled());
      try {
        home->Introduce();
        return home;
      } catch (const Error& error) {
        if (!MayPass(error) && error.code() != ErrorCode::kUnsupported) throw;
        if (!start) return nullptr;
        if (!reached) reached = Clock::now() + kToBeReached;
        if (Clock::now() > *reached) {
          throw Error(ErrorCode::kUnavailable,
                      fmt::format("the store gateway runs beside the cluster's head (port {}), and "
                                  "cannot be reached from here; forward that port as well, say by "
                                  "?gateway=URL how it is reached, or let both sides see a folder "
                                  "(?shared=FOLDER)",
                                  gateway->port),
                      error);
        }
      }
    } else if (!started.empty() && !gateway) {
      const auto details = api.Find(started);
      job::JobInfo info;
      if (details) ReadState(*details, info);
      if (info.ended()) {
        throw Error(info.failure == 2 ? ErrorCode::kUnsupported : ErrorCode::kUnavailable,
                    fmt::format("the store gateway does not start beside the cluster's head: {}",
                                info.error));
      }
    }
    if (Clock::now() > deadline) {
      throw Error(ErrorCode::kDeadlineExceeded,
                  fmt::format("the store gateway has not started within {} s; Ray's dashboard at "
                              "{} shows its job",
                              kToStart.count(), engine.url));
    }
  }
}

}  // namespace windlass::cluster
