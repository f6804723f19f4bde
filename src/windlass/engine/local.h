// The local engine: tasks run on threads of this process.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "windlass/engine/session.h"

namespace windlass::engine {

struct LocalOptions {
  // How many tasks run at the same time. The driver's own thread is one of them: it runs tasks
  // while it waits in Next, so that one worker means one busy core and N mean N.
  int workers = 1;

  // With a seed: tasks and errors are encoded and decoded again, worker caches are emptied before
  // every task, completions are delivered in a shuffled order, and pure tasks run twice (results
  // that differ are an Error{kInternal}).
  std::optional<std::uint64_t> chaos;
};

std::unique_ptr<Session> StartLocalSession(const LocalOptions& options);

// Registers the engine `local[?workers=N][&chaos=SEED]`.
void RegisterLocalEngine(Registry& registry);

}  // namespace windlass::engine
