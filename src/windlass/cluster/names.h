// What users name, checked before Kubernetes sees it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/json.h"

namespace windlass::cluster {

// `what` names the text in errors ("--namespace"). All throw Error{kInvalidInput}.

// A label of RFC 1123 (names of namespaces, of secrets without dots): a-z, 0-9 and -, not at the
// ends, at most 63 characters.
void CheckLabelName(std::string_view name, std::string_view what);

// The name of a cluster: a label of RFC 1123 that begins with a letter, at most 53 characters, so
// that the names of its Services and Pods, made from it, are not too long.
void CheckClusterName(std::string_view name);

// Several labels of RFC 1123 with dots between them, at most 253 characters.
void CheckSubdomainName(std::string_view name, std::string_view what);

// Keys ([prefix/]name) and values of labels.
void CheckLabelKey(std::string_view key, std::string_view what);
void CheckLabelValue(std::string_view value, std::string_view what);

// "key=value" or several with commas between them -> {"key": "value"}.
Json ParseSelector(const std::vector<std::string>& texts, std::string_view what);

// "key", "key=value", "key:NoSchedule", "key=value:NoExecute" -> a toleration of Kubernetes.
Json ParseToleration(std::string_view text, std::string_view what);

struct WorkerCount {
  int least = 1;
  int most = 1;
  bool autoscaled = false;  // MIN:MAX
};

// "3" or "1:5".
WorkerCount ParseWorkers(std::string_view text, std::string_view what);

}  // namespace windlass::cluster
