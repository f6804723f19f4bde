#include "windlass/cluster/submitted.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "windlass/base/file.h"

namespace windlass::cluster {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

job::JobInfo SubmittedAs(const std::string& id, const std::string& engine) {
  job::JobInfo info;
  info.id = id;
  info.kind = "explain";
  info.spec = {{"kind", "explain"}};
  info.run = {{"engine", engine}, {"workers", "2"}, {"batch", 64}};
  return info;
}

std::vector<std::string> IdsAt(const std::string& url) {
  std::vector<std::string> ids;
  for (const job::JobInfo& info : AllSubmitted(url)) ids.push_back(info.id);
  return ids;
}

TEST(Submitted, JobsAreFoundByIdAndByWhereTheyWent) {
  const TemporaryFolder home;
  ::setenv("WINDLASS_HOME", home.path().c_str(), 1);
  EXPECT_FALSE(FindSubmitted("20260102"));
  EXPECT_THAT(IdsAt("http://head:8265"), IsEmpty());
  KeepSubmitted(SubmittedAs("20260102-a", "http://head:8265?store=/store"));
  KeepSubmitted(SubmittedAs("20260102-b", "http://other:8265"));
  EXPECT_THAT(IdsAt("http://head:8265"), ElementsAre("20260102-a"));
  EXPECT_FALSE(FindSubmitted("20260102")) << "two begin so";
  EXPECT_FALSE(FindSubmitted(""));
  const auto found = FindSubmitted("20260102-a");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->spec, (Json{{"kind", "explain"}}));
  EXPECT_EQ(found->run["batch"], 64);
  WriteFileAtomically(home.path() / "submitted/half.json", "{\"id\"");
  EXPECT_THAT(IdsAt("http://other:8265"), ElementsAre("20260102-b"));
  DropSubmitted("20260102-a");
  DropSubmitted("20260102-a");
  EXPECT_THAT(IdsAt("http://head:8265"), IsEmpty());
  ::unsetenv("WINDLASS_HOME");
}

TEST(Submitted, WhatTheClusterForgotSaysWhatToDo) {
  const job::JobInfo info = Forgotten(SubmittedAs("20260102-a", ""), "http://head:8265");
  EXPECT_EQ(info.state, job::JobState::kDied);
  EXPECT_TRUE(info.resumable());
  EXPECT_THAT(info.error, HasSubstr("windlass job wait 20260102-a --engine http://head:8265"));
}

}  // namespace
}  // namespace windlass::cluster
