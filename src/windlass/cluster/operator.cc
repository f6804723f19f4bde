#include "windlass/cluster/operator.h"

#include <fmt/format.h>

#include <filesystem>
#include <string_view>

#include "windlass/base/error.h"
#include "windlass/cluster/values.h"

namespace windlass::cluster {
namespace {

constexpr std::string_view kRelease = "kuberay-operator";
// The chart and the manifests of KubeRay label the operator's Pods alike in this.
constexpr const char* kLabel = "app.kubernetes.io/component=kuberay-operator";

bool HasCrd(const Kubectl& kubectl) {
  // Discovery is open to every user; reading the definition itself is not.
  return kubectl.Find({"--raw", "/apis/ray.io/v1"}, Scope::kAll).has_value();
}

bool IsReadyPod(const Json& pod) {
  const Json status = pod.value("status", Json::object());
  for (const Json& condition : status.value("conditions", Json::array())) {
    if (condition.value("type", "") == "Ready" && condition.value("status", "") == "True") {
      return true;
    }
  }
  return false;
}

void Install(const Kubectl& kubectl, const OperatorOptions& options, std::chrono::seconds limit,
             const Say& say) {
  if (!options.manifest.empty()) {
    say(fmt::format("putting in the KubeRay operator from {}", options.manifest));
    // Its definitions are too large for what a client-side apply notes on them.
    kubectl.Run({"apply", "--server-side", "-f", options.manifest}, "", Scope::kAll, limit);
    return;
  }
  std::vector<std::string> words = {"upgrade", "--install", std::string(kRelease)};
  const bool own = options.chart.empty();
  const std::string version =
      own && options.version.empty() ? std::string(kDefaultKubeRay) : options.version;
  if (own) {
    words.insert(words.end(), {std::string(kRelease), "--repo", kOperatorRepository});
  } else {
    words.push_back(options.chart);
  }
  if (!version.empty()) words.insert(words.end(), {"--version", version});
  words.insert(words.end(), {"--wait", "--timeout", fmt::format("{}s", limit.count())});
  say(fmt::format("putting in the KubeRay operator {} by Helm",
                  version.empty() ? options.chart : version));
  kubectl.Helm(words, limit + std::chrono::seconds(15));
}

void RefuseWhileUsed(const Kubectl& kubectl) {
  for (const char* kind : {"rayclusters.ray.io", "rayjobs.ray.io", "rayservices.ray.io"}) {
    const auto list = kubectl.Find({kind, "--all-namespaces"}, Scope::kAll);
    if (!list || list->at("items").empty()) continue;
    const Json& metadata = list->at("items")[0].at("metadata");
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("the KubeRay operator is still needed: {} of {} is there, {} in "
                            "namespace {}; stop it first",
                            list->at("items").size(), kind, metadata.at("name").get<std::string>(),
                            metadata.at("namespace").get<std::string>()));
  }
}

// The API server goes on for a moment to serve what was just deleted.
void WaitUntilUnknown(const Kubectl& kubectl, std::chrono::seconds limit) {
  const Deadline deadline = Clock::now() + limit;
  while (HasCrd(kubectl)) {
    if (Clock::now() > deadline) {
      throw Error(ErrorCode::kDeadlineExceeded,
                  fmt::format("the KubeRay operator was taken out, but after {} s Kubernetes still "
                              "knows RayClusters",
                              limit.count()));
    }
    kubectl.Sleep(Kubectl::kLook);
  }
}

struct Release {
  std::string name;
  std::string name_space;
};

std::optional<Release> FindRelease(const Kubectl& kubectl) {
  const Json releases = ParseJson(
      kubectl.Helm({"list", "--all-namespaces", "--all", "-o", "json"}, std::chrono::seconds(60)),
      "helm's answer");
  for (const Json& release : releases) {
    if (release.value("chart", "").starts_with(kRelease)) {
      return Release{release.at("name"), release.at("namespace")};
    }
  }
  return std::nullopt;
}

}  // namespace

OperatorState FindOperator(const Kubectl& kubectl) {
  OperatorState state;
  state.has_crd = HasCrd(kubectl);
  const auto pods = kubectl.GetIfAllowed({"pods", "--all-namespaces", "-l", kLabel}, Scope::kAll);
  state.may_look = pods.has_value();
  if (!pods) return state;
  for (const Json& pod : pods->at("items")) {
    state.is_running = state.is_running || IsReadyPod(pod);
    const Json spec = pod.value("spec", Json::object());
    for (const Json& container : spec.value("containers", Json::array())) {
      const std::string image = container.value("image", "");
      if (const auto colon = image.rfind(':'); colon != image.npos) {
        state.version = image.substr(colon + 1);
      }
    }
  }
  return state;
}

bool EnsureOperator(const Kubectl& kubectl, const OperatorOptions& options,
                    std::chrono::seconds limit, const Say& say) {
  std::error_code ignored;
  if (!options.manifest.empty() && options.manifest.find("://") == std::string::npos &&
      !std::filesystem::exists(options.manifest, ignored)) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("--operator-manifest: there is no file {}", options.manifest));
  }
  OperatorState state = FindOperator(kubectl);
  if (state.has_crd) {
    if (state.may_look && !state.is_running) {
      say("RayClusters are known to this Kubernetes, but no Pod of the KubeRay operator runs; "
          "whatever serves them is used");
    }
    std::string wanted = options.version;
    if (!wanted.empty() && !state.version.empty() && state.version != "v" + wanted &&
        state.version != wanted) {
      say(fmt::format("the KubeRay operator that is there is {}, not {}; it is used as it is",
                      state.version, wanted));
    }
    return false;
  }
  const Deadline deadline = Clock::now() + limit;
  Install(kubectl, options, limit, say);
  while (!state.has_crd || !state.is_running) {
    if (Clock::now() > deadline) {
      throw Error(ErrorCode::kDeadlineExceeded,
                  fmt::format("the KubeRay operator was put in, but within {} s {}", limit.count(),
                              !state.has_crd ? "RayClusters did not become known to Kubernetes"
                                             : "none of its Pods became ready"));
    }
    kubectl.Sleep(Kubectl::kLook);
    state = FindOperator(kubectl);
    if (state.has_crd && !state.may_look) break;
  }
  return true;
}

void RemoveOperator(const Kubectl& kubectl, const OperatorOptions& options,
                    std::chrono::seconds limit, const Say& say) {
  RefuseWhileUsed(kubectl);
  const std::string timeout = fmt::format("{}s", limit.count());
  if (!options.manifest.empty()) {
    say(fmt::format("taking out the KubeRay operator that {} put in", options.manifest));
    // Foreground: a Deployment goes after its Pods, so that nothing is left when this returns.
    kubectl.Run({"delete", "--ignore-not-found", "--cascade=foreground", "--timeout=" + timeout,
                 "-f", options.manifest},
                "", Scope::kAll, limit + std::chrono::seconds(15));
    WaitUntilUnknown(kubectl, limit);
    return;
  }
  const auto release = FindRelease(kubectl);
  if (!release) {
    throw Error(ErrorCode::kInvalidInput,
                HasCrd(kubectl)
                    ? "the KubeRay operator did not come by Helm: name the manifest that it came "
                      "by (--operator-manifest FILE), or take it out as it was put in"
                    : "there is no KubeRay operator");
  }
  say(fmt::format("taking out the KubeRay operator (Helm release {} in namespace {})",
                  release->name, release->name_space));
  Access access = kubectl.access();
  access.name_space = release->name_space;
  const Kubectl there(access, kubectl.cancelled());
  there.Helm({"uninstall", release->name, "--wait", "--timeout", timeout},
             limit + std::chrono::seconds(15));
  // Helm leaves definitions in place, since with them goes all that is of their kinds.
  kubectl.Run({"delete", "crd", "--ignore-not-found", "--timeout=" + timeout, "rayclusters.ray.io",
               "rayjobs.ray.io", "rayservices.ray.io", "raycronjobs.ray.io"},
              "", Scope::kAll, limit + std::chrono::seconds(15));
  WaitUntilUnknown(kubectl, limit);
}

}  // namespace windlass::cluster
