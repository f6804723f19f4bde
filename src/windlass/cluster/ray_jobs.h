// The jobs of a Ray cluster that Windlass submitted.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/cluster/job_home.h"
#include "windlass/cluster/ray_api.h"
#include "windlass/job/source.h"

namespace windlass::cluster {

// What metadata of Ray's jobs say of ours, under this key: a JSON document.
inline constexpr std::string_view kJobMetadata = "windlass_job";
inline constexpr std::string_view kGatewayMetadata = "windlass_gateway";

// State, times and failure of any of Ray's jobs.
void ReadState(const Json& details, job::JobInfo& info);

// A job as Ray tells of it (GET /api/jobs/ID), or nothing when it is not one of ours.
std::optional<job::JobInfo> JobOf(const Json& details);

// What the job's own record adds: progress, how it failed, what it waits for while it runs already.
void AddRecord(job::JobInfo& info, const job::JobInfo& record);

class RayJobs final : public job::JobSource {
 public:
  // `home` may be null: what only records tell (progress) is then missing.
  RayJobs(const RayEngine& engine, std::unique_ptr<JobHome> home);

  void IgnoreInterrupts() { api_.IgnoreInterrupts(); }

  std::vector<job::JobSummary> List() override;
  job::JobInfo Find(std::string_view id) override;
  LogPiece ReadLog(std::string_view id, std::int64_t from) override;
  // Ray kills what has not stopped in time by itself, so that `force` adds nothing.
  void RequestStop(std::string_view id, bool force) override;
  std::vector<std::string> Prune(std::int64_t before_ms) override;
  std::chrono::milliseconds longest_pause() const override { return std::chrono::seconds(1); }

 private:
  std::string WholeId(std::string_view id);
  std::optional<job::JobInfo> Record(std::string_view id);
  // A job whose workers are yet to start is pending, whatever Ray says of its driver.
  void LookForWorkers(const Json& details, job::JobInfo& info);

  RayEngine engine_;
  RayApi api_;
  std::unique_ptr<JobHome> home_;
};

}  // namespace windlass::cluster
