#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/cluster/local_ray_internal.h"

namespace windlass::cluster {
namespace {

constexpr auto kAskPython = std::chrono::seconds(120);  // importing Ray from a cold disk
constexpr std::size_t kMostRayOutput = std::size_t{16} << 20;

// Says in JSON, on its last line, what Ray there is.
constexpr const char* kCheckRay = R"py(
import json, platform, sys
found = {"python": sys.executable, "version": platform.python_version()}
try:
    import ray
    found["ray"] = ray.__version__
    from ray._private.utils import get_num_cpus
    found["cpus"] = get_num_cpus()
except ImportError as error:
    found["fault"] = str(error)
else:
    try:
        import ray.dashboard.optional_deps
        found["dashboard"] = True
    except ImportError as error:
        found["no_dashboard"] = str(error)
print(json.dumps(found))
)py";

// Says for each line of its input what the nodes of a cluster are: eight digits, the length, and
// that many bytes of JSON.
constexpr const char* kAskNodes = R"py(
import json, sys
from ray._private.state import GlobalState
from ray._raylet import GcsClientOptions
state = GlobalState()
state._initialize_global_state(GcsClientOptions.create(
    sys.argv[1], None, allow_cluster_id_nil=True, fetch_cluster_id_if_nil=False))
while sys.stdin.readline():
    try:
        answer = {"nodes": [
            {"name": node["NodeName"], "ip": node["NodeManagerAddress"], "alive": node["Alive"],
             "why": node.get("DeathReasonMessage") or ""} for node in state.node_table()]}
    except Exception as error:
        answer = {"fault": f"{type(error).__name__}: {error}"}
    text = json.dumps(answer)
    sys.stdout.write("%08d%s" % (len(text), text))
    sys.stdout.flush()
)py";

}  // namespace

bool IsVersion(const std::string& version, const std::string& wanted) {
  return version == wanted || version.starts_with(wanted + ".");
}

FoundRay FindRay(const std::string& python, const ClusterFlags& flags,
                 const std::function<bool()>& cancelled) {
  const std::string wanted =
      flags.ray_version.empty() ? std::string(kDefaultRay) : flags.ray_version;
  const std::string package = fmt::format("\"ray[default]=={}\"", wanted);
  std::string program;
  try {
    program = FindProgram(python);
  } catch (const Error& error) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("Ray runs in Python, and there is none: {}; set WINDLASS_PYTHON to a "
                            "Python that has {}",
                            error.message(), package));
  }
  ChildProcess child(program, {program, "-c", kCheckRay});
  child.CloseInput();
  std::string output = child.ReadAll(kMostRayOutput, Clock::now() + kAskPython, cancelled);
  while (output.ends_with('\n')) output.pop_back();
  const std::string line = output.substr(output.rfind('\n') + 1);
  Json said;
  try {
    said = ParseJson(line, "Python's answer");
  } catch (const Error&) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("Python \"{}\" cannot be asked for Ray: {}", python, child.Ending()));
  }
  FoundRay found;
  found.python = said.value("python", program);
  found.python_version = said.value("version", "");
  const std::string install = fmt::format("{} -m pip install {}", found.python, package);
  if (!said.contains("ray")) {
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("{} (Python {}) does not import ray ({}): install it there ({}), or set "
                    "WINDLASS_PYTHON to a Python that has it",
                    found.python, found.python_version, said.value("fault", ""), install));
  }
  found.ray_version = said.at("ray");
  found.cpus = said.value("cpus", 0);
  found.has_dashboard = said.value("dashboard", false);
  found.no_dashboard = said.value("no_dashboard", "");
  if (!flags.ray_version.empty() && found.ray_version != flags.ray_version) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("--ray-version {}, but {} has Ray {}: install the other ({}), or set "
                            "WINDLASS_PYTHON to a Python that has it",
                            flags.ray_version, found.python, found.ray_version, install));
  }
  if (!flags.python.empty() && !IsVersion(found.python_version, flags.python)) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("--python {}, but {} is Python {}: set WINDLASS_PYTHON to another",
                            flags.python, found.python, found.python_version));
  }
  return found;
}

NodeQuery::NodeQuery(const LocalRecord& record, const std::function<bool()>& cancelled)
    : cancelled_(cancelled),
      child_(record.python,
             {record.python, "-c", kAskNodes, fmt::format("127.0.0.1:{}", record.port)}) {}

std::optional<Json> NodeQuery::Ask(Deadline deadline, std::string& fault) {
  child_.Write("\n");
  std::string size, text;
  if (!child_.Read(8, size, deadline, cancelled_) ||
      !child_.Read(static_cast<std::size_t>(std::atoll(size.c_str())), text, deadline,
                   cancelled_)) {
    fault = child_.Ending();
    return std::nullopt;
  }
  const Json answer = ParseJson(text, "Ray's answer");
  if (answer.contains("nodes")) return answer["nodes"];
  fault = answer.value("fault", "");
  return std::nullopt;
}

}  // namespace windlass::cluster
