// Jobs in processes of their own, which go on when the terminal is closed.
//
// Detach begins the job's record and starts this same program again, which inherits the record's
// lock and calls BecomeDetached. There it divides: one process runs the job, the other waits for
// it and writes down how it died, should it die.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/job/record.h"
#include "windlass/job/run.h"

namespace windlass::job {

// Checks the spec, starts `arguments` and the job's id as the command line of this program, and
// returns when the job makes progress, has run for a second, or has ended. So what is wrong with
// its inputs is mostly told at once: throws Error, also that of a job that failed.
JobInfo Detach(const Json& spec, std::string_view what, const RunOptions& options,
               std::vector<std::string> arguments);

// Called by the program that was started so, before it has a thread of ours (that of Arrow's
// allocator is made again by itself after a fork). Returns in the process that is to run the job;
// the other one exits in here. Throws Error{kUsage}.
std::shared_ptr<JobRecord> BecomeDetached(std::string_view id);

}  // namespace windlass::job
