// What jobs of a cluster leave there, as seen from here: WINDLASS_HOME of the jobs.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "windlass/base/bytes.h"
#include "windlass/base/hash.h"
#include "windlass/base/json.h"
#include "windlass/base/s3.h"
#include "windlass/job/info.h"
#include "windlass/job/run.h"

namespace windlass::cluster {

struct JobOutput {
  std::string name;  // of a file, without a folder
  std::uint64_t size = 0;
  Hash hash;
};

// What a job that was submitted leaves beside its record: "result", "run", "outputs".
struct JobResult {
  Json result;
  Json run;
  std::vector<JobOutput> outputs;  // in the order in which they became visible

  Json ToJson() const;
  static JobResult FromJson(const Json& json);  // Throws Error{kCorrupt}.
};

Hash HashOfFile(const std::filesystem::path& path);  // Throws Error{kIo}.

// Where a submitted job of this id writes its outputs.
std::filesystem::path OutputsFolder(const std::filesystem::path& home, std::string_view id);

// Called by a submitted job once it has succeeded: lists its outputs, with their hashes, and writes
// that beside its record.
void WriteResult(const std::filesystem::path& home, std::string_view id,
                 const job::RunResult& result);

// Ids and names that come from elsewhere. Throw Error{kInvalidInput} unless they are plain ones.
void CheckJobId(std::string_view id);
void CheckOutputName(std::string_view name);

// All throw Error{kUnavailable, kDeadlineExceeded} when the place cannot be reached, and others.
class JobHome {
 public:
  virtual ~JobHome() = default;

  // As RayApi's.
  virtual void IgnoreInterrupts() {}

  virtual std::optional<job::JobInfo> Record(std::string_view id) = 0;
  virtual std::vector<job::JobInfo> Records() = 0;
  // Throws Error{kNotFound}.
  virtual JobResult Result(std::string_view id) = 0;
  // Writes one output to the file `to`, over what is there; whether it came over whole is for
  // who asked to see.
  virtual void Fetch(std::string_view id, const JobOutput& output,
                     const std::filesystem::path& to) = 0;
  // What the home's store keeps of a task that failed (engine/failed_task.h). Throws
  // Error{kNotFound}.
  virtual Bytes FailedTask(std::string_view id) = 0;
  // The outputs, and with `record` the record as well.
  virtual void Remove(std::string_view id, bool record) = 0;
};

// A folder that this machine sees.
std::unique_ptr<JobHome> OpenFolderHome(const std::filesystem::path& home);

// Where jobs that leave their results in a bucket remember.
std::string StoreIn(const S3Place& bucket);

// A bucket, s3://..., in which jobs leave jobs/ID/{job.json,log,result.json} and outputs/ID/NAME.
// Looks whether it is there and may be listed. Throws as S3Bucket does.
std::unique_ptr<JobHome> OpenBucketHome(const std::string& bucket, std::function<bool()> cancelled);

// Puts what a submitted job leaves in its home into a bucket: its record and log while it lives.
class BucketCopy {
 public:
  BucketCopy(const std::string& bucket, std::filesystem::path home, std::string id);
  ~BucketCopy();  // puts the last state of record and log

  // The job has succeeded and WriteResult was called: puts the outputs, which then go here.
  void PutResult();

 private:
  void Work();
  void PutNews(bool all);

  const std::unique_ptr<S3Bucket> bucket_;
  const std::filesystem::path home_;
  const std::string id_;
  std::string record_;        // as it was put last
  std::uint64_t logged_ = 0;  // bytes
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ending_ = false;
  std::thread worker_;
};

}  // namespace windlass::cluster
