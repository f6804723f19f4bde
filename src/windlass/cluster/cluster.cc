#include "windlass/cluster/cluster.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "windlass/base/error.h"
#include "windlass/cluster/check.h"
#include "windlass/cluster/manifest.h"

namespace windlass::cluster {
namespace {

// Before the events are asked for: Pods that only take their time should not look like trouble.
constexpr auto kBeforeEvents = std::chrono::seconds(10);
// For a trouble that does not pass by itself, but may by someone's doing (an image being pushed).
constexpr auto kPatience = std::chrono::seconds(60);

std::string LabelOf(const std::string& name) { return "ray.io/cluster=" + name; }

std::vector<PodInfo> PodsOf(const Kubectl& kubectl, const std::string& name) {
  return ReadPods(kubectl.Get({"pods", "-l", LabelOf(name)}));
}

Json FindOrRefuse(const Kubectl& kubectl, const std::string& name) {
  CheckClusterName(name);
  const auto object = kubectl.Find({"raycluster", name});
  if (!object) NoCluster(kubectl, name);
  return *object;
}

std::string ProgressText(const Inspection& inspection) {
  std::string head = "not there yet";
  std::map<std::string, int> waiting;
  for (const PodInfo& pod : inspection.pods) {
    if (pod.node_type == "head") head = pod.ready ? "ready" : pod.phase;
    if (pod.node_type == "worker" && (!pod.ready || pod.leaving)) ++waiting[pod.phase];
  }
  std::string text =
      fmt::format("head {}, {} of {} workers ready", head, inspection.cluster.workers_ready,
                  inspection.cluster.workers_wanted);
  for (const auto& [phase, count] : waiting) text += fmt::format(", {} {}", count, phase);
  return text;
}

// The last line that a crashed container wrote, which tends to say why.
std::string LastWords(const Kubectl& kubectl, const Trouble& trouble) {
  try {
    std::string log =
        kubectl.Run({"logs", trouble.pod, "-c", trouble.container, "--previous", "--tail=5"});
    while (!log.empty() && static_cast<unsigned char>(log.back()) <= ' ') log.pop_back();
    const auto begin = log.rfind('\n');
    std::string line = begin == log.npos ? log : log.substr(begin + 1);
    std::ranges::replace_if(
        line, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; }, '?');
    if (line.size() > 300) line = line.substr(0, 300) + "...";
    return line.empty() ? "" : fmt::format("; its log ends with: {}", line);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled) throw;
    return "";  // the log is gone, or may not be read
  }
}

class Waiting {
 public:
  Waiting(const Kubectl& kubectl, std::string name, std::chrono::seconds limit, const Say& say,
          std::string what_then)
      : kubectl_(kubectl),
        name_(std::move(name)),
        limit_(limit),
        say_(say),
        what_then_(std::move(what_then)) {}

  Inspection Run() {
    for (;;) {
      Inspection now = Inspect(kubectl_, name_);
      const std::string progress = ProgressText(now);
      if (progress != said_) Tell(said_ = progress);
      if (IsReady(now.cluster, now.pods)) return now;
      std::vector<Trouble> troubles = TroublesOf(now);
      TellOf(troubles);
      GiveUpIfHopeless(troubles);
      if (Clock::now() - start_ > limit_) GiveUp(now, troubles);
      kubectl_.Sleep(Kubectl::kLook);
    }
  }

 private:
  void Tell(const std::string& line) {
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - start_).count();
    say_(fmt::format("{:>3} s  {}", seconds, line));
  }

  std::vector<Trouble> TroublesOf(const Inspection& now) {
    std::vector<Trouble> troubles;
    for (const PodInfo& pod : now.pods) {
      if (pod.trouble) troubles.push_back(*pod.trouble);
    }
    if (!troubles.empty() || Clock::now() - start_ < kBeforeEvents) return MergeTroubles(troubles);
    if (const auto events = kubectl_.GetIfAllowed({"events", "--field-selector", "type=Warning"},
                                                  Scope::kNamespace)) {
      troubles = ReadEvents(*events, name_, now.pods);
    }
    return MergeTroubles(troubles);
  }

  void TellOf(const std::vector<Trouble>& troubles) {
    for (const Trouble& trouble : troubles) {
      // What it says may count up, or be of another Pod, each time: once for all of them is enough.
      if (told_.insert(trouble.node_type + trouble.what.substr(0, trouble.what.find('('))).second) {
        Tell(TroubleText(trouble));
      }
    }
  }

  void GiveUpIfHopeless(const std::vector<Trouble>& troubles) {
    const auto hopeless = std::ranges::find(troubles, false, &Trouble::may_pass);
    if (hopeless == troubles.end()) {
      hopeless_since_.reset();
      return;
    }
    if (!hopeless_since_) hopeless_since_ = Clock::now();
    if (Clock::now() - *hopeless_since_ < kPatience) return;
    throw Error(ErrorCode::kUnavailable, fmt::format("{}; {}", Whole(*hopeless), WhatNow()));
  }

  [[noreturn]] void GiveUp(const Inspection& now, const std::vector<Trouble>& troubles) {
    std::string why = ProgressText(now);
    for (const Trouble& trouble : troubles) why += "; " + Whole(trouble);
    if (troubles.empty() && now.pods.empty()) {
      why += "; no Pod was made: does a KubeRay operator run?";
    }
    if (!now.cluster.reason.empty()) why += "; KubeRay says: " + now.cluster.reason;
    throw Error(ErrorCode::kDeadlineExceeded,
                fmt::format("cluster {} was not ready within {} s: {}; {}", name_, limit_.count(),
                            why, WhatNow()));
  }

  std::string Whole(const Trouble& trouble) const {
    return TroubleText(trouble) + (trouble.container.empty() ? "" : LastWords(kubectl_, trouble));
  }

  std::string WhatNow() const {
    if (!what_then_.empty()) return what_then_;
    return fmt::format(
        "it is left as it is: \"windlass cluster inspect {0}\" looks at it, "
        "\"windlass cluster stop {0}\" takes it away",
        name_);
  }

  const Kubectl& kubectl_;
  std::string name_;
  std::chrono::seconds limit_;
  const Say& say_;
  std::string what_then_;
  Clock::time_point start_ = Clock::now();
  std::string said_;
  std::set<std::string> told_;
  std::optional<Clock::time_point> hopeless_since_;
};

}  // namespace

Json Inspection::ToJson() const {
  Json json = cluster.ToJson();
  json["ready"] = IsReady(cluster, pods);
  json["pods"] = Json::array();
  for (const PodInfo& pod : pods) json["pods"].push_back(pod.ToJson());
  return json;
}

void NoCluster(const Kubectl& kubectl, const std::string& name) {
  std::vector<std::string> names;
  for (const ClusterInfo& cluster : List(kubectl, /*all_namespaces=*/false)) {
    names.push_back(cluster.name);
  }
  const std::string where = kubectl.access().name_space.empty()
                                ? ""
                                : fmt::format(" in namespace {}", kubectl.access().name_space);
  throw Error(ErrorCode::kNotFound,
              fmt::format("there is no cluster \"{}\"{}{}", name, where, Suggestion(name, names)));
}

Inspection Inspect(const Kubectl& kubectl, const std::string& name) {
  Inspection inspection;
  inspection.cluster = ReadCluster(FindOrRefuse(kubectl, name));
  inspection.pods = PodsOf(kubectl, name);
  // The operator counts them later.
  inspection.cluster.workers_ready = ReadyWorkers(inspection.pods);
  return inspection;
}

std::vector<ClusterInfo> List(const Kubectl& kubectl, bool all_namespaces) {
  std::vector<std::string> words = {"rayclusters"};
  if (all_namespaces) words.push_back("--all-namespaces");
  std::vector<ClusterInfo> clusters;
  const auto list = kubectl.Find(words, all_namespaces ? Scope::kAll : Scope::kNamespace);
  if (!list) return clusters;  // no operator, no clusters
  for (const Json& object : list->at("items")) clusters.push_back(ReadCluster(object));
  return clusters;
}

std::vector<std::string> CheckAgainstNodes(const Kubectl& kubectl, const Json& ray_cluster,
                                           const Say& say) {
  const auto nodes = kubectl.GetIfAllowed({"nodes"}, Scope::kAll);
  if (!nodes) {
    say("sizes were not held against the nodes, which this user may not list (deploy/nodes.yaml "
        "grants it)");
    return {};
  }
  const auto autoscaler = kubectl.GetIfAllowed(
      {"configmap", "cluster-autoscaler-status", "--namespace=kube-system"}, Scope::kAll);
  return CheckNodes(ray_cluster, *nodes, autoscaler);
}

void Apply(const Kubectl& kubectl, const Json& ray_cluster) {
  const Json& metadata = ray_cluster.at("metadata");
  const auto name = metadata.at("name").get<std::string>();
  if (const auto there = kubectl.Find({"raycluster", name})) {
    const Json annotations = there->at("metadata").value("annotations", Json::object());
    if (!annotations.contains(kTemplatesAnnotation)) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("there is a RayCluster {} already that Windlass did not make; take "
                              "another name",
                              name));
    }
    if (there->at("metadata").contains("deletionTimestamp")) {
      throw Error(ErrorCode::kUnavailable,
                  fmt::format("cluster {} is being stopped; start it once it is gone", name));
    }
    if (annotations[kTemplatesAnnotation] != metadata.at("annotations")[kTemplatesAnnotation]) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("cluster {0} runs with other settings than these, which its Pods "
                              "would not take over; \"windlass cluster stop {0}\" first, or take "
                              "another name",
                              name));
    }
  }
  kubectl.Run({"apply", "-f", "-"}, ray_cluster.dump());
}

Inspection WaitUntilReady(const Kubectl& kubectl, const std::string& name,
                          std::chrono::seconds limit, const Say& say,
                          const std::string& what_then) {
  return Waiting(kubectl, name, limit, say, what_then).Run();
}

Started Start(const Kubectl& kubectl, const Json& ray_cluster, const OperatorOptions& options,
              std::chrono::seconds limit, const Listeners& listeners,
              const std::string& what_then) {
  const Deadline deadline = Clock::now() + limit;
  Started started;
  started.operator_put_in = EnsureOperator(kubectl, options, limit, listeners.say);
  for (const std::string& warning : CheckAgainstNodes(kubectl, ray_cluster, listeners.say)) {
    listeners.warn(warning);
  }
  Apply(kubectl, ray_cluster);
  const auto left = std::chrono::duration_cast<std::chrono::seconds>(deadline - Clock::now());
  started.inspection =
      WaitUntilReady(kubectl, ray_cluster.at("metadata").at("name"),
                     std::max(left, std::chrono::seconds(1)), listeners.say, what_then);
  return started;
}

void Scale(const Kubectl& kubectl, const std::string& name, const WorkerCount& workers,
           const std::string& group) {
  const Json object = FindOrRefuse(kubectl, name);
  const Json& groups = object.at("spec").value("workerGroupSpecs", Json::array());
  std::vector<std::string> names;
  for (const Json& one : groups) names.push_back(one.at("groupName"));
  if (names.empty()) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("cluster {} has no group of workers", name));
  }
  if (group.empty() && names.size() > 1) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("cluster {} has several groups of workers; name one by --group: {}",
                            name, fmt::join(names, ", ")));
  }
  const auto found = group.empty() ? names.begin() : std::ranges::find(names, group);
  if (found == names.end()) {
    throw Error(ErrorCode::kNotFound, fmt::format("cluster {} has no group of workers \"{}\"{}",
                                                  name, group, Suggestion(group, names)));
  }
  if (workers.autoscaled && !object.at("spec").value("enableInTreeAutoscaling", false)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("cluster {} was started without an autoscaler, so that --workers is a "
                            "number here; it comes with \"windlass cluster start {} --workers "
                            "{}:{}\"",
                            name, name, workers.least, workers.most));
  }
  const std::string at = fmt::format("/spec/workerGroupSpecs/{}/", found - names.begin());
  // Between two numbers the autoscaler decides; what it decided stays as far as it may.
  const Json& old = groups[static_cast<std::size_t>(found - names.begin())];
  const int replicas = std::clamp(old.value("replicas", 0), workers.least, workers.most);
  const auto set = [&at](const char* key, const Json& value) {
    return Json{{"op", "add"}, {"path", at + key}, {"value", value}};
  };
  const Json patch = {Json{{"op", "test"}, {"path", at + "groupName"}, {"value", *found}},
                      set("replicas", replicas), set("minReplicas", workers.least),
                      set("maxReplicas", workers.most)};
  kubectl.Run({"patch", "raycluster", name, "--type=json", "-p", patch.dump()});
}

bool Stop(const Kubectl& kubectl, const std::string& name, std::chrono::seconds limit,
          const Say& say) {
  CheckClusterName(name);
  const Deadline deadline = Clock::now() + limit;
  if (kubectl.Find({"raycluster", name})) {
    kubectl.Run({"delete", "raycluster", name, "--ignore-not-found", "--wait=false"});
  } else if (PodsOf(kubectl, name).empty()) {
    return false;
  }
  std::string said;
  for (;;) {
    const bool there = kubectl.Find({"raycluster", name}).has_value();
    const auto pods = PodsOf(kubectl, name);
    const std::size_t services = kubectl.Get({"services", "-l", LabelOf(name)}).at("items").size();
    if (!there && pods.empty() && services == 0) return true;
    const std::string left = fmt::format("{} Pods and {} Services left", pods.size(), services);
    if (left != said) say(said = left);
    if (Clock::now() > deadline) {
      throw Error(
          ErrorCode::kDeadlineExceeded,
          fmt::format("cluster {} was deleted, but after {} s there are {}{}", name, limit.count(),
                      left, there ? "; it waits for the KubeRay operator (a finalizer)" : ""));
    }
    kubectl.Sleep(Kubectl::kLook);
  }
}

}  // namespace windlass::cluster
