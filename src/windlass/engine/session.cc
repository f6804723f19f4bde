#include "windlass/engine/session.h"

#include <fmt/format.h>

#include <charconv>

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
  return registry.Find<Engine>(spec.name.empty() ? spec.location : spec.name).Start(spec, workers);
}

}  // namespace windlass::engine
