// A cache of how jobs ended, so that ten thousand need not be read one by one: jobs/index.
//
// The truth is the jobs' folders. A line is a job that ended, which never changes again; it begins
// with a checksum of the rest. What is damaged or missing is read from the folders and appended
// anew; what has no folder any more is passed over. So lines can be appended by any process at any
// time, without a lock, and losing some only costs time.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "windlass/job/info.h"

namespace windlass::job {

class JobIndex {
 public:
  explicit JobIndex(const std::filesystem::path& jobs) : file_(jobs / "index") {}

  // Sorted by id, each job once.
  std::vector<JobSummary> Read();

  // Failures are passed over: it is only a cache, and its folder may be read-only.
  void Append(const std::vector<const JobSummary*>& ended) const;

  // Makes the file anew when most of its lines are of no use any more.
  void Tidy(const std::vector<JobSummary>& ended) const;

 private:
  std::filesystem::path file_;
  std::size_t lines_ = 0;  // that Read saw, whole or not
};

}  // namespace windlass::job
