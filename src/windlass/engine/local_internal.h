// What tests may look at inside a local session.
#pragma once

#include <cstddef>

#include "windlass/engine/session.h"

namespace windlass::engine {

// How many distinct objects the session holds: Put or results, and not yet dropped.
// Throws std::bad_cast unless StartLocalSession made the session.
std::size_t HeldObjects(const Session& session);

}  // namespace windlass::engine
