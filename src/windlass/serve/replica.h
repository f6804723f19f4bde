// One host of a service, for whoever runs several: another process of another machine, perhaps.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "windlass/base/bytes.h"
#include "windlass/base/export.h"
#include "windlass/base/json.h"
#include "windlass/base/registry.h"

namespace windlass::job {
class Context;
}

namespace windlass::serve {

class WINDLASS_API Replica {
 public:
  // `spec`: normalised, of the kind that serves `service`. `prepared`: what the service's kind
  // prepared from it, on whatever machine. Throws Error as making the service does.
  Replica(const std::string& service, const Json& spec, const Bytes& prepared);
  ~Replica();
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  // Serves HTTP by itself at the spec's address; gives its URL. `shared`: other processes of this
  // machine may listen there too, and share the connections. Throws Error as HttpServer does.
  std::string Listen(bool shared);

  // A request that came another way: answered by `send`, called once, on this thread or another.
  // Header names are lower case. Token and size are looked at as where it listens itself.
  using Headers = std::vector<std::pair<std::string, std::string>>;
  using Send = std::function<void(int status, Headers headers, std::string body)>;
  void Answer(std::string method, std::string target, Headers headers, std::string body,
              const Send& send);

  // Ends listening: finishes what was accepted. Says whether that was done within the time that
  // the spec has for answers.
  bool Shutdown();

  std::size_t connections() const;  // open now
  std::uint64_t requests() const;   // answered so far
  std::uint64_t rows() const;       // computed so far

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Where services run beside this process, by the name of an engine: "ray".
class WINDLASS_API ServiceHost : public Registrable {
 public:
  static constexpr std::string_view kRegistryKind = "host of services";

  struct Wanted {
    std::string service;   // "explain"
    Json spec;             // normalised
    Bytes prepared;        // for replicas
    std::string location;  // of the engine: "10.0.0.5:6379"
    std::vector<std::pair<std::string, std::string>> options;
  };

  struct Watcher {
    std::function<void(const std::string& url)> serving;  // once: from now on, there
    std::function<void(const std::string& line)> announce;
    std::function<bool()> stop;  // asked several times a second
  };

  // Serves until told to stop. Throws Error.
  virtual void Serve(const Wanted& wanted, const Watcher& watcher) const = 0;
};

}  // namespace windlass::serve
