#include "windlass/job/run.h"

#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <map>
#include <new>
#include <optional>
#include <vector>

#include "windlass/base/build_info.h"
#include "windlass/base/cpu_clock.h"
#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/log.h"
#include "windlass/base/process.h"
#include "windlass/base/sync_point.h"
#include "windlass/job/capability.h"
#include "windlass/job/record.h"
#include "windlass/job/staging.h"

namespace windlass::job {
namespace {

class RunContext final : public Context {
 public:
  // A service has its own workers, no outputs, and answers instead of progress.
  RunContext(const RunOptions& options, const Json& given, JobRecord& record, store::Store* memo,
             bool service)
      : options_(options),
        given_(given),
        record_(record),
        memo_(memo),
        progress_(service ? Progress::Style::kQuiet : options.progress, &record) {
    if (service) return;
    staging_.emplace(options.out);
    session_ = engine::StartSession(options.engine, options.workers);
  }

  const std::string& engine() const override { return options_.engine; }
  engine::Session& session() override { return *session_; }
  store::Store* memo() override { return memo_; }
  const CancelToken& token() override { return options_.token; }
  Progress& progress() override { return progress_; }
  const Json& given() const override { return given_; }
  std::int64_t batch() const override { return options_.batch; }

  std::filesystem::path Output(std::string_view name) override {
    return staging_.value().Add(name);
  }

  void Timing(std::string_view phase, double wall_seconds, double cpu_seconds) override {
    const std::string name(phase);
    timings_[name + "_wall_s"] = wall_seconds;
    if (cpu_seconds >= 0) timings_[name + "_cpu_s"] = cpu_seconds;
  }

  void Count(const engine::DriveStats& stats) override {
    stats_.tasks += stats.tasks;
    stats_.executed += stats.executed;
    stats_.recalled += stats.recalled;
    stats_.task_cpu_seconds += stats.task_cpu_seconds;
    stats_.task_wall_seconds += stats.task_wall_seconds;
  }

  void Announce(const std::string& line) override {
    Log(LogLevel::kInfo, line);
    // Of a job that another process began standard error is its log.
    if (options_.progress == Progress::Style::kQuiet || options_.record != nullptr) return;
    std::fputs((line + "\n").c_str(), stderr);
    std::fflush(stderr);
  }

  void Serving(const std::string& url) override { record_.SetUrl(url); }

  Json Facts() const {
    return {{"timings", timings_},
            {"tasks",
             {{"total", stats_.tasks},
              {"executed", stats_.executed},
              {"recalled", stats_.recalled},
              {"cpu_s", stats_.task_cpu_seconds},
              {"wall_s", stats_.task_wall_seconds}}},
            {"workers", session_ ? session_->Slots() : 0}};
  }

  std::optional<Staging>& staging() { return staging_; }

 private:
  const RunOptions& options_;
  const Json& given_;
  JobRecord& record_;
  std::optional<Staging> staging_;
  store::Store* memo_;
  std::unique_ptr<engine::Session> session_;
  Progress progress_;
  std::map<std::string, double> timings_;
  engine::DriveStats stats_;
};

std::string KindOf(const Json& spec, std::string_view what) {
  if (!spec.is_object() || !spec.contains("kind") || !spec["kind"].is_string()) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: a spec is a JSON object with a \"kind\", such as {{\"kind\": "
                            "\"explain\", ...}}",
                            what));
  }
  return spec["kind"];
}

}  // namespace

Json Normalise(const Json& spec, std::string_view what) {
  const std::string kind = KindOf(spec, what);
  return WithContext(
      [&] { return Registry::Global().Find<Capability>(kind).schema().Normalise(spec, what); },
      [&] { return std::string("reading the spec"); });
}

JobInfo NewJob(const Json& spec, std::string_view what, const RunOptions& options) {
  JobInfo info;
  info.kind = KindOf(spec, what);
  info.spec = Registry::Global().Find<Capability>(info.kind).schema().Normalise(spec, what);
  if (!Registry::Global().Find<Capability>(info.kind).is_service()) {
    if (options.out.empty()) {
      throw Error(ErrorCode::kUsage, "where should the outputs go? --out DIR is missing");
    }
    // It goes into JSON.
    WithContext([&] { CanonicalDump(Json(options.out.string())); },
                [] { return std::string("--out"); });
    info.out = std::filesystem::absolute(options.out).string();
  }
  info.id = options.id;
  info.restart_of = options.restart_of;
  info.restarts = options.restarts;
  info.run = {{"out", info.out},
              {"engine", options.engine},
              {"workers", options.workers.Text()},
              {"batch", options.batch},
              {"memo", options.memo},
              {"folder", std::filesystem::current_path().string()},
              {"plugins", Registry::Global().Plugins()}};
  return info;
}

RunResult Run(const Json& spec, std::string_view what, const RunOptions& options) {
  const auto start = Clock::now();
  const double cpu = ProcessCpuSeconds();
  JobInfo info = NewJob(spec, what, options);
  const Capability& capability = Registry::Global().Find<Capability>(info.kind);
  const Json normal = info.spec;
  const std::filesystem::path home = store::HomeFolder();
  std::shared_ptr<store::Store> memo;
  if (options.memo) memo = store::Store::Open(store::DefaultPlace());
  const std::shared_ptr<JobRecord> record =
      options.record ? options.record : JobRecord::Begin(home, std::move(info));
  const LogFile log(record->log_path());
  try {
    Log(LogLevel::kInfo, fmt::format("job {} begins: {}", record->id(), CanonicalDump(normal)));
    RunContext context(options, options.given.is_null() ? normal : options.given, *record,
                       memo.get(), capability.is_service());
    SyncPoint("job.start");
    record->Start();
    RunResult result;
    result.job_id = record->id();
    result.result = capability.Run(normal, context);
    context.progress().End();
    if (memo) memo->Seal();
    result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    result.run = context.Facts();
    result.run["job"] = record->id();
    result.run["host"] = HostName();
    result.run["engine"] = options.engine;
    result.run["batch"] = options.batch;
    result.run["started_ms"] = record->info().started_ms;
    result.run["windlass"] = {{"version", Version()}, {"build", BuildHash()}};
    result.run["timings"]["total_wall_s"] = result.seconds;
    result.run["timings"]["total_cpu_s"] = ProcessCpuSeconds() - cpu;
    std::vector<std::string> outputs;
    if (context.staging()) {
      WriteFileAtomically(context.staging()->Add("run.json"), result.run.dump(2) + "\n");
      outputs = context.staging()->Commit();
    }
    Log(LogLevel::kInfo, fmt::format("job {} succeeded in {:.3f} s", record->id(), result.seconds));
    if (!options.keep_record) {
      record->Remove();
      return result;
    }
    try {
      record->Succeed(outputs);
    } catch (const Error& error) {  // the outputs are complete and in place
      Log(LogLevel::kWarning, fmt::format("the job's record cannot be written: {}", error.what()));
    }
    return result;
  } catch (const Error& error) {
    record->Fail(error);
    throw;
  } catch (const std::bad_alloc&) {
    const Error error(ErrorCode::kIo, "out of memory");
    record->Fail(error);
    throw error;
  } catch (const std::exception& defect) {  // of ours: still the job's end
    const Error error(ErrorCode::kInternal, std::string("internal error: ") + defect.what());
    record->Fail(error);
    throw error;
  }
}

}  // namespace windlass::job
