#include "windlass/bench/results.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "windlass/base/build_info.h"
#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/page.h"

namespace windlass {
extern const std::string_view kSweepPage;  // web/dist/sweep.html, by windlass_embed_file
}

namespace windlass::bench {
namespace {

std::tm Utc(std::int64_t ms) { return fmt::gmtime(static_cast<std::time_t>(ms / 1000)); }

Json ToJson(const Sample& sample) {
  return {{"mode", ModeName(sample.mode)},
          {"workers", sample.workers},
          {"batch", sample.batch},
          {"run", sample.run},
          {"rows", sample.rows},
          {"tasks", sample.tasks},
          {"method", sample.method},
          {"wall_s", sample.wall_s},
          {"cpu_s", sample.cpu_s},
          {"compute_wall_s", sample.compute_wall_s},
          {"compute_cpu_s", sample.compute_cpu_s},
          {"latency_p50_s", sample.latency_p50_s},
          {"latency_p99_s", sample.latency_p99_s},
          {"job", sample.job},
          {"started_ms", sample.started_ms}};
}

Json ToJson(const std::vector<Sample>& samples) {
  Json list = Json::array();
  for (const Sample& sample : samples) list.push_back(ToJson(sample));
  return list;
}

Json ToJson(const Spread& spread) {
  return {{"median", spread.median}, {"min", spread.low}, {"max", spread.high}};
}

Json ToJson(const Configuration& one) {
  return {{"mode", ModeName(one.mode)},
          {"workers", one.workers},
          {"batch", one.batch},
          {"runs", one.runs},
          {"wall_s", ToJson(one.wall)},
          {"compute_wall_s", ToJson(one.compute)},
          {"median_cpu_s", one.cpu_s},
          {"rows_per_s", one.rows_per_s},
          {"speed_up", one.speed_up ? Json(*one.speed_up) : Json()}};
}

// `text` as one CSV cell (RFC 4180).
std::string Cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

// Gives `to` the file `from`; false when `to` exists.
bool MoveWithoutReplacing(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  std::filesystem::create_hard_link(from, to, error);
  if (error && error != std::errc::file_exists) {
    // Not every file system has hard links. This one opens the target exclusively, too.
    std::filesystem::copy_file(from, to, std::filesystem::copy_options::none, error);
  }
  if (error == std::errc::file_exists) return false;
  if (error) {
    throw Error(ErrorCode::kIo, fmt::format("cannot write {}: {}", to.string(), error.message()));
  }
  return true;
}

}  // namespace

Json ToJson(const SweepResult& result) {
  Json versions = result.versions;
  versions["windlass"] = Version();
  versions["build"] = BuildHash();
  const std::vector<Mode>& modes = result.options.modes;
  const bool serves = std::ranges::count(modes, Mode::kServe) > 0;
  Json summary = Json::array();
  for (const Configuration& one : Summarise(result.samples)) summary.push_back(ToJson(one));
  return {{"windlass_sweep", kResultsVersion},
          {"kind", "explain"},
          {"started", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", Utc(result.started_ms))},
          {"stopped", result.stopped ? Json(result.stopped->what()) : Json()},
          {"spec", result.spec},
          {"method", result.method},
          {"reason", result.reason},
          {"engine", result.options.engine},
          {"mode", modes.size() > 1 ? "both" : ModeName(modes.front())},
          {"batching", !serves                                     ? Json()
                       : result.options.batching == Batching::kRay ? Json("ray")
                                                                   : Json("default")},
          {"memo", false},
          {"workers", result.options.workers},
          {"batches", result.options.batches},
          {"nruns", result.options.runs},
          {"machine",
           {{"host", result.machine.host},
            {"cpu", result.machine.cpu},
            {"cores", result.machine.cores},
            {"system", result.machine.system},
            {"load_before", result.machine.load}}},
          {"versions", versions},
          {"warm_up", ToJson(result.warm_up)},
          {"samples", ToJson(result.samples)},
          {"summary", summary}};
}

std::string ToCsv(const SweepResult& result) {
  std::string text =
      "mode,workers,batch,run,rows,tasks,method,wall_s,cpu_s,compute_wall_s,compute_cpu_s,"
      "latency_p50_s,latency_p99_s,job,started_ms\n";
  for (const Sample& s : result.samples) {
    text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", ModeName(s.mode),
                        s.workers, s.batch, s.run, s.rows, s.tasks, Cell(s.method), s.wall_s,
                        s.cpu_s, s.compute_wall_s, s.compute_cpu_s, s.latency_p50_s,
                        s.latency_p99_s, Cell(s.job), s.started_ms);
  }
  return text;
}

std::string RenderSweep(const Json& document) {
  return FillPage(kSweepPage,
                  document.dump(/*indent=*/-1, /*indent_char=*/' ', /*ensure_ascii=*/false,
                                Json::error_handler_t::replace));
}

ResultsFolder::ResultsFolder(std::filesystem::path folder) : folder_(std::move(folder)) {
  if (std::filesystem::exists(folder_) && !std::filesystem::is_directory(folder_)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("--out {}: a file of that name exists; a folder was expected",
                            folder_.string()));
  }
  created_ = !std::filesystem::exists(folder_);
  MakeFolders(folder_);
  try {
    const TemporaryFolder probe(folder_);  // says now what would go wrong after the last run
  } catch (...) {
    std::error_code ignored;
    if (created_) std::filesystem::remove(folder_, ignored);
    throw;
  }
}

ResultsFolder::~ResultsFolder() {
  std::error_code ignored;
  if (created_) std::filesystem::remove(folder_, ignored);  // only when empty
}

ResultFiles ResultsFolder::Write(const SweepResult& result) const {
  const Json document = bench::ToJson(result);
  const TemporaryFolder beside(folder_);  // the same file system, so that links work
  const std::string json = document.dump(/*indent=*/1, /*indent_char=*/' ', /*ensure_ascii=*/false,
                                         Json::error_handler_t::replace);
  WriteFileAtomically(beside.path() / "json", json + "\n");
  WriteFileAtomically(beside.path() / "csv", ToCsv(result));
  WriteFileAtomically(beside.path() / "html", RenderSweep(document));
  const std::string stem = fmt::format("explain-{:%Y%m%d-%H%M%S}", Utc(result.started_ms));
  for (int attempt = 1;; ++attempt) {
    const std::string name = attempt == 1 ? stem : fmt::format("{}-{}", stem, attempt);
    const ResultFiles files = {folder_ / (name + ".json"), folder_ / (name + ".csv"),
                               folder_ / (name + ".html")};
    if (std::filesystem::exists(files.csv) || std::filesystem::exists(files.page)) continue;
    // The JSON file claims the name: of two sweeps at the same time only one gets it.
    if (!MoveWithoutReplacing(beside.path() / "json", files.json)) continue;
    if (!MoveWithoutReplacing(beside.path() / "csv", files.csv) ||
        !MoveWithoutReplacing(beside.path() / "html", files.page)) {
      throw Error(ErrorCode::kIo,
                  fmt::format("cannot write {0} and {1}: one of them appeared "
                              "while {2} was written",
                              files.csv.string(), files.page.string(), files.json.string()));
    }
    return files;
  }
}

}  // namespace windlass::bench
