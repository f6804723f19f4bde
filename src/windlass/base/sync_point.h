// Named places in the code where a test may make something happen: a fault by name, not by sleep.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "windlass/base/export.h"

namespace windlass {

// Passing a sync point costs one relaxed load unless something is armed.
//
// Armed from a test with `ArmSyncPoint`, or for a whole process by the environment variable
// WINDLASS_SYNC_POINTS = "NAME[@N]=ACTION[,...]": at the N-th pass (default the first) ACTION is
// done: `kill` (SIGKILL to itself), `interrupt` (SIGINT to itself), `fail` (throws
// Error{kUnavailable}), `full` (throws Error{kIo}, as a full disk does) or `hold:FILE` (makes FILE
// and waits until somebody removes it, or interrupts the process; at most a minute).
void SyncPoint(std::string_view name);

// Calls `action` at every pass until `DisarmSyncPoints`. Thread safe.
void ArmSyncPoint(const std::string& name, std::function<void()> action);
void DisarmSyncPoints();

// Reads WINDLASS_SYNC_POINTS, for main or a worker. Throws Error{kUsage} for a malformed value.
WINDLASS_API void ArmSyncPointsFromEnvironment();

}  // namespace windlass
