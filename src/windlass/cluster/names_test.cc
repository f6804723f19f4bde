#include "windlass/cluster/names.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "windlass/base/error.h"
#include "windlass/cluster/quantity.h"

namespace windlass::cluster {
namespace {

std::string NameError(const std::function<void()>& body) {
  try {
    body();
    return "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    return error.what();
  }
}

TEST(Quantity, ReadsCpu) {
  EXPECT_EQ(ParseCpu("7", "x"), 7000);
  EXPECT_EQ(ParseCpu("0.5", "x"), 500);
  EXPECT_EQ(ParseCpu("0.1", "x"), 100);
  EXPECT_EQ(ParseCpu("500m", "x"), 500);
  EXPECT_EQ(ParseCpu("1e1", "x"), 10'000);
  EXPECT_EQ(ParseCpu("100n", "x"), 1);
  for (const char* wrong :
       {"", "0", "-1", "7 CPUs", "8Gi", "m", "1..5", "nan", "inf", "0x7", "1e"}) {
    EXPECT_EQ(NameError([&] { ParseCpu(wrong, "--head-cpu"); }),
              std::string("--head-cpu is \"") + wrong +
                  "\", which is no amount of CPU; 2, 0.5 or 500m would be one");
  }
}

TEST(Quantity, ReadsMemory) {
  EXPECT_EQ(ParseMemory("30G", "x"), 30'000'000'000);
  EXPECT_EQ(ParseMemory("1.5Gi", "x"), 3LL << 29);
  EXPECT_EQ(ParseMemory("2147483648", "x"), 1LL << 31);
  EXPECT_EQ(ParseMemory("512Mi", "x"), 512LL << 20);
  EXPECT_EQ(NameError([] { ParseMemory("400m", "--head-memory"); }),
            "--head-memory is \"400m\", which is 0.4 bytes; did you mean \"400Mi\"?");
  EXPECT_EQ(NameError([] { ParseMemory("8", "--head-memory"); }),
            "--head-memory is \"8\", which is 8 bytes; did you mean \"8Gi\"?");
  EXPECT_EQ(NameError([] { ParseMemory("8GB", "m"); }),
            "m is \"8GB\", which is no amount of memory; 30G or 512Mi would be one");
  EXPECT_NE(NameError([] { ParseMemory("99999999E", "m"); }), "no error");
}

TEST(Names, ClustersHaveNamesOfRfc1123) {
  CheckClusterName("a");
  CheckClusterName("ray-1");
  CheckClusterName(std::string(53, 'a'));
  for (const std::string wrong : {"", "Ray", "1ray", "-a", "a-", "a_b", "a.b", "r\xc3\xa4y"}) {
    EXPECT_NE(NameError([&] { CheckClusterName(wrong); }), "no error") << wrong;
  }
  EXPECT_NE(NameError([] { CheckClusterName(std::string(54, 'a')); }), "no error");
}

TEST(Names, Selectors) {
  EXPECT_EQ(ParseSelector({"a=b,cloud.google.com/gke-nodepool=ray", "c="}, "s"),
            Json::parse(R"({"a": "b", "cloud.google.com/gke-nodepool": "ray", "c": ""})"));
  EXPECT_EQ(NameError([] { ParseSelector({"a"}, "--head-node-selector"); }),
            "--head-node-selector is \"a\"; KEY=VALUE is wanted, as in nodegroup=ray");
  EXPECT_EQ(NameError([] {
              ParseSelector({"a=b", "a=c"}, "s");
            }),
            "s is \"a=c\"; the key a was given twice");
  EXPECT_NE(NameError([] { ParseSelector({"a=b c"}, "s"); }), "no error");
  EXPECT_NE(NameError([] { ParseSelector({"/a=b"}, "s"); }), "no error");
}

TEST(Names, Tolerations) {
  EXPECT_EQ(ParseToleration("gpu", "t"), Json::parse(R"({"key": "gpu", "operator": "Exists"})"));
  EXPECT_EQ(ParseToleration("k/dedicated=ray:NoSchedule", "t"),
            Json::parse(R"({"key": "k/dedicated", "operator": "Equal", "value": "ray",
                            "effect": "NoSchedule"})"));
  EXPECT_EQ(NameError([] { ParseToleration("gpu:NoSchedul", "--toleration"); }),
            "--toleration is \"gpu:NoSchedul\"; \"NoSchedul\" is no effect; did you mean "
            "\"NoSchedule\"?");
}

TEST(Names, Workers) {
  EXPECT_EQ(ParseWorkers("3", "w").most, 3);
  EXPECT_FALSE(ParseWorkers("3", "w").autoscaled);
  EXPECT_EQ(ParseWorkers("0:5", "w").least, 0);
  EXPECT_TRUE(ParseWorkers("2:2", "w").autoscaled);
  EXPECT_EQ(NameError([] { ParseWorkers("5:1", "--workers"); }),
            "--workers is \"5:1\"; MIN:MAX needs MIN at most MAX");
  for (const char* wrong : {"", "-1", "x", "1:", ":2", "1:2:3", "99999999999"}) {
    EXPECT_NE(NameError([&] { ParseWorkers(wrong, "w"); }), "no error") << wrong;
  }
}

}  // namespace
}  // namespace windlass::cluster
