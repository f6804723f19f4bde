#include "windlass/cluster/kubectl.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "windlass/base/error.h"
#include "windlass/cluster/cluster.h"

namespace windlass::cluster {
namespace {

namespace fs = std::filesystem;

// A folder that is the whole PATH, with a kubectl in it that is a script.
class KubectlTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string form = (fs::temp_directory_path() / "windlass-kubectl-XXXXXX").string();
    folder_ = ::mkdtemp(form.data());
    path_ = std::getenv("PATH");
    ::setenv("PATH", folder_.c_str(), 1);
  }
  void TearDown() override {
    ::setenv("PATH", path_.c_str(), 1);
    fs::remove_all(folder_);
  }

  void Program(const std::string& name, const std::string& body) const {
    std::ofstream(folder_ / name) << "#!/bin/sh\nPATH=/usr/bin:/bin\n" << body;
    fs::permissions(folder_ / name, fs::perms::owner_all);
  }

  std::string ErrorOf(const std::function<void()>& body, ErrorCode code) const {
    try {
      body();
      return "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
  }

  static Kubectl Open(Access access = {}) {
    return {std::move(access), [] { return false; }};
  }

  fs::path folder_;
  std::string path_;
};

TEST_F(KubectlTest, SaysWhatIsMissing) {
  EXPECT_EQ(ErrorOf([] { Open(); }, ErrorCode::kNotFound),
            "kubectl is not on the PATH: Windlass speaks to Kubernetes through it; "
            "https://kubernetes.io/docs/tasks/tools/ says how to get it");
  Program("kubectl", "exit 0\n");
  EXPECT_EQ(ErrorOf([] { Open({.kubeconfig = "/no/such/file"}); }, ErrorCode::kNotFound),
            "--kubeconfig: there is no file /no/such/file");
  EXPECT_NE(ErrorOf([] { Open({.name_space = "A b"}); }, ErrorCode::kInvalidInput), "no error");
  EXPECT_EQ(ErrorOf([] { Open().Helm({"list"}, std::chrono::seconds(5)); }, ErrorCode::kNotFound)
                .substr(0, 28),
            "helm is not on the PATH: Win");
}

TEST_F(KubectlTest, PassesArgumentsAndInputAsTheyAre) {
  Program("kubectl", "for a in \"$@\"; do echo \"[$a]\"; done; cat\n");
  const std::string large(300'000, 'x');
  EXPECT_EQ(Open({.context = "a b", .name_space = "ml"}).Run({"apply", "$HOME; ls"}, large),
            "[--context=a b]\n[--namespace=ml]\n[apply]\n[$HOME; ls]\n" + large);
  EXPECT_EQ(Open({.name_space = "ml"}).Run({"get", "nodes"}, "", Scope::kAll), "[get]\n[nodes]\n");
}

TEST_F(KubectlTest, AMissingPermissionIsSaidPlainly) {
  Program("kubectl", R"sh(cat >&2 <<'X'
Error from server (Forbidden): error when creating "STDIN": rayclusters.ray.io is forbidden: User "system:serviceaccount:ml:nobody" cannot create resource "rayclusters" in API group "ray.io" in the namespace "ml"
X
exit 1
)sh");
  EXPECT_EQ(ErrorOf(
                [] {
                  Open().Run({"apply", "-f", "-"}, "{}");
                },
                ErrorCode::kIo),
            "system:serviceaccount:ml:nobody may not create rayclusters in namespace ml: ask for "
            "what deploy/role.yaml grants");
}

TEST_F(KubectlTest, AnUnknownContextNamesTheKnownOnes) {
  Program("kubectl", R"sh(case "$*" in
*get-contexts*) printf 'production\nstaging\n';;
*) echo 'error: context "stagin" does not exist' >&2; exit 1;;
esac
)sh");
  EXPECT_EQ(ErrorOf([] { Open({.context = "stagin"}).Get({"pods"}); }, ErrorCode::kNotFound),
            "context \"stagin\" does not exist; did you mean \"staging\"?");
  // Such an error is not the absence of an object.
  EXPECT_NE(ErrorOf([] { Open({.context = "stagin"}).Find({"pods"}); }, ErrorCode::kNotFound),
            "no error");
}

TEST_F(KubectlTest, WhatIsNotThereIsNothing) {
  Program("kubectl",
          "echo 'Error from server (NotFound): rayclusters.ray.io \"c\" not found' >&2; exit 1\n");
  EXPECT_EQ(Open().Find({"raycluster", "c"}), std::nullopt);
  Program(
      "kubectl",
      "echo \"error: the server doesn't have a resource type \\\"rayclusters\\\"\" >&2; exit 1\n");
  EXPECT_EQ(Open().Find({"raycluster", "c"}), std::nullopt);
  EXPECT_TRUE(List(Open(), false).empty());
}

TEST_F(KubectlTest, AServerThatIsAwayIsUnavailable) {
  Program("kubectl", R"sh(cat >&2 <<'X'
E1126 08:00:00.123456   42 memcache.go:265] "Unhandled Error" err="couldn't get current server API group list"
The connection to the server localhost:8080 was refused - did you specify the right host or port?
X
exit 1
)sh");
  EXPECT_EQ(ErrorOf([] { Open().Get({"pods"}); }, ErrorCode::kUnavailable),
            "Kubernetes cannot be reached: The connection to the server localhost:8080 was refused "
            "- did you specify the right host or port?; no kubeconfig is set, or "
            "$KUBECONFIG names no file: name one by --kubeconfig");
}

TEST_F(KubectlTest, OneThatHangsIsEnded) {
  Program("kubectl", "echo waiting for a login >&2; exec sleep 60\n");
  EXPECT_EQ(ErrorOf(
                [] {
                  Open().Run({"get", "pods"}, "", Scope::kAll, std::chrono::seconds(1));
                },
                ErrorCode::kDeadlineExceeded),
            "kubectl get pods did not end within 1 s: waiting for a login");
  EXPECT_EQ(ErrorOf(
                [] {
                  Kubectl({}, [] { return true; }).Run({"get", "pods"});
                },
                ErrorCode::kCancelled),
            "interrupted");
}

TEST_F(KubectlTest, WhatTheServerRefusesIsPassedOn) {
  Program("kubectl", R"sh(cat >&2 <<'X'
Warning: something is deprecated
Error from server (BadRequest): error when creating "STDIN": strict decoding error: unknown field "spec.x"
X
exit 1
)sh");
  EXPECT_EQ(ErrorOf(
                [] {
                  Open().Run({"apply", "-f", "-"}, "{}");
                },
                ErrorCode::kIo),
            "kubectl apply -f -: error when creating \"STDIN\": strict decoding error: unknown "
            "field \"spec.x\"");
}

// Answers one `get` after another from files.
TEST_F(KubectlTest, ScalesTheGroupThatIsMeant) {
  Program("kubectl", fmt::format(R"sh(case "$1 $2" in
"get raycluster") cat {0}/cluster.json;;
"patch raycluster") echo "$6" > {0}/patch.json;;
esac
)sh",
                                 folder_.string()));
  Json object = Json::parse(R"({"kind": "RayCluster", "metadata": {"name": "c"},
      "spec": {"workerGroupSpecs": [{"groupName": "small", "replicas": 2}]}})");
  const auto put = [&] { std::ofstream(folder_ / "cluster.json") << object.dump(); };
  const auto patch = [&] {
    std::ifstream file(folder_ / "patch.json");
    return Json::parse(file);
  };
  put();
  Scale(Open(), "c", ParseWorkers("5", "w"), "");
  EXPECT_EQ(patch(), Json::parse(R"([
      {"op": "test", "path": "/spec/workerGroupSpecs/0/groupName", "value": "small"},
      {"op": "add", "path": "/spec/workerGroupSpecs/0/replicas", "value": 5},
      {"op": "add", "path": "/spec/workerGroupSpecs/0/minReplicas", "value": 5},
      {"op": "add", "path": "/spec/workerGroupSpecs/0/maxReplicas", "value": 5}])"));
  EXPECT_EQ(
      ErrorOf([&] { Scale(Open(), "c", ParseWorkers("1:3", "w"), ""); }, ErrorCode::kInvalidInput),
      "cluster c was started without an autoscaler, so that --workers is a number here; it "
      "comes with \"windlass cluster start c --workers 1:3\"");
  object["spec"]["workerGroupSpecs"].push_back({{"groupName", "big"}, {"replicas", 2}});
  object["spec"]["enableInTreeAutoscaling"] = true;
  put();
  EXPECT_EQ(
      ErrorOf([&] { Scale(Open(), "c", ParseWorkers("1", "w"), ""); }, ErrorCode::kInvalidInput),
      "cluster c has several groups of workers; name one by --group: small, big");
  EXPECT_EQ(
      ErrorOf([&] { Scale(Open(), "c", ParseWorkers("1", "w"), "bigg"); }, ErrorCode::kNotFound),
      "cluster c has no group of workers \"bigg\"; did you mean \"big\"?");
  Scale(Open(), "c", ParseWorkers("1:3", "w"), "big");
  EXPECT_EQ(patch()[0]["path"], "/spec/workerGroupSpecs/1/groupName");
  EXPECT_EQ(patch()[1]["value"], 2);  // the autoscaler's own number stays
}

}  // namespace
}  // namespace windlass::cluster
