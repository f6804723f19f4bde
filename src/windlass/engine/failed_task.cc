#include "windlass/engine/failed_task.h"

#include <fmt/format.h>

#include <utility>

#include "windlass/base/byte_reader.h"
#include "windlass/engine/worker.h"

namespace windlass::engine {
namespace {

constexpr std::size_t kIdDigits = 16;

Hash KeyOf(std::string_view id) {
  return Hasher().Field("windlass-failed-task").Field(id).Finish();
}

}  // namespace

std::string KeepFailedTask(store::Store& store, Session& session, const Task& task) {
  const std::string id = TaskIdentity(task, {}).Hex().substr(0, kIdDigits);
  std::string kept;
  AppendString(kept, task.Encode());
  for (const ObjectRef& input : task.inputs) AppendString(kept, session.Get(input).view());
  store.Remember(KeyOf(id), Bytes(std::move(kept)));
  return id;
}

Bytes FindFailedTask(store::Store& store, std::string_view id) {
  std::optional<Bytes> kept = store.Recall(KeyOf(id));
  if (!kept) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("no failed task \"{}\" is kept; `windlass job logs JOB` names those of "
                            "a job, and what was unused for long is removed",
                            id));
  }
  return *std::move(kept);
}

FailedTask ReadFailedTask(const Bytes& kept) {
  ByteReader reader(kept.view(), "a failed task");
  FailedTask failed{Task::Decode(reader.ReadString()), {}};
  for (std::size_t i = 0; i < failed.task.inputs.size(); ++i) {
    failed.inputs.emplace_back(reader.ReadString());
  }
  reader.Finish();
  return failed;
}

Bytes RunFailedTask(const FailedTask& failed, const CancelToken& token) {
  Worker worker;
  const TaskInputs inputs{failed.inputs.size(),
                          [&](std::size_t index) { return failed.inputs[index]; }};
  std::optional<Error> error;
  std::optional<Bytes> result = worker.Run(
      failed.task, inputs, token, [](const Json&) {}, error);
  if (!result) throw Error(*error);
  return std::move(*result);
}

}  // namespace windlass::engine
