// The local engine: tasks run on threads of this process.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "windlass/engine/session.h"

namespace windlass::engine {

struct LocalOptions {
  // How many tasks run at the same time, 1 to 1024. The driver's own thread is one of them: it runs
  // tasks while it waits in Next, so that one worker means one busy core and N mean N.
  int workers = 1;

  // With a seed: tasks, events and errors are encoded and decoded again, inputs are copied, worker
  // caches are emptied before every task, completions are delivered in a shuffled order, and pure
  // tasks run twice (results that differ are an Error{kInternal}).
  std::optional<std::uint64_t> chaos;
};

// Destroying the session asks running tasks to stop and waits until they do; queued ones never run.
// Throws Error{kInvalidInput} for a bad number of workers, Error{kIo} when the system has no more
// threads.
std::unique_ptr<Session> StartLocalSession(const LocalOptions& options);

// Registers the engine `local[?workers=N][&chaos=SEED]`.
void RegisterLocalEngine(Registry& registry);

}  // namespace windlass::engine
