#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>

#include "windlass/base/error.h"
#include "windlass/base/share.h"
#include "windlass/bench/counts.h"
#include "windlass/bench/results.h"
#include "windlass/bench/sweep.h"
#include "windlass/cli/bench_cluster.h"
#include "windlass/cli/cli.h"
#include "windlass/cli/print.h"
#include "windlass/cli/spec_flags.h"
#include "windlass/cluster/ray_engine.h"
#include "windlass/cluster/ray_run.h"

namespace windlass::cli {
namespace {

constexpr std::int64_t kMostWorkers = 1024;  // of the local engine
constexpr std::int64_t kLargestBatch = std::int64_t{1} << 40;
const std::vector<std::string> kInputs = {"model", "data", "background"};

// Seconds with three digits, and no exponent however many or few they are.
std::string Digits(double value) {
  const int decimals =
      value > 0 ? std::clamp(2 - static_cast<int>(std::floor(std::log10(value))), 0, 7) : 2;
  return fmt::format("{:.{}f}", value, decimals);
}

void PrintTable(const std::vector<bench::Configuration>& all) {
  const bool both = all.front().mode != all.back().mode;  // they ascend
  const auto mode = [both](std::string_view name) {
    return both ? fmt::format("{:<5}", name) : std::string();
  };
  const int width = both ? 6 : 9;  // of 80 columns in all
  std::cout << mode("mode");
  std::cout << fmt::format("{:>7} {:>{}} {:>5}  {:>8}  {:<21} {:>10} {:>9}\n", "workers", "batch",
                           width, "runs", "median s", "(min - max)", "rows/s", "speed-up");
  for (const bench::Configuration& one : all) {
    std::cout << mode(bench::ModeName(one.mode));
    std::cout << fmt::format("{:>7} {:>{}} {:>5}  {:>8}  {:<21} {:>10} {:>9}\n", one.workers,
                             one.batch, width, one.runs, Digits(one.wall.median),
                             fmt::format("({} - {})", Digits(one.wall.low), Digits(one.wall.high)),
                             Grouped(std::int64_t{std::llround(one.rows_per_s)}),
                             one.speed_up ? fmt::format("{:.2f}", *one.speed_up) : "-");
  }
}

// The shipped job: Adult, with its groups and link unless others were asked for.
void FillFromAdult(Json& spec) {
  const std::filesystem::path folder = ShareFolder() / "examples/adult";
  const auto file = [&folder](const char* name) {
    const std::filesystem::path path = folder / name;
    if (!std::filesystem::exists(path)) {
      throw Error(ErrorCode::kNotFound,
                  fmt::format("the shipped Adult job has no {}; set WINDLASS_SHARE to the folder "
                              "that holds examples/, or give --model, --data and --background",
                              path.string()));
    }
    return path.string();
  };
  spec["model"] = "linear:" + file("model.json");
  spec["data"] = file("adult.parquet");
  spec["background"] = file("background.parquet");
  if (!spec.contains("groups")) spec["groups"] = file("groups.json");
  if (!spec.contains("link")) spec["link"] = "logit";
}

struct BenchExplainCommand {
  SpecFlags spec{"explain"};
  std::vector<std::string> workers;
  std::vector<std::string> batches = {"1", "5", "10"};
  int runs = 5;
  int benchmark = 1;
  int warm_up = 1;
  std::string engine = "local";
  std::vector<std::string> modes = {"pool"};
  std::vector<std::string> replicas;
  std::string batching = "ray";
  SweepCluster::Wanted wanted;
  std::string out = "results";
  bool quiet = false;
  bool json = false;

  Json Spec() const {
    Json filled = spec.Spec();
    const auto given = std::ranges::count_if(
        kInputs, [this](const std::string& field) { return spec.Given(field); });
    if (given == 0) {
      FillFromAdult(filled);
    } else if (given != std::ssize(kInputs)) {
      throw Error(ErrorCode::kUsage,
                  "give --model, --data and --background together, or none of them for the "
                  "shipped Adult job");
    }
    return filled;
  }

  // On machines that this one may know nothing of.
  bool IsElsewhere() const { return !wanted.name.empty() || cluster::RayEngine::Is(engine); }

  std::vector<bench::Mode> Modes() const {
    std::vector<bench::Mode> all;
    for (const bench::Mode one : {bench::Mode::kPool, bench::Mode::kServe}) {
      const auto names = [one](const std::string& text) {
        return text == "both" || text == bench::ModeName(one);
      };
      if (std::ranges::any_of(modes, names)) all.push_back(one);
    }
    return all;
  }

  std::vector<std::int64_t> Counts() const {
    const bool of_service = !replicas.empty();
    std::vector<std::string> counts = of_service ? replicas : workers;
    if (counts.empty()) return bench::Doublings(bench::ThisMachine().cores);
    const auto is_number = [](const std::string& text) {
      return text.find(':') == std::string::npos;
    };
    // As the published benchmark's script for Kubernetes has it.
    if (!wanted.name.empty() && counts.size() == 2 && std::ranges::all_of(counts, is_number)) {
      counts = {counts[0] + ":" + counts[1]};
    }
    return bench::ParseCounts(counts, of_service ? "--replicas" : "--workers", kMostWorkers);
  }

  bench::SweepOptions Options() const {
    bench::SweepOptions options;
    options.spec = Spec();
    options.what = "the command line";
    options.engine = engine;
    options.modes = Modes();
    const bool serves = std::ranges::count(options.modes, bench::Mode::kServe) > 0;
    if (!replicas.empty() && (!serves || !workers.empty())) {
      throw Error(ErrorCode::kUsage, serves ? "--replicas and --workers are the same numbers here; "
                                              "give one of them"
                                            : "--replicas is of --mode serve; jobs take --workers");
    }
    if (!wanted.name.empty() && engine != "local") {
      throw Error(ErrorCode::kUsage, "--cluster NAME says where it runs; leave --engine out");
    }
    if (IsElsewhere()) {
      if (serves && wanted.name.empty()) {
        throw Error(ErrorCode::kUnsupported,
                    "--mode serve reaches its service by the network that the engines local and "
                    "ray have, or on Kubernetes with --cluster NAME; run it on a machine of the "
                    "cluster");
      }
      options.run = [](const Json& spec, std::string_view what, const job::RunOptions& run) {
        return cluster::RunOnRay(spec, what, run, [](const std::string&) {});
      };
    }
    if (!wanted.name.empty()) options.engine = fmt::format("cluster {}", wanted.name);
    options.batching = batching == "ray" ? bench::Batching::kRay : bench::Batching::kDefault;
    options.workers = Counts();
    if (benchmark == 0) options.workers = {options.workers.back()};
    options.batches = bench::ParseCounts(batches, "--batch", kLargestBatch);
    options.runs = runs;
    options.warm_up = warm_up;
    options.progress = quiet ? job::Progress::Style::kQuiet : job::Progress::DefaultStyle();
    return options;
  }

  void Run() const {
    bench::SweepOptions options = Options();
    const bench::ResultsFolder folder(out);
    std::optional<SweepCluster> on;
    if (!wanted.name.empty()) {
      const auto say = [this](const std::string& line) {
        if (!quiet) std::cerr << Visible(line) << std::endl;
      };
      const auto warn = [](const std::string& line) { Say("warning: " + Visible(line)); };
      on.emplace(wanted, cluster::Listeners{say, warn});
      options.place = [&](std::int64_t count) { return on->Take(count); };
      options.serve = [&](const Json& service, const std::string& where) {
        return on->Serve(service, where);
      };
    }
    const bench::SweepResult result = bench::RunSweep(options);
    const bench::ResultFiles files = folder.Write(result);
    on.reset();  // takes a while, and may be interrupted
    if (json) {
      Json document = bench::ToJson(result);
      document["files"] = {{"json", files.json.string()},
                           {"csv", files.csv.string()},
                           {"page", files.page.string()}};
      std::cout << document.dump(2) << "\n";
    } else if (!quiet) {
      Print(result, files);
    }
    if (result.stopped) {
      std::cout.flush();
      throw *result.stopped;
    }
  }

  void Print(const bench::SweepResult& result, const bench::ResultFiles& files) const {
    const bench::Sample& first = result.samples.front();
    std::cout << fmt::format("{} rows a run, method {}; {} cores of {}\n", Grouped(first.rows),
                             first.method, result.machine.cores, result.machine.cpu);
    if (std::ranges::count(result.options.modes, bench::Mode::kServe) > 0) {
      std::cout << fmt::format("{}to a service over HTTP, {}; its replicas are the workers\n",
                               result.options.modes.size() > 1 ? "serve: " : "",
                               result.options.batching == bench::Batching::kRay
                                   ? "a row a request"
                                   : "a batch a request");
    }
    std::cout << "\n";
    PrintTable(bench::Summarise(result.samples));
    if (result.stopped) {
      const auto planned = result.options.configurations() * result.options.runs;
      std::cout << fmt::format("\nStopped after {} of {} runs.\n", result.samples.size(), planned);
    }
    const int most = static_cast<int>(std::ranges::max(result.options.workers));
    if (most > result.machine.cores && !IsElsewhere()) {
      std::cout << fmt::format("\nThis machine has {} cores: more workers than that share them.\n",
                               result.machine.cores);
    }
    if (result.machine.load > 0.5 * result.machine.cores) {
      std::cout << fmt::format(
          "\nThe machine was busy before: {:.1f} running processes on average "
          "for {} cores.\n",
          result.machine.load, result.machine.cores);
    }
    std::cout << fmt::format("\nChart: {}\nEvery run: {} and .csv\n", files.page.string(),
                             files.json.string());
  }
};

}  // namespace

void AddBenchCommand(CLI::App& app, Outcome&) {
  auto command = std::make_shared<BenchExplainCommand>();
  auto* group = app.add_subcommand("bench", "Measure how work spreads over workers");
  group->require_subcommand(1);
  auto* sub = group->add_subcommand(
      "explain",
      "Run an explain job over numbers of workers and batch sizes, the memo table off, and draw "
      "its time; without --model, --data and --background: the shipped Adult job");
  command->spec.AddTo(*sub, /*require=*/false);
  sub->add_option("-w,--workers", command->workers,
                  "Numbers of workers: a list, ranges such as 1:8, or both; default: 1, 2, 4, ... "
                  "and one a core");
  sub->add_option("-b,--batch", command->batches, "Rows a task takes: a list, ranges, or both")
      ->capture_default_str();
  sub->add_option("--nruns", command->runs, "Runs of each configuration")
      ->capture_default_str()
      ->check(CLI::Range(1, 100'000));
  sub->add_option("--benchmark", command->benchmark,
                  "1: every number of workers; 0: only the largest")
      ->capture_default_str()
      ->check(CLI::IsMember({0, 1}));
  sub->add_option("--warm-up", command->warm_up, "Runs before the first one that counts")
      ->capture_default_str()
      ->check(CLI::Range(0, 1000));
  sub->add_option("--engine", command->engine, "Where it runs: local, ray, http://HOST:8265")
      ->capture_default_str();
  sub->add_option(
      "--cluster", command->wanted.name,
      "A cluster on Kubernetes: started where it is not there, and anew for each number "
      "of workers; -w 10 20 is then the range 10:20");
  sub->add_option("--cluster-options", command->wanted.engine_options,
                  "With --cluster: options of the engine, such as store=/store&cpus=1");
  sub->add_flag("--keep-cluster", command->wanted.keep,
                "With --cluster: do not stop it in the end if it was started here");
  sub->add_option("--namespace", command->wanted.access.name_space,
                  "With --cluster: Kubernetes' namespace");
  sub->add_option("--kubeconfig", command->wanted.access.kubeconfig,
                  "With --cluster: for $KUBECONFIG");
  sub->add_option("--context", command->wanted.access.context, "With --cluster: of the kubeconfig");
  sub->add_option("--mode", command->modes,
                  "pool: each run is a job of so many workers; serve: the rows go to a service of "
                  "so many replicas (windlass serve explain), over HTTP; both: one after the other")
      ->capture_default_str()
      ->check(CLI::IsMember({"pool", "serve", "both"}));
  sub->add_option("--replicas", command->replicas, "Another name for --workers, with --mode serve");
  sub->add_option("--batching", command->batching,
                  "With --mode serve. ray: a row a request, and the service puts up to --batch of "
                  "them together; default: --batch rows a request")
      ->capture_default_str()
      ->check(CLI::IsMember({"ray", "default"}));
  sub->add_option("--out,-o", command->out, "Folder for the results; nothing in it is replaced")
      ->capture_default_str();
  sub->add_flag("-q,--quiet", command->quiet, "No progress and no table");
  auto* start = sub->add_option_group("A cluster that --cluster starts");
  command->wanted.start.AddTo(*start);
  sub->add_flag("--json", command->json, "Print every run and the summary as JSON");
  sub->final_callback([command] { command->Run(); });
}

}  // namespace windlass::cli
