// Jobs that this machine left to a cluster (--detach): a cluster whose head is replaced forgets
// them, and only who submitted one can do so again. $WINDLASS_HOME/submitted/ID.json each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/job/info.h"

namespace windlass::cluster {

// `info`: id, spec, run, restarts, restart_of. Throws Error{kIo}.
void KeepSubmitted(const job::JobInfo& info);

// By the id or a beginning of it that no other has; nothing when there is none.
std::optional<job::JobInfo> FindSubmitted(std::string_view id);

// Those that were submitted to this URL.
std::vector<job::JobInfo> AllSubmitted(const std::string& url);

void DropSubmitted(const std::string& id);

// How such a job reads that its cluster, at `url`, no longer knows.
job::JobInfo Forgotten(job::JobInfo info, const std::string& url);

}  // namespace windlass::cluster
