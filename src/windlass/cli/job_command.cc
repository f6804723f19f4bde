#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <ctime>
#include <iostream>
#include <memory>

#include "windlass/base/error.h"
#include "windlass/cli/cli.h"
#include "windlass/cli/print.h"
#include "windlass/job/record.h"
#include "windlass/store/store.h"

namespace windlass::cli {
namespace {

std::int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string LocalTime(std::int64_t ms) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(static_cast<std::time_t>(ms / 1000)));
}

std::string Duration(const job::JobInfo& info) {
  if (info.finished_ms == 0 && info.state != job::JobState::kRunning) return "-";
  const std::int64_t end = info.finished_ms != 0 ? info.finished_ms : NowMs();
  return Seconds(static_cast<double>(end - info.started_ms) / 1000);
}

std::string Progress(const job::JobInfo& info) {
  if (info.state == job::JobState::kSucceeded) return "100%";
  if (info.total > 0) return fmt::format("{}%", 100 * info.done / info.total);
  return info.done > 0 ? Grouped(info.done) : "-";
}

std::string State(const job::JobInfo& info) {
  std::string state(info.state == job::JobState::kDied ? "failed" : JobStateName(info.state));
  return info.resumable ? state + " (resumable)" : state;
}

struct JobCommand {
  std::string id;
  bool json = false;
  double older_than_days = 7;

  void List() const {
    const auto jobs = job::ListJobs(store::HomeFolder());
    if (json) {
      Json all = Json::array();
      for (const auto& info : jobs) all.push_back(info.ToJson());
      std::cout << all.dump(2) << "\n";
      return;
    }
    std::vector<std::vector<std::string>> rows = {
        {"ID", "KIND", "STARTED", "DURATION", "PROGRESS", "STATE"}};
    for (const auto& info : jobs) {
      rows.push_back({info.id, info.kind, LocalTime(info.started_ms), Duration(info),
                      Progress(info), State(info)});
    }
    std::cout << FormatTable(rows);
  }

  void Show() const {
    const job::JobInfo info = job::FindJob(store::HomeFolder(), id);
    if (json) {
      std::cout << info.ToJson().dump(2) << "\n";
      return;
    }
    std::vector<std::vector<std::string>> rows = {{"id", info.id},
                                                  {"kind", info.kind},
                                                  {"state", State(info)},
                                                  {"started", LocalTime(info.started_ms)},
                                                  {"duration", Duration(info)},
                                                  {"progress", Progress(info)}};
    if (!info.error.empty()) rows.push_back({"error", info.error});
    for (const auto& output : info.outputs) rows.push_back({"output", output});
    for (const auto& [key, value] : info.spec.items()) {
      if (value.is_null() || key == "kind") continue;
      rows.push_back({"spec." + key, value.is_string() ? value.get<std::string>() : value.dump()});
    }
    if (info.resumable) rows.push_back({"resume with", "windlass run --job " + info.id});
    std::cout << FormatTable(rows);
  }

  void Logs() const { std::cout << job::ReadJobLog(store::HomeFolder(), id); }

  void Prune() const {
    const auto before = NowMs() - static_cast<std::int64_t>(older_than_days * 86400e3);
    const auto removed = job::PruneJobs(store::HomeFolder(), before);
    if (json) {
      std::cout << Json{{"removed", removed}}.dump(2) << "\n";
    } else {
      std::cout << fmt::format("Removed {} job records.\n", removed.size());
    }
  }
};

}  // namespace

void AddJobCommands(CLI::App& app, Outcome&) {
  auto command = std::make_shared<JobCommand>();
  auto* group = app.add_subcommand("job", "Jobs that ran or run here");
  group->require_subcommand(1);
  auto* list = group->add_subcommand("list", "A table of all jobs, newest first");
  auto* show = group->add_subcommand("show", "One job: its state, spec and outputs");
  auto* logs = group->add_subcommand("logs", "The log of a job");
  auto* prune = group->add_subcommand("prune", "Remove the records of finished jobs");
  for (auto* sub : {show, logs}) {
    sub->add_option("id", command->id, "The job's id, or a beginning that no other shares")
        ->required();
  }
  for (auto* sub : {list, show, prune}) {
    sub->add_flag("--json", command->json, "Print JSON");
  }
  prune->add_option("--older-than", command->older_than_days, "Days since they ended")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  list->final_callback([command] { command->List(); });
  show->final_callback([command] { command->Show(); });
  logs->final_callback([command] { command->Logs(); });
  prune->final_callback([command] { command->Prune(); });
}

}  // namespace windlass::cli
