// kubectl and helm, run as programs: they carry the user's logins, proxies and certificates.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/cancel.h"
#include "windlass/base/child_process.h"
#include "windlass/base/error.h"
#include "windlass/base/json.h"

namespace windlass::cluster {

// Which cluster, and which part of it. Empty: as kubectl itself would have it ($KUBECONFIG, the
// current context, its namespace; inside of a Pod that Pod's ServiceAccount and namespace).
struct Access {
  std::string kubeconfig;
  std::string context;
  std::string name_space;
};

// Whether what is asked for lies in the namespace, or beside all of them.
enum class Scope { kNamespace, kAll };

// For one thread at a time.
class Kubectl {
 public:
  // `cancelled` ends every wait. Throws Error{kNotFound} when there is no kubectl, or no file
  // access.kubeconfig; {kInvalidInput} for a namespace that can be none.
  Kubectl(Access access, std::function<bool()> cancelled);

  const Access& access() const { return access_; }
  const std::function<bool()>& cancelled() const { return cancelled_; }

  // What kubectl prints for these arguments, given `input`. All throw what kubectl says, as
  // Error{kNotFound} (an object, a context), {kUnavailable} (no server), {kDeadlineExceeded},
  // {kCancelled} or {kIo} (no permission, an object that the server refuses).
  std::string Run(const std::vector<std::string>& arguments, const std::string& input = "",
                  Scope scope = Scope::kNamespace,
                  std::chrono::seconds limit = std::chrono::seconds(30)) const;

  // `kubectl get ARGUMENTS -o json`.
  Json Get(std::vector<std::string> arguments, Scope scope = Scope::kNamespace) const;

  // The same, or nothing when there is no such object.
  std::optional<Json> Find(std::vector<std::string> arguments,
                           Scope scope = Scope::kNamespace) const;

  // The same, or nothing when the user may not know.
  std::optional<Json> GetIfAllowed(std::vector<std::string> arguments, Scope scope) const;

  // kubectl, started and left to the caller.
  std::unique_ptr<ChildProcess> Start(const std::vector<std::string>& arguments) const;

  // What helm prints. Throws Error{kNotFound} when there is no helm, else as Run does.
  std::string Helm(const std::vector<std::string>& arguments, std::chrono::seconds limit) const;

  // Waits. Throws Error{kCancelled}.
  void Sleep(std::chrono::milliseconds time) const;
  static constexpr std::chrono::seconds kLook{1};  // between looks at what changes

 private:
  std::vector<std::string> Words(const std::vector<std::string>& arguments, Scope scope) const;
  [[noreturn]] void Fail(const std::vector<std::string>& arguments, const std::string& said) const;

  Access access_;
  std::function<bool()> cancelled_;
  std::string program_;
};

// What kubectl's standard error means, without its decoration. Exposed for its tests.
struct Fault {
  enum class Kind { kNotFound, kForbidden, kContext, kUnreachable, kLogin, kOther };
  Kind kind = Kind::kOther;
  std::string message;  // one line, for a person
};
Fault ReadFault(std::string_view said);

// What to throw for a fault that is kForbidden: who may not do what, and what to ask for.
Error Forbidden(const Fault& fault);

}  // namespace windlass::cluster
