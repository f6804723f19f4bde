// $WINDLASS_HOME/jobs/<id>/: job.json (the record), log, lock (held by the processes of the job
// for as long as one of them lives), stop (somebody asked it to stop).
#pragma once

#include <filesystem>

#include "windlass/job/info.h"

namespace windlass::job {

std::filesystem::path JobsFolder(const std::filesystem::path& home);

// Whether a process of the job lives.
bool IsLocked(const std::filesystem::path& folder);

bool WasAskedToStop(const std::filesystem::path& folder);

// The record as it was written. Throws Error{kNotFound, kCorrupt} and others.
JobInfo ReadRecord(const std::filesystem::path& folder);

// The record, and what became of a job whose processes ended without saying so there.
JobInfo ReadJob(const std::filesystem::path& folder);

// Makes of a job that has not ended one whose process did: `how`, as in "was killed by SIGKILL".
// It counts as cancelled when it had been asked to stop.
void SetDied(JobInfo& info, const std::filesystem::path& folder, std::string_view how);

}  // namespace windlass::job
