// Processes of this machine, told from later ones that have the same number.
#pragma once

#include <cstdint>
#include <string>

namespace windlass {

struct ProcessId {
  std::int64_t pid = 0;    // 0: none
  std::int64_t begun = 0;  // clock ticks between the machine's start and the process's
  std::string host;
};

ProcessId ThisProcess();
std::string HostName();

// Sends a signal to that very process; says false when it is gone. Throws Error{kIo} when the
// system refuses, {kUnsupported} when the process is another host's.
bool SendSignal(const ProcessId& process, int signal);

}  // namespace windlass
