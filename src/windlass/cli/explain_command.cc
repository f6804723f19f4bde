#include <fmt/format.h>

#include <iostream>
#include <memory>
#include <thread>

#include "windlass/base/error.h"
#include "windlass/cli/cli.h"
#include "windlass/cli/print.h"
#include "windlass/cli/spec_flags.h"
#include "windlass/explain/estimate.h"

namespace windlass::cli {
namespace {

// `windlass explain`: fills the spec from flags, and runs it.
struct ExplainCommand {
  SpecFlags spec{"explain"};
  RunFlags flags;

  // The parser cannot require what a subcommand does without.
  void Run() const {
    spec.CheckRequired();
    if (flags.out.empty()) {
      throw Error(ErrorCode::kUsage, "--out is required: a folder for the outputs");
    }
    RunAndPrint(spec.Spec(), "the command line", flags);
  }
};

// `windlass explain plan`: what that would cost.
struct PlanCommand {
  SpecFlags spec{"explain"};
  int workers = 0;
  bool json = false;

  void Run() const {
    spec.CheckRequired();
    if (workers < -1) {
      throw Error(ErrorCode::kUsage,
                  fmt::format("--workers is {}; -1, 0 or a number was expected", workers));
    }
    const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    const int slots = workers == 0 ? cores : std::max(1, workers);
    const Json estimate =
        explain::EstimateCost(job::Normalise(spec.Spec(), "the command line"), slots);
    if (json) {
      std::cout << estimate.dump(2) << "\n";
    } else {
      Print(estimate);
    }
  }

  static void Print(const Json& estimate) {
    const auto integer = [](const Json& value) { return Grouped(value.get<std::int64_t>()); };
    PrintMethod(estimate);
    const Json& rows = estimate.at("rows");
    std::cout << fmt::format("{} rows, {} groups, {} background rows.\n",
                             rows.is_null() ? "?" : integer(rows), integer(estimate.at("groups")),
                             integer(estimate.at("background_rows")));
    const Json& measured = estimate.at("measured");
    const Json& expected = estimate.at("expected");
    if (!expected.is_null()) {
      std::cout << Wrapped(fmt::format(
                       "Expected: {} with {} worker{}, {} of CPU, {} model evaluations; beside "
                       "reading and "
                       "writing. Measured on {} rows in {}.",
                       Seconds(expected.at("wall_s")), estimate.at("workers").get<int>(),
                       estimate.at("workers") == 1 ? "" : "s", Seconds(expected.at("cpu_s")),
                       integer(expected.at("model_evaluations")), integer(measured.at("rows")),
                       Seconds(measured.at("wall_s"))))
                << "\n";
    } else if (const auto found = measured.at("rows").get<std::int64_t>(); found > 0) {
      const double each = measured.at("wall_s").get<double>() / static_cast<double>(found);
      std::cout << Wrapped(
                       fmt::format("Expected: {} a row with one worker; how many rows there are "
                                   "shows only when they are read.",
                                   Seconds(each)))
                << "\n";
    }
    std::cout << fmt::format("Memory: about {}.\n",
                             Size(estimate.at("memory_bytes").get<std::uint64_t>()));
    if (estimate.at("cheaper").empty()) return;
    std::cout << "What would make it cheaper:\n";
    for (const Json& way : estimate.at("cheaper")) {
      std::cout << Wrapped("  " + way.get<std::string>(), 4) << "\n";
    }
  }
};

}  // namespace

void AddExplainCommand(CLI::App& app, Outcome&) {
  auto command = std::make_shared<ExplainCommand>();
  auto* explain =
      app.add_subcommand("explain", "Explain a model's predictions with Shapley values");
  command->spec.AddTo(*explain, /*require=*/false);
  command->flags.AddTo(*explain, /*out_required=*/false);

  auto planned = std::make_shared<PlanCommand>();
  auto* plan = explain->add_subcommand(
      "plan", "What it would cost: method, model evaluations, time, memory, cheaper ways");
  planned->spec.AddTo(*plan, /*require=*/false);
  plan->add_option("-w,--workers", planned->workers,
                   "Workers: -1 sequential, 0 one a core (default), or a number");
  plan->add_flag("--json", planned->json, "Print the result as JSON");

  AddCompareCommands(*explain);

  plan->final_callback([planned] { planned->Run(); });
  explain->final_callback([command, explain] {
    if (explain->get_subcommands().empty()) command->Run();
  });
}

}  // namespace windlass::cli
