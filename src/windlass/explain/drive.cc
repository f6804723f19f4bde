#include "windlass/explain/drive.h"

#include <fmt/format.h>

#include <cmath>
#include <deque>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/explain/task.h"

namespace windlass::explain {
namespace {

// Rows a task takes when the user does not say: enough to outweigh its cost, few enough to share
// the published job evenly.
constexpr std::int64_t kLinearBatch = 640;
constexpr std::int64_t kSampledBatch = 16;
// A tree's tables are brought into the cache once for all rows of a task.
constexpr std::int64_t kTreeBatch = 2048;

// Tasks of a few milliseconds that each worker has ahead of it: enough for the time in which the
// driver reads or writes a row group and gives out none.
constexpr int kLinearInFlight = 16;

void CheckMissing(const table::Chunk& chunk, const PreparedPlan& prepared,
                  const std::string& data) {
  if (prepared.accepts_missing) return;
  const auto columns = static_cast<std::int64_t>(prepared.columns.size());
  for (std::int64_t i = 0; i < chunk.rows * columns; ++i) {
    if (std::isnan(chunk.values[i])) {
      throw Error(
          ErrorCode::kInvalidInput,
          fmt::format("{}: row {}, column \"{}\" is missing, and the model takes no missing "
                      "values",
                      data, chunk.first_row + i / columns, prepared.columns[i % columns].name));
    }
  }
}

std::int64_t DefaultBatch(Method method) {
  switch (method) {
    case Method::kLinear: return kLinearBatch;
    case Method::kTree: return kTreeBatch;
    default: return kSampledBatch;
  }
}

}  // namespace

engine::DriveStats DriveRows(
    const PreparedPlan& prepared, const engine::ObjectRef& plan, table::Reader& reader,
    engine::Session& session, const CancelToken& token, const RowsOptions& options,
    const std::function<void(const table::Chunk&, const Attributions&)>& on_block,
    RowsTimes& times) {
  const std::int64_t batch = options.batch > 0 ? options.batch : DefaultBatch(prepared.plan.method);
  std::deque<table::Chunk> waiting;  // until their attributions are there
  const auto next = [&]() -> std::optional<engine::DriveTask> {
    times.read.Start();
    table::Chunk chunk;
    const bool more = reader.Next(batch, chunk);
    if (more) CheckMissing(chunk, prepared, options.data);
    times.read.Stop();
    if (!more) return std::nullopt;
    const auto rows = session.Put(
        EncodeRows(chunk.rows, static_cast<std::int64_t>(prepared.columns.size()), chunk.values));
    waiting.push_back(std::move(chunk));
    return engine::DriveTask{MakeExplainTask(plan, rows, prepared.reach), {rows}};
  };
  const auto reduce = [&](std::int64_t, const Bytes& result) {
    times.blocks.Start();
    const table::Chunk chunk = std::move(waiting.front());
    waiting.pop_front();
    const Attributions attributions = DecodeAttributions(result);
    if (!attributions.failures.empty() && !options.go_on) {
      const Failure& failure = attributions.failures.front();
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: row {} (counted from 0) has no attributions: {}; --on-error "
                              "row goes on without such rows, --clip keeps probabilities off 0 "
                              "and 1",
                              options.data, chunk.first_row + failure.row, failure.why));
    }
    on_block(chunk, attributions);
    times.blocks.Stop();
  };
  engine::DriveOptions drive_options;
  drive_options.memo = options.memo;
  drive_options.libraries = prepared.libraries;
  if (prepared.plan.method == Method::kLinear) drive_options.in_flight_per_slot = kLinearInFlight;
  times.all.Start();
  try {
    const engine::DriveStats stats = engine::Drive(session, drive_options, token, next, reduce);
    times.all.Stop();
    return stats;
  } catch (const Error& error) {
    const bool gone =
        error.code() == ErrorCode::kUnavailable || error.code() == ErrorCode::kDeadlineExceeded;
    if (!gone || options.memo == nullptr) throw;
    throw Error(error.code(), fmt::format("{}; what was finished is kept: the same command goes on "
                                          "from there",
                                          error.what()));
  }
}

}  // namespace windlass::explain
