#include "windlass/cluster/manifest.h"

#include <string_view>
#include <utility>

#include "windlass/base/hash.h"

namespace windlass::cluster {
namespace {

// `ray start --block` may use up all of it when its Pod is deleted; Kubernetes' own 30 s would make
// every stop and every step down wait for them.
constexpr int kGraceSeconds = 10;

bool IsEmpty(const Json& value) {
  return value.is_null() || ((value.is_structured() || value.is_string()) && value.empty()) ||
         value == "";
}

// As the chart's `with`: what is empty is left out.
void Copy(const Json& from, const char* key, Json& to, const char* as) {
  if (const auto found = from.find(key); found != from.end() && !IsEmpty(*found)) to[as] = *found;
}

std::string Quoted(const Json& scalar) {
  return scalar.is_string() ? scalar.get<std::string>() : scalar.dump();
}

Json RayStartParams(const Json& group) {
  Json params = Json::object();
  for (const char* key : {"initArgs", "rayStartParams"}) {  // the first is an old name
    if (!group.contains(key)) continue;
    for (const auto& [name, value] : group[key].items()) params[name] = Quoted(value);
  }
  return params;
}

Json Environment(const Json& values, const Json& group) {
  Json all = Json::array();
  bool says_usage = false;
  const Json common = values.value("common", Json::object());
  for (const Json* from : {&common, &group}) {
    if (!from->contains("containerEnv")) continue;
    for (const Json& variable : from->at("containerEnv")) {
      says_usage = says_usage || variable.value("name", Json()) == "RAY_USAGE_STATS_ENABLED";
      all.push_back(variable);
    }
  }
  // Ray tells its makers about each cluster unless told not to; Windlass tells nobody.
  if (!says_usage) all.push_back({{"name", "RAY_USAGE_STATS_ENABLED"}, {"value", "0"}});
  return all;
}

Json PodTemplate(const Json& values, const Json& group, const char* container_name) {
  Json image = values.at("image");
  if (group.contains("image")) image.update(group["image"]);
  Json container = {{"name", container_name},
                    {"image", image.at("repository").get<std::string>() + ":" +
                                  image.at("tag").get<std::string>()},
                    {"imagePullPolicy", image.at("pullPolicy")},
                    {"env", Environment(values, group)}};
  for (const char* key : {"command", "args", "envFrom", "volumeMounts", "ports", "resources",
                          "lifecycle", "securityContext"}) {
    Copy(group, key, container, key);
  }
  Json spec = {{"terminationGracePeriodSeconds", kGraceSeconds},
               {"containers", Json::array({std::move(container)})}};
  if (group.contains("sidecarContainers")) {
    for (const Json& sidecar : group["sidecarContainers"]) spec["containers"].push_back(sidecar);
  }
  Copy(values, "imagePullSecrets", spec, "imagePullSecrets");
  for (const char* key :
       {"initContainers", "volumes", "dnsConfig", "nodeSelector", "affinity", "tolerations",
        "priorityClassName", "priority", "topologySpreadConstraints", "restartPolicy",
        "runtimeClassName", "resourceClaims", "serviceAccountName"}) {
    Copy(group, key, spec, key);
  }
  Copy(group, "podSecurityContext", spec, "securityContext");
  Json metadata = Json::object();
  Copy(group, "labels", metadata, "labels");
  Copy(group, "annotations", metadata, "annotations");
  return {{"metadata", std::move(metadata)}, {"spec", std::move(spec)}};
}

Json WorkerGroup(const Json& values, const Json& group, const std::string& name) {
  return {{"groupName", name},
          {"replicas", group.at("replicas")},
          {"minReplicas", group.at("minReplicas")},
          {"maxReplicas", group.at("maxReplicas")},
          {"numOfHosts", group.value("numOfHosts", 1)},
          {"rayStartParams", RayStartParams(group)},
          {"template", PodTemplate(values, group, "ray-worker")}};
}

Json Head(const Json& values) {
  const Json& head = values.at("head");
  Json spec = {{"rayStartParams", RayStartParams(head)},
               {"template", PodTemplate(values, head, "ray-head")}};
  Copy(head, "headService", spec, "headService");
  if (values.contains("service")) Copy(values["service"], "type", spec, "serviceType");
  return spec;
}

std::string HashOfTemplates(const Json& spec) {
  Json templates = spec;
  for (Json& group : templates["workerGroupSpecs"]) {
    for (const char* key : {"replicas", "minReplicas", "maxReplicas"}) group.erase(key);
  }
  return HashOf(CanonicalDump(templates)).Hex().substr(0, 32);
}

}  // namespace

Json MakeRayCluster(const std::string& name, const std::string& name_space, const Json& values) {
  const Json& head = values.at("head");
  Json spec = {{"rayVersion", head.at("rayVersion")}, {"headGroupSpec", Head(values)}};
  if (head.value("enableInTreeAutoscaling", false)) spec["enableInTreeAutoscaling"] = true;
  Copy(head, "autoscalerOptions", spec, "autoscalerOptions");
  if (const Json tolerance = values.value("gcsFaultTolerance", Json::object());
      tolerance.value("enabled", false)) {
    Json options = Json::object();
    for (const char* key :
         {"redisAddress", "externalStorageNamespace", "redisPassword", "redisUsername"}) {
      Copy(tolerance, key, options, key);
    }
    spec["gcsFaultToleranceOptions"] = std::move(options);
  }
  Json groups = Json::array();
  if (const Json& worker = values.at("worker"); !worker.value("disabled", false)) {
    groups.push_back(WorkerGroup(values, worker, worker.value("groupName", "workers")));
  }
  if (values.contains("additionalWorkerGroups")) {
    for (const auto& [group_name, group] : values["additionalWorkerGroups"].items()) {
      if (!group.value("disabled", false)) {
        groups.push_back(WorkerGroup(values, group, group_name));
      }
    }
  }
  spec["workerGroupSpecs"] = std::move(groups);

  Json metadata = {{"name", name}, {"labels", {{"app.kubernetes.io/managed-by", "windlass"}}}};
  if (!name_space.empty()) metadata["namespace"] = name_space;
  metadata["annotations"] = values.value("annotations", Json::object());
  metadata["annotations"][kTemplatesAnnotation] = HashOfTemplates(spec);
  return {{"apiVersion", "ray.io/v1"},
          {"kind", "RayCluster"},
          {"metadata", std::move(metadata)},
          {"spec", std::move(spec)}};
}

}  // namespace windlass::cluster
