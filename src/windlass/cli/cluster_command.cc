#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <optional>

#include "windlass/base/amount.h"
#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/cli/cli.h"
#include "windlass/cli/print.h"
#include "windlass/cli/start_flags.h"
#include "windlass/cluster/cluster.h"
#include "windlass/cluster/local.h"
#include "windlass/store/store.h"

namespace windlass::cli {
namespace {

std::string Or(const std::string& text, const char* otherwise) {
  return text.empty() ? otherwise : text;
}

struct ClusterCommand {
  std::string name;
  StartFlags start_flags;
  cluster::Access access;
  cluster::ForwardOptions forward;
  std::string timeout = "10m";
  std::string group;
  std::string scale_to;
  bool with_operator = false;
  bool all_namespaces = false;
  bool dry_run = false;
  bool quiet = false;
  bool json = false;
  bool local = false;
  cluster::LocalFlags local_flags;       // but for its sizes: see start_flags
  std::vector<CLI::Option*> kubernetes;  // options that only clusters on Kubernetes have
  std::vector<CLI::Option*> whose;       // those of them that name a cluster of Kubernetes
  std::vector<CLI::Option*> machine;     // options that only clusters on this machine have
  std::vector<CLI::Option*> forwarding;  // of the forwarding to a dashboard

  static bool Cancelled() { return ProcessCancelToken().cancelled(); }

  cluster::Kubectl Open() const { return {access, Cancelled}; }

  static cluster::LocalClusters Locals() {
    return {store::HomeFolder(), PythonProgram(), Cancelled};
  }

  static std::vector<std::string> Given(const std::vector<CLI::Option*>& options) {
    std::vector<std::string> names;
    for (const CLI::Option* option : options) {
      if (option->count() > 0) names.push_back(option->get_name());
    }
    return names;
  }

  // What was given means a cluster on this machine: --local says so, or its name does. Throws
  // Error{kUsage} for options that such a cluster has no use for.
  bool IsLocal() const {
    if (!local && (!Given(whose).empty() || !Locals().Has(name))) return false;
    const auto given = Given(kubernetes);
    if (!given.empty()) {
      throw Error(ErrorCode::kUsage,
                  fmt::format("{}: of clusters on Kubernetes; cluster {} is one on this machine",
                              fmt::join(given, ", "), name));
    }
    return true;
  }

  std::chrono::seconds Limit() const {
    using namespace std::chrono;
    return ceil<seconds>(ParseDuration(timeout, "--timeout", seconds(1), hours(7 * 24)));
  }

  cluster::Say Teller() const {
    return [this](const std::string& line) {
      if (!quiet) std::cerr << Visible(line) << std::endl;
    };
  }

  static void Warn(const std::string& warning) {
    std::cerr << "windlass: warning: " << Visible(warning) << std::endl;
  }

  void StartLocal() const {
    cluster::LocalFlags all = local_flags;
    all.sizes = start_flags.sizes;
    if (!all.address.empty() && !all.address.starts_with("127.") && all.address != "::1") Expose();
    Show(Locals().Start(name, all, Limit(), Teller()));
  }

  static void Expose() {
    Warn("the dashboard has no login: whoever reaches this port can run programs on the cluster");
  }

  void Show(const cluster::Inspection& inspection) const {
    if (json) {
      std::cout << inspection.ToJson().dump(2) << "\n";
    } else {
      Print(inspection);
    }
  }

  void Start() const {
    cluster::CheckClusterName(name);
    if (local) {
      IsLocal();
      return StartLocal();
    }
    if (const auto given = Given(machine); !given.empty()) {
      throw Error(ErrorCode::kUsage, fmt::format("{}: of clusters on this machine only (--local)",
                                                 fmt::join(given, ", ")));
    }
    if (Given(whose).empty() && Locals().Has(name)) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("cluster {} runs on this machine; --local means that one, another "
                              "name (or --context, --namespace) one on Kubernetes",
                              name));
    }
    if (!access.name_space.empty()) cluster::CheckLabelName(access.name_space, "--namespace");
    const auto limit = Limit();
    Json warnings = Json::array();
    const cluster::Say warn = [&warnings](const std::string& warning) {
      Warn(warning);
      warnings.push_back(warning);
    };
    const Json manifest = start_flags.Manifest(name, access.name_space, warn);
    if (dry_run) {
      std::cout << manifest.dump(2) << "\n";
      return;
    }
    const auto [inspection, put_in] = cluster::Start(Open(), manifest, start_flags.operator_options,
                                                     limit, {.say = Teller(), .warn = warn});
    if (json) {
      Json result = inspection.ToJson();
      result["operator_put_in"] = put_in;
      result["warnings"] = std::move(warnings);
      std::cout << result.dump(2) << "\n";
    } else {
      Print(inspection);
    }
  }

  static void Print(const cluster::Inspection& inspection) {
    const cluster::ClusterInfo& info = inspection.cluster;
    std::string workers = fmt::format("{} of {} ready", info.workers_ready, info.workers_wanted);
    if (info.autoscaled) {
      workers += fmt::format(" (autoscaled, {} to {})", info.workers_least, info.workers_most);
    }
    std::vector<std::vector<std::string>> rows = {
        {"cluster", info.is_local ? fmt::format("{} on this machine", info.name)
                                  : fmt::format("{} in namespace {}", info.name, info.name_space)},
        {"state", Or(info.state, "not ready yet")},
        {"ray", fmt::format("{} ({})", info.ray_version, info.image)},
        {"workers", workers},
        {"endpoint", Or(info.Endpoint(), "-")}};
    if (!info.head_service.empty()) {
      rows.push_back({"service", fmt::format("http://{}.{}.svc:8265 (within Kubernetes; stays when "
                                             "the head is replaced)",
                                             info.head_service, info.name_space)});
    }
    if (!info.address.empty()) rows.push_back({"engine", "--engine ray:" + info.address});
    for (auto& row : rows) row[1] = Visible(row[1]);
    std::cout << FormatTable(rows) << "\n";
    std::vector<std::vector<std::string>> pods = {{info.is_local ? "NODE" : "POD", "TYPE", "PHASE",
                                                   "READY", "RESTARTS", "IP",
                                                   info.is_local ? "PID" : "NODE"}};
    for (const cluster::PodInfo& pod : inspection.pods) {
      pods.push_back({pod.name, pod.node_type, pod.phase, pod.ready ? "yes" : "no",
                      std::to_string(pod.restarts), Or(pod.ip, "-"),
                      !info.is_local ? Or(pod.node, "-")
                      : pod.pid != 0 ? std::to_string(pod.pid)
                                     : "-"});
    }
    std::cout << FormatTable(pods);
    std::vector<cluster::Trouble> troubles;
    for (const cluster::PodInfo& pod : inspection.pods) {
      if (pod.trouble) troubles.push_back(*pod.trouble);
    }
    for (const cluster::Trouble& trouble : cluster::MergeTroubles(troubles)) {
      std::cout << Visible(cluster::TroubleText(trouble)) << "\n";
    }
  }

  void Inspect() const {
    Show(IsLocal() ? Locals().Inspect(name) : cluster::Inspect(Open(), name));
  }

  // Those of Kubernetes. Where there is none to ask, this machine's are the answer, and that is
  // said.
  std::vector<cluster::ClusterInfo> ListKubernetes(bool is_alone) const {
    if (local) return {};
    std::optional<cluster::Kubectl> kubectl;
    try {
      kubectl.emplace(Open());
      return cluster::List(*kubectl, all_namespaces);
    } catch (const Error& error) {
      const bool no_kubectl = !kubectl && error.code() == ErrorCode::kNotFound;
      if (!Given(kubernetes).empty() || error.code() == ErrorCode::kCancelled ||
          (is_alone && !no_kubectl)) {
        throw;
      }
      std::cerr << Visible(fmt::format("only this machine's: {}", error.what())) << "\n";
      return {};
    }
  }

  void List() const {
    auto clusters =
        Given(kubernetes).empty() ? Locals().List() : std::vector<cluster::ClusterInfo>();
    if (local && !Given(kubernetes).empty()) {
      throw Error(ErrorCode::kUsage, fmt::format("{}: of clusters on Kubernetes, not --local",
                                                 fmt::join(Given(kubernetes), ", ")));
    }
    for (auto& info : ListKubernetes(clusters.empty())) clusters.push_back(std::move(info));
    if (json) {
      Json all = Json::array();
      for (const auto& info : clusters) all.push_back(info.ToJson());
      std::cout << all.dump(2) << "\n";
      return;
    }
    std::vector<std::vector<std::string>> rows = {
        {"NAME", "NAMESPACE", "STATE", "WORKERS", "RAY", "CREATED", "ENDPOINT"}};
    for (const auto& info : clusters) {
      rows.push_back({info.name, info.is_local ? "(this machine)" : info.name_space,
                      info.leaving ? "stopping" : Or(info.state, "-"),
                      fmt::format("{}/{}", info.workers_ready, info.workers_wanted),
                      Or(info.ray_version, "-"), info.created, Or(info.Endpoint(), "-")});
    }
    for (auto& row : rows) {
      for (auto& cell : row) cell = Visible(cell);
    }
    std::cout << FormatTable(rows);
  }

  void Scale() const {
    const auto limit = Limit();
    const cluster::WorkerCount workers = cluster::ParseWorkers(scale_to, "--workers");
    if (IsLocal()) return Show(Locals().Scale(name, workers, limit, Teller()));
    const cluster::Kubectl kubectl = Open();
    cluster::Scale(kubectl, name, workers, group);
    Show(cluster::WaitUntilReady(kubectl, name, limit, Teller()));
  }

  void StopLocal() const {
    Locals().Stop(name, Limit(), Teller());
    if (json) {
      std::cout << Json{{"stopped", name}, {"operator_taken_out", false}}.dump(2) << "\n";
    } else {
      std::cout << fmt::format("Stopped {}: no process of it is left.\n", name);
    }
  }

  void Stop() const {
    const auto limit = Limit();
    if (IsLocal()) return StopLocal();
    const cluster::Kubectl kubectl = Open();
    const bool stopped = cluster::Stop(kubectl, name, limit, Teller());
    if (!stopped && !with_operator) cluster::NoCluster(kubectl, name);
    if (with_operator)
      cluster::RemoveOperator(kubectl, start_flags.operator_options, limit, Teller());
    if (json) {
      std::cout << Json{{"stopped", stopped ? Json(name) : Json()},
                        {"operator_taken_out", with_operator}}
                       .dump(2)
                << "\n";
      return;
    }
    std::cout << (stopped ? fmt::format("Stopped {}: no Pod and no Service of it is left.\n", name)
                          : fmt::format("There is no cluster {}.\n", name));
    if (with_operator) std::cout << "Took the KubeRay operator out.\n";
  }

  void DashboardLocal() const {
    if (const auto given = Given(forwarding); !given.empty()) {
      throw Error(
          ErrorCode::kUsage,
          fmt::format("{}: cluster {} runs on this machine, and its dashboard listens where "
                      "\"cluster start --local\" was told",
                      fmt::join(given, ", "), name));
    }
    const std::string url = Locals().Dashboard(name);
    if (json) {
      std::cout << Json{{"url", url}}.dump() << std::endl;
    } else {
      std::cout << fmt::format("{}  (on this machine already: nothing is forwarded)", url)
                << std::endl;
    }
  }

  void Dashboard() const {
    if (IsLocal()) return DashboardLocal();
    if (forward.address == "0.0.0.0") Expose();
    bool told = false;
    const auto ready = [&](const cluster::Forwarded& forwarded) {
      if (!told && json) {
        std::cout << Json{{"url", forwarded.url}, {"engine", forwarded.engine}}.dump() << std::endl;
      } else if (!told) {
        std::cout << fmt::format("{}  (Ctrl-C ends it)\njobs: --engine '{}'", forwarded.url,
                                 forwarded.engine)
                  << std::endl;
      } else {
        Teller()(fmt::format("{} answers again", forwarded.url));
      }
      told = true;
    };
    try {
      cluster::Forward(Open(), name, forward, ready, Teller());
    } catch (const Error& error) {
      // Interrupted is how it is meant to end.
      if (error.code() != ErrorCode::kCancelled || !told) throw;
    }
  }
};

void AddStartOptions(CLI::App& start, ClusterCommand& command) {
  command.kubernetes = command.start_flags.AddTo(start);
  start.add_option("--workers", command.start_flags.sizes.workers,
                   "How many, or MIN:MAX for Ray to decide [1; with --local 0]");
  command.kubernetes.push_back(
      start.add_flag("--dry-run", command.dry_run, "Print the manifest and touch nothing"));
  command.machine = {
      start.add_option("--address", command.local_flags.address,
                       "With --local: where the dashboard listens [127.0.0.1]"),
      start
          .add_option("--port", command.local_flags.dashboard_port,
                      "With --local: the dashboard's [8265, or the next that is free]")
          ->check(CLI::Range(1, 65535))};
}

}  // namespace

void AddClusterCommands(CLI::App& app, Outcome&) {
  auto command = std::make_shared<ClusterCommand>();
  auto* root =
      app.add_subcommand("cluster", "Ray clusters: on Kubernetes (KubeRay), or on this machine");
  root->require_subcommand(1);
  auto* start = root->add_subcommand("start", "Start a cluster and wait until it is ready");
  auto* inspect = root->add_subcommand("inspect", "Its Pods (or nodes) and its endpoint");
  auto* list = root->add_subcommand("list", "A table of the clusters there are");
  auto* scale = root->add_subcommand("scale", "Change how many workers it has, and wait");
  auto* dashboard = root->add_subcommand("dashboard", "Bring Ray's dashboard and Jobs API here");
  auto* stop = root->add_subcommand("stop", "Take it away, and wait until nothing is left");
  for (auto* sub : {start, inspect, scale, dashboard, stop}) {
    sub->add_option("name", command->name, "The cluster's name")->required();
  }
  AddStartOptions(*start, *command);
  command->kubernetes.push_back(
      list->add_flag("-A,--all-namespaces", command->all_namespaces, "Those of all namespaces"));
  scale->add_option("--workers", command->scale_to, "How many, or MIN:MAX for Ray to decide")
      ->required();
  command->kubernetes.push_back(scale->add_option(
      "--group", command->group, "Which group of workers, where there are several"));
  command->forwarding = {
      dashboard
          ->add_option("--address", command->forward.address,
                       "Where it listens; 0.0.0.0 is everywhere")
          ->capture_default_str(),
      dashboard->add_option("--port", command->forward.port, "The port here; 0: one that is free")
          ->capture_default_str()
          ->check(CLI::Range(0, 65535))};
  command->kubernetes.push_back(stop->add_flag("--operator", command->with_operator,
                                               "Take the KubeRay operator out as well"));
  command->kubernetes.push_back(
      stop->add_option("--operator-manifest", command->start_flags.operator_options.manifest,
                       "The file that the operator comes by, instead of Helm"));
  for (auto* sub : {start, scale, stop}) {
    sub->add_option("--timeout", command->timeout, "How long to wait, as 90s, 10m or 1h")
        ->capture_default_str();
  }
  for (auto* sub : {start, scale, stop, dashboard}) {
    sub->add_flag("--quiet", command->quiet, "Say nothing on the way");
  }
  for (auto* sub : {start, inspect, list, scale, dashboard, stop}) {
    for (auto* option :
         {sub->add_option("--namespace", command->access.name_space, "Kubernetes' namespace"),
          sub->add_option("--kubeconfig", command->access.kubeconfig, "Instead of $KUBECONFIG"),
          sub->add_option("--context", command->access.context, "Of the kubeconfig")}) {
      command->kubernetes.push_back(option);
      command->whose.push_back(option);
    }
    sub->add_flag("--local", command->local,
                  sub == start  ? "On this machine: Ray's processes, without Kubernetes"
                  : sub == list ? "Those on this machine only"
                                : "One on this machine [where one has that name]");
    sub->add_flag("--json", command->json, "Print JSON");
  }
  start->final_callback([command] { command->Start(); });
  inspect->final_callback([command] { command->Inspect(); });
  list->final_callback([command] { command->List(); });
  scale->final_callback([command] { command->Scale(); });
  dashboard->final_callback([command] { command->Dashboard(); });
  stop->final_callback([command] { command->Stop(); });
}

}  // namespace windlass::cli
