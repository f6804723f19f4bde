#include "windlass/compare/explanation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "windlass/base/error.h"
#include "windlass/base/json.h"

namespace windlass::compare {
namespace {

const std::vector<std::string> kFixed = {"row", "output", "base_value", "prediction"};
constexpr std::int64_t kMostOutputs = 100'000;

bool IsUri(const std::string& place) { return place.find("://") != std::string::npos; }

// The table that `place` names.
std::string AttributionsAt(const std::string& place) {
  namespace fs = std::filesystem;
  if (IsUri(place)) {
    const auto query = std::min(place.find('?'), place.size());
    std::string path = place.substr(0, query);
    if (!path.ends_with(".parquet")) {
      path += path.ends_with('/') ? "attributions.parquet" : "/attributions.parquet";
    }
    return path + place.substr(query);
  }
  std::error_code ignored;
  if (!fs::exists(place, ignored)) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("{}: there is no such file or folder; the --out folder of a windlass "
                            "explain, or its attributions.parquet, was expected",
                            place));
  }
  if (!fs::is_directory(place, ignored)) return place;
  std::string path = (fs::path(place) / "attributions.parquet").string();
  if (fs::exists(path, ignored)) return path;
  throw Error(
      ErrorCode::kNotFound,
      fmt::format("{} holds no attributions.parquet; the --out folder of a windlass explain "
                  "was expected",
                  place));
}

// The path or URI of a file in the folder of another.
std::string Beside(const std::string& path, const std::string& name) {
  if (!IsUri(path)) return (std::filesystem::path(path).parent_path() / name).string();
  const auto query = std::min(path.find('?'), path.size());
  return path.substr(0, path.rfind('/', query) + 1) + name + path.substr(query);
}

std::string TextIn(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// The nodes of the hierarchy that a run's values are of, as a text that is the same for the same
// nodes; empty for Shapley values. An output that is linear has the same values either way.
std::optional<std::string> NodesOf(const Json& summary, const Json& spec) {
  const auto coalitions = spec.find("coalitions");
  if (coalitions == spec.end()) return std::nullopt;
  if (coalitions->is_null()) return "";
  const auto outputs = summary.find("outputs");
  if (TextIn(summary, "method") == "linear" || outputs == summary.end() || !outputs->is_array() ||
      outputs->empty() || !outputs->front().is_object()) {
    return std::nullopt;
  }
  const Json nodes = outputs->front().value("nodes", Json());
  if (!nodes.is_array()) return std::nullopt;
  std::vector<std::string> members;
  for (const Json& node : nodes) {
    if (node.is_object()) members.push_back(node.value("groups", Json()).dump());
  }
  std::ranges::sort(members);
  return fmt::format("{}", fmt::join(members, " "));
}

void ReadSummary(Explanation& run) {
  const std::string path = Beside(run.path, "summary.json");
  const auto text = table::ReadIfThere(path);
  if (!text) return;
  const Json summary = ParseJson(*text, path);
  const Json spec = summary.is_object() ? summary.value("spec", Json()) : Json();
  if (TextIn(spec, "kind") != "explain") {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} is not that of a windlass explain: its spec's kind is \"{}\"", path,
                            TextIn(spec, "kind")));
  }
  run.link = TextIn(summary, "link");
  run.output = TextIn(spec, "output");
  run.tree_mode = TextIn(spec, "tree_mode");
  run.nodes = NodesOf(summary, spec);
  run.method = TextIn(summary, "method");
  run.model = TextIn(spec, "model");
  run.data = TextIn(spec, "data");
  run.data_digest = TextIn(summary, "data_digest");
  if (const auto rows = summary.find("rows"); rows != summary.end() && rows->is_number_integer()) {
    run.rows = rows->get<std::int64_t>();
  }
}

[[noreturn]] void NotAttributions(const Explanation& run, const std::string& why) {
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("{} is no attributions.parquet of windlass explain: {}", run.path, why));
}

// Whether the columns from `first` on are groups followed by .low and .high of each.
bool HasEnds(const std::vector<std::string>& names, std::size_t first) {
  if (names.size() <= first || (names.size() - first) % 3 != 0) return false;
  const std::size_t groups = (names.size() - first) / 3;
  for (std::size_t g = 0; g < groups; ++g) {
    const std::size_t low = first + groups + 2 * g;
    if (!names[low].starts_with(names[first + g] + ".low") ||
        !names[low + 1].starts_with(names[first + g] + ".high")) {
      return false;
    }
  }
  return true;
}

void ReadColumns(Explanation& run) {
  const std::vector<std::string> names = table::ColumnNames(run.path);
  for (const std::string& fixed : kFixed) {
    if (std::ranges::find(names, fixed) == names.end()) {
      NotAttributions(run, fmt::format("it has no column \"{}\"", fixed));
    }
  }
  if (!std::equal(kFixed.begin(), kFixed.end(), names.begin())) {
    NotAttributions(run, "its first columns are not row, output, base_value and prediction");
  }
  std::size_t first = kFixed.size();
  run.intervals = names.size() > first && names[first] == "ranked" && HasEnds(names, first + 1);
  if (run.intervals) ++first;
  if (names.size() == first) NotAttributions(run, "it has no column of a group");
  const std::size_t groups = (names.size() - first) / (run.intervals ? 3 : 1);
  run.groups.assign(names.begin() + static_cast<std::ptrdiff_t>(first),
                    names.begin() + static_cast<std::ptrdiff_t>(first + groups));
  run.columns = kFixed;
  run.columns.insert(run.columns.end(), names.begin() + static_cast<std::ptrdiff_t>(first),
                     names.end());
}

// The outputs are those of the first row's lines: up to the first that comes again.
void ReadOutputs(Explanation& run) {
  const auto labels = table::OpenLabels(run.path, "output", kMostOutputs);
  if (labels == nullptr) NotAttributions(run, "its column \"output\" holds no names");
  std::vector<std::int64_t> codes;
  if (!labels->Next(kMostOutputs, codes)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} has no rows: there is nothing to compare", run.path));
  }
  for (std::size_t line = 0; line < codes.size(); ++line) {
    if (codes[line] != static_cast<std::int64_t>(line)) break;
    run.outputs.push_back(labels->labels()[line]);
  }
  if (run.outputs.empty()) NotAttributions(run, "its first line names no output");
}

[[noreturn]] void PartOfARow(const Explanation& run, std::int64_t lines) {
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("{} has {} lines, which is no multiple of its {} outputs: every row "
                          "needs a line for each",
                          run.path, lines, run.outputs.size()));
}

}  // namespace

Explanation OpenExplanation(const std::string& place) {
  Explanation run;
  run.place = place;
  run.path = AttributionsAt(place);
  ReadSummary(run);
  ReadColumns(run);
  ReadOutputs(run);
  return run;
}

ExplanationReader::ExplanationReader(const Explanation& run) : run_(run) {
  table::ReadOptions options;
  options.columns = run.columns;
  options.ignore_others = true;
  options.keep_infinite = true;  // half widths of intervals may be
  for (const std::string& column : run.columns) options.codes.push_back({column, {}});
  options.codes[1].categories = run.outputs;
  reader_ = table::OpenTable(run.path, options);
  const std::int64_t outputs = std::ssize(run.outputs);
  if (const auto lines = reader_->rows()) {
    if (*lines % outputs != 0) PartOfARow(run, *lines);
    rows_ = *lines / outputs;
  }
}

bool ExplanationReader::Next(std::int64_t max_rows, Block& block) {
  block.outputs = std::ssize(run_.outputs);
  block.width = std::ssize(run_.columns);
  if (!reader_->Next(max_rows * block.outputs, block.chunk)) return false;
  block.rows = block.chunk.rows / block.outputs;
  if (block.chunk.rows % block.outputs != 0) {  // at the end: a CSV does not tell before
    PartOfARow(run_, block.chunk.first_row + block.chunk.rows);
  }
  block.row.resize(static_cast<std::size_t>(block.rows));
  for (std::int64_t r = 0; r < block.rows; ++r) {
    const double first = block.Line(r, 0)[-2];
    for (std::int64_t k = 0; k < block.outputs; ++k) {
      const double* line = block.Line(r, k);
      if (line[-2] != first || line[-1] != static_cast<double>(k) ||
          !(first > static_cast<double>(last_))) {
        throw Error(ErrorCode::kInvalidInput,
                    fmt::format("{}: line {} (counted from 0) is not of output \"{}\" of the row "
                                "after {}; rows must ascend, each with a line an output in the "
                                "order of the first row's",
                                run_.path, (block.chunk.first_row + r * block.outputs + k),
                                run_.outputs[static_cast<std::size_t>(k)], last_));
      }
    }
    last_ = block.row[static_cast<std::size_t>(r)] = static_cast<std::int64_t>(first);
  }
  return true;
}

}  // namespace windlass::compare
