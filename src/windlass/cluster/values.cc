#include "windlass/cluster/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <regex>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/yaml.h"
#include "windlass/cluster/names.h"
#include "windlass/cluster/quantity.h"

namespace windlass::cluster {
namespace {

// One key of the file: where it stands, for errors.
struct At {
  std::string_view file;
  std::string path;

  At operator/(std::string_view key) const {
    return {file, path.empty() ? std::string(key) : fmt::format("{}.{}", path, key)};
  }
  At operator[](std::size_t i) const { return {file, fmt::format("{}[{}]", path, i)}; }
  std::string Name() const { return fmt::format("{}: {}", file, path); }
};

[[noreturn]] void Refuse(const At& at, const Json& value, std::string_view right) {
  std::string shown = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (shown.size() > 60) shown = shown.substr(0, 57) + "...";
  throw Error(ErrorCode::kInvalidInput, fmt::format("{} is {}; {}", at.Name(), shown, right));
}

class Checker;
using Rule = std::function<void(Checker&, const At&, const Json&)>;
using Rules = std::map<std::string, Rule>;

// Walks through the values by rules, and notes the keys that have none.
class Checker {
 public:
  void Map(const At& at, const Json& value, const Rules& rules) {
    if (!value.is_object()) Refuse(at, value, "a map is wanted");
    std::vector<std::string> known;
    for (const auto& [key, rule] : rules) known.push_back(key);
    for (const auto& [key, inner] : value.items()) {
      const auto rule = rules.find(key);
      if (rule == rules.end()) {
        const std::string nearest = NearestName(key, known);
        warnings.push_back(
            fmt::format("{} is not known and does nothing{}", (at / key).Name(),
                        nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest)));
      } else {
        rule->second(*this, at / key, inner);
      }
    }
  }

  std::vector<std::string> warnings;
};

void Text(Checker&, const At& at, const Json& value) {
  if (value.is_number()) {
    Refuse(at, value,
           "YAML reads it as a number, which may not be what was written: put it in "
           "quotes");
  }
  if (!value.is_string()) Refuse(at, value, "a text is wanted");
}

void Flag(Checker&, const At& at, const Json& value) {
  if (!value.is_boolean()) Refuse(at, value, "true or false is wanted");
}

void Count(Checker&, const At& at, const Json& value) {
  if (!value.is_number_integer() || value < 0 || value > 2147483647) {
    Refuse(at, value, "a number of 0, 1, 2, ... is wanted");
  }
}

void Integer(Checker&, const At& at, const Json& value) {
  if (!value.is_number_integer()) Refuse(at, value, "a whole number is wanted");
}

// What only Kubernetes looks into.
void Map(Checker&, const At& at, const Json& value) {
  if (!value.is_object()) Refuse(at, value, "a map is wanted");
}

void ListOfMaps(Checker&, const At& at, const Json& value) {
  if (!value.is_array()) Refuse(at, value, "a list is wanted");
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (!value[i].is_object()) Refuse(at[i], value[i], "a map is wanted");
  }
}

void Texts(Checker& checker, const At& at, const Json& value) {
  if (!value.is_array()) Refuse(at, value, "a list of texts is wanted");
  for (std::size_t i = 0; i < value.size(); ++i) Text(checker, at[i], value[i]);
}

void Annotations(Checker& checker, const At& at, const Json& value) {
  if (!value.is_object()) Refuse(at, value, "a map of texts is wanted");
  for (const auto& [key, text] : value.items()) Text(checker, at / key, text);
}

void Labels(Checker& checker, const At& at, const Json& value) {
  Annotations(checker, at, value);
  for (const auto& [key, text] : value.items()) {
    CheckLabelKey(key, at.Name());
    CheckLabelValue(text.get<std::string>(), (at / key).Name());
  }
}

// Helm puts them in quotes, whatever they are.
void Scalars(Checker&, const At& at, const Json& value) {
  if (!value.is_object()) Refuse(at, value, "a map is wanted");
  for (const auto& [key, scalar] : value.items()) {
    if (scalar.is_structured()) Refuse(at / key, scalar, "a single value is wanted");
  }
}

Rule Choice(std::vector<std::string> choices) {
  return [choices = std::move(choices)](Checker& checker, const At& at, const Json& value) {
    Text(checker, at, value);
    const auto text = value.get<std::string>();
    if (text.empty() || std::ranges::find(choices, text) != choices.end()) return;
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} is \"{}\"{}", at.Name(), text, Suggestion(text, choices)));
  };
}

// A quantity may be a number in YAML: cpu: 7.
std::string QuantityText(const At& at, const Json& value) {
  if (value.is_number()) return value.dump();
  if (!value.is_string()) Refuse(at, value, "an amount is wanted, as 2, 500m or 30G");
  return value.get<std::string>();
}

void Resources(Checker& checker, const At& at, const Json& value) {
  const Rule amounts = [](Checker&, const At& where, const Json& map) {
    if (!map.is_object()) Refuse(where, map, "a map is wanted, as {cpu: 2, memory: 8Gi}");
    for (const auto& [key, amount] : map.items()) {
      const At one = where / key;
      const std::string text = QuantityText(one, amount);
      if (key == "cpu") {
        ParseCpu(text, one.Name());
      } else if (key == "memory") {
        ParseMemory(text, one.Name());
      } else {
        CheckQuantity(text, one.Name());
      }
    }
  };
  checker.Map(at, value, {{"limits", amounts}, {"requests", amounts}, {"claims", ListOfMaps}});
}

void Tolerations(Checker& checker, const At& at, const Json& value) {
  ListOfMaps(checker, at, value);
  for (std::size_t i = 0; i < value.size(); ++i) {
    checker.Map(at[i], value[i],
                {{"key", Text},
                 {"operator", Choice({"Exists", "Equal"})},
                 {"value", Text},
                 {"effect", Choice({"NoSchedule", "PreferNoSchedule", "NoExecute"})},
                 {"tolerationSeconds", Integer}});
  }
}

void PullSecrets(Checker& checker, const At& at, const Json& value) {
  if (!value.is_array()) Refuse(at, value, "a list is wanted, as [{name: my-secret}]");
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (!value[i].is_object() || !value[i].contains("name")) {
      Refuse(at[i], value[i], "{name: SECRET} is wanted");
    }
    checker.Map(at[i], value[i], {{"name", [](Checker& inner, const At& name, const Json& text) {
                                     Text(inner, name, text);
                                     CheckSubdomainName(text.get<std::string>(), name.Name());
                                   }}});
  }
}

// https://github.com/opencontainers/distribution-spec: at most 128 characters.
bool IsTag(std::string_view tag) {
  const auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !tag.empty() && tag.size() <= 128 && is_word(tag[0]) &&
         std::ranges::all_of(tag, [&](char c) { return is_word(c) || c == '.' || c == '-'; });
}

bool IsRepository(std::string_view repository) {
  return !repository.empty() && repository.size() <= 255 &&
         std::ranges::all_of(repository, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  std::string_view("._/:@-").find(c) != std::string_view::npos;
         });
}

void Image(Checker& checker, const At& at, const Json& value) {
  checker.Map(at, value,
              {{"repository",
                [](Checker& inner, const At& where, const Json& text) {
                  Text(inner, where, text);
                  if (!IsRepository(text.get<std::string>())) {
                    Refuse(where, text, "a repository is wanted, as rayproject/ray");
                  }
                }},
               {"tag",
                [](Checker& inner, const At& where, const Json& text) {
                  Text(inner, where, text);
                  if (!IsTag(text.get<std::string>())) {
                    Refuse(where, text, "a tag is wanted, as 2.60.0-py311");
                  }
                }},
               {"pullPolicy", Choice({"Always", "IfNotPresent", "Never"})}});
}

Rules PodRules() {
  return {{"affinity", Map},
          {"annotations", Annotations},
          {"args", Texts},
          {"command", Texts},
          {"containerEnv", ListOfMaps},
          {"dnsConfig", Map},
          {"envFrom", ListOfMaps},
          {"image", Image},
          {"initArgs", Scalars},
          {"initContainers", ListOfMaps},
          {"labels", Labels},
          {"lifecycle", Map},
          {"nodeSelector", Labels},
          {"podSecurityContext", Map},
          {"ports", ListOfMaps},
          {"priority", Integer},
          {"priorityClassName", Text},
          {"rayStartParams", Scalars},
          {"resourceClaims", ListOfMaps},
          {"resources", Resources},
          {"restartPolicy", Choice({"Always", "OnFailure", "Never"})},
          {"runtimeClassName", Text},
          {"securityContext", Map},
          {"serviceAccountName", Text},
          {"sidecarContainers", ListOfMaps},
          {"tolerations", Tolerations},
          {"topologySpreadConstraints", ListOfMaps},
          {"volumeMounts", ListOfMaps},
          {"volumes", ListOfMaps}};
}

void Head(Checker& checker, const At& at, const Json& value) {
  Rules rules = PodRules();
  rules.insert({{"autoscalerOptions", Map},
                {"enableInTreeAutoscaling", Flag},
                {"headService", Map},
                {"rayVersion", Text}});
  checker.Map(at, value, rules);
}

void WorkerGroup(Checker& checker, const At& at, const Json& value) {
  Rules rules = PodRules();
  rules.insert({{"disabled", Flag},
                {"groupName",
                 [](Checker& inner, const At& where, const Json& name) {
                   Text(inner, where, name);
                   CheckLabelName(name.get<std::string>(), where.Name());
                 }},
                {"maxReplicas", Count},
                {"minReplicas", Count},
                {"numOfHosts", Count},
                {"replicas", Count}});
  checker.Map(at, value, rules);
  const Json least = value.value("minReplicas", Json(0));
  if (value.contains("maxReplicas") && value["maxReplicas"] < least) {
    Refuse(at / "maxReplicas", value["maxReplicas"],
           fmt::format("it is less than minReplicas, {}", least.dump()));
  }
  if (value.contains("replicas") && value.contains("maxReplicas") &&
      value["replicas"] > value["maxReplicas"]) {
    Refuse(at / "replicas", value["replicas"],
           fmt::format("it is more than maxReplicas, {}", value["maxReplicas"].dump()));
  }
}

void AdditionalGroups(Checker& checker, const At& at, const Json& value) {
  if (!value.is_object()) Refuse(at, value, "a map from group to its values is wanted");
  for (const auto& [name, group] : value.items()) WorkerGroup(checker, at / name, group);
}

// The chart names the cluster after the release; here the command line does.
void Unused(Checker& checker, const At& at, const Json& value) {
  Text(checker, at, value);
  if (value != "" && value != "kuberay") {
    checker.warnings.push_back(
        fmt::format("{} is not used: the command line names the cluster", at.Name()));
  }
}

void FaultTolerance(Checker& checker, const At& at, const Json& value) {
  checker.Map(at, value,
              {{"enabled", Flag},
               {"externalStorageNamespace", Text},
               {"redisAddress", Text},
               {"redisPassword", Map},
               {"redisUsername", Map}});
}

// A null takes Helm's default back; here there is none above ours.
void DropNulls(Json& value) {
  for (auto one = value.begin(); one != value.end();) {
    if (value.is_object() && one->is_null()) {
      one = value.erase(one);
      continue;
    }
    if (one->is_structured()) DropNulls(*one);
    ++one;
  }
}

// "registry:5000/ray:2.60.0-py311" -> repository and tag, as the chart joins them again; a digest
// is such a tag: "ray@sha256:...".
std::pair<std::string, std::string> SplitImage(const std::string& image) {
  const auto colon = image.rfind(':');
  if (colon == image.npos || !IsRepository(image.substr(0, colon)) ||
      !IsTag(image.substr(colon + 1))) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("--image is \"{}\"; REPOSITORY:TAG is wanted, as {}:{}-py311",
                            image.substr(0, 300), kDefaultRepository, kDefaultRay));
  }
  return {image.substr(0, colon), image.substr(colon + 1)};
}

void SetAmount(Json& group, const char* resource, const std::string& text, const char* flag) {
  if (text.empty()) return;
  if (resource == std::string_view("cpu")) {
    ParseCpu(text, flag);
  } else {
    ParseMemory(text, flag);
  }
  group["resources"]["limits"][resource] = text;
  group["resources"]["requests"][resource] = text;
}

void CompletePod(Json& group, std::string_view memory) {
  Json& resources = group["resources"];
  if (resources.is_null()) resources = Json::object();
  const auto or_else = [](const Json& map, const char* key, Json otherwise) {
    return map.contains(key) ? map[key] : std::move(otherwise);
  };
  const Json requests = resources.value("requests", Json::object());
  const Json limits = resources.value("limits", Json::object());
  for (const auto& [key, amount] : {std::pair<const char*, Json>{"cpu", "1"},
                                    std::pair<const char*, Json>{"memory", std::string(memory)}}) {
    // Ray reads its size from the limits; Kubernetes places a Pod by its requests.
    resources["limits"][key] = or_else(limits, key, or_else(requests, key, amount));
    resources["requests"][key] = or_else(requests, key, resources["limits"][key]);
  }
}

// Numbers of workers that the file leaves out.
void CompleteCounts(Json& group) {
  if (!group.contains("replicas")) {
    group["replicas"] = std::max(1, group.value("minReplicas", 1));
  }
  const int replicas = group["replicas"];
  if (!group.contains("minReplicas")) group["minReplicas"] = std::min(1, replicas);
  if (!group.contains("maxReplicas")) group["maxReplicas"] = std::max(1, replicas);
}

void SetWorkers(Json& worker, Json& head, const std::string& workers) {
  const WorkerCount count = ParseWorkers(workers, "--workers");
  worker["replicas"] = count.least;
  worker["minReplicas"] = count.least;
  worker["maxReplicas"] = count.most;
  worker.erase("disabled");
  head["enableInTreeAutoscaling"] = count.autoscaled;
}

std::string LeadingVersion(const std::string& tag) {
  static const std::regex form(R"(^\d{1,6}\.\d{1,6}\.\d{1,6}(?!\d))");
  std::smatch match;
  return std::regex_search(tag, match, form) ? match.str() : "";
}

void CompleteImage(Json& values, const ClusterFlags& flags) {
  Json& image = values["image"];
  Json& head = values["head"];
  if (!flags.image.empty()) {
    const auto [repository, tag] = SplitImage(flags.image);
    image["repository"] = repository;
    image["tag"] = tag;
    for (const char* group : {"head", "worker"}) {
      if (values.contains(group)) values[group].erase("image");
    }
  }
  if (!flags.ray_version.empty()) {
    if (!IsTag(flags.ray_version) || LeadingVersion(flags.ray_version).empty()) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("--ray-version is \"{}\"; a version as {} is wanted",
                              flags.ray_version, kDefaultRay));
    }
    head["rayVersion"] = flags.ray_version;
  }
  if (!head.contains("rayVersion")) {
    const std::string tag = image.value("tag", "");
    const std::string version = LeadingVersion(tag);
    head["rayVersion"] = version.empty() ? std::string(kDefaultRay) : version;
  }
  if (!image.contains("repository")) image["repository"] = kDefaultRepository;
  if (!image.contains("tag")) {
    std::string python(flags.python.empty() ? kDefaultPython : std::string_view(flags.python));
    std::erase(python, '.');
    image["tag"] = fmt::format("{}-py{}", head["rayVersion"].get<std::string>(), python);
  }
  if (!image.contains("pullPolicy")) image["pullPolicy"] = "IfNotPresent";
}

}  // namespace

Values ReadValues(std::string_view text, std::string_view what) {
  Values values;
  Json read = ParseYaml(text, what);
  if (read.is_null()) return values;
  DropNulls(read);
  static const Rules rules = {
      {"additionalWorkerGroups", AdditionalGroups},
      {"annotations", Annotations},
      {"common",
       [](Checker& checker, const At& at, const Json& value) {
         checker.Map(at, value, {{"containerEnv", ListOfMaps}});
       }},
      {"fullnameOverride", Unused},
      {"gcsFaultTolerance", FaultTolerance},
      {"head", Head},
      {"image", Image},
      {"imagePullSecrets", PullSecrets},
      {"nameOverride", Unused},
      {"service",
       [](Checker& checker, const At& at, const Json& value) {
         checker.Map(at, value, {{"type", Choice({"ClusterIP", "NodePort", "LoadBalancer"})}});
       }},
      {"worker", WorkerGroup}};
  Checker checker;
  if (!read.is_object()) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("{}: a map of values is wanted, as the ray-cluster chart has it", what));
  }
  checker.Map({what, ""}, read, rules);
  values.values = std::move(read);
  values.warnings = std::move(checker.warnings);
  return values;
}

Json CompleteValues(Json values, const ClusterFlags& flags) {
  static const std::regex python(R"(3\.\d{1,2})");
  if (!flags.python.empty() && !std::regex_match(flags.python, python)) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("--python is \"{}\"; a version as {} is wanted", flags.python, kDefaultPython));
  }
  for (const char* key : {"head", "worker", "image"}) {
    if (!values.contains(key)) values[key] = Json::object();
  }
  CompleteImage(values, flags);
  Json& head = values["head"];
  Json& worker = values["worker"];
  SetAmount(head, "cpu", flags.head_cpu, "--head-cpu");
  SetAmount(head, "memory", flags.head_memory, "--head-memory");
  SetAmount(worker, "cpu", flags.worker_cpu, "--worker-cpu");
  SetAmount(worker, "memory", flags.worker_memory, "--worker-memory");
  CompletePod(head, "2Gi");
  CompletePod(worker, "2Gi");
  if (!flags.workers.empty()) SetWorkers(worker, head, flags.workers);
  CompleteCounts(worker);
  if (values.contains("additionalWorkerGroups")) {
    for (Json& group : values["additionalWorkerGroups"]) {
      CompletePod(group, "2Gi");
      CompleteCounts(group);
    }
  }
  if (!flags.head_node_selector.empty()) {
    head["nodeSelector"] = ParseSelector(flags.head_node_selector, "--head-node-selector");
  }
  if (!flags.worker_node_selector.empty()) {
    worker["nodeSelector"] = ParseSelector(flags.worker_node_selector, "--worker-node-selector");
  }
  if (!flags.tolerations.empty()) {
    Json tolerations = Json::array();
    for (const auto& text : flags.tolerations) {
      tolerations.push_back(ParseToleration(text, "--toleration"));
    }
    head["tolerations"] = tolerations;
    worker["tolerations"] = tolerations;
  }
  if (!flags.pull_secrets.empty()) {
    values["imagePullSecrets"] = Json::array();
    for (const auto& name : flags.pull_secrets) {
      CheckSubdomainName(name, "--pull-secret");
      values["imagePullSecrets"].push_back({{"name", name}});
    }
  }
  return values;
}

}  // namespace windlass::cluster
