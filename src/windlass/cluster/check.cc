#include "windlass/cluster/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <regex>
#include <set>

#include "windlass/base/error.h"
#include "windlass/base/yaml.h"
#include "windlass/cluster/quantity.h"

namespace windlass::cluster {
namespace {

constexpr std::int64_t kCpuLeft = 1000;  // thousandths, for what runs on each node besides
constexpr std::int64_t kMemoryLeft = std::int64_t{1} << 30;

struct Group {
  std::string name;  // "the head", "workers"
  const Json* pod;   // its Pods' spec
  std::int64_t most = 1;
};

std::vector<Group> GroupsOf(const Json& ray_cluster) {
  const Json& spec = ray_cluster.at("spec");
  std::vector<Group> groups = {
      {"the head", &spec.at("headGroupSpec").at("template").at("spec"), 1}};
  for (const Json& group : spec.at("workerGroupSpecs")) {
    const bool autoscaled = spec.value("enableInTreeAutoscaling", false);
    groups.push_back({fmt::format("a worker of {}", group.at("groupName").get<std::string>()),
                      &group.at("template").at("spec"),
                      group.at(autoscaled ? "maxReplicas" : "replicas").get<std::int64_t>() *
                          group.value("numOfHosts", 1)});
  }
  return groups;
}

std::string AmountText(const Json& amount) {
  return amount.is_string() ? amount.get<std::string>() : amount.dump();
}

std::optional<std::int64_t> Amount(const Json& container, const char* kind, const char* resource) {
  const Json resources = container.value("resources", Json::object());
  const Json amounts = resources.value(kind, Json::object());
  if (!amounts.contains(resource)) return std::nullopt;
  const std::string text = AmountText(amounts[resource]);
  return resource == std::string_view("cpu") ? ParseCpu(text, resource)
                                             : ParseMemory(text, resource);
}

struct Room {
  std::int64_t cpu = 0;
  std::int64_t memory = 0;
};

Room RequestOf(const Json& pod) {
  Room room;
  for (const Json& container : pod.at("containers")) {
    room.cpu += Amount(container, "requests", "cpu").value_or(0);
    room.memory += Amount(container, "requests", "memory").value_or(0);
  }
  return room;
}

bool Tolerates(const Json& pod, const Json& taint) {
  for (const Json& toleration : pod.value("tolerations", Json::array())) {
    const std::string key = toleration.value("key", "");
    const std::string effect = toleration.value("effect", "");
    const bool any_value = toleration.value("operator", "Equal") == "Exists";
    if ((key.empty() || key == taint.value("key", "")) &&
        (effect.empty() || effect == taint.value("effect", "")) &&
        (any_value || toleration.value("value", "") == taint.value("value", ""))) {
      return true;
    }
  }
  return false;
}

// Whether the selector and the taints let this Pod onto this node. (Affinities are Kubernetes' own
// matter.)
bool MayStandOn(const Json& pod, const Json& node) {
  const Json spec = node.value("spec", Json::object());
  if (spec.value("unschedulable", false)) return false;
  const Json labels = node.at("metadata").value("labels", Json::object());
  const Json selector = pod.value("nodeSelector", Json::object());
  for (const auto& [key, value] : selector.items()) {
    if (!labels.contains(key) || labels[key] != value) return false;
  }
  for (const Json& taint : spec.value("taints", Json::array())) {
    if (taint.value("effect", "") != "PreferNoSchedule" && !Tolerates(pod, taint)) return false;
  }
  return true;
}

Room RoomOf(const Json& node) {
  const Json& allocatable = node.at("status").at("allocatable");
  return {ParseCpu(AmountText(allocatable.at("cpu")), "a node's CPU"),
          ParseMemory(AmountText(allocatable.at("memory")), "a node's memory")};
}

void CheckRoom(const Group& group, const std::vector<const Json*>& nodes,
               std::vector<std::string>& warnings) {
  const Room wanted = RequestOf(*group.pod);
  Room largest;
  bool fits = false;
  for (const Json* node : nodes) {
    const Room room = RoomOf(*node);
    if (std::pair(room.memory, room.cpu) > std::pair(largest.memory, largest.cpu)) largest = room;
    fits =
        fits || (wanted.cpu + kCpuLeft <= room.cpu && wanted.memory + kMemoryLeft <= room.memory);
  }
  if (fits) return;
  warnings.push_back(fmt::format(
      "{} asks for {} CPU and {}; the largest node that it may stand on has {} CPU and {}, of "
      "which 1 CPU and 1 GiB should be left to the node: ask for at most {} CPU and {}",
      group.name, CpuText(wanted.cpu), MemoryText(wanted.memory), CpuText(largest.cpu),
      MemoryText(largest.memory), CpuText(std::max<std::int64_t>(0, largest.cpu - kCpuLeft)),
      MemoryText(std::max<std::int64_t>(0, largest.memory - kMemoryLeft))));
}

// How many nodes the groups that these nodes belong to may have, as the cluster autoscaler says;
// nothing when it does not know one of them.
std::optional<std::int64_t> MostNodes(const std::vector<const Json*>& nodes,
                                      const std::optional<Json>& autoscaler) {
  if (!autoscaler) return std::nullopt;
  Json status;
  try {
    status = ParseYaml(autoscaler->at("data").at("status").get<std::string>(), "its status");
  } catch (const Json::exception&) {
    return std::nullopt;  // it has none yet
  } catch (const Error&) {
    return std::nullopt;  // before version 1.30 it was prose
  }
  std::set<std::string> used;
  std::int64_t most = 0;
  for (const Json* node : nodes) {
    const Json labels = node->at("metadata").value("labels", Json::object());
    std::string pool;
    for (const char* key : {"eks.amazonaws.com/nodegroup", "cloud.google.com/gke-nodepool",
                            "kubernetes.azure.com/agentpool"}) {
      pool = labels.value(key, pool);
    }
    if (pool.empty()) return std::nullopt;
    if (!used.insert(pool).second) continue;
    bool found = false;
    // The autoscaler's own names hold the pool's: eks-POOL-UUID, gke-CLUSTER-POOL-HASH-grp.
    for (const Json& group : status.value("nodeGroups", Json::array())) {
      const std::string name = "-" + group.value("name", "") + "-";
      if (name.find("-" + pool + "-") == std::string::npos) continue;
      const Json health = group.value("health", Json::object());
      if (!health.contains("maxSize")) continue;
      most += health["maxSize"].get<std::int64_t>();
      found = true;
    }
    if (!found) return std::nullopt;
  }
  return most;
}

void CheckImage(const std::string& image, const std::string& ray_version, const std::string& python,
                std::vector<std::string>& warnings) {
  const std::string tag = image.substr(image.rfind(':') + 1);
  std::smatch match;
  static const std::regex version(R"(^(\d{1,6}\.\d{1,6}\.\d{1,6})(?!\d))");
  if (std::regex_search(tag, match, version) && match[1].str() != ray_version) {
    warnings.push_back(
        fmt::format("the image {} has Ray {}, but the Ray version is {}: they must be the same",
                    image, match[1].str(), ray_version));
  }
  static const std::regex of_python(R"(-py(\d)(\d{1,2}))");
  if (python.empty()) return;
  if (!std::regex_search(tag, match, of_python)) {
    warnings.push_back(fmt::format(
        "the tag of the image {} does not say which Python it has; Python {} is needed, as in "
        "tags that end in -py{}",
        image, python, python.substr(0, 1) + python.substr(2)));
  } else if (match[1].str() + "." + match[2].str() != python) {
    warnings.push_back(
        fmt::format("the image {} has Python {}.{}, but Python {} is needed: jobs would be refused",
                    image, match[1].str(), match[2].str(), python));
  }
}

}  // namespace

std::vector<std::string> CheckManifest(const Json& ray_cluster, const std::string& python) {
  std::vector<std::string> warnings;
  std::set<std::string> images;
  for (const Group& group : GroupsOf(ray_cluster)) {
    const Json& container = group.pod->at("containers").at(0);
    for (const char* resource : {"cpu", "memory"}) {
      const auto requests = Amount(container, "requests", resource);
      const auto limits = Amount(container, "limits", resource);
      if (requests == limits) continue;
      const Json& resources = container.at("resources");
      warnings.push_back(fmt::format(
          "{}: resources.requests.{} is {}, but limits.{} is {}: Ray plans with the limit, "
          "Kubernetes with the request; they should be equal",
          group.name, resource, AmountText(resources["requests"][resource]), resource,
          AmountText(resources["limits"][resource])));
    }
    const auto image = container.at("image").get<std::string>();
    if (images.insert(image).second) {
      CheckImage(image, ray_cluster.at("spec").at("rayVersion").get<std::string>(), python,
                 warnings);
    }
  }
  return warnings;
}

std::vector<std::string> CheckNodes(const Json& ray_cluster, const Json& nodes,
                                    const std::optional<Json>& autoscaler) {
  std::vector<std::string> warnings;
  std::vector<const Json*> used;
  std::int64_t agents = 0;
  for (const Group& group : GroupsOf(ray_cluster)) {
    std::vector<const Json*> allowed;
    for (const Json& node : nodes.at("items")) {
      if (MayStandOn(*group.pod, node)) allowed.push_back(&node);
    }
    if (allowed.empty()) {
      warnings.push_back(fmt::format(
          "no node there is now has the labels and taints that {} may stand on", group.name));
    } else {
      CheckRoom(group, allowed, warnings);
    }
    agents += group.most;
    for (const Json* node : allowed) {
      if (std::ranges::find(used, node) == used.end()) used.push_back(node);
    }
  }
  if (used.empty()) return warnings;
  const auto most = MostNodes(used, autoscaler);
  const std::int64_t limit = most ? *most : std::ssize(used);
  if (agents > limit) {
    warnings.push_back(fmt::format(
        "{} agents (the head and its workers) are more than {}: some will share a node, or wait "
        "for "
        "one",
        agents,
        most ? fmt::format("the {} nodes that their node groups may grow to", limit)
             : fmt::format("the nodes there are now, {} (how far their groups may grow is not "
                           "known)",
                           limit)));
  }
  return warnings;
}

}  // namespace windlass::cluster
