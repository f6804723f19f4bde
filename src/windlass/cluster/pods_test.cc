#include "windlass/cluster/pods.h"

#include <gtest/gtest.h>

#include "windlass/base/error.h"

namespace windlass::cluster {
namespace {

// Answers of a Kubernetes 1.34 with KubeRay 1.5.1, cut down to what is read.
Json Pod(const char* name, const char* type, Json status) {
  return {{"metadata",
           {{"name", name}, {"labels", {{"ray.io/node-type", type}, {"ray.io/group", "workers"}}}}},
          {"spec", {{"nodeName", "node1"}}},
          {"status", std::move(status)}};
}

Json Running(const char* ip) {
  return Json::parse(R"({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"},
                         {"type": "PodScheduled", "status": "True"}],
                         "containerStatuses": [{"name": "ray-head", "restartCount": 2,
                                                "state": {"running": {}}}]})")
      .patch(Json::array({{{"op", "add"}, {"path", "/podIP"}, {"value", ip}}}));
}

Json Items(std::vector<Json> items) { return {{"kind", "List"}, {"items", std::move(items)}}; }

TEST(Pods, HeadsComeFirst) {
  const auto pods = ReadPods(Items({Pod("c-w-2", "worker", Running("10.0.0.3")),
                                    Pod("c-w-1", "worker", Running("10.0.0.2")),
                                    Pod("c-head-x", "head", Running("10.0.0.1"))}));
  ASSERT_EQ(pods.size(), 3);
  EXPECT_EQ(pods[0].name, "c-head-x");
  EXPECT_EQ(pods[0].ip, "10.0.0.1");
  EXPECT_EQ(pods[0].phase, "Running");
  EXPECT_EQ(pods[0].restarts, 2);
  EXPECT_TRUE(pods[0].ready);
  EXPECT_EQ(pods[1].name, "c-w-1");
}

TEST(Pods, SayWhatTheyWaitFor) {
  const Json unschedulable = Json::parse(R"({"phase": "Pending", "conditions": [
      {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
       "message": "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."}]})");
  const Json pull = Json::parse(R"({"phase": "Pending", "containerStatuses": [
      {"name": "ray-head", "image": "registry.local/none:1", "restartCount": 0,
       "state": {"waiting": {"reason": "ImagePullBackOff",
                             "message": "Back-off pulling image: no such\nhost"}}}]})");
  const Json crash = Json::parse(R"({"phase": "Running", "containerStatuses": [
      {"name": "ray-head", "restartCount": 4,
       "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
       "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]})");
  const auto pods = ReadPods(
      Items({Pod("a", "head", unschedulable), Pod("b", "head", pull), Pod("c", "head", crash)}));
  EXPECT_EQ(TroubleText(*pods[0].trouble),
            "head a: no node can take it: 0/1 nodes are available: 1 Insufficient cpu.");
  EXPECT_TRUE(pods[0].trouble->may_pass);
  EXPECT_EQ(TroubleText(*pods[1].trouble),
            "head b: the image registry.local/none:1 cannot be pulled (ImagePullBackOff): Back-off "
            "pulling image: no such host");
  EXPECT_FALSE(pods[1].trouble->may_pass);
  EXPECT_EQ(pods[1].phase, "ImagePullBackOff");
  EXPECT_EQ(TroubleText(*pods[2].trouble),
            "head c: container ray-head crashes again and again (4 restarts): it ended with exit "
            "code 137 (OOMKilled)");
  EXPECT_EQ(pods[2].trouble->container, "ray-head");
}

TEST(Pods, TheSameTroubleIsToldOnce) {
  const Trouble full = {.pod = "a", .node_type = "worker", .what = "no node can take it"};
  Trouble second = full;
  second.pod = "b";
  const Trouble head = {.pod = "h", .node_type = "head", .what = "no node can take it"};
  const auto merged = MergeTroubles({full, head, second});
  ASSERT_EQ(merged.size(), 2);
  EXPECT_EQ(TroubleText(merged[0]), "worker a and 1 more: no node can take it");
  EXPECT_EQ(TroubleText(merged[1]), "head h: no node can take it");
}

TEST(Pods, OneThatLeavesHasNoTrouble) {
  Json leaving = Pod("a", "worker", Json::parse(R"({"phase": "Running", "containerStatuses": [
      {"name": "ray-worker", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]})"));
  leaving["metadata"]["deletionTimestamp"] = "2026-11-26T08:00:00Z";
  const auto pods = ReadPods(Items({leaving}));
  EXPECT_TRUE(pods[0].leaving);
  EXPECT_EQ(pods[0].phase, "Terminating");
  EXPECT_FALSE(pods[0].trouble);
}

Json Event(const char* kind, const char* name, const char* time, const char* message) {
  return {{"type", "Warning"},
          {"reason", "FailedMount"},
          {"message", message},
          {"lastTimestamp", time},
          {"involvedObject", {{"kind", kind}, {"name", name}}}};
}

TEST(Pods, EventsTellWhatStatesDoNot) {
  const auto pods = ReadPods(Items(
      {Pod("c-head", "head", {{"phase", "Pending"}}), Pod("c-w", "worker", Running("10.0.0.2"))}));
  const auto troubles =
      ReadEvents(Items({Event("Pod", "c-head", "2026-11-26T08:00:00Z", "first"),
                        Event("Pod", "c-head", "2026-11-26T08:00:09Z", "latest"),
                        Event("Pod", "c-w", "2026-11-26T08:00:00Z", "it is ready by now"),
                        Event("Pod", "other", "2026-11-26T08:00:00Z", "not ours"),
                        Event("RayCluster", "c", "2026-11-26T08:00:00Z", "quota exceeded")}),
                 "c", pods);
  ASSERT_EQ(troubles.size(), 2);
  EXPECT_EQ(TroubleText(troubles[0]), "head c-head: FailedMount: latest");
  EXPECT_EQ(TroubleText(troubles[1]), "the cluster: FailedMount: quota exceeded");
}

Json Cluster() {
  return Json::parse(R"({"kind": "RayCluster",
      "metadata": {"name": "c", "namespace": "ml", "generation": 2,
                   "creationTimestamp": "2026-11-26T08:00:00Z"},
      "spec": {"rayVersion": "2.60.0",
               "headGroupSpec": {"template": {"spec": {"containers": [{"image": "ray:2.60.0"}]}}},
               "workerGroupSpecs": [{"replicas": 2, "minReplicas": 1, "maxReplicas": 3},
                                    {"replicas": 1, "minReplicas": 0, "maxReplicas": 1,
                                     "numOfHosts": 2}]},
      "status": {"state": "ready", "observedGeneration": 2, "readyWorkerReplicas": 4,
                 "head": {"podIP": "10.0.0.1", "serviceName": "c-head-svc"}}})");
}

TEST(Pods, AClusterIsWhatKubeRaySays) {
  const ClusterInfo info = ReadCluster(Cluster());
  EXPECT_EQ(info.name, "c");
  EXPECT_EQ(info.name_space, "ml");
  EXPECT_EQ(info.Endpoint(), "http://10.0.0.1:8265");
  EXPECT_EQ(info.workers_wanted, 4);
  EXPECT_EQ(info.workers_least, 1);
  EXPECT_EQ(info.workers_most, 5);
  EXPECT_TRUE(info.observed);
  EXPECT_THROW(ReadCluster(Json::array()), Error);
  EXPECT_THROW(ReadPods(Json::object()), Error);
  // A new one has no status yet.
  Json fresh = Cluster();
  fresh.erase("status");
  EXPECT_EQ(ReadCluster(fresh).Endpoint(), "");
  EXPECT_FALSE(ReadCluster(fresh).observed);
}

TEST(Pods, AClusterIsReadyWithAllItsPods) {
  ClusterInfo info = ReadCluster(Cluster());
  info.workers_wanted = 1;
  auto pods = ReadPods(
      Items({Pod("h", "head", Running("10.0.0.1")), Pod("w", "worker", Running("10.0.0.2"))}));
  EXPECT_TRUE(IsReady(info, pods));
  info.observed = false;  // it was changed, and the operator has not looked yet
  EXPECT_FALSE(IsReady(info, pods));
  info.observed = true;
  info.workers_wanted = 2;
  EXPECT_FALSE(IsReady(info, pods));
  info.autoscaled = true;  // Ray decides how many, from 1 on
  EXPECT_TRUE(IsReady(info, pods));
  pods[1].leaving = true;
  EXPECT_FALSE(IsReady(info, pods));
}

}  // namespace
}  // namespace windlass::cluster
