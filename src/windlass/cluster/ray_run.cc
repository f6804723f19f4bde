#include "windlass/cluster/ray_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <thread>
#include <utility>

#include "windlass/base/build_info.h"
#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/log.h"
#include "windlass/base/object_spec.h"
#include "windlass/base/s3.h"
#include "windlass/cluster/gateway.h"
#include "windlass/cluster/package.h"
#include "windlass/cluster/ray_jobs.h"
#include "windlass/cluster/submitted.h"
#include "windlass/job/capability.h"
#include "windlass/job/record.h"
#include "windlass/job/staging.h"
#include "windlass/store/store.h"

namespace windlass::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kVariable = "WINDLASS_SUBMITTED";
constexpr const char* kFile = "windlass_job.json";
constexpr std::size_t kMostInVariable = 64 << 10;  // of a string the kernel takes 128 KiB
constexpr std::size_t kMostInMetadata = 32 << 10;
constexpr seconds kToStop{25};  // then Ray kills
constexpr milliseconds kShortest{50};
constexpr milliseconds kLongest{1000};
constexpr std::chrono::hours kLongestTimeout{24 * 365 * 10};
constexpr seconds kSilence{5};  // of a cluster, before it is spoken of

Error EndOf(const job::JobInfo& info) {
  const ErrorCode code = info.exit_code() == 2                ? ErrorCode::kInvalidInput
                         : info.exit_code() == 130            ? ErrorCode::kCancelled
                         : info.state == job::JobState::kDied ? ErrorCode::kUnavailable
                                                              : ErrorCode::kIo;
  std::string text = fmt::format(
      "job {} {}: {}", info.id,
      info.state == job::JobState::kCancelled ? "was cancelled" : JobStateName(info.state),
      info.error.empty() ? "nothing is known of why" : info.error);
  if (info.state == job::JobState::kDied) {
    text += "; run the same command again: what it finished is remembered";
  }
  return Error(code, text);
}

// What is the same for each try of a job.
struct Prepared {
  RayEngine engine;
  job::JobInfo info;  // as the user sees it
  bool is_service = false;
  Inputs inputs;
  std::vector<std::string> plugins;  // where they are among the inputs
};

Prepared Prepare(const Json& spec, std::string_view what, const job::RunOptions& options) {
  Prepared prepared;
  prepared.engine = RayEngine::Parse(options.engine);
  prepared.info = job::NewJob(spec, what, options);
  const auto& capability = Registry::Global().Find<job::Capability>(prepared.info.kind);
  prepared.is_service = capability.is_service();
  prepared.inputs =
      FindInputs(prepared.info.spec, capability.schema().inputs(), prepared.engine.shared);
  for (const std::filesystem::path plugin : Registry::Global().Plugins()) {
    // Our own are there as well, and loaded where they are needed.
    if (plugin.filename().string().starts_with("windlass_")) continue;
    prepared.plugins.push_back(
        fmt::format("plugins/{}/{}", prepared.plugins.size(), plugin.filename().string()));
    prepared.inputs.files.emplace(prepared.plugins.back(), plugin);
  }
  return prepared;
}

void CheckRay(RayApi& api, const RayEngine& engine, const Say& say) {
  const std::string version = api.Version().value("ray_version", "");
  int major = 0, minor = 0;
  if (std::sscanf(version.c_str(), "%d.%d", &major, &minor) != 2) return;
  constexpr int kMajor = 2, kMinor = 60;  // what tests are run with
  if (major < kMajor || (major == kMajor && minor < kMinor)) {
    say(fmt::format("the cluster at {} runs Ray {}; Windlass is tested with {}.{} and later",
                    engine.url, version, kMajor, kMinor));
  }
}

void Submit(const Prepared& prepared, const std::string& id, const job::RunOptions& options,
            std::int64_t restarts, const std::string& restart_of, RayApi& api) {
  const RayEngine& engine = prepared.engine;
  const std::string told = Json{
      {"spec", prepared.inputs.spec},
      {"given", prepared.info.spec},
      {"restarts", restarts},
      {"restart_of", restart_of},
      {"bucket",
       engine.bucket}}.dump();
  // As Ray's engine does when its worker has it no more.
  Json environment = {{"WINDLASS_COMMAND_BUILD", BuildHash()},
                      {"RAY_JOB_STOP_WAIT_TIME_S", std::to_string(kToStop.count())}};
  if (!engine.store.empty()) environment["WINDLASS_HOME"] = engine.store;
  if (!engine.bucket.empty()) {
    environment["WINDLASS_STORE"] = StoreIn(S3Place::Parse(engine.bucket));
  }
  auto files = prepared.inputs.files;
  std::optional<TemporaryFolder> folder;
  if (told.size() <= kMostInVariable) {
    environment[kVariable] = told;
  } else {
    folder.emplace();
    WriteFileAtomically(folder->path() / kFile, told);
    files.emplace(kFile, folder->path() / kFile);
  }
  Json runtime = {{"env_vars", std::move(environment)}};
  if (!files.empty()) {
    Package package = Pack(files);
    runtime["working_dir"] = package.uri();
    Upload(api, std::move(package));
  }
  AddWheel(engine, api, runtime);
  Json ours = {{"kind", prepared.info.kind},  {"build", BuildHash()}, {"out", prepared.info.out},
               {"run", prepared.info.run},    {"restarts", restarts}, {"restart_of", restart_of},
               {"submitted_ms", job::NowMs()}};
  ours["spec"] = prepared.info.spec;
  if (ours.dump().size() > kMostInMetadata) ours.erase("spec");
  std::string entrypoint = fmt::format("exec {} -m windlass", ShellQuoted(engine.python));
  for (const std::string& plugin : prepared.plugins) {
    entrypoint += " --plugin " + ShellQuoted(plugin);
  }
  entrypoint += fmt::format(" run --submitted {} --engine {} -w {}", id, ShellQuoted(engine.ray),
                            options.workers.Text());
  if (options.batch > 0) entrypoint += fmt::format(" -b {}", options.batch);
  if (!options.memo) entrypoint += " --no-memo";
  Json request = {{"entrypoint", std::move(entrypoint)},
                  {"submission_id", id},
                  {"runtime_env", std::move(runtime)},
                  {"metadata", {{std::string(kJobMetadata), ours.dump()}}}};
  // Beside the gateway, on whose disk the job's home is.
  if (engine.shared.empty() && engine.bucket.empty()) {
    request["entrypoint_resources"] = {{std::string(kHeadResource), kHeadShare}};
  }
  api.Submit(request);
}

job::RunResult Fetch(JobHome& home, const std::string& id, job::Staging& staging) {
  JobResult told = home.Result(id);
  for (const JobOutput& output : told.outputs) {
    const std::filesystem::path to = staging.Add(output.name);
    home.Fetch(id, output, to);
    if (std::filesystem::file_size(to) != output.size || HashOfFile(to) != output.hash) {
      throw Error(ErrorCode::kCorrupt,
                  fmt::format("{} of job {} did not come over whole", output.name, id));
    }
  }
  job::RunResult result;
  result.job_id = id;
  result.result = std::move(told.result);
  result.run = std::move(told.run);
  if (const auto timings = result.run.find("timings"); timings != result.run.end()) {
    result.seconds = timings->value("total_wall_s", 0.0);
  }
  return result;
}

// The log of a job, as it is printed: without what only its progress and its end say.
class LogPrinter {
 public:
  explicit LogPrinter(const Inputs& inputs) : inputs_(inputs) {}

  void Take(const std::string& log) {
    if (log.size() < at_) at_ = 0;  // another one
    for (;;) {
      const auto end = log.find('\n', at_);
      if (end == log.npos) return;
      Line(std::string_view(log).substr(at_, end - at_));
      at_ = end + 1;
    }
  }

  // The job has ended: why it failed is said by the error that it ends with.
  void End(bool failed) {
    if (failed) held_.clear();
    Flush();
  }

  void Anew() { at_ = 0, begun_ = false, held_.clear(); }

 private:
  void Line(std::string_view line) {
    if (!begun_) {
      begun_ = line.starts_with("Running entrypoint for job ");
      return;
    }
    if (line.starts_with(job::Progress::kMark)) return;  // it is drawn
    if (line.starts_with("Ray: ")) return;  // python/windlass/ray/cluster.py; for `job logs`
    Flush();
    const std::string text = inputs_.InWordsOfTheUser(std::string(line));
    if (line.starts_with("windlass: ")) {
      held_ = text;
    } else {
      std::fputs((text + "\n").c_str(), stderr);
    }
  }

  void Flush() {
    if (!held_.empty()) std::fputs((held_ + "\n").c_str(), stderr);
    held_.clear();
  }

  const Inputs& inputs_;
  std::size_t at_ = 0;
  bool begun_ = false;
  std::string held_;  // a line that may be the last one
};

// One job, followed to its end through all that may happen to the cluster.
class Follower {
  // Before those who call it, for the sake of its type.
  // What throws for want of an answer is tried again for as long as patience says.
  template <typename Body>
  auto Patiently(Body&& body) {
    const auto begun = Clock::now();
    bool told = false;
    for (milliseconds wait = kShortest;; wait = std::min(wait * 2, 4 * kLongest)) {
      try {
        auto answer = body();
        if (told) say_(fmt::format("the cluster at {} answers again", engine_.url));
        return answer;
      } catch (const Error& error) {
        if (!MayPass(error)) throw;
        const auto silent = Clock::now() - begun;
        if (silent > engine_.patience) {
          throw Error(ErrorCode::kUnavailable,
                      fmt::format("the cluster at {} has not answered for {} s; job {} may go on "
                                  "there: windlass job show {} --engine {}",
                                  engine_.url, engine_.patience.count(), id_, id_, engine_.url),
                      error);
        }
        if (!told && silent > kSilence) {
          told = true;
          say_(fmt::format("{}; it is asked again for {} s", error.what(),
                           engine_.patience.count()));
        }
      }
      Sleep(wait);
    }
  }

  // Interrupted while it was submitted: it may be there or not.
  void Leave() {
    api_.IgnoreInterrupts();
    try {
      api_.Stop(id_);
    } catch (const Error& error) {
      say_(fmt::format("job {} may have begun: {}", id_, error.what()));
    }
  }

  void Sleep(milliseconds time) const {
    for (const Deadline end = Clock::now() + time;;) {
      if (!stopping_) options_.token.Check();
      const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
      if (left <= milliseconds(0)) return;
      std::this_thread::sleep_for(std::min(left, milliseconds(20)));
    }
  }

 public:
  Follower(const Prepared& prepared, const job::RunOptions& options, job::JobRecord& record,
           const Say& say)
      : prepared_(prepared),
        engine_(prepared.engine),
        options_(options),
        record_(record),
        say_(say),
        api_(engine_, options.token),
        printer_(prepared.inputs),
        progress_(options.progress, &record) {}

  // `staging`: of a service none.
  job::RunResult Run(std::optional<job::Staging>& staging) {
    CheckRay(api_, engine_, say_);
    Begin(record_.id(), options_.restarts, options_.restart_of);
    for (;;) {
      const job::JobInfo info = Follow();
      progress_.End();
      const bool stopped = prepared_.is_service && info.state == job::JobState::kCancelled;
      if (info.state != job::JobState::kSucceeded && !stopped) throw EndOf(info);
      if (prepared_.is_service) {
        job::RunResult none;
        none.result = Json::object();
        return none;
      }
      try {
        job::RunResult result = Patiently([&] { return Fetch(*home_, id_, *staging); });
        Forget();
        return result;
      } catch (const Error& error) {
        // The head's disk went with it, after the job had ended.
        if (error.code() != ErrorCode::kNotFound || !Forgotten()) throw;
        Again();
      }
    }
  }

 private:
  void Begin(const std::string& id, std::int64_t restarts, const std::string& restart_of) {
    const bool quiet = options_.progress == job::Progress::Style::kQuiet;
    home_ = Patiently([&] {
      return OpenJobHome(engine_, api_, /*start=*/true, quiet ? [](const std::string&) {} : say_);
    });
    id_ = id;
    try {
      Patiently([&, again = false]() mutable {
        // The answer may have been lost on its way, not the request.
        if (!std::exchange(again, true) || !api_.Find(id)) {
          Submit(prepared_, id, options_, restarts, restart_of, api_);
        }
        return true;
      });
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kCancelled) Leave();
      throw;
    }
    Log(LogLevel::kInfo, fmt::format("submitted to {} as {}", engine_.url, id));
  }

  bool Forgotten() {
    return Patiently([&] { return !api_.Find(id_); });
  }

  void Again() {
    if (again_ >= engine_.restarts) {
      throw Error(ErrorCode::kUnavailable,
                  fmt::format("the cluster at {} has forgotten job {} for the {}th time: its head "
                              "was replaced; run the same command again: what the job finished is "
                              "remembered where its store outlives the head",
                              engine_.url, id_, again_ + 1));
    }
    ++again_;
    const std::string id = fmt::format("{}-r{}", record_.id(), again_);
    say_(
        fmt::format("the cluster at {} has forgotten job {}: its head was replaced; submits it "
                    "again as {}, which goes on from what is remembered",
                    engine_.url, id_, id));
    const std::string before = id_;
    printer_.Anew();
    Patiently([&] {
      // Submitted already, by a try whose answer was lost?
      if (!api_.Find(id)) Begin(id, options_.restarts + again_, before);
      id_ = id;
      return true;
    });
  }

  // Until the job has ended, or the user wants no more.
  job::JobInfo Follow() {
    milliseconds wait = kShortest;
    for (;;) {
      try {
        const auto details = Patiently([&] { return api_.Find(id_); });
        if (!details && stopping_) {
          throw Error(ErrorCode::kCancelled,
                      fmt::format("the cluster has forgotten job {}, which was to stop", id_));
        }
        if (!details) {
          Again();
          continue;
        }
        auto info = JobOf(*details);
        if (!info) throw Error(ErrorCode::kInternal, "the job's metadata have changed");
        Look(*info);
        if (info->ended()) {
          printer_.End(info->state != job::JobState::kSucceeded);
          info->error = prepared_.inputs.InWordsOfTheUser(info->error);
          return *std::move(info);
        }
        Sleep(wait);
        wait = std::min(wait * 5 / 4, kLongest);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::kCancelled || stopping_) throw;
        Stop();
      }
    }
  }

  // Its log and progress; what cannot be had now is looked at the next time.
  void Look(job::JobInfo& info) {
    const auto now = Clock::now();
    if (info.ended() || now - looked_ >= kLongest / 2) {
      looked_ = now;
      try {
        printer_.Take(api_.Log(id_));
        if (const auto record = home_->Record(id_)) {
          AddRecord(info, *record);
          Show(info);
        }
      } catch (const Error& error) {
        if (error.code() == ErrorCode::kCancelled) throw;
        if (info.ended() && !MayPass(error)) throw;
      }
    }
  }

  void Show(const job::JobInfo& info) {
    if (info.unit.empty()) return;
    if (info.unit != unit_ || info.total != total_ || info.done < done_) {
      progress_.End();
      progress_.Begin(info.unit, info.total);
      unit_ = info.unit, total_ = info.total, done_ = 0;
    }
    if (info.done > done_) progress_.Advance(info.done - done_);
    done_ = info.done;
  }

  // The user's first interrupt; the second one ends this process.
  void Stop() {
    stopping_ = true;
    api_.IgnoreInterrupts();
    if (home_) home_->IgnoreInterrupts();
    progress_.End();
    say_(
        fmt::format("asks job {} to stop, and waits until it has; interrupting again leaves it: "
                    "windlass job show {} --engine {}",
                    id_, id_, engine_.url));
    Patiently([&] {
      api_.Stop(id_);
      return true;
    });
  }

  // The outputs are here now.
  void Forget() {
    try {
      home_->Remove(id_, /*record=*/false);
    } catch (const Error& error) {
      Log(LogLevel::kInfo, fmt::format("what the job left on the cluster stays: {}", error.what()));
    }
  }

  const Prepared& prepared_;
  const RayEngine& engine_;
  const job::RunOptions& options_;
  job::JobRecord& record_;
  const Say& say_;
  RayApi api_;
  std::unique_ptr<JobHome> home_;
  LogPrinter printer_;
  job::Progress progress_;
  std::string id_;
  int again_ = 0;
  bool stopping_ = false;
  Deadline looked_{};
  std::string unit_;
  std::int64_t total_ = 0;
  std::int64_t done_ = 0;
};

}  // namespace

job::RunResult RunOnRay(const Json& spec, std::string_view what, const job::RunOptions& options,
                        const Say& say) {
  Prepared prepared = Prepare(spec, what, options);
  const auto record = job::JobRecord::Begin(store::HomeFolder(), prepared.info);
  const LogFile log(record->log_path());
  try {
    std::optional<job::Staging> staging;
    if (!prepared.is_service) staging.emplace(options.out);
    record->Start();
    Follower follower(prepared, options, *record, say);
    job::RunResult result = follower.Run(staging);
    result.job_id = record->id();
    record->Succeed(staging ? staging->Commit() : std::vector<std::string>());
    return result;
  } catch (const Error& error) {
    record->Fail(error);
    throw;
  } catch (const std::exception& defect) {
    const Error error(ErrorCode::kInternal, std::string("internal error: ") + defect.what());
    record->Fail(error);
    throw error;
  }
}

std::string SubmitToRay(const Json& spec, std::string_view what, const job::RunOptions& options,
                        const Say& say) {
  const Prepared prepared = Prepare(spec, what, options);
  RayApi api(prepared.engine, options.token);
  CheckRay(api, prepared.engine, say);
  OpenJobHome(prepared.engine, api, /*start=*/true, say);
  job::JobInfo kept = prepared.info;
  if (kept.id.empty()) kept.id = job::NewJobId();
  kept.started_ms = job::NowMs();
  Submit(prepared, kept.id, options, options.restarts, options.restart_of, api);
  KeepSubmitted(kept);
  return kept.id;
}

job::JobInfo WaitOnRay(std::string_view text, std::string_view given, milliseconds timeout,
                       const std::function<void(const job::JobInfo&)>& look,
                       const Resubmit& resubmit, const Say& say) {
  const RayEngine engine = RayEngine::Parse(text);
  const Deadline deadline = Clock::now() + std::min<milliseconds>(timeout, kLongestTimeout);
  std::string id(given);
  std::optional<Deadline> silent;  // until when a cluster that does not answer may be so
  RayApi api(engine);
  RayJobs jobs(engine, OpenJobHome(engine, api, /*start=*/false, say));
  for (int again = 0;;) {
    try {
      job::JobInfo info = jobs.Find(id);
      silent.reset();
      id = info.id;
      if (look) look(info);
      if (info.ended()) {
        const bool forgotten = FindSubmitted(id) && !api.Find(id);
        if (!forgotten || again == engine.restarts) return info;
        say(
            fmt::format("the cluster at {} has forgotten job {}, as its head was replaced; submits "
                        "it again",
                        engine.url, id));
        id = resubmit(info);
        ++again;
        continue;
      }
    } catch (const Error& error) {
      if (!MayPass(error)) throw;
      if (!silent) {
        silent = Clock::now() + engine.patience;
        say(fmt::format("{}; it is asked again for {} s", error.what(), engine.patience.count()));
      }
      if (Clock::now() > *silent) throw;
    }
    if (Clock::now() >= deadline) {
      throw Error(ErrorCode::kDeadlineExceeded,
                  fmt::format("job {} has not ended within {} s", id,
                              std::chrono::duration<double>(timeout).count()));
    }
    ProcessCancelToken().Check();
    std::this_thread::sleep_for(kLongest / 2);
  }
}

job::RunResult FetchFromRay(std::string_view text, std::string_view id,
                            const std::filesystem::path& out, const Say& say) {
  const RayEngine engine = RayEngine::Parse(text);
  RayApi api(engine);
  auto home = OpenJobHome(engine, api, /*start=*/true, say);
  RayJobs jobs(engine, nullptr);
  const job::JobInfo info = jobs.Find(id);
  if (!info.ended()) {
    throw Error(ErrorCode::kUsage,
                fmt::format("job {} has not ended yet; windlass job wait {} --engine {} waits",
                            info.id, info.id, engine.url));
  }
  if (info.state != job::JobState::kSucceeded) throw EndOf(info);
  job::Staging staging(out.empty() ? std::filesystem::path(info.out) : out);
  job::RunResult result = Fetch(*home, info.id, staging);
  staging.Commit();
  DropSubmitted(info.id);
  return result;
}

Submitted Submitted::Read() {
  const char* variable = std::getenv(kVariable);
  std::error_code unreadable;
  if (variable == nullptr && !std::filesystem::exists(kFile, unreadable)) {
    throw Error(ErrorCode::kUsage, "--submitted is for jobs that --engine http:// submits");
  }
  const Json told =
      ParseJson(variable != nullptr ? std::string(variable) : ReadFile(kFile), "the submitted job");
  try {
    Submitted submitted;
    submitted.spec = told.at("spec");
    submitted.given = told.at("given");
    submitted.restarts = told.at("restarts");
    submitted.restart_of = told.at("restart_of");
    submitted.bucket = told.at("bucket");
    return submitted;
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::kCorrupt, fmt::format("the submitted job: {}", error.what()));
  }
}

}  // namespace windlass::cluster
