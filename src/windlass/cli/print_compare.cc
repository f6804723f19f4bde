#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "windlass/cli/print.h"

namespace windlass::cli {
namespace {

constexpr std::size_t kComparedGroups = 10;
constexpr std::size_t kNameWidth = 20;

// At most `width` characters, the last one "." where there were more.
std::string Short(const std::string& name, std::size_t width) {
  std::string text = Visible(name);
  if (Width(text) <= width) return text;
  while (Width(text) >= width) {
    do {
      text.pop_back();
    } while (!text.empty() && (text.back() & 0xc0) == 0x80);
    // A character that was cut lost its first byte only now.
    if (!text.empty() && (text.back() & 0x80) != 0) text.pop_back();
  }
  return text + ".";
}

double NumberOr(const Json& value, double otherwise) {
  return value.is_number() ? value.get<double>() : otherwise;
}

// "+0.1234 +-0.0123 *"; "+-inf" where there is no interval.
std::string ChangeText(const Json& change) {
  const double size = change.at("change").get<double>();
  const std::string half = change.at("high").is_null()
                               ? "inf"
                               : fmt::format("{:.4f}", change.at("high").get<double>() - size);
  const auto certain = change.find("certain");
  return fmt::format("{:>+9.4f} +-{:<7} {}", size, half,
                     certain != change.end() && *certain == true ? "*" : " ");
}

std::string DistanceText(const Json& distance) {
  if (distance.is_null()) return "";
  return fmt::format("{:>8.4f} {}", NumberOr(distance.at("wasserstein"), 0),
                     distance.at("certain") == true ? "*" : " ");
}

std::string UnitOf(const Json& summary) {
  return summary.at("link") == "logit" ? ", log-odds" : "";
}

std::string WithoutEnd(std::string line) {
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

void PrintRow(const std::string& name, const std::string& mean, const std::string& importance,
              const std::string& distance) {
  std::cout << WithoutEnd(fmt::format("  {} {:<21} {:<21} {}",
                                      Padded(Short(name, kNameWidth), kNameWidth), mean, importance,
                                      distance))
            << "\n";
}

void PrintOutputDiff(const Json& output, const std::string& unit) {
  const Json& prediction = output.at("prediction");
  std::cout << fmt::format(
      "\n{}: mean prediction {:.4f} to {:.4f}{}\n", Visible(output.at("output").get<std::string>()),
      prediction.at("a").get<double>(), prediction.at("b").get<double>(), unit);
  PrintRow("", "  change of mean phi", "  of mean |phi|", "distance");
  PrintRow("prediction", ChangeText(prediction), "", "");
  PrintRow("base value", ChangeText(output.at("base_value")), "", "");
  const Json& groups = output.at("groups");
  for (std::size_t i = 0; i < std::min(groups.size(), kComparedGroups); ++i) {
    const Json& group = groups[i];
    const bool only = !group.at("only_in").is_null();
    PrintRow(group.at("group"), ChangeText(group.at("mean")), ChangeText(group.at("importance")),
             only ? fmt::format("only {}", group.at("only_in") == "a" ? "A" : "B")
                  : DistanceText(group.at("distance")));
  }
  if (groups.size() > kComparedGroups) {
    std::cout << fmt::format("  and {} more groups\n", groups.size() - kComparedGroups);
  }
  if (output.at("rows_moved").empty()) return;
  const Json& row = output.at("rows_moved")[0];
  std::cout << fmt::format("  Row {} moved most: {:+.4f}",
                           Grouped(row.at("row").get<std::int64_t>()),
                           row.at("change").get<double>());
  if (const Json& parts = row.at("parts"); !parts.empty()) {
    const Json& group = parts[0].at("group");
    std::cout << fmt::format(", most of all by {}", group.is_null()
                                                        ? "the base value"
                                                        : Visible(group.get<std::string>()));
  }
  std::cout << ".\n";
}

void PrintUnknownLinks(const Json& summary) {
  const Json& places = summary.at("links_unknown");
  if (places.empty()) return;
  const std::string first = Visible(places[0].get<std::string>());
  const std::string more =
      places.size() > 1 ? fmt::format(" and {} more", places.size() - 1) : std::string();
  std::cout << fmt::format(
      "The link of {}{} is not known, as no summary.json names it: it is taken to be the same.\n",
      first, more);
}

void PrintOtherValues(const Json& summary) {
  const Json& sentences = summary.at("other_values");
  if (sentences.empty()) return;
  const std::string more =
      sentences.size() > 1 ? fmt::format(" (and {} more)", sentences.size() - 1) : std::string();
  std::cout << fmt::format("Careful: {}{}.\nThese differ for the same model and rows already.\n",
                           Visible(sentences[0].get<std::string>()), more);
}

void PrintFailed(std::int64_t failed) {
  if (failed == 0) return;
  std::cout << fmt::format("{} rows have no finite attributions and were left out.\n",
                           Grouped(failed));
}

void PrintMarks(const Json& summary) {
  std::cout << fmt::format(
      "\n+-: 95 %. *: certain beside all {} tests of this comparison (Holm, 5 %).\n",
      Grouped(summary.at("tests").get<std::int64_t>()));
}

// "2 of 5": in so many of the periods that were compared with the reference.
std::string AlarmsText(const Json& group) {
  const auto compared = std::ranges::count_if(group.at("periods"), [](const Json& period) {
    return !period.is_null() && !period.at("distance").is_null();
  });
  return fmt::format("{} of {}", group.at("alarms").size(), compared);
}

void PrintOutputDrift(const Json& output, const std::string& unit) {
  std::cout << fmt::format("\n{}: what drifted{}\n",
                           Visible(output.at("output").get<std::string>()), unit);
  std::cout << "  " << Padded("", kNameWidth) << "  distance  first to last mean   alarms\n";
  const Json& groups = output.at("groups");
  const auto mean = [](const Json& period) {
    return period.is_null() ? std::string("-")
                            : fmt::format("{:+.4f}", period.at("mean").at("mean").get<double>());
  };
  for (std::size_t i = 0; i < std::min(groups.size(), kComparedGroups); ++i) {
    const Json& group = groups[i];
    const Json& periods = group.at("periods");
    std::cout << WithoutEnd(fmt::format("  {}  {:>8.4f}  {:>8} to {:<8}  {}",
                                        Padded(Short(group.at("group"), kNameWidth), kNameWidth),
                                        group.at("drift").get<double>(), mean(periods.front()),
                                        mean(periods.back()), AlarmsText(group)))
              << "\n";
  }
  const auto all = output.at("all_groups").get<std::size_t>();
  if (all > kComparedGroups) {
    std::cout << fmt::format("  and {} more groups\n", all - kComparedGroups);
  }
}

}  // namespace

void PrintDiff(const job::RunResult& result, const std::string& out) {
  const Json& summary = result.result;
  const auto rows = [&](const char* side) {
    return Grouped(summary.at(side).at("rows").get<std::int64_t>());
  };
  std::cout << fmt::format("Compared {} rows of A with {} of B in {}.\n", rows("a"), rows("b"),
                           Seconds(result.seconds));
  std::cout << fmt::format("{}: {}.\n",
                           summary.at("paired") == true ? "Row by row" : "As two samples of rows",
                           summary.at("pairing_reason").get<std::string>());
  if (const Json& pairs = summary.at("failed_pairs"); pairs.is_null()) {
    PrintFailed(summary.at("a").at("failed_rows").get<std::int64_t>() +
                summary.at("b").at("failed_rows").get<std::int64_t>());
  } else if (pairs != 0) {
    std::cout << fmt::format(
        "{} rows have no finite attributions in A or in B and were left out of both.\n",
        Grouped(pairs.get<std::int64_t>()));
  }
  PrintUnknownLinks(summary);
  PrintOtherValues(summary);
  for (const char* side : {"a", "b"}) {
    for (const Json& output : summary.at("outputs_only_in").at(side)) {
      std::cout << fmt::format("Output {} is only in {}.\n", Visible(output.get<std::string>()),
                               *side == 'a' ? "A" : "B");
    }
  }
  for (const Json& output : summary.at("outputs")) PrintOutputDiff(output, UnitOf(summary));
  PrintMarks(summary);
  std::cout << fmt::format("Report: {0}/report.html\nNumbers: {0}/diff.parquet\n", out);
}

void PrintDrift(const job::RunResult& result, const std::string& out) {
  const Json& summary = result.result;
  std::int64_t rows = 0, failed = 0;
  for (const Json& period : summary.at("periods")) {
    rows += period.at("rows").get<std::int64_t>();
    failed += period.at("failed_rows").get<std::int64_t>();
  }
  std::cout << fmt::format("Compared {} periods of {} rows in all in {}.\n",
                           summary.at("periods").size(), Grouped(rows), Seconds(result.seconds));
  std::cout << fmt::format("Reference: {}.\n", Visible(summary.at("reference").get<std::string>()));
  PrintFailed(failed);
  PrintUnknownLinks(summary);
  PrintOtherValues(summary);
  if (const auto without = summary.at("rows_without_period").get<std::int64_t>(); without > 0) {
    std::cout << fmt::format("{} rows name no period and were left out.\n", Grouped(without));
  }
  for (const Json& output : summary.at("outputs")) PrintOutputDrift(output, UnitOf(summary));
  if (const auto more = summary.at("all_outputs").get<std::size_t>() - summary.at("outputs").size();
      more > 0) {
    std::cout << fmt::format("\n{} more outputs are in drift.parquet only.\n", more);
  }
  std::cout << fmt::format(
      "\nAn alarm is certain beside all {} tests of this comparison (Holm, 5 %).\n",
      Grouped(summary.at("tests").get<std::int64_t>()));
  std::cout << fmt::format("Report: {0}/report.html\nNumbers: {0}/drift.parquet\n", out);
}

}  // namespace windlass::cli
