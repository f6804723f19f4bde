#include "windlass/cluster/job_home.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/job/record.h"

namespace windlass::cluster {
namespace {

ErrorCode CodeOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::kInternal;
}

TEST(JobHome, GivesWhatAJobLeft) {
  const TemporaryFolder folder;
  const std::filesystem::path home = folder.path();
  job::JobInfo info;
  info.id = "20260101-000000-abcdef";
  info.kind = "explain";
  const std::filesystem::path outputs = OutputsFolder(home, info.id);
  MakeFolders(outputs);
  WriteFileAtomically(outputs / "summary.json", "{}");
  WriteFileAtomically(outputs / "run.json", "{\"a\": 1}");
  const auto record = job::JobRecord::Begin(home, info);
  record->Succeed({(outputs / "summary.json").string(), (outputs / "run.json").string()});
  EXPECT_EQ(CodeOf([&] { job::JobRecord::Begin(home, info); }), ErrorCode::kIo) << "it is locked";
  job::RunResult result;
  result.result = {{"rows", 3}};
  result.run = {{"a", 1}};
  WriteResult(home, info.id, result);

  const auto jobs = OpenFolderHome(home);
  ASSERT_EQ(jobs->Records().size(), 1U);
  EXPECT_EQ(jobs->Record(info.id)->state, job::JobState::kSucceeded);
  EXPECT_FALSE(jobs->Record("another"));
  const JobResult told = jobs->Result(info.id);
  EXPECT_EQ(told.result, result.result);
  ASSERT_EQ(told.outputs.size(), 2U);
  EXPECT_EQ(told.outputs[1].name, "run.json") << "last, as it became visible";
  EXPECT_EQ(told.outputs[1].size, 8U);
  EXPECT_EQ(told.outputs[1].hash, HashOf("{\"a\": 1}"));
  jobs->Fetch(info.id, told.outputs[1], home / "fetched");
  jobs->Fetch(info.id, told.outputs[1], home / "fetched");  // a second try
  EXPECT_EQ(ReadFile(home / "fetched"), "{\"a\": 1}");
  jobs->Remove(info.id, /*record=*/false);
  EXPECT_FALSE(std::filesystem::exists(outputs));
  EXPECT_EQ(CodeOf([&] { jobs->Fetch(info.id, told.outputs[0], home / "x"); }),
            ErrorCode::kNotFound);
  EXPECT_TRUE(jobs->Record(info.id));
  jobs->Remove(info.id, /*record=*/true);
  EXPECT_FALSE(jobs->Record(info.id));
  EXPECT_EQ(CodeOf([&] { jobs->Result(info.id); }), ErrorCode::kNotFound);
}

TEST(JobHome, RefusesNamesThatLeadElsewhere) {
  for (const char* id : {"", ".", "..", "a/b", "a.b", "../a", "a b", "a%2f"}) {
    EXPECT_EQ(CodeOf([&] { CheckJobId(id); }), ErrorCode::kInvalidInput) << id;
  }
  CheckJobId("20260101-000000-abcdef-r1");
  for (const char* name : {"", ".", "..", "a/b", ".hidden", "a\\b", "a b", "a\n"}) {
    EXPECT_EQ(CodeOf([&] { CheckOutputName(name); }), ErrorCode::kInvalidInput) << name;
  }
  CheckOutputName("attributions.parquet");
  EXPECT_EQ(CodeOf([] {
              JobResult::FromJson(
                  {{"result", 1},
                   {"run", 1},
                   {"outputs", {{{"name", "../x"}, {"size", 1}, {"hash", HashOf("x").Hex()}}}}});
            }),
            ErrorCode::kInvalidInput);
}

}  // namespace
}  // namespace windlass::cluster
