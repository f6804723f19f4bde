// Tasks that failed, kept with their inputs so that they can be run again anywhere.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/bytes.h"
#include "windlass/engine/session.h"
#include "windlass/store/store.h"

namespace windlass::engine {

struct FailedTask {
  Task task;
  std::vector<Bytes> inputs;
};

// Keeps a task whose inputs the session holds; gives its id, the same for the same task. Throws
// Error{kIo, kNotFound}.
std::string KeepFailedTask(store::Store& store, Session& session, const Task& task);

// What KeepFailedTask kept. Throws Error{kNotFound}.
Bytes FindFailedTask(store::Store& store, std::string_view id);

// From its bytes. Throws Error{kCorrupt}.
FailedTask ReadFailedTask(const Bytes& kept);

// Runs it here, once. Throws what the task throws.
Bytes RunFailedTask(const FailedTask& failed, const CancelToken& token);

}  // namespace windlass::engine
