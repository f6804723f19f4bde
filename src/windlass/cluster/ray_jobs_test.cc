#include "windlass/cluster/ray_jobs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace windlass::cluster {
namespace {

using job::JobState;
using ::testing::HasSubstr;

// A job as Ray 2.60 tells of it.
Json Details(const std::string& status, const Json& more = Json::object()) {
  Json details = {
      {"type", "SUBMISSION"},
      {"submission_id", "20260101-000000-abcdef"},
      {"status", status},
      {"message", nullptr},
      {"error_type", nullptr},
      {"start_time", 1000},
      {"end_time", nullptr},
      {"driver_exit_code", nullptr},
      {"metadata", {{"windlass_job", R"({"kind": "explain", "restarts": 2, "out": "/out",
                     "restart_of": "before", "spec": {"kind": "explain"}, "run": {"workers": "4"}})"}}}};
  details.update(more);
  return details;
}

job::JobInfo Read(const std::string& status, const Json& more = Json::object()) {
  const auto info = JobOf(Details(status, more));
  EXPECT_TRUE(info);
  return info.value_or(job::JobInfo());
}

TEST(RayJobs, ReadsWhatOursSay) {
  const job::JobInfo info = Read("RUNNING");
  EXPECT_EQ(info.id, "20260101-000000-abcdef");
  EXPECT_EQ(info.kind, "explain");
  EXPECT_EQ(info.restarts, 2);
  EXPECT_EQ(info.restart_of, "before");
  EXPECT_EQ(info.started_ms, 1000);
  EXPECT_EQ(info.state, JobState::kRunning);
  EXPECT_FALSE(JobOf(Details("RUNNING", {{"metadata", nullptr}}))) << "another's job";
  EXPECT_FALSE(JobOf(Details("RUNNING", {{"metadata", {{"windlass_job", "x"}}}})));
  EXPECT_FALSE(JobOf(Details("RUNNING", {{"submission_id", nullptr}})));
}

TEST(RayJobs, SaysHowTheyEnded) {
  EXPECT_EQ(Read("SUCCEEDED", {{"driver_exit_code", 0}}).state, JobState::kSucceeded);
  EXPECT_EQ(Read("STOPPED").exit_code(), 130);

  const job::JobInfo failed =
      Read("FAILED", {{"driver_exit_code", 2},
                      {"message",
                       "Job entrypoint command failed with exit code 2, last available logs "
                       "(truncated to 20,000 chars):\nsomething\nwindlass: rows.csv is empty\n"}});
  EXPECT_EQ(failed.state, JobState::kFailed);
  EXPECT_EQ(failed.exit_code(), 2);
  EXPECT_EQ(failed.error, "rows.csv is empty");
  EXPECT_FALSE(failed.resumable());
  EXPECT_EQ(Read("FAILED", {{"driver_exit_code", 1}, {"message", "x"}}).exit_code(), 1);
  EXPECT_EQ(Read("FAILED", {{"driver_exit_code", 130}, {"message", "x"}}).state,
            JobState::kCancelled);

  for (const int code : {-9, 137}) {
    const job::JobInfo died = Read("FAILED", {{"driver_exit_code", code}, {"message", "x"}});
    EXPECT_EQ(died.state, JobState::kDied);
    EXPECT_EQ(died.error, "its driver was killed by SIGKILL (out of memory?)");
    EXPECT_TRUE(died.resumable());
  }
  const job::JobInfo lost =
      Read("FAILED", {{"error_type", "JOB_SUPERVISOR_ACTOR_DIED"}, {"message", "gone\n  away"}});
  EXPECT_EQ(lost.state, JobState::kDied);
  EXPECT_THAT(lost.error, HasSubstr("the node that ran its driver was lost"));
  EXPECT_THAT(lost.error, HasSubstr("gone away"));

  const job::JobInfo bare = Read(
      "FAILED",
      {{"driver_exit_code", 1}, {"message", "logs:\n/usr/bin/python: No module named windlass\n"}});
  EXPECT_EQ(bare.exit_code(), 2);
  EXPECT_THAT(bare.error, HasSubstr("?wheel=FILE"));
  const job::JobInfo environment =
      Read("FAILED", {{"error_type", "RUNTIME_ENV_SETUP_FAILURE"}, {"message", "no package"}});
  EXPECT_EQ(environment.state, JobState::kFailed);
  EXPECT_THAT(environment.error, HasSubstr("no package"));
}

TEST(RayJobs, SaysWhatTheyWaitFor) {
  const job::JobInfo pending =
      Read("PENDING", {{"message", "It may be waiting for resources"}, {"start_time", 0}});
  EXPECT_EQ(pending.state, JobState::kPending);
  EXPECT_THAT(pending.waits_for, HasSubstr("waiting for resources"));

  job::JobInfo running = Read("RUNNING");
  job::JobInfo record;
  record.state = JobState::kPending;
  AddRecord(running, record);
  EXPECT_EQ(running.state, JobState::kPending) << "its workers are not there yet";
}

TEST(RayJobs, TheRecordSaysMore) {
  job::JobInfo record;
  record.state = JobState::kRunning;
  record.unit = "rows";
  record.done = 43;
  record.total = 100;
  job::JobInfo died = Read("FAILED", {{"driver_exit_code", 137}, {"message", "x"}});
  AddRecord(died, record);
  EXPECT_EQ(died.error, "its driver was killed by SIGKILL (out of memory?) at 43 %");
  EXPECT_EQ(died.done, 43);

  record.state = JobState::kFailed;
  record.failure = 2;
  record.error = "why";
  job::JobInfo failed = Read("FAILED", {{"driver_exit_code", 2}, {"message", "truncated"}});
  AddRecord(failed, record);
  EXPECT_EQ(failed.error, "why");
  EXPECT_EQ(failed.exit_code(), 2);
}

}  // namespace
}  // namespace windlass::cluster
