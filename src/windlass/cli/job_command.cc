#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <set>

#include "windlass/base/cancel.h"
#include "windlass/base/error.h"
#include "windlass/cli/cli.h"
#include "windlass/cli/print.h"
#include "windlass/cluster/gateway.h"
#include "windlass/cluster/ray_jobs.h"
#include "windlass/cluster/ray_run.h"
#include "windlass/job/local_jobs.h"
#include "windlass/store/store.h"

namespace windlass::cli {
namespace {

constexpr std::size_t kShownOnTerminal = 20;
constexpr double kLongestWait = 1e9;  // seconds

std::string LocalTime(std::int64_t ms) {
  const std::tm time = fmt::localtime(static_cast<std::time_t>(ms / 1000));
  char text[32];
  return {text,
          std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &time)};  // half of fmt's time
}

std::string Duration(const job::JobSummary& job) {
  if (job.finished_ms == 0 && job.ended()) return "-";
  const std::int64_t end = job.finished_ms != 0 ? job.finished_ms : job::NowMs();
  return Seconds(static_cast<double>(end - job.started_ms) / 1000);
}

std::string Progress(const job::JobSummary& job) {
  if (job.state == job::JobState::kSucceeded) return "100%";
  if (job.total > 0) return fmt::format("{}%", 100 * job.done / job.total);
  return job.done > 0 ? Grouped(job.done) : "-";
}

std::string ProgressInWords(const job::JobInfo& job) {
  if (job.total > 0) {
    return fmt::format("{} of {} {} ({}%)", Grouped(job.done), Grouped(job.total), job.unit,
                       100 * job.done / job.total);
  }
  return job.done > 0 ? fmt::format("{} {}", Grouped(job.done), job.unit) : "-";
}

std::string State(const job::JobSummary& job) {
  return std::string(JobStateName(job.state)) + (job.resumable() ? " (resumable)" : "");
}

std::chrono::milliseconds Milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

void PrintJson(const Json& json) {
  std::cout << json.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
}

// "Job ID failed: why."
void PrintEnd(const job::JobInfo& job) {
  std::cout << fmt::format(
      "Job {} {}{}{}\n", job.id,
      job.state == job::JobState::kCancelled ? "was cancelled" : JobStateName(job.state),
      job.error.empty() ? "." : ": ", Visible(job.error));
}

// How far a job is that another process runs: one line of a terminal, else one in ten seconds.
class Watch {
 public:
  explicit Watch(bool quiet) : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1) {}
  ~Watch() {
    if (drawn_) std::cerr << "\r\x1b[K" << std::flush;
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void Look(const job::JobInfo& job) {
    const auto interval = terminal_ ? std::chrono::milliseconds(200) : std::chrono::seconds(10);
    if (quiet_ || job.ended() || Clock::now() - shown_ < interval) return;
    const std::string line =
        job.waits_for.empty()
            ? fmt::format("{}: {}, {}", job.id, ProgressInWords(job), Duration(job))
            : fmt::format("{}: waits for {}", job.id, job.waits_for);
    std::cerr << (terminal_ ? "\r\x1b[K" + line : line + "\n") << std::flush;
    drawn_ = terminal_;
    shown_ = Clock::now();
  }

 private:
  bool quiet_;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point shown_ = Clock::now();  // short waits show nothing
};

struct JobCommand {
  std::string id;
  std::string engine = "local";
  std::string out;
  bool json = false;
  bool all = false;
  bool follow = false;
  bool quiet = false;
  std::optional<std::size_t> most;
  std::vector<std::string> states;
  double older_than_days = 7;
  double stop_timeout = 30;
  double wait_timeout = kLongestWait;

  std::set<job::JobState> States() const {
    std::set<job::JobState> wanted;
    for (const std::string& name : states) {
      const auto state = job::FindJobState(name);
      if (!state) {
        std::vector<std::string> known;
        for (const auto one : job::kJobStates) known.emplace_back(JobStateName(one));
        throw Error(ErrorCode::kUsage,
                    fmt::format("--state: no job is \"{}\"{}", name, Suggestion(name, known)));
      }
      wanted.insert(*state);
    }
    return wanted;
  }

  void List() const {
    const auto wanted = States();
    if (all && most) throw Error(ErrorCode::kUsage, "give -n or --all, not both");
    auto jobs = JobsOf(engine)->List();
    if (!wanted.empty()) {
      std::erase_if(jobs, [&](const auto& job) { return !wanted.contains(job.state); });
    }
    const std::size_t found = jobs.size();
    if (most) {
      jobs.resize(std::min(found, *most));
    } else if (!all && !json && wanted.empty() && ::isatty(STDOUT_FILENO) == 1) {
      std::size_t shown = 0;
      std::erase_if(jobs,
                    [&](const auto& job) { return job.ended() && ++shown > kShownOnTerminal; });
    }
    if (json) {
      Json array = Json::array();
      for (const auto& job : jobs) array.push_back(job.ToJson());
      PrintJson(array);
      return;
    }
    std::vector<std::vector<std::string>> rows = {
        {"ID", "KIND", "STARTED", "DURATION", "PROGRESS", "RESTARTS", "STATE"}};
    rows.reserve(jobs.size() + 1);
    for (auto& job : jobs) {
      auto& row = rows.emplace_back();  // not from a list in braces, which would copy
      row.reserve(rows.front().size());
      row.push_back(std::move(job.id));
      row.push_back(std::move(job.kind));
      row.push_back(LocalTime(job.started_ms));
      row.push_back(Duration(job));
      row.push_back(Progress(job));
      row.push_back(std::to_string(job.restarts));
      row.push_back(State(job));
    }
    std::cout << FormatTable(rows);
    if (!most && jobs.size() < found) {
      std::cout << fmt::format("and {} older ones: --all shows them\n",
                               Grouped(static_cast<std::int64_t>(found - jobs.size())));
    }
  }

  void Show() const {
    const job::JobInfo job = JobsOf(engine)->Find(id);
    if (json) {
      PrintJson(job.ToJson());
      return;
    }
    std::vector<std::vector<std::string>> rows = {
        {"id", job.id}, {"kind", job.kind}, {"state", State(job)}};
    if (!job.waits_for.empty()) rows.push_back({"waits for", job.waits_for});
    if (!job.ended() && !job.url.empty()) rows.push_back({"serves at", job.url});
    if (!job.error.empty()) rows.push_back({"why", Visible(job.error)});
    rows.push_back({"started", LocalTime(job.started_ms)});
    rows.push_back({"duration", Duration(job)});
    rows.push_back({"progress", ProgressInWords(job)});
    if (job.restarts > 0) {
      rows.push_back({"restarts", fmt::format("{}, last of {}", job.restarts, job.restart_of)});
    }
    if (!job.ended() && job.process.pid != 0) {
      rows.push_back({"process", fmt::format("{} on {}", job.process.pid, job.process.host)});
    }
    for (const auto& output : job.outputs) rows.push_back({"output", output});
    for (const auto& [key, value] : job.spec.items()) {
      if (value.is_null() || key == "kind") continue;
      rows.push_back({"spec." + key, value.is_string() ? value.get<std::string>() : value.dump()});
    }
    if (job.resumable()) {
      rows.push_back({"resume with", fmt::format("windlass run --job {}{}", job.id,
                                                 engine == "local" ? "" : " --engine " + engine)});
    }
    std::cout << FormatTable(rows);
  }

  int Logs() const {
    const auto jobs = JobsOf(engine);
    job::JobSource& source = *jobs;
    std::string whole;
    const auto write = [&](std::string_view text) {
      if (json) {
        whole += text;
        return;
      }
      std::cout << text << std::flush;
      if (!std::cout) throw Error(ErrorCode::kIo, "cannot write to standard output");
    };
    if (follow) {
      const job::JobInfo job = job::FollowLog(source, source.Find(id).id, write);
      if (json) PrintJson({{"id", job.id}, {"state", JobStateName(job.state)}, {"log", whole}});
      return job.exit_code();
    }
    write(source.ReadLog(id, 0).text);
    if (json) {
      const job::JobInfo job = source.Find(id);
      PrintJson({{"id", job.id}, {"state", JobStateName(job.state)}, {"log", whole}});
    }
    return 0;
  }

  void Stop() const {
    const job::StopResult result = job::StopJob(*JobsOf(engine), id, Milliseconds(stop_timeout));
    if (json) {
      Json answer = result.job.ToJson();
      answer["had_ended"] = result.had_ended;
      answer["forced"] = result.forced;
      PrintJson(answer);
    } else if (result.had_ended) {
      std::cout << fmt::format("Job {} had already ended: {}.\n", result.job.id,
                               JobStateName(result.job.state));
    } else if (result.forced) {
      std::cout << fmt::format("Job {} did not stop within {} s and was killed.\n", result.job.id,
                               stop_timeout);
    } else if (result.job.state == job::JobState::kCancelled) {
      std::cout << fmt::format("Job {} was stopped.\n", result.job.id);
    } else {  // it came first
      PrintEnd(result.job);
    }
  }

  job::JobInfo WaitUntilEnd(const std::function<void(const job::JobInfo&)>& look) const {
    const auto timeout = Milliseconds(wait_timeout);
    if (cluster::RayEngine::Is(engine)) {
      const auto again = [this](const job::JobInfo& info) { return SubmitAgain(info, engine); };
      return cluster::WaitOnRay(engine, id, timeout, look, again, Say);
    }
    const auto jobs = JobsOf(engine);
    return job::WaitForJob(*jobs, jobs->Find(id).id, timeout, look);
  }

  int Wait() const {
    std::optional<Watch> watch(quiet);
    const auto look = [&watch](const job::JobInfo& info) { watch->Look(info); };
    const job::JobInfo job = WaitUntilEnd(look);
    watch.reset();
    if (json) {
      PrintJson(job.ToJson());
    } else if (!quiet) {
      PrintEnd(job);
    }
    return job.exit_code();
  }

  void Fetch() const {
    if (!cluster::RayEngine::Is(engine)) {
      throw Error(ErrorCode::kUsage,
                  "the outputs of this machine's jobs are in their folders already; --engine "
                  "http://HOST:8265 names a cluster");
    }
    const job::RunResult result =
        cluster::FetchFromRay(engine, id, out, quiet ? [](const std::string&) {} : cli::Say);
    if (json) {
      PrintJson({{"job", result.job_id}, {"result", result.result}, {"run", result.run}});
    } else if (!quiet) {
      std::cout << fmt::format("Brought the outputs of job {}.\n", result.job_id);
    }
  }

  void Prune() const {
    const auto before = job::NowMs() - static_cast<std::int64_t>(older_than_days * 86400e3);
    const auto removed = JobsOf(engine)->Prune(before);
    if (json) {
      PrintJson({{"removed", removed}});
    } else {
      std::cout << fmt::format("Removed {} job records.\n", removed.size());
    }
  }
};

}  // namespace

void Say(const std::string& text) { std::cerr << "windlass: " << text << "\n"; }

std::unique_ptr<job::JobSource> JobsOf(const std::string& engine) {
  if (engine == "local") return std::make_unique<job::LocalJobs>(store::HomeFolder());
  if (!cluster::RayEngine::Is(engine)) {
    throw Error(ErrorCode::kUsage,
                fmt::format("--engine {}: jobs are those of this machine (local), also where their "
                            "tasks run elsewhere, or of a cluster that was given them "
                            "(http://HOST:8265)",
                            engine));
  }
  const auto where = cluster::RayEngine::Parse(engine);
  cluster::RayApi api(where);
  return std::make_unique<cluster::RayJobs>(where,
                                            cluster::OpenJobHome(where, api, /*start=*/false, Say));
}

void AddJobCommands(CLI::App& app, Outcome& outcome) {
  auto command = std::make_shared<JobCommand>();
  auto* group = app.add_subcommand("job", "Jobs that ran or run here, or on a cluster (--engine)");
  group->require_subcommand(1);
  auto* list = group->add_subcommand("list",
                                     "A table of jobs, newest first: on a terminal those that have "
                                     "not ended and the newest 20 others, else all");
  auto* show = group->add_subcommand("show", "One job: its state, spec and outputs");
  auto* logs = group->add_subcommand("logs", "The log of a job");
  auto* stop = group->add_subcommand("stop", "Stop a job; what it finished stays remembered");
  auto* wait =
      group->add_subcommand("wait", "Wait until a job has ended; the exit code is its own");
  auto* fetch = group->add_subcommand("fetch", "Bring the outputs of a cluster's job here");
  auto* prune = group->add_subcommand("prune", "Remove the records of jobs that ended");
  for (auto* sub : {show, logs, stop, wait, fetch}) {
    sub->add_option("id", command->id, "The job's id, or a beginning that no other shares")
        ->required();
  }
  for (auto* sub : {list, show, logs, stop, wait, fetch, prune}) {
    sub->add_flag("--json", command->json, "Print JSON");
    sub->add_option("--engine", command->engine,
                    "Whose jobs: local, or http://HOST:8265, a Ray cluster's")
        ->capture_default_str();
  }
  list->add_option("-n", command->most, "So many, the newest");
  list->add_flag("--all", command->all, "All of them, also on a terminal");
  std::vector<std::string> states;
  for (const auto state : job::kJobStates) states.emplace_back(JobStateName(state));
  list->add_option("--state", command->states,
                   fmt::format("Only jobs in these states, a comma between them: {}",
                               fmt::join(states, ", ")))
      ->delimiter(',');
  logs->add_flag("-f,--follow", command->follow,
                 "Go on until the job has ended; the exit code is then its own");
  stop->add_option("--timeout", command->stop_timeout,
                   "Seconds that it has to stop by itself; then it is killed")
      ->capture_default_str()
      ->check(CLI::Range(0.0, kLongestWait));
  wait->add_option("--timeout", command->wait_timeout,
                   "Seconds, after which waiting fails; default: as long as it takes")
      ->check(CLI::Range(0.0, kLongestWait));
  wait->add_flag("-q,--quiet", command->quiet, "No progress and no last word");
  fetch->add_option("--out,-o", command->out,
                    "Folder for the outputs; default: where the job was to bring them");
  fetch->add_flag("-q,--quiet", command->quiet, "No last word");
  prune->add_option("--older-than", command->older_than_days, "Days since they ended")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  list->final_callback([command] { command->List(); });
  show->final_callback([command] { command->Show(); });
  logs->final_callback([command, &outcome] { outcome.exit_code = command->Logs(); });
  stop->final_callback([command] { command->Stop(); });
  wait->final_callback([command, &outcome] { outcome.exit_code = command->Wait(); });
  fetch->final_callback([command] { command->Fetch(); });
  prune->final_callback([command] { command->Prune(); });
}

}  // namespace windlass::cli
