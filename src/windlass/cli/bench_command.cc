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
#include "windlass/cli/cli.h"
#include "windlass/cli/print.h"
#include "windlass/cli/spec_flags.h"
#include "windlass/cluster/cluster.h"
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
  std::cout << fmt::format("{:>7} {:>9} {:>5}  {:>8}  {:<21} {:>10} {:>9}\n", "workers", "batch",
                           "runs", "median s", "(min - max)", "rows/s", "speed-up");
  for (const bench::Configuration& one : all) {
    std::cout << fmt::format("{:>7} {:>9} {:>5}  {:>8}  {:<21} {:>10} {:>9}\n", one.workers,
                             one.batch, one.runs, Digits(one.wall.median),
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
  std::string mode = "pool";
  std::vector<std::string> replicas;
  std::string batching = "ray";
  std::string cluster_name;
  std::string engine_options;
  cluster::Access access;
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

  bench::SweepOptions Options() const {
    bench::SweepOptions options;
    options.spec = Spec();
    options.what = "the command line";
    options.engine = engine;
    const bool serves = mode == "serve";
    if (serves ? !workers.empty() : !replicas.empty()) {
      throw Error(ErrorCode::kUsage, serves ? "--mode serve takes --replicas, not --workers"
                                            : "--replicas is of --mode serve; jobs take --workers");
    }
    if (!cluster_name.empty() && engine != "local") {
      throw Error(ErrorCode::kUsage, "--cluster NAME says where it runs; leave --engine out");
    }
    if (!cluster_name.empty() || cluster::RayEngine::Is(engine)) {
      if (serves) {
        throw Error(ErrorCode::kUnsupported,
                    "--mode serve reaches its service by the network that the engines local and "
                    "ray have; run it on a machine of the cluster");
      }
      options.run = [](const Json& spec, std::string_view what, const job::RunOptions& run) {
        return cluster::RunOnRay(spec, what, run, [](const std::string&) {});
      };
    }
    if (!cluster_name.empty()) options.engine = fmt::format("cluster {}", cluster_name);
    options.mode = serves ? bench::Mode::kServe : bench::Mode::kPool;
    options.batching = batching == "ray" ? bench::Batching::kRay : bench::Batching::kDefault;
    const auto& counts = serves ? replicas : workers;
    options.workers =
        counts.empty()
            ? bench::Doublings(bench::ThisMachine().cores)
            : bench::ParseCounts(counts, serves ? "--replicas" : "--workers", kMostWorkers);
    if (benchmark == 0) options.workers = {options.workers.back()};
    options.batches = bench::ParseCounts(batches, "--batch", kLargestBatch);
    options.runs = runs;
    options.warm_up = warm_up;
    options.progress = quiet ? job::Progress::Style::kQuiet : job::Progress::DefaultStyle();
    return options;
  }

  // Scales the cluster to so many workers before they are measured, and back in the end.
  class ScaledCluster {
   public:
    explicit ScaledCluster(const BenchExplainCommand& command)
        : name_(command.cluster_name),
          kubectl_(command.access, [] { return ProcessCancelToken().cancelled(); }),
          say_([quiet = command.quiet](const std::string& line) {
            if (!quiet) std::cerr << Visible(line) << std::endl;
          }),
          options_(command.engine_options),
          before_(cluster::Inspect(kubectl_, name_).cluster.workers_wanted),
          forward_(command.access, name_, {"127.0.0.1", 0}, say_) {}

    ~ScaledCluster() {
      try {
        const cluster::Kubectl kubectl(kubectl_.access(), [] { return false; });
        cluster::Scale(kubectl, name_, Exactly(before_), "");
      } catch (const std::exception& error) {
        say_(fmt::format("cluster {} keeps the workers that it has: {}", name_, error.what()));
      }
    }

    std::string Take(std::int64_t workers) {
      cluster::Scale(kubectl_, name_, Exactly(static_cast<int>(workers)), "");
      cluster::WaitUntilReady(kubectl_, name_, kToScale, say_);
      const std::string& engine = forward_.forwarded().engine;
      if (options_.empty()) return engine;
      return engine + (engine.find('?') == engine.npos ? "?" : "&") + options_;
    }

   private:
    static cluster::WorkerCount Exactly(int workers) {
      return cluster::ParseWorkers(std::to_string(workers), "--workers");
    }

    static constexpr std::chrono::minutes kToScale{10};

    const std::string name_;
    const cluster::Kubectl kubectl_;
    const cluster::Say say_;
    const std::string options_;
    const int before_;
    cluster::BackgroundForward forward_;
  };

  void Run() const {
    bench::SweepOptions options = Options();
    std::optional<ScaledCluster> scaled;
    if (!cluster_name.empty()) {
      scaled.emplace(*this);
      options.place = [&](std::int64_t count) { return scaled->Take(count); };
    }
    const bench::ResultsFolder folder(out);
    const bench::SweepResult result = bench::RunSweep(options);
    const bench::ResultFiles files = folder.Write(result);
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

  static void Print(const bench::SweepResult& result, const bench::ResultFiles& files) {
    const bench::Sample& first = result.samples.front();
    std::cout << fmt::format("{} rows a run, method {}; {} cores of {}\n", Grouped(first.rows),
                             first.method, result.machine.cores, result.machine.cpu);
    if (result.options.mode == bench::Mode::kServe) {
      std::cout << fmt::format("to a service over HTTP, {}; its replicas are the workers\n",
                               result.options.batching == bench::Batching::kRay
                                   ? "a row a request"
                                   : "a batch a request");
    }
    std::cout << "\n";
    PrintTable(bench::Summarise(result.samples));
    if (result.stopped) {
      const auto planned = std::ssize(result.options.workers) * std::ssize(result.options.batches) *
                           result.options.runs;
      std::cout << fmt::format("\nStopped after {} of {} runs.\n", result.samples.size(), planned);
    }
    const int most = static_cast<int>(std::ranges::max(result.options.workers));
    if (most > result.machine.cores) {
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
  sub->add_option("--cluster", command->cluster_name,
                  "A cluster on Kubernetes (windlass cluster start): scaled to each number of "
                  "workers, and back in the end");
  sub->add_option("--cluster-options", command->engine_options,
                  "With --cluster: options of the engine, such as store=/store&cpus=1");
  sub->add_option("--namespace", command->access.name_space,
                  "With --cluster: Kubernetes' namespace");
  sub->add_option("--kubeconfig", command->access.kubeconfig, "With --cluster: for $KUBECONFIG");
  sub->add_option("--context", command->access.context, "With --cluster: of the kubeconfig");
  sub->add_option("--mode", command->mode,
                  "pool: each run is a job of so many workers; serve: the rows go to a service of "
                  "so many replicas (windlass serve explain), over HTTP")
      ->capture_default_str()
      ->check(CLI::IsMember({"pool", "serve"}));
  sub->add_option("--replicas", command->replicas, "With --mode serve, instead of --workers");
  sub->add_option("--batching", command->batching,
                  "With --mode serve. ray: a row a request, and the service puts up to --batch of "
                  "them together; default: --batch rows a request")
      ->capture_default_str()
      ->check(CLI::IsMember({"ray", "default"}));
  sub->add_option("--out,-o", command->out, "Folder for the results; nothing in it is replaced")
      ->capture_default_str();
  sub->add_flag("-q,--quiet", command->quiet, "No progress and no table");
  sub->add_flag("--json", command->json, "Print every run and the summary as JSON");
  sub->final_callback([command] { command->Run(); });
}

}  // namespace windlass::cli
