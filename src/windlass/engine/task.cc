#include "windlass/engine/task.h"

#include "windlass/base/byte_reader.h"
#include "windlass/base/error.h"

namespace windlass::engine {
namespace {

constexpr std::string_view kKeyVersion = "windlass-task-1";

}  // namespace

std::string Task::Encode() const {
  std::string out;
  AppendString(out, kind);
  AppendRaw(out, version);
  AppendRaw(out, static_cast<std::uint8_t>(mode));
  AppendString(out, arguments);
  AppendRaw(out, static_cast<std::uint64_t>(inputs.size()));
  for (const ObjectRef& input : inputs) {
    AppendRaw(out, input.hash.bytes);
    AppendRaw(out, input.size);
  }
  AppendRaw(out, static_cast<std::int64_t>(time_limit.count()));
  AppendRaw(out, attempts);
  AppendString(out, hints);
  return out;
}

Task Task::Decode(std::string_view bytes) {
  ByteReader reader(bytes, "an encoded task");
  Task task;
  task.kind = reader.ReadString();
  task.version = reader.Read<std::int32_t>();
  const auto mode = reader.Read<std::uint8_t>();
  if (mode > static_cast<std::uint8_t>(TaskMode::kOnce)) {
    throw Error(ErrorCode::kCorrupt, "an encoded task has an unknown mode");
  }
  task.mode = static_cast<TaskMode>(mode);
  task.arguments = reader.ReadString();
  const auto count = reader.Read<std::uint64_t>();
  for (std::uint64_t i = 0; i < count; ++i) {
    ObjectRef ref;
    ref.hash.bytes = reader.Read<decltype(ref.hash.bytes)>();
    ref.size = reader.Read<std::uint64_t>();
    task.inputs.push_back(ref);
  }
  task.time_limit = std::chrono::nanoseconds(reader.Read<std::int64_t>());
  task.attempts = reader.Read<std::int32_t>();
  task.hints = reader.ReadString();
  reader.Finish();
  return task;
}

Hash TaskIdentity(const Task& task, std::string_view libraries) {
  Hasher hasher;
  hasher.Field(kKeyVersion).Field(task.kind);
  hasher.Update({reinterpret_cast<const char*>(&task.version), sizeof task.version});
  hasher.Field(task.arguments).Field(libraries);
  for (const ObjectRef& input : task.inputs) {
    hasher.Update(
        {reinterpret_cast<const char*>(input.hash.bytes.data()), input.hash.bytes.size()});
  }
  return hasher.Finish();
}

void TaskContext::CheckCancelled() const {
  if (Cancelled()) throw Error(ErrorCode::kCancelled, "the task was stopped");
}

std::vector<std::string> TaskContext::Exchange(const std::string& /*message*/) {
  throw Error(ErrorCode::kInternal, "a task that is in no gang has nobody to exchange with");
}

}  // namespace windlass::engine
