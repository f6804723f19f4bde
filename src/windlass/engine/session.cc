#include "windlass/engine/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "windlass/base/json.h"
#include "windlass/base/registry.h"

namespace windlass::engine {
namespace {

constexpr int kMostWorkers = 100'000;

int ParseWorkers(std::string_view text, std::string_view all) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < -1 ||
      number > kMostWorkers) {
    throw Error(ErrorCode::kUsage,
                fmt::format("--workers: \"{}\" is no number of workers; -1 (sequential), 0 (one a "
                            "core), 1 to {} or MIN:MAX were expected",
                            all, kMostWorkers));
  }
  return number;
}

}  // namespace

WorkerCount WorkerCount::Parse(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) {
    const int number = ParseWorkers(text, text);
    return {number, number};
  }
  const WorkerCount count{ParseWorkers(text.substr(0, colon), text),
                          ParseWorkers(text.substr(colon + 1), text)};
  if (count.least < 1 || count.most < count.least) {
    throw Error(ErrorCode::kUsage,
                fmt::format("--workers: \"{}\" is no range; MIN:MAX with 1 <= MIN <= MAX was "
                            "expected",
                            text));
  }
  return count;
}

std::string WorkerCount::Text() const {
  return least == most ? fmt::format("{}", least) : fmt::format("{}:{}", least, most);
}

std::unique_ptr<Session> StartSession(std::string_view engine, WorkerCount workers) {
  const Registry& registry = Registry::Global();
  const auto known = registry.Names(Engine::kRegistryKind);
  const ObjectSpec spec = ObjectSpec::Parse(engine, known);
  const std::string& name = spec.name.empty() ? spec.location : spec.name;
  if (!registry.Has<Engine>(name)) {
    if (name.starts_with("http:") || name.starts_with("https:")) {
      throw Error(
          ErrorCode::kUnsupported,
          fmt::format("engine {}: a cluster's Jobs API takes whole jobs, from commands that "
                      "run a spec (windlass explain, windlass run); this runs tasks of its "
                      "own, for which local and ray are engines",
                      name));
    }
    std::vector<std::string> names = known;
    if (std::ranges::find(names, "ray") == names.end()) names.emplace_back("ray");
    names.emplace_back("http(s)://HOST:8265");
    throw Error(ErrorCode::kNotFound,
                fmt::format("unknown engine \"{}\"{}", name, Suggestion(name, names)));
  }
  return registry.Find<Engine>(name).Start(spec, workers);
}

}  // namespace windlass::engine
