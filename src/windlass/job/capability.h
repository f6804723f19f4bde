// What users come for: a kind of spec and how it is run.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/cancel.h"
#include "windlass/base/json.h"
#include "windlass/base/registry.h"
#include "windlass/engine/driver.h"
#include "windlass/engine/session.h"
#include "windlass/job/schema.h"
#include "windlass/store/store.h"

namespace windlass::job {

class Progress;

// What a running job may use. Everything in here is apart from the spec: no result may depend on
// it, except through what the inputs hold.
class Context {
 public:
  virtual ~Context() = default;

  virtual const std::string& engine() const = 0;
  virtual engine::Session& session() = 0;  // a service has none
  virtual store::Store* memo() = 0;        // null when nothing is remembered
  virtual const CancelToken& token() = 0;
  virtual Progress& progress() = 0;

  // The spec as the user gave it: what an output repeats of a spec. It names other places than the
  // spec that Run is given where inputs were brought within reach.
  virtual const Json& given() const = 0;

  // How many rows (or other units) a task takes when the user said so; 0: as the plan likes.
  virtual std::int64_t batch() const = 0;

  // Where to write an output of this name: a file that becomes visible, together with all other
  // outputs, when the job has succeeded.
  virtual std::filesystem::path Output(std::string_view name) = 0;

  // Seconds that a named phase took: run.json's "timings". `cpu_seconds` < 0: not known.
  virtual void Timing(std::string_view phase, double wall_seconds, double cpu_seconds = -1) = 0;

  // Adds what a driver loop did to the counts of tasks in run.json.
  virtual void Count(const engine::DriveStats& stats) = 0;

  // A line for whoever watches, now: in the job's log, and on standard error unless quiet.
  virtual void Announce(const std::string& line) = 0;

  // Of a service: from now on it answers at this URL; in the job's record.
  virtual void Serving(const std::string& url) = 0;
};

class Capability : public Registrable {
 public:
  static constexpr std::string_view kRegistryKind = "kind of spec";

  virtual const Schema& schema() const = 0;

  // Whether it runs until it is asked to stop, which is its success. It writes no outputs, and so
  // needs no folder for them.
  virtual bool is_service() const { return false; }

  // Runs a normalised spec to its end. What it returns is printed as the command's result and
  // must, like the outputs, be a function of spec and data only. Throws Error.
  virtual Json Run(const Json& spec, Context& context) const = 0;
};

}  // namespace windlass::job
