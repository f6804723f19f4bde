#include "windlass/cli/print.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <numeric>

#include "windlass/base/utf8.h"

namespace windlass::cli {
namespace {

constexpr std::size_t kShownGroups = 8;
constexpr int kBarWidth = 30;

void PrintImportance(const Json& output, const std::string& unit) {
  std::vector<std::pair<double, std::string>> groups;
  for (const Json& group : output.at("importance")) {
    groups.emplace_back(group.at("mean_abs").get<double>(),
                        Visible(group.at("group").get<std::string>()));
  }
  std::ranges::stable_sort(groups, std::greater{}, [](const auto& g) { return g.first; });
  std::cout << fmt::format("\n{}: what moves it, on average over the rows ({})\n",
                           Visible(output.at("output").get<std::string>()), unit);
  std::size_t widest = 0;
  const std::size_t shown = std::min(groups.size(), kShownGroups);
  for (std::size_t i = 0; i < shown; ++i) widest = std::max(widest, Width(groups[i].second));
  for (std::size_t i = 0; i < shown; ++i) {
    const double part = groups[0].first > 0 ? groups[i].first / groups[0].first : 0;
    const auto bar = static_cast<std::size_t>(std::llround(part * kBarWidth));
    std::cout << fmt::format("  {}  {:>8.4f}  {}\n", Padded(groups[i].second, widest),
                             groups[i].first, std::string(bar, '#'));
  }
  if (shown < groups.size()) {
    std::cout << fmt::format("  and {} more groups\n", groups.size() - shown);
  }
}

// The strongest of what is told beside single groups: `key` has a list of {mean_abs, ...}.
template <typename NameOf>
void PrintStrongest(const Json& output, const char* key, std::string_view title, NameOf name) {
  const auto found = output.find(key);
  if (found == output.end() || found->empty()) return;
  std::vector<std::pair<double, std::string>> all;
  for (const Json& one : *found) all.emplace_back(one.at("mean_abs").get<double>(), name(one));
  std::ranges::stable_sort(all, std::greater{}, [](const auto& one) { return one.first; });
  constexpr std::size_t kShown = 3;
  std::cout << fmt::format("\n  {}\n", title);
  for (std::size_t i = 0; i < std::min(all.size(), kShown); ++i) {
    std::cout << fmt::format("  {:>8.4f}  {}\n", all[i].first, Visible(all[i].second));
  }
}

void PrintBeside(const Json& output) {
  PrintStrongest(output, "nodes", "nodes of the hierarchy (mean of |sum of phi|):",
                 [](const Json& node) { return node.at("node").get<std::string>(); });
  PrintStrongest(output, "interactions",
                 "pairs that interact most (mean |interaction|):", [](const Json& pair) {
                   const Json& groups = pair.at("groups");
                   return groups[0].get<std::string>() + " with " + groups[1].get<std::string>();
                 });
}

void PrintExplain(const job::RunResult& result, const std::string& out) {
  const Json& summary = result.result;
  const Json& tasks = result.run.at("tasks");
  const std::string memo = tasks.at("recalled").get<std::int64_t>() > 0
                               ? fmt::format(" ({} of {} blocks were remembered)",
                                             Grouped(tasks.at("recalled").get<std::int64_t>()),
                                             Grouped(tasks.at("total").get<std::int64_t>()))
                               : "";
  std::cout << fmt::format("Explained {} rows over {} groups in {}{}.\n",
                           Grouped(summary.at("rows").get<std::int64_t>()),
                           summary.at("groups").get<std::int64_t>(), Seconds(result.seconds), memo);
  PrintMethod(summary);
  if (const auto failed = summary.at("failed_rows").get<std::int64_t>(); failed > 0) {
    std::cout << fmt::format("{} rows have no finite value and were left out (NaN).\n",
                             Grouped(failed));
  }
  if (const auto tolerance = summary.find("tolerance"); tolerance != summary.end()) {
    std::cout << fmt::format(
        "{} of {} coalitions were saved; {} rows have intervals wider than +-{}.\n",
        Grouped(tolerance->at("coalitions_saved").get<std::int64_t>()),
        Grouped(summary.at("coalitions").get<std::int64_t>() +
                tolerance->at("coalitions_saved").get<std::int64_t>()),
        Grouped(tolerance->at("rows_not_reached").get<std::int64_t>()),
        tolerance->at("half_width").get<double>());
  }
  const std::string unit = summary.at("link") == "logit" ? "mean |phi|, log-odds"
                           : summary.at("spec").at("output") == "margin"
                               ? "mean |phi| of the margin"
                               : "mean |phi|";
  for (const Json& output : summary.at("outputs")) {
    PrintImportance(output, unit);
    PrintBeside(output);
  }
  std::cout << fmt::format("\nReport: {0}/report.html\nNumbers: {0}/attributions.parquet\n", out);
  if (summary.at("spec").at("interactions") == 2) {
    std::cout << fmt::format("Pairs: {}/interactions.parquet\n", out);
  }
}

}  // namespace

std::size_t Width(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string Padded(const std::string& text, std::size_t width) {
  return text + std::string(width > Width(text) ? width - Width(text) : 0, ' ');
}

std::string Visible(std::string text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = Utf8Length(text, i);
    const auto byte = static_cast<unsigned char>(text[i]);
    if (length == 0 || (length == 1 && (byte < 0x20 || byte == 0x7f))) text[i] = '?';
    i += std::max<std::size_t>(length, 1);
  }
  return text;
}

std::string Wrapped(const std::string& text, std::size_t indent) {
  constexpr std::size_t kColumns = 80;
  const std::size_t first = std::min(text.find_first_not_of(' '), text.size());
  std::string lines = text.substr(0, first);
  std::size_t column = first;
  bool begun = true;  // nothing stands in this line
  for (std::size_t begin = first; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (!begun && column + 1 + Width(word) > kColumns) {
      lines += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (!begun) {
      lines += ' ';
      ++column;
    }
    lines += word;
    column += Width(word);
    begun = false;
    begin = end + 1;
  }
  return lines;
}

std::string Grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  for (auto at = std::ssize(digits) - 3; at > (number < 0 ? 1 : 0); at -= 3) digits.insert(at, ",");
  return digits;
}

std::string Seconds(double seconds) {
  if (seconds < 60) return fmt::format("{:.3g} s", seconds);
  const std::int64_t whole = std::llround(seconds);
  if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02} h", whole / 3600, whole / 60 % 60);
}

std::string Size(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string FormatTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], Width(row[c]));
  }
  std::string text;
  text.reserve(rows.size() * std::accumulate(widths.begin(), widths.end(), 2 * widths.size()));
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      text += row[c];
      if (c + 1 < row.size()) text.append(widths[c] + 2 - Width(row[c]), ' ');
    }
    text += '\n';
  }
  return text;
}

void PrintMethod(const Json& described) {
  std::cout << Wrapped(fmt::format("Method {}: {}.", described.at("method").get<std::string>(),
                                   described.at("reason").get<std::string>()))
            << "\n";
  for (const Json& note : described.at("notes")) {
    std::cout << Wrapped(fmt::format("Note: {}.", Visible(note.get<std::string>()))) << "\n";
  }
}

void PrintResult(const std::string& kind, const job::RunResult& result, const std::string& out) {
  if (kind == "explain") {
    PrintExplain(result, out);
  } else if (kind == "explain_diff") {
    PrintDiff(result, out);
  } else if (kind == "explain_drift") {
    PrintDrift(result, out);
  } else if (kind == "tune_bench") {
    PrintTuneBench(result, out);
  } else {
    std::cout << result.result.dump(2) << "\n";
  }
}

}  // namespace windlass::cli
