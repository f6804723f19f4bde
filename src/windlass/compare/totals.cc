#include "windlass/compare/totals.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "windlass/base/error.h"
#include "windlass/base/random.h"

namespace windlass::compare {
namespace {

constexpr std::uint64_t kSampleStream = 0x6d6f766564;
constexpr std::size_t kMostSampled = 4096, kLeastSampled = 64;
constexpr std::size_t kSampleCells = std::size_t{4} << 20;  // 32 MiB of doubles

constexpr std::string_view kUnnamed = "0";

// Explain's own rounding is about 1e-10 of the attributions (docs/performance.md).
constexpr double kRounding = 1e-9;

std::int64_t PositionOf(const std::string& name, const std::vector<std::string>& names) {
  const auto found = std::ranges::find(names, name);
  return found == names.end() ? -1 : found - names.begin();
}

// Beyond, squares of values overflow; a row with such ones counts as one without a finite value.
constexpr double kMost = 1e150;

bool Usable(double value) { return std::abs(value) <= kMost; }

// Of a member of Explanation: that all runs which tell it tell the same.
void CheckUnit(const std::vector<Explanation>& runs, std::string Explanation::*member,
               std::string_view name) {
  const Explanation* first = nullptr;
  for (const Explanation& run : runs) {
    if ((run.*member).empty()) continue;
    if (first == nullptr) first = &run;
    if (run.*member != first->*member) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{0} was explained with {4} {1}, {2} with {4} {3}: attributions are "
                              "in different units; explain both with the same --{4}",
                              first->place, first->*member, run.place, run.*member, name));
    }
  }
}

std::string SomeOf(const std::vector<std::string>& groups) {
  constexpr std::size_t kNamed = 4;
  const std::size_t named = std::min(groups.size(), kNamed);
  return fmt::format("\"{}\"{}", fmt::join(groups.begin(), groups.begin() + named, "\", \""),
                     named < groups.size() ? ", ..." : "");
}

std::string TreeModeText(const Explanation& run) {
  return run.tree_mode == "path" ? "path dependent values (--tree-mode path)"
                                 : "values against a background (interventional)";
}

std::string NodesText(const Explanation& run) {
  return run.nodes->empty() ? "Shapley values" : "Owen values of a hierarchy (--coalitions)";
}

// Where a run has an output of a layout with `outputs`. Models without names call their single
// output "0": it is that of another model's single one, whatever its name.
std::int64_t OutputIn(const Explanation& run, const std::string& name, std::size_t outputs) {
  const std::int64_t at = PositionOf(name, run.outputs);
  const bool unnamed = outputs == 1 && run.outputs.size() == 1 && run.outputs[0] == kUnnamed;
  return at < 0 && unnamed ? 0 : at;
}

}  // namespace

void CheckGroups(const Explanation& a, const Explanation& b) {
  for (const std::string& group : a.groups) {
    if (PositionOf(group, b.groups) >= 0) return;
  }
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("{} and {} share no group: one has {}, the other {}; groups are matched "
                          "by name, so explain both with the same ones (--groups)",
                          a.place, b.place, SomeOf(a.groups), SomeOf(b.groups)));
}

std::vector<std::string> OtherValues(const std::vector<Explanation>& runs) {
  std::vector<std::string> sentences;
  const Explanation *mode = nullptr, *nodes = nullptr;
  for (const Explanation& run : runs) {
    if (!run.tree_mode.empty()) {
      if (mode == nullptr) mode = &run;
      if (run.tree_mode != mode->tree_mode) {
        sentences.push_back(fmt::format("{} has {}, {} has {}", mode->place, TreeModeText(*mode),
                                        run.place, TreeModeText(run)));
      }
    }
    if (!run.nodes) continue;
    if (nodes == nullptr) nodes = &run;
    if (*run.nodes == *nodes->nodes) continue;
    const bool both = !run.nodes->empty() && !nodes->nodes->empty();
    sentences.push_back(fmt::format("{} has {}, {} has {}", nodes->place, NodesText(*nodes),
                                    run.place, both ? "those of another" : NodesText(run)));
  }
  return sentences;
}

Layout LayoutOf(const std::vector<Explanation>& runs) {
  CheckUnit(runs, &Explanation::link, "link");
  CheckUnit(runs, &Explanation::output, "output");
  Layout layout;
  layout.outputs = runs[0].outputs;
  for (const Explanation& run : runs) {
    if (layout.outputs.size() == 1 && run.outputs.size() == 1 && layout.outputs[0] == kUnnamed) {
      layout.outputs = run.outputs;
    }
    std::erase_if(layout.outputs, [&](const std::string& name) {
      return OutputIn(run, name, layout.outputs.size()) < 0;
    });
    if (layout.outputs.empty()) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{} explains the output \"{}\", {} the output \"{}\": no output is "
                              "in both; explain the same ones (--class), or models that call "
                              "them alike",
                              runs[0].place, fmt::join(runs[0].outputs, "\", \""), run.place,
                              fmt::join(run.outputs, "\", \"")));
    }
    for (const std::string& group : run.groups) {
      if (PositionOf(group, layout.groups) < 0) layout.groups.push_back(group);
    }
  }
  return layout;
}

RowMap::RowMap(const Explanation& run, const Layout& layout)
    : groups_(std::ssize(run.groups)), intervals_(run.intervals) {
  for (const std::string& output : layout.outputs) {
    output_.push_back(OutputIn(run, output, layout.outputs.size()));
  }
  for (const std::string& group : layout.groups) group_.push_back(PositionOf(group, run.groups));
}

bool RowMap::Fill(const Block& block, std::int64_t r, Row& row) const {
  const std::size_t outputs = output_.size(), groups = group_.size();
  row.number = block.row[static_cast<std::size_t>(r)];
  row.base.resize(outputs);
  row.prediction.resize(outputs);
  row.phi.resize(outputs * groups);
  row.half_width.resize(outputs * groups);
  bool finite = true;
  for (std::size_t k = 0; k < outputs; ++k) {
    const double* line = block.Line(r, output_[k]);
    row.base[k] = line[0];
    row.prediction[k] = line[1];
    finite = finite && Usable(line[0]) && Usable(line[1]);
    for (std::size_t g = 0; g < groups; ++g) {
      const std::int64_t own = group_[g];
      const double phi = own < 0 ? 0 : line[2 + own];
      row.phi[k * groups + g] = phi;
      finite = finite && Usable(phi);
      row.half_width[k * groups + g] =
          own < 0 || !intervals_
              ? 0
              : (line[2 + groups_ + 2 * own + 1] - line[2 + groups_ + 2 * own]) / 2;
    }
  }
  return finite;
}

void RowSample::Offer(std::int64_t row, const std::vector<double>& values) {
  const auto slot = kept_.Offer(Random(kSampleStream, static_cast<std::uint64_t>(row)).Next());
  if (!slot) return;
  values_.resize(kept_.size() * width_);
  std::ranges::copy(values, values_.begin() + static_cast<std::ptrdiff_t>(*slot * width_));
}

std::vector<double> RowSample::Column(std::size_t i) const {
  std::vector<double> column;
  column.reserve(size());
  for (std::size_t slot = 0; slot < size(); ++slot) column.push_back(values_[slot * width_ + i]);
  return column;
}

std::size_t SampleRows(const Layout& layout, std::size_t sides) {
  const std::size_t cells = layout.outputs.size() * layout.groups.size() * sides;
  return std::clamp(kSampleCells / std::max<std::size_t>(1, cells), kLeastSampled, kMostSampled);
}

Totals::Totals(const Layout& layout, std::size_t sample_rows)
    : groups_(layout.groups.size()),
      moments_(layout.outputs.size(), Moments(Quantity::Width(groups_))),
      half_width_(layout.outputs.size() * groups_),
      sample_(sample_rows, layout.outputs.size() * groups_) {}

void Totals::Add(const Row& row) {
  ++rows_;
  for (std::size_t k = 0; k < moments_.size(); ++k) {
    Quantities(row, k, groups_, line_);
    moments_[k].Add(line_);
  }
  for (std::size_t i = 0; i < half_width_.size(); ++i) half_width_[i] += row.half_width[i];
  sample_.Offer(row.number, row.phi);
}

Estimate Totals::Of(std::size_t output, std::size_t quantity) const {
  const Moments& moments = moments_[output];
  Estimate estimate{moments.mean(quantity), moments.variance(quantity), static_cast<double>(rows_)};
  if (quantity >= Quantity::kFirst && rows_ > 0) {
    const std::size_t g = (quantity - Quantity::kFirst) / 2;
    estimate.own = half_width_[output * groups_ + g] / static_cast<double>(rows_);
  }
  return estimate;
}

double Totals::importance(std::size_t output) const {
  double sum = 0;
  for (std::size_t g = 0; g < groups_; ++g) sum += moments_[output].mean(Quantity::Importance(g));
  return sum;
}

std::vector<double> Totals::Sample(std::size_t output, std::size_t group) const {
  return sample_.Column(output * groups_ + group);
}

void Quantities(const Row& row, std::size_t output, std::size_t groups, std::vector<double>& line) {
  line.resize(Quantity::Width(groups));
  line[Quantity::kBase] = row.base[output];
  line[Quantity::kPrediction] = row.prediction[output];
  for (std::size_t g = 0; g < groups; ++g) {
    const double phi = row.phi[output * groups + g];
    line[Quantity::Phi(g)] = phi;
    line[Quantity::Importance(g)] = std::abs(phi);
  }
}

double RoundingOf(const Totals& a, const Totals& b, std::size_t output) {
  return kRounding * (a.importance(output) + b.importance(output));
}

Distance DistanceOf(const Totals& a, const Totals& b, std::size_t output, std::size_t group) {
  Distance distance =
      DistanceOf(a.Sample(output, group), b.Sample(output, group), RoundingOf(a, b, output));
  const auto exact = [&](const Totals& side) {
    return side.Of(output, Quantity::Phi(group)).own == 0;
  };
  if (exact(a) != exact(b)) distance.p = 1;
  return distance;
}

}  // namespace windlass::compare
