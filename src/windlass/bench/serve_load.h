// A whole table sent to a service, as many clients would: `windlass bench explain --mode serve`.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "windlass/base/json.h"
#include "windlass/bench/statistics.h"

namespace windlass::bench {

// How rows come to the service.
enum class Batching : std::uint8_t {
  kRay,      // one row a request; the service puts those of several clients together
  kDefault,  // as many rows a request as a batch has
};

// A service while it runs; it ends with this.
class Served {
 public:
  virtual ~Served() = default;

  // Of the model ("http://HOST:PORT/v2/models/bench"), at least one: clients are dealt to them.
  virtual const std::vector<std::string>& urls() const = 0;

  // Ends it, and throws what that does.
  virtual void Stop() = 0;
};

// Starts the service of a normalised spec on an engine, and returns once it answers.
using StartService =
    std::function<std::unique_ptr<Served>(const Json& spec, const std::string& engine)>;

// In this process (local), or where this process is on a machine of the cluster (ray).
std::unique_ptr<Served> ServeHere(const Json& spec, const std::string& engine);

// The rows of an explain job, ready to be sent, and what each must be answered with.
class ServeLoad {
 public:
  // Explains the rows in this process first. Throws Error as the job would, and
  // Error{kUnsupported} where rows have no attributions.
  ServeLoad(const Json& spec, const std::string& what);
  ~ServeLoad();
  ServeLoad(const ServeLoad&) = delete;
  ServeLoad& operator=(const ServeLoad&) = delete;

  // Starts the service with so many replicas and batches of at most `batch` rows on the engine,
  // sends a tenth of the rows that do not count, then all of them, and stops the service. The
  // sample's times are from the first request to the last answer; CPU seconds are of this process,
  // clients and what of the service runs here. Throws Error{kCorrupt} when an answer is not, to the
  // last bit, what the job gives; what starting and asking throws.
  Sample Run(const StartService& start, const std::string& engine, std::int64_t replicas,
             std::int64_t batch, Batching batching) const;

  const std::string& method() const;
  const std::string& reason() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace windlass::bench
