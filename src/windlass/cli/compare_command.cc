#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <optional>

#include "windlass/base/error.h"
#include "windlass/cli/cli.h"

namespace windlass::cli {
namespace {

// The parser is not to require it: what is compared comes first.
constexpr const char* kOutHelp = "Folder for the outputs; required";

void RequireOut(const RunFlags& flags) {
  if (flags.out.empty()) {
    throw Error(ErrorCode::kUsage, "--out is required: a folder for the outputs");
  }
}

// Outputs must not replace what they are made of. A place that is no local folder is none of them.
void RefuseInputs(const RunFlags& flags, const std::vector<std::string>& runs) {
  for (const std::string& run : runs) {
    const std::filesystem::path path(run);
    for (const auto& folder : {path, path.parent_path()}) {
      std::error_code error;
      if (folder.empty() || !std::filesystem::equivalent(folder, flags.out, error) || error) {
        continue;
      }
      if (folder != path && path.filename() != "attributions.parquet") continue;
      throw Error(ErrorCode::kUsage,
                  fmt::format("--out {} is the explanation {} itself; another folder is wanted",
                              flags.out, run));
    }
  }
}

struct DiffCommand {
  std::string a, b;
  bool paired = false;
  bool independent = false;
  RunFlags flags;

  void Run() const {
    if (a.empty() || b.empty()) {
      throw Error(ErrorCode::kUsage,
                  "name two explanations, before and after: the --out folders of windlass explain");
    }
    RequireOut(flags);
    if (paired && independent) {
      throw Error(ErrorCode::kUsage, "give --paired or --independent, not both");
    }
    RefuseInputs(flags, {a, b});
    const char* pairing = paired ? "paired" : independent ? "independent" : "auto";
    RunAndPrint({{"kind", "explain_diff"}, {"a", a}, {"b", b}, {"pairing", pairing}},
                "the command line", flags);
  }
};

struct DriftCommand {
  std::vector<std::string> runs;
  std::string by, data, reference;
  std::optional<std::int64_t> bins;
  RunFlags flags;

  void Run() const {
    if (runs.empty()) {
      throw Error(
          ErrorCode::kUsage,
          "name two explanations or more, a period each, or one with --by COLUMN: the --out "
          "folders of windlass explain");
    }
    RequireOut(flags);
    RefuseInputs(flags, runs);
    Json spec = {{"kind", "explain_drift"}, {"runs", runs}};
    if (!by.empty()) spec["by"] = by;
    if (!data.empty()) spec["data"] = data;
    if (!reference.empty()) spec["reference"] = reference;
    if (bins) spec["bins"] = *bins;
    RunAndPrint(spec, "the command line", flags);
  }
};

}  // namespace

void AddCompareCommands(CLI::App& explain) {
  auto diff = std::make_shared<DiffCommand>();
  auto* sub = explain.add_subcommand(
      "diff", "What moved between two explanations: of two models, or of two periods of data");
  sub->add_option("A", diff->a, "The explanation before: an --out folder, or attributions.parquet");
  sub->add_option("B", diff->b, "The explanation after");
  sub->add_flag("--paired", diff->paired, "The rows are the same on both sides, in the same order");
  sub->add_flag("--independent", diff->independent,
                "The rows are two samples; default: paired where both summaries say that the same "
                "rows were explained");
  diff->flags.AddTo(*sub, /*out_required=*/false);
  sub->get_option("--out")->description(kOutHelp);
  sub->final_callback([diff] { diff->Run(); });

  auto drift = std::make_shared<DriftCommand>();
  sub = explain.add_subcommand(
      "drift",
      "How attributions move over periods: an explanation each, or by a column of the data");
  sub->add_option("RUN", drift->runs, "Explanations, a period each, in their order; one with --by");
  sub->add_option("--by", drift->by, "The column of the data that names the period of a row");
  sub->add_option("--data", drift->data,
                  "The table that was explained; default: what the run's summary.json names");
  sub->add_option("--bins", drift->bins,
                  "Cut a column of numbers into so many periods of equally many rows");
  sub->add_option("--reference", drift->reference,
                  "The period that others are compared with; default: the first");
  drift->flags.AddTo(*sub, /*out_required=*/false);
  sub->get_option("--out")->description(kOutHelp);
  sub->final_callback([drift] { drift->Run(); });
}

}  // namespace windlass::cli
