#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
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

namespace {

constexpr std::size_t kColumns = 80;

std::string ScoreText(const Json& score) {
  return score.is_null() ? "-" : fmt::format("{:.6g}", score.get<double>());
}

// A column a tuner.
std::string ScoreTable(const Json& summary) {
  std::vector<std::vector<std::string>> rows = {{"CHALLENGE"}};
  for (const std::string tuner : summary.at("tuners")) rows.front().push_back(tuner);
  for (std::size_t i = 0; i < summary.at("challenges").size(); ++i) {
    rows.push_back({Visible(summary["challenges"][i].get<std::string>())});
    for (const Json& score : summary.at("scores")[i]) rows.back().push_back(ScoreText(score));
  }
  for (const auto& [key, name] : {std::pair("wins", "wins"), {"mean_ranks", "mean rank"}}) {
    rows.push_back({name});
    for (const Json& value : summary.at(key)) rows.back().push_back(ScoreText(value));
  }
  return FormatTable(rows);
}

// Tuners by their mean ranks, and who was best where: for more tuners than fit side by side.
std::string RankTables(const Json& summary) {
  const auto tuners = summary.at("tuners").get<std::vector<std::string>>();
  const auto ranks = summary.at("mean_ranks").get<std::vector<double>>();
  std::vector<std::size_t> order(tuners.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return ranks[i]; });
  std::vector<std::vector<std::string>> by_rank = {{"TUNER", "MEAN RANK", "WINS"}};
  for (const std::size_t i : order) {
    by_rank.push_back({tuners[i], fmt::format("{:.2f}", ranks[i]),
                       fmt::format("{:.3g}", summary["wins"][i].get<double>())});
  }
  std::vector<std::vector<std::string>> winners = {{"CHALLENGE", "BEST", "BY"}};
  for (std::size_t c = 0; c < summary.at("challenges").size(); ++c) {
    const Json& scores = summary.at("scores")[c];
    std::optional<double> best;
    for (const Json& score : scores) {
      if (!score.is_null()) best = std::max(score.get<double>(), best.value_or(score));
    }
    std::vector<std::string> by;
    for (std::size_t i = 0; i < tuners.size(); ++i) {
      if (best && scores[i] == *best) by.push_back(tuners[i]);
    }
    std::string names = by.empty() ? "-" : by.front();
    if (by.size() > 1) names += fmt::format(" and {} more", by.size() - 1);
    winners.push_back({Visible(summary["challenges"][c].get<std::string>()),
                       best ? ScoreText(*best) : "-", names});
  }
  return FormatTable(by_rank) + "\n" + FormatTable(winners);
}

}  // namespace

void PrintTuneBench(const job::RunResult& result, const std::string& out) {
  const std::string table = ScoreTable(result.result);
  const bool fits = Width(table.substr(0, table.find('\n'))) <= kColumns;
  std::cout << (fits ? table : RankTables(result.result));
  std::cout << fmt::format("\n{} matches in {}; {} has scores.csv, matches.csv and summary.json\n",
                           Grouped(result.run.at("tasks").at("total")), Seconds(result.seconds),
                           out);
}

}  // namespace windlass::cli
