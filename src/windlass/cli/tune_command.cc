#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "windlass/cli/cli.h"
#include "windlass/cli/print.h"
#include "windlass/cli/spec_flags.h"
#include "windlass/tune/challenge.h"
#include "windlass/tune/tuner.h"

namespace windlass::cli {
namespace {

struct TuneBenchCommand {
  SpecFlags spec{"tune_bench"};
  RunFlags flags;

  void Run() {
    spec.CheckRequired();
    RunAndPrint(spec.Spec(), "the command line", flags);
  }
};

struct TuneListCommand {
  bool json = false;

  void Run() const {
    const Registry& registry = Registry::Global();
    Json found = {{"tuners", Json::array()}, {"challenges", Json::array()}};
    for (const std::string& name : registry.Names(tune::TunerKind::kRegistryKind)) {
      found["tuners"].push_back(
          {{"name", name}, {"help", registry.Find<tune::TunerKind>(name).help()}});
    }
    for (const std::string& name : registry.Names(tune::ChallengeKind::kRegistryKind)) {
      const auto& kind = registry.Find<tune::ChallengeKind>(name);
      found["challenges"].push_back({{"name", name}, {"type", kind.type()}, {"help", kind.help()}});
    }
    if (json) {
      std::cout << found.dump(2) << "\n";
      return;
    }
    Print("TUNER", found.at("tuners"));
    std::cout << "\n";
    Print("CHALLENGE", found.at("challenges"));
  }

  static void Print(const std::string& what, const Json& things) {
    const bool types = things.front().contains("type");
    std::vector<std::vector<std::string>> rows = {{what}};
    if (types) rows.front().emplace_back("TYPE");
    rows.front().emplace_back("WHAT IT IS");
    for (const Json& thing : things) {
      std::vector<std::string>& row = rows.emplace_back();
      row.push_back(thing.at("name"));
      if (types) row.push_back(thing.at("type"));
      row.push_back(thing.at("help"));
    }
    std::cout << FormatTable(rows);
  }
};

}  // namespace

void AddTuneCommand(CLI::App& app, Outcome&) {
  auto* tune = app.add_subcommand("tune", "Tune hyper-parameters, and compare tuners");
  tune->require_subcommand(1);

  auto bench = std::make_shared<TuneBenchCommand>();
  auto* sub =
      tune->add_subcommand("bench", "Every tuner on every challenge: a table of best scores");
  bench->spec.AddTo(*sub, /*require=*/false);
  bench->flags.AddTo(*sub, /*out_required=*/true);
  sub->final_callback([bench] { bench->Run(); });

  auto list = std::make_shared<TuneListCommand>();
  sub = tune->add_subcommand("list", "Tuners and challenges, with a line each");
  sub->add_flag("--json", list->json, "As JSON");
  sub->final_callback([list] { list->Run(); });
}

void PrintTuneBench(const job::RunResult& result, const std::string& out) {
  const Json& summary = result.result;
  std::vector<std::vector<std::string>> rows = {{"challenge"}};
  for (const std::string tuner : summary.at("tuners")) rows.front().push_back(tuner);
  for (std::size_t i = 0; i < summary.at("challenges").size(); ++i) {
    std::vector<std::string>& row = rows.emplace_back();
    row.push_back(Visible(summary["challenges"][i].get<std::string>()));
    for (const Json& score : summary.at("scores")[i]) {
      row.push_back(score.is_null() ? "-" : fmt::format("{:.6g}", score.get<double>()));
    }
  }
  std::vector<std::string>& wins = rows.emplace_back();
  wins.emplace_back("wins");
  for (const Json& count : summary.at("wins")) {
    wins.push_back(fmt::format("{:.3g}", count.get<double>()));
  }
  std::cout << FormatTable(rows);
  std::cout << fmt::format("{} matches in {}; {} has scores.csv, matches.csv and summary.json\n",
                           Grouped(result.run.at("tasks").at("total")), Seconds(result.seconds),
                           out);
}

}  // namespace windlass::cli
