// The processes of a Ray node on this machine: a session of their own, told from any other by a
// mark in their environment.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "windlass/base/cancel.h"
#include "windlass/base/process.h"

namespace windlass::cluster {

// A session and who leads it. The mark is in the environment of all that the leader starts, also of
// what begins a session of its own; the session holds those that have overwritten their
// environment, as programs do that set their title.
struct Session {
  ProcessId leader;
  std::string mark;
};

// Whether that very process runs. One that has ended and was not waited for does not; if it is our
// child, it is waited for.
bool IsRunning(const ProcessId& process);

// Processes of these sessions, without this one.
std::vector<ProcessId> MembersOf(const std::vector<Session>& sessions);

struct Program {
  std::vector<std::string> arguments;    // the first is the file to execute
  std::vector<std::string> environment;  // NAME=VALUE, beside or instead of this process's own
  std::string mark;
  std::filesystem::path log;  // what it prints is appended here
};

// Starts a program that outlives this process, in a session of its own and with nothing as its
// input. It does not begin before `note` has returned, which is given its id: should this process
// die, no process is left that nobody knows of. Throws Error{kIo}, and what `note` throws.
ProcessId StartSession(const Program& program, const std::function<void(const ProcessId&)>& note);

// SIGTERM, to the leaders alone when they are to have the time `grace` to end what they lead, else
// to all; SIGKILL to what is left after `grace`. Returns when none runs. Throws
// Error{kDeadlineExceeded} naming what still runs.
void EndSessions(const std::vector<Session>& sessions, bool leaders_only,
                 std::chrono::seconds grace, Deadline deadline);

// Another one after each start of the machine, whose process ids begin anew.
std::string BootId();

// A free port of TCP at `address` (numeric; 0.0.0.0 for all), `wanted` or one of the `more` after
// it, but none of those `taken`; wanted 0: any. Returns 0 when there is none. Throws
// Error{kInvalidInput} for an address that is none of this machine's.
int FreePort(const std::string& address, int wanted, int more, const std::set<int>& taken = {});

// As many different free ports as asked for.
std::vector<int> FreePorts(std::size_t count);

}  // namespace windlass::cluster
