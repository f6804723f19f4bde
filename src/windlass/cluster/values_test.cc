#include "windlass/cluster/values.h"

#include <gtest/gtest.h>

#include <string>

#include "windlass/base/error.h"
#include "windlass/cluster/check.h"
#include "windlass/cluster/manifest.h"

namespace windlass::cluster {
namespace {

// From the documentation of a product that deploys the chart.
constexpr const char* kExample = R"(
image:
  tag: 2.40.0.22541c-py310

head:
  rayVersion: 2.40.0
  nodeSelector:
    nodegroupName: rayNodegroup
  resources:
    limits:
      cpu: "7"
      memory: "30G"
    requests:
      cpu: "7"
      memory: "30G"

worker:
  replicas: 2
  nodeSelector:
    nodegroupName: rayNodegroup
  resources:
    limits:
      cpu: "7"
      memory: "30G"
    requests:
      cpu: "7"
      memory: "30G"
)";

std::string ValuesError(const std::string& text, const ClusterFlags& flags = {}) {
  try {
    CompleteValues(ReadValues(text, "v.yaml").values, flags);
    return "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    return error.what();
  }
}

Json ManifestOf(const std::string& text, const ClusterFlags& flags = {}) {
  return MakeRayCluster("c", "", CompleteValues(ReadValues(text, "v.yaml").values, flags));
}

const Json& HeadPod(const Json& manifest) {
  return manifest.at("/spec/headGroupSpec/template/spec"_json_pointer);
}

const Json& WorkerPod(const Json& manifest) {
  return manifest.at("/spec/workerGroupSpecs/0/template/spec"_json_pointer);
}

TEST(Values, TheExampleOfTheChartsUsers) {
  const Json manifest = ManifestOf(kExample);
  EXPECT_TRUE(ReadValues(kExample, "v.yaml").warnings.empty());
  EXPECT_EQ(manifest["kind"], "RayCluster");
  EXPECT_EQ(manifest["apiVersion"], "ray.io/v1");
  EXPECT_EQ(manifest["spec"]["rayVersion"], "2.40.0");
  EXPECT_FALSE(manifest["spec"].contains("enableInTreeAutoscaling"));
  const Json& head = HeadPod(manifest);
  EXPECT_EQ(head["containers"][0]["name"], "ray-head");
  EXPECT_EQ(head["containers"][0]["image"], "rayproject/ray:2.40.0.22541c-py310");
  EXPECT_EQ(head["containers"][0]["resources"]["limits"],
            Json::parse(R"({"cpu": "7", "memory": "30G"})"));
  EXPECT_EQ(head["nodeSelector"], Json::parse(R"({"nodegroupName": "rayNodegroup"})"));
  const Json& group = manifest["spec"]["workerGroupSpecs"][0];
  EXPECT_EQ(group["replicas"], 2);
  EXPECT_EQ(group["groupName"], "workers");
  EXPECT_EQ(CheckManifest(manifest, ""), std::vector<std::string>());
}

TEST(Values, NothingAtAllIsACluster) {
  const Json manifest = ManifestOf("");
  EXPECT_EQ(HeadPod(manifest)["containers"][0]["image"], "rayproject/ray:2.60.0-py311");
  EXPECT_EQ(HeadPod(manifest)["containers"][0]["resources"],
            Json::parse(R"({"limits": {"cpu": "1", "memory": "2Gi"},
                            "requests": {"cpu": "1", "memory": "2Gi"}})"));
  EXPECT_EQ(manifest["spec"]["workerGroupSpecs"][0]["replicas"], 1);
}

TEST(Values, FlagsWinOverTheFile) {
  ClusterFlags flags;
  flags.image = "registry:5000/ray:2.60.0";
  flags.ray_version = "2.60.0";
  flags.head_cpu = "2";
  flags.worker_memory = "4Gi";
  flags.workers = "1:4";
  flags.worker_node_selector = {"pool=big"};
  flags.tolerations = {"dedicated=ray:NoSchedule"};
  flags.pull_secrets = {"my-registry"};
  const Json manifest = ManifestOf(kExample, flags);
  EXPECT_EQ(manifest["spec"]["rayVersion"], "2.60.0");
  EXPECT_EQ(manifest["spec"]["enableInTreeAutoscaling"], true);
  const Json& head = HeadPod(manifest);
  EXPECT_EQ(head["containers"][0]["image"], "registry:5000/ray:2.60.0");
  flags.image = "ray@sha256:" + std::string(64, 'a');
  EXPECT_EQ(HeadPod(ManifestOf("", flags))["containers"][0]["image"], flags.image);
  EXPECT_EQ(head["containers"][0]["resources"]["requests"],
            Json::parse(R"({"cpu": "2", "memory": "30G"})"));
  EXPECT_EQ(head["imagePullSecrets"], Json::parse(R"([{"name": "my-registry"}])"));
  EXPECT_EQ(head["tolerations"][0]["key"], "dedicated");
  const Json& worker = WorkerPod(manifest);
  EXPECT_EQ(worker["containers"][0]["resources"]["limits"]["memory"], "4Gi");
  EXPECT_EQ(worker["nodeSelector"], Json::parse(R"({"pool": "big"})"));
  const Json& group = manifest["spec"]["workerGroupSpecs"][0];
  EXPECT_EQ(group["replicas"], 1);
  EXPECT_EQ(group["minReplicas"], 1);
  EXPECT_EQ(group["maxReplicas"], 4);
}

TEST(Values, AllThatTheChartKnows) {
  const Json manifest = ManifestOf(R"(
nameOverride: "kuberay"
fullnameOverride: ""
imagePullSecrets: [{name: an-existing-secret}]
gcsFaultTolerance: {enabled: true, redisAddress: "redis:6379"}
common: {containerEnv: [{name: A, value: "1"}]}
service: {type: NodePort}
annotations: {team: ml}
head:
  enableInTreeAutoscaling: true
  autoscalerOptions: {idleTimeoutSeconds: 60}
  serviceAccountName: ""
  restartPolicy: ""
  rayStartParams: {dashboard-host: 0.0.0.0, num-cpus: 0}
  containerEnv: [{name: B, value: "2"}]
  volumes: [{name: log-volume, emptyDir: {}}]
  volumeMounts: [{mountPath: /tmp/ray, name: log-volume}]
  sidecarContainers: [{name: side, image: x}]
  podSecurityContext: {runAsUser: 1000}
  securityContext: {}
  annotations: {}
  affinity: {}
  command: []
  initContainers: []
worker: {disabled: true}
additionalWorkerGroups:
  small: {replicas: 3, minReplicas: 1, maxReplicas: 3, image: {tag: other}}
  off: {disabled: true}
)");
  const Json& spec = manifest["spec"];
  EXPECT_EQ(spec["enableInTreeAutoscaling"], true);
  EXPECT_EQ(spec["gcsFaultToleranceOptions"]["redisAddress"], "redis:6379");
  EXPECT_EQ(spec["headGroupSpec"]["serviceType"], "NodePort");
  EXPECT_EQ(spec["headGroupSpec"]["rayStartParams"],
            Json::parse(R"({"dashboard-host": "0.0.0.0", "num-cpus": "0"})"));
  const Json& head = HeadPod(manifest);
  EXPECT_EQ(head["containers"][0]["env"], Json::parse(R"([
      {"name": "A", "value": "1"}, {"name": "B", "value": "2"},
      {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"}])"));
  EXPECT_EQ(head["containers"][1]["name"], "side");
  EXPECT_EQ(head["securityContext"], Json::parse(R"({"runAsUser": 1000})"));
  EXPECT_FALSE(head.contains("restartPolicy"));
  EXPECT_FALSE(head.contains("affinity"));
  EXPECT_FALSE(head["containers"][0].contains("command"));
  ASSERT_EQ(spec["workerGroupSpecs"].size(), 1);
  EXPECT_EQ(spec["workerGroupSpecs"][0]["groupName"], "small");
  EXPECT_EQ(WorkerPod(manifest)["containers"][0]["image"], "rayproject/ray:other");
  EXPECT_EQ(manifest["metadata"]["annotations"]["team"], "ml");
}

TEST(Values, UnknownKeysAreWarnings) {
  const Values values = ReadValues(
      "imag: {tag: x}\nhead: {resource: {}, ressources: {}}\nworker: {replica: 2}\n"
      "fullnameOverride: mine\n",
      "v.yaml");
  EXPECT_EQ(values.warnings,
            (std::vector<std::string>{
                "v.yaml: fullnameOverride is not used: the command line names the cluster",
                "v.yaml: head.resource is not known and does nothing; did you mean \"resources\"?",
                "v.yaml: head.ressources is not known and does nothing; did you mean "
                "\"resources\"?",
                "v.yaml: imag is not known and does nothing; did you mean \"image\"?",
                "v.yaml: worker.replica is not known and does nothing; did you mean "
                "\"replicas\"?"}));
}

TEST(Values, WrongOnesAreErrorsWithTheirPath) {
  EXPECT_EQ(ValuesError("head: {resources: {limits: {cpu: many}}}"),
            "v.yaml: head.resources.limits.cpu is \"many\", which is no amount of CPU; 2, 0.5 or "
            "500m would be one");
  EXPECT_EQ(ValuesError("head: {rayVersion: 2.60}"),
            "v.yaml: head.rayVersion is 2.6; YAML reads it as a number, which may not be what was "
            "written: put it in quotes");
  EXPECT_EQ(ValuesError("worker: {replicas: two}"),
            "v.yaml: worker.replicas is \"two\"; a number of 0, 1, 2, ... is wanted");
  EXPECT_EQ(ValuesError("worker: {replicas: 5, maxReplicas: 3}"),
            "v.yaml: worker.replicas is 5; it is more than maxReplicas, 3");
  EXPECT_EQ(ValuesError("additionalWorkerGroups: {big: {minReplicas: 5, maxReplicas: 3}}"),
            "v.yaml: additionalWorkerGroups.big.maxReplicas is 3; it is less than minReplicas, 5");
  EXPECT_EQ(ValuesError("head: {nodeSelector: {pool: 5}}"),
            "v.yaml: head.nodeSelector.pool is 5; YAML reads it as a number, which may not be what "
            "was written: put it in quotes");
  EXPECT_EQ(ValuesError("head: {tolerations: [{key: a, effect: NoScedule}]}"),
            "v.yaml: head.tolerations[0].effect is \"NoScedule\"; did you mean \"NoSchedule\"?");
  EXPECT_EQ(ValuesError("imagePullSecrets: [Secret]"),
            "v.yaml: imagePullSecrets[0] is \"Secret\"; {name: SECRET} is wanted");
  EXPECT_EQ(ValuesError("image: {tag: a b}"),
            "v.yaml: image.tag is \"a b\"; a tag is wanted, as 2.60.0-py311");
  EXPECT_NE(ValuesError("image: {tag: " + std::string(500'000, '1') + "x}"), "no error");
  EXPECT_NE(ValuesError("image: {repository: " + std::string(500'000, 'a') + "}"), "no error");
  EXPECT_EQ(ValuesError("- a\n"),
            "v.yaml: a map of values is wanted, as the ray-cluster chart has it");
  EXPECT_EQ(ValuesError("head: 5\n"), "v.yaml: head is 5; a map is wanted");
}

TEST(Values, WrongFlagsAreErrors) {
  ClusterFlags flags;
  flags.image = "ray";
  EXPECT_EQ(ValuesError("", flags),
            "--image is \"ray\"; REPOSITORY:TAG is wanted, as rayproject/ray:2.60.0-py311");
  flags.image = std::string(100'000, 'a') + ":" + std::string(100'000, '1');
  EXPECT_NE(ValuesError("", flags), "no error");
  flags = {};
  flags.python = "311";
  EXPECT_EQ(ValuesError("", flags), "--python is \"311\"; a version as 3.11 is wanted");
  flags = {};
  flags.ray_version = "latest";
  EXPECT_EQ(ValuesError("", flags), "--ray-version is \"latest\"; a version as 2.60.0 is wanted");
  flags = {};
  flags.pull_secrets = {"My Secret"};
  EXPECT_NE(ValuesError("", flags), "no error");
}

TEST(Manifest, KnowsWhatARunningClusterDoesNotTakeOver) {
  const auto hash = [](const ClusterFlags& flags) {
    return ManifestOf("", flags)["metadata"]["annotations"][kTemplatesAnnotation];
  };
  ClusterFlags more_workers;
  more_workers.workers = "5";
  ClusterFlags larger;
  larger.worker_cpu = "2";
  EXPECT_EQ(hash({}), hash(more_workers));
  EXPECT_NE(hash({}), hash(larger));
}

TEST(Check, WarnsOfTheManifest) {
  const Json manifest = ManifestOf(R"(
image: {tag: 2.40.0-py310}
head: {rayVersion: 2.60.0, resources: {limits: {cpu: 2}, requests: {cpu: 1}}}
)");
  EXPECT_EQ(CheckManifest(manifest, "3.11"),
            (std::vector<std::string>{
                "the head: resources.requests.cpu is 1, but limits.cpu is 2: Ray plans with the "
                "limit, Kubernetes with the request; they should be equal",
                "the image rayproject/ray:2.40.0-py310 has Ray 2.40.0, but the Ray version is "
                "2.60.0: they must be the same",
                "the image rayproject/ray:2.40.0-py310 has Python 3.10, but Python 3.11 is needed: "
                "jobs would be refused"}));
}

Json Node(const std::string& name, const char* cpu, const char* memory,
          Json labels = Json::object(), Json taints = Json::array()) {
  return {{"metadata", {{"name", name}, {"labels", std::move(labels)}}},
          {"spec", {{"taints", std::move(taints)}}},
          {"status", {{"allocatable", {{"cpu", cpu}, {"memory", memory}}}}}};
}

TEST(Check, WarnsOfNodesThatAreTooSmallOrTooFew) {
  ClusterFlags flags;
  flags.head_cpu = "7";
  flags.head_memory = "28Gi";
  flags.workers = "2";
  const Json manifest = ManifestOf("", flags);
  const Json eight = Node("a", "8", "32Gi");
  EXPECT_EQ(CheckNodes(manifest, {{"items", {eight, eight, eight}}}, std::nullopt),
            std::vector<std::string>());
  EXPECT_EQ(CheckNodes(manifest, {{"items", {Node("a", "7910m", "30Gi")}}}, std::nullopt),
            (std::vector<std::string>{
                "the head asks for 7 CPU and 28 GiB; the largest node that it may stand on has "
                "7.91 CPU and 30 GiB, of which 1 CPU and 1 GiB should be left to the node: ask for "
                "at most 6.91 CPU and 29 GiB",
                "3 agents (the head and its workers) are more than the nodes there are now, 1 "
                "(how far their groups may grow is not known): some will share a node, or wait for "
                "one"}));
}

TEST(Check, KnowsSelectorsAndTaints) {
  ClusterFlags flags;
  flags.head_node_selector = {"pool=ray"};
  flags.worker_node_selector = {"pool=ray"};
  const Json taints = Json::parse(R"([{"key": "dedicated", "value": "ray",
                                       "effect": "NoSchedule"}])");
  const Json nodes = {{"items",
                       {Node("a", "8", "32Gi"), Node("b", "8", "32Gi", {{"pool", "ray"}}, taints),
                        Node("c", "8", "32Gi", {{"pool", "ray"}}, taints)}}};
  EXPECT_EQ(CheckNodes(ManifestOf("", flags), nodes, std::nullopt).size(), 2);
  EXPECT_EQ(CheckNodes(ManifestOf("", flags), nodes, std::nullopt)[0],
            "no node there is now has the labels and taints that the head may stand on");
  flags.tolerations = {"dedicated:NoSchedule"};
  EXPECT_TRUE(CheckNodes(ManifestOf("", flags), nodes, std::nullopt).empty());
}

TEST(Check, KnowsHowFarNodeGroupsMayGrow) {
  const Json labels = {{"eks.amazonaws.com/nodegroup", "ray"}};
  const Json nodes = {{"items", {Node("a", "8", "32Gi", labels)}}};
  const Json autoscaler = {{"data",
                            {{"status",
                              "time: 2026-11-26 08:00:00.1 +0000 UTC\n"
                              "nodeGroups:\n"
                              "- name: eks-ray-0ac1\n"
                              "  health: {status: Healthy, minSize: 1, maxSize: 3}\n"
                              "- name: eks-arrays-0ac2\n"
                              "  health: {status: Healthy, minSize: 1, maxSize: 9}\n"}}}};
  ClusterFlags flags;
  flags.workers = "1:2";
  EXPECT_TRUE(CheckNodes(ManifestOf("", flags), nodes, autoscaler).empty());
  flags.workers = "1:3";
  EXPECT_EQ(CheckNodes(ManifestOf("", flags), nodes, autoscaler),
            (std::vector<std::string>{
                "4 agents (the head and its workers) are more than the 3 nodes that their node "
                "groups may grow to: some will share a node, or wait for one"}));
}

}  // namespace
}  // namespace windlass::cluster
