#include "windlass/cluster/pods.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "windlass/base/error.h"

namespace windlass::cluster {
namespace {

// A value deep in an answer, or `otherwise` where it is not there or of another type.
template <typename T>
T At(const Json& object, const char* pointer, T otherwise) {
  const Json::json_pointer at(pointer);
  if (!object.contains(at)) return otherwise;
  try {
    return object.at(at).get<T>();
  } catch (const Json::exception&) {
    return otherwise;
  }
}

std::string TextAt(const Json& object, const char* pointer) {
  return At<std::string>(object, pointer, "");
}

const Json& ItemsOf(const Json& list) {
  if (!list.is_object() || !list.contains("items") || !list["items"].is_array()) {
    throw Error(ErrorCode::kCorrupt, "kubectl's answer is no list of objects");
  }
  return list["items"];
}

// Kubernetes' messages go on one line of a terminal.
std::string OneLine(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; }, ' ');
  return text;
}

// "0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, preemption: 0/3 ..."
// up to the scheduler's thoughts about other Pods.
std::string SchedulersReason(std::string message) {
  for (const char* thought : {" no new claims to deallocate", " preemption: "}) {
    if (const auto at = message.find(thought); at != message.npos && at > 0) message.resize(at);
  }
  return message;
}

std::string HowItEnded(const Json& terminated) {
  const std::string reason = TextAt(terminated, "/reason");
  const std::string message = TextAt(terminated, "/message");
  return fmt::format("it ended with exit code {}{}{}", At<int>(terminated, "/exitCode", 0),
                     reason.empty() || reason == "Error" ? "" : fmt::format(" ({})", reason),
                     message.empty() ? "" : ": " + OneLine(message));
}

// What a container that does not run is said to wait for, if that is a trouble.
std::optional<Trouble> ContainerTrouble(const Json& status) {
  const std::string reason = TextAt(status, "/state/waiting/reason");
  const std::string message = OneLine(TextAt(status, "/state/waiting/message"));
  const std::string image = TextAt(status, "/image");
  Trouble trouble;
  trouble.message = message;
  if (reason == "ErrImagePull" || reason == "ImagePullBackOff" || reason == "InvalidImageName" ||
      reason == "ErrImageNeverPull" || reason == "RegistryUnavailable" ||
      reason == "ImageInspectError") {
    trouble.what = fmt::format("the image {} cannot be pulled ({})", image, reason);
    trouble.may_pass = false;
    return trouble;
  }
  if (reason == "CrashLoopBackOff") {
    trouble.container = TextAt(status, "/name");
    trouble.what = fmt::format("container {} crashes again and again ({} restarts)",
                               trouble.container, At<int>(status, "/restartCount", 0));
    trouble.may_pass = false;
    const Json::json_pointer last("/lastState/terminated");
    trouble.message = status.contains(last) ? HowItEnded(status.at(last)) : message;
    return trouble;
  }
  if (reason == "CreateContainerConfigError" || reason == "CreateContainerError" ||
      reason == "RunContainerError") {
    trouble.what =
        fmt::format("container {} cannot be started ({})", TextAt(status, "/name"), reason);
    trouble.may_pass = false;
    return trouble;
  }
  return std::nullopt;
}

void ReadContainers(const Json& statuses, PodInfo& pod) {
  for (const Json& status : statuses) {
    pod.restarts += At<std::int64_t>(status, "/restartCount", 0);
    const std::string waiting = TextAt(status, "/state/waiting/reason");
    if (!waiting.empty() && waiting != "PodInitializing") pod.phase = waiting;
    if (!pod.trouble) pod.trouble = ContainerTrouble(status);
  }
}

PodInfo ReadPod(const Json& object) {
  PodInfo pod;
  pod.name = TextAt(object, "/metadata/name");
  pod.node_type = TextAt(object, "/metadata/labels/ray.io~1node-type");
  pod.group = TextAt(object, "/metadata/labels/ray.io~1group");
  pod.phase = TextAt(object, "/status/phase");
  pod.ip = TextAt(object, "/status/podIP");
  pod.node = TextAt(object, "/spec/nodeName");
  pod.leaving = object.contains(Json::json_pointer("/metadata/deletionTimestamp"));
  const Json status = object.value("status", Json::object());
  for (const Json& condition : status.value("conditions", Json::array())) {
    const std::string type = TextAt(condition, "/type");
    const bool is_true = TextAt(condition, "/status") == "True";
    if (type == "Ready") pod.ready = is_true;
    if (type == "PodScheduled" && !is_true && TextAt(condition, "/reason") == "Unschedulable") {
      pod.trouble = Trouble{.what = "no node can take it",
                            .message = SchedulersReason(OneLine(TextAt(condition, "/message")))};
    }
  }
  for (const char* key : {"initContainerStatuses", "containerStatuses"}) {
    if (status.contains(key)) ReadContainers(status[key], pod);
  }
  if (pod.phase == "Failed" && !pod.trouble) {
    pod.trouble = Trouble{.what = fmt::format("it failed ({})", TextAt(status, "/reason")),
                          .message = OneLine(TextAt(status, "/message"))};
  }
  if (pod.leaving) {
    pod.phase = "Terminating";
    pod.trouble.reset();
  }
  if (pod.trouble) {
    pod.trouble->pod = pod.name;
    pod.trouble->node_type = pod.node_type;
  }
  return pod;
}

}  // namespace

Json PodInfo::ToJson() const {
  Json json = {{"name", name},   {"node_type", node_type}, {"group", group},
               {"phase", phase}, {"ready", ready},         {"restarts", restarts},
               {"ip", ip},       {"node", node},           {"waits_for", Json()}};
  if (pid != 0) json["pid"] = pid;
  if (trouble) json["waits_for"] = fmt::format("{}: {}", trouble->what, trouble->message);
  return json;
}

std::vector<PodInfo> ReadPods(const Json& list) {
  std::vector<PodInfo> pods;
  for (const Json& object : ItemsOf(list)) pods.push_back(ReadPod(object));
  std::ranges::sort(
      pods, {}, [](const PodInfo& pod) { return std::tuple(pod.node_type != "head", pod.name); });
  return pods;
}

std::vector<Trouble> ReadEvents(const Json& list, const std::string& cluster,
                                const std::vector<PodInfo>& pods) {
  std::map<std::string, std::pair<std::string, Trouble>> latest;  // by object: time, trouble
  for (const Json& event : ItemsOf(list)) {
    if (TextAt(event, "/type") != "Warning") continue;
    const std::string name = TextAt(event, "/involvedObject/name");
    const std::string kind = TextAt(event, "/involvedObject/kind");
    const auto pod = std::ranges::find(pods, name, &PodInfo::name);
    const bool ours = (kind == "RayCluster" && name == cluster) ||
                      (kind == "Pod" && pod != pods.end() && !pod->ready && !pod->leaving);
    if (!ours) continue;
    std::string time = TextAt(event, "/lastTimestamp");
    if (time.empty()) time = TextAt(event, "/eventTime");
    auto& [when, trouble] = latest[kind + "/" + name];
    if (!when.empty() && time < when) continue;
    when = time;
    trouble = {.pod = kind == "Pod" ? name : "",
               .node_type = kind == "Pod" ? pod->node_type : "",
               .what = TextAt(event, "/reason"),
               .message = OneLine(TextAt(event, "/message"))};
  }
  std::vector<Trouble> troubles;
  for (auto& [object, found] : latest) troubles.push_back(std::move(found.second));
  return troubles;
}

std::vector<Trouble> MergeTroubles(const std::vector<Trouble>& troubles) {
  std::vector<Trouble> merged;
  for (const Trouble& trouble : troubles) {
    const auto same = std::ranges::find_if(merged, [&trouble](const Trouble& other) {
      return other.node_type == trouble.node_type && other.what == trouble.what;
    });
    if (same == merged.end()) {
      merged.push_back(trouble);
    } else {
      ++same->others;
    }
  }
  return merged;
}

std::string TroubleText(const Trouble& trouble) {
  std::string where =
      trouble.pod.empty() ? "the cluster" : fmt::format("{} {}", trouble.node_type, trouble.pod);
  if (trouble.others > 0) where += fmt::format(" and {} more", trouble.others);
  return trouble.message.empty() ? fmt::format("{}: {}", where, trouble.what)
                                 : fmt::format("{}: {}: {}", where, trouble.what, trouble.message);
}

std::string ClusterInfo::Endpoint() const {
  if (is_local) return url;
  return head_ip.empty() ? "" : fmt::format("http://{}:8265", head_ip);
}

Json ClusterInfo::ToJson() const {
  return {{"name", name},
          {"namespace", name_space},
          {"state", state},
          {"reason", reason},
          {"ray_version", ray_version},
          {"image", image},
          {"endpoint", Endpoint()},
          {"service", head_service},
          {"created", created},
          {"local", is_local},
          {"address", address},
          {"autoscaled", autoscaled},
          {"workers",
           {{"wanted", workers_wanted},
            {"least", workers_least},
            {"most", workers_most},
            {"ready", workers_ready}}}};
}

ClusterInfo ReadCluster(const Json& object) {
  if (!object.is_object() || TextAt(object, "/kind") != "RayCluster") {
    throw Error(ErrorCode::kCorrupt, "kubectl's answer is no RayCluster");
  }
  ClusterInfo info;
  info.name = TextAt(object, "/metadata/name");
  info.name_space = TextAt(object, "/metadata/namespace");
  info.created = TextAt(object, "/metadata/creationTimestamp");
  info.leaving = object.contains(Json::json_pointer("/metadata/deletionTimestamp"));
  info.state = TextAt(object, "/status/state");
  info.reason = OneLine(TextAt(object, "/status/reason"));
  info.head_ip = TextAt(object, "/status/head/podIP");
  info.head_service = TextAt(object, "/status/head/serviceName");
  info.workers_ready = At<int>(object, "/status/readyWorkerReplicas", 0);
  info.ray_version = TextAt(object, "/spec/rayVersion");
  info.image = TextAt(object, "/spec/headGroupSpec/template/spec/containers/0/image");
  info.autoscaled = At<bool>(object, "/spec/enableInTreeAutoscaling", false);
  info.observed = At<std::int64_t>(object, "/status/observedGeneration", 0) >=
                  At<std::int64_t>(object, "/metadata/generation", 0);
  const Json spec = object.value("spec", Json::object());
  for (const Json& group : spec.value("workerGroupSpecs", Json::array())) {
    const int hosts = At<int>(group, "/numOfHosts", 1);
    info.workers_wanted += hosts * At<int>(group, "/replicas", 0);
    info.workers_least += hosts * At<int>(group, "/minReplicas", 0);
    info.workers_most += hosts * At<int>(group, "/maxReplicas", 0);
  }
  return info;
}

int ReadyWorkers(const std::vector<PodInfo>& pods) {
  return static_cast<int>(std::ranges::count_if(pods, [](const PodInfo& pod) {
    return pod.node_type == "worker" && pod.ready && !pod.leaving;
  }));
}

bool IsReady(const ClusterInfo& cluster, const std::vector<PodInfo>& pods) {
  const int workers = ReadyWorkers(pods);
  bool head = false;
  for (const PodInfo& pod : pods) {
    if (pod.leaving) return false;
    if (pod.node_type == "head") head = head || pod.ready;
  }
  const bool enough = cluster.autoscaled
                          ? workers >= cluster.workers_least
                          : workers == cluster.workers_wanted && std::ssize(pods) == workers + 1;
  return head && enough && cluster.state == "ready" && cluster.observed && !cluster.leaving;
}

}  // namespace windlass::cluster
