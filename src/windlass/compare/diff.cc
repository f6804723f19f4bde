#include "windlass/compare/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "windlass/base/error.h"

namespace windlass::compare {
namespace {

constexpr std::int64_t kBlockRows = 4096;
constexpr std::size_t kNamedGroups = 3;  // of a row that moved

// The rows that moved most, of one output: a heap whose front moved least.
class MovedRows {
 public:
  void Offer(const Row& a, const Row& b, std::size_t k, std::size_t groups) {
    const double size = std::abs(b.prediction[k] - a.prediction[k]);
    if (rows_.size() == kMovedRows && size <= Size(rows_.front())) return;
    if (rows_.size() == kMovedRows) {
      std::ranges::pop_heap(rows_, Before);
      rows_.pop_back();
    }
    MovedRow moved{a.number, a.prediction[k], b.prediction[k], b.base[k] - a.base[k], {}};
    for (std::size_t g = 0; g < groups; ++g) {
      moved.phi.push_back(b.phi[k * groups + g] - a.phi[k * groups + g]);
    }
    rows_.push_back(std::move(moved));
    std::ranges::push_heap(rows_, Before);
  }

  std::vector<MovedRow> Finish() && {
    std::ranges::sort(rows_, Before);
    return std::move(rows_);
  }

 private:
  static double Size(const MovedRow& row) { return std::abs(row.b - row.a); }
  // Of rows that moved as much, the first stay.
  static bool Before(const MovedRow& x, const MovedRow& y) {
    return Size(x) != Size(y) ? Size(x) > Size(y) : x.row < y.row;
  }

  std::vector<MovedRow> rows_;
};

// Both runs, and the differences of their rows where these are paired.
struct Gathered {
  Gathered(const Layout& layout, const Explanation& run_a, const Explanation& run_b)
      : map_a(run_a, layout),
        map_b(run_b, layout),
        a(layout, SampleRows(layout, 2)),
        b(layout, SampleRows(layout, 2)),
        difference(layout.outputs.size(), Moments(Quantity::Width(layout.groups.size()))),
        moved(layout.outputs.size()) {}

  RowMap map_a, map_b;
  Totals a, b;
  std::vector<Moments> difference;     // [outputs]
  std::vector<MovedRows> moved;        // [outputs]
  std::vector<double> line_a, line_b;  // what AddPair works in
};

void ReadSide(const Explanation& run, const RowMap& map, const Tick& tick, Totals& totals) {
  ExplanationReader reader(run);
  Block block;
  Row row;
  while (reader.Next(kBlockRows, block)) {
    for (std::int64_t r = 0; r < block.rows; ++r) {
      if (map.Fill(block, r, row)) {
        totals.Add(row);
      } else {
        totals.Fail();
      }
    }
    tick(block.rows);
  }
}

[[noreturn]] void NotTheSame(const Explanation& a, const Explanation& b, const std::string& why) {
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("the rows of {} and {} cannot be paired: {}; --independent compares them "
                          "as two samples",
                          a.place, b.place, why));
}

void AddPair(const Row& a, const Row& b, const Layout& layout, Gathered& gathered) {
  gathered.a.Add(a);
  gathered.b.Add(b);
  const std::size_t groups = layout.groups.size();
  for (std::size_t k = 0; k < layout.outputs.size(); ++k) {
    Quantities(a, k, groups, gathered.line_a);
    Quantities(b, k, groups, gathered.line_b);
    for (std::size_t i = 0; i < gathered.line_a.size(); ++i) {
      gathered.line_b[i] -= gathered.line_a[i];
    }
    gathered.difference[k].Add(gathered.line_b);
    gathered.moved[k].Offer(a, b, k, groups);
  }
}

void ReadPairs(const Explanation& run_a, const Explanation& run_b, const Layout& layout,
               const Tick& tick, Gathered& gathered) {
  ExplanationReader reader_a(run_a), reader_b(run_b);
  if (reader_a.rows() != reader_b.rows()) {
    NotTheSame(run_a, run_b,
               fmt::format("one has {} rows, the other {}", reader_a.rows(), reader_b.rows()));
  }
  Block block_a, block_b;
  Row a, b;
  while (reader_a.Next(kBlockRows, block_a)) {
    if (!reader_b.Next(kBlockRows, block_b) || block_b.row != block_a.row) {
      NotTheSame(run_a, run_b,
                 fmt::format("their row numbers differ from row {} on", block_a.row.front()));
    }
    for (std::int64_t r = 0; r < block_a.rows; ++r) {
      const bool good_a = gathered.map_a.Fill(block_a, r, a);
      const bool good_b = gathered.map_b.Fill(block_b, r, b);
      if (!good_a) gathered.a.Fail();
      if (!good_b) gathered.b.Fail();
      if (good_a && good_b) AddPair(a, b, layout, gathered);
    }
    tick(2 * block_a.rows);
  }
}

void CheckRows(const Explanation& run, const Totals& totals) {
  if (totals.rows() > 0) return;
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("{}: none of its rows has finite attributions that can be compared ({} "
                          "failed)",
                          run.place, totals.failed()));
}

Change ChangeOf(const Gathered& gathered, bool paired, std::size_t k, std::size_t quantity) {
  const Estimate a = gathered.a.Of(k, quantity), b = gathered.b.Of(k, quantity);
  const double rounding = RoundingOf(gathered.a, gathered.b, k);
  if (!paired) return Independent(a, b, rounding);
  const Moments& moments = gathered.difference[k];
  const Estimate difference{moments.mean(quantity), moments.variance(quantity),
                            static_cast<double>(moments.rows())};
  return Paired(a, b, difference, rounding);
}

OutputDiff OutputOf(Gathered& gathered, const Layout& layout, bool paired, std::size_t k) {
  OutputDiff output;
  output.prediction = ChangeOf(gathered, paired, k, Quantity::kPrediction);
  output.base = ChangeOf(gathered, paired, k, Quantity::kBase);
  output.remainder = output.prediction.change - output.base.change;
  for (std::size_t g = 0; g < layout.groups.size(); ++g) {
    GroupDiff group;
    group.group = g;
    if (!gathered.map_b.has(g)) group.only = 'a';
    if (!gathered.map_a.has(g)) group.only = 'b';
    group.mean = ChangeOf(gathered, paired, k, Quantity::Phi(g));
    group.importance = ChangeOf(gathered, paired, k, Quantity::Importance(g));
    group.distance = DistanceOf(gathered.a, gathered.b, k, g);
    output.remainder -= group.mean.change;
    output.groups.push_back(group);
  }
  std::ranges::stable_sort(output.groups, std::greater{}, &GroupDiff::moved);
  if (paired) output.rows = std::move(gathered.moved[k]).Finish();
  return output;
}

// What only one run has is no test: it is there or it is not.
std::size_t AdjustAll(std::vector<OutputDiff>& outputs) {
  std::vector<double*> p;
  for (OutputDiff& output : outputs) {
    for (GroupDiff& group : output.groups) {
      if (group.only != 0) continue;
      p.insert(p.end(), {&group.mean.p, &group.importance.p, &group.distance.p});
    }
  }
  AdjustHolm(p);
  return p.size();
}

Json OnlyIn(const std::vector<std::string>& names, const std::vector<std::string>& others) {
  Json only = Json::array();
  for (const std::string& name : names) {
    if (std::ranges::find(others, name) == others.end()) only.push_back(name);
  }
  return only;
}

Json ToJson(const MovedRow& row, const Layout& layout) {
  std::vector<std::size_t> order(row.phi.size());
  for (std::size_t g = 0; g < order.size(); ++g) order[g] = g;
  std::ranges::stable_sort(order, std::greater{},
                           [&](std::size_t g) { return std::abs(row.phi[g]); });
  Json named = Json::array();
  double others = row.b - row.a - row.base;
  for (std::size_t i = 0; i < std::min(order.size(), kNamedGroups); ++i) {
    named.push_back({{"group", layout.groups[order[i]]}, {"change", row.phi[order[i]]}});
    others -= row.phi[order[i]];
  }
  return {{"row", row.row},          {"a", row.a},       {"b", row.b},
          {"change", row.b - row.a}, {"base", row.base}, {"groups", std::move(named)},
          {"others", others}};
}

Json ToJson(const GroupDiff& group, const Layout& layout) {
  Json json = {{"group", layout.groups[group.group]},
               {"only_in", group.only == 0 ? Json() : Json(std::string(1, group.only))},
               {"mean", ToJson(group.mean)},
               {"importance", ToJson(group.importance)},
               {"distance", ToJson(group.distance)}};
  if (group.only == 0) return json;
  // There is nothing on the other side to compare with.
  json["distance"] = nullptr;
  for (const char* part : {"mean", "importance"}) {
    json[part]["p"] = json[part]["certain"] = nullptr;
  }
  return json;
}

Json Side(const Explanation& run, std::int64_t rows, std::int64_t failed, std::int64_t sampled) {
  Json side = ToJson(run);
  side["rows"] = rows;
  side["failed_rows"] = failed;
  side["sampled_rows"] = sampled;
  return side;
}

}  // namespace

double GroupDiff::moved() const {
  const double by_mean = std::abs(mean.change);
  return only != 0 ? by_mean : std::max(by_mean, distance.wasserstein);
}

Pairing ChoosePairing(const Explanation& a, const Explanation& b, const std::string& wish) {
  if (wish == "paired") return {true, "asked for"};
  if (wish == "independent") return {false, "asked for"};
  if (!a.rows || !b.rows || a.data.empty() || b.data.empty()) {
    return {false, "no summary.json says that the rows are the same"};
  }
  if (a.data != b.data) return {false, "the data differ"};
  if (*a.rows != *b.rows) return {false, "the numbers of rows differ"};
  return {true, "both summaries name the same data and number of rows"};
}

DiffResult Diff(const Explanation& a, const Explanation& b, const std::string& pairing,
                const Tick& tick) {
  DiffResult result{a, b, LayoutOf({a, b}), ChoosePairing(a, b, pairing)};
  Gathered gathered(result.layout, a, b);
  if (result.pairing.paired) {
    ReadPairs(a, b, result.layout, tick, gathered);
  } else {
    ReadSide(a, gathered.map_a, tick, gathered.a);
    ReadSide(b, gathered.map_b, tick, gathered.b);
  }
  CheckRows(a, gathered.a);
  CheckRows(b, gathered.b);
  result.rows_a = gathered.a.rows();
  result.rows_b = gathered.b.rows();
  result.failed_a = gathered.a.failed();
  result.failed_b = gathered.b.failed();
  result.sampled_a = static_cast<std::int64_t>(gathered.a.sampled());
  result.sampled_b = static_cast<std::int64_t>(gathered.b.sampled());
  for (std::size_t k = 0; k < result.layout.outputs.size(); ++k) {
    result.outputs.push_back(OutputOf(gathered, result.layout, result.pairing.paired, k));
  }
  result.tests = AdjustAll(result.outputs);
  return result;
}

Json Number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

Json ToJson(const Change& change) {
  return {{"a", Number(change.a)},
          {"b", Number(change.b)},
          {"change", Number(change.change)},
          {"low", Number(change.change - change.half_width)},
          {"high", Number(change.change + change.half_width)},
          {"p", Number(change.p)},
          {"certain", change.p < kLevel}};
}

Json ToJson(const Distance& distance) {
  return {{"wasserstein", Number(distance.wasserstein)},
          {"ks", Number(distance.ks)},
          {"ks_critical", Number(distance.critical)},
          {"p", Number(distance.p)},
          {"certain", distance.p < kLevel}};
}

Json ToJson(const Explanation& run) {
  const auto text = [](const std::string& value) { return value.empty() ? Json() : Json(value); };
  return {{"place", run.place},        {"link", text(run.link)}, {"method", text(run.method)},
          {"model", text(run.model)},  {"data", text(run.data)}, {"groups", run.groups.size()},
          {"intervals", run.intervals}};
}

Json ToJson(const DiffResult& result) {
  Json outputs = Json::array();
  for (std::size_t k = 0; k < result.outputs.size(); ++k) {
    const OutputDiff& output = result.outputs[k];
    Json groups = Json::array(), rows = Json::array();
    for (const GroupDiff& group : output.groups) groups.push_back(ToJson(group, result.layout));
    for (const MovedRow& row : output.rows) rows.push_back(ToJson(row, result.layout));
    Json prediction = ToJson(output.prediction), base = ToJson(output.base);
    for (Json* untested : {&prediction, &base}) {
      untested->erase("p");
      untested->erase("certain");
    }
    outputs.push_back({{"output", result.layout.outputs[k]},
                       {"prediction", std::move(prediction)},
                       {"base_value", std::move(base)},
                       {"remainder", output.remainder},
                       {"groups", std::move(groups)},
                       {"rows_moved", std::move(rows)}});
  }
  const std::string link = result.a.link.empty() ? result.b.link : result.a.link;
  return {{"link", link.empty() ? Json() : Json(link)},
          {"paired", result.pairing.paired},
          {"pairing_reason", result.pairing.reason},
          {"a", Side(result.a, result.rows_a, result.failed_a, result.sampled_a)},
          {"b", Side(result.b, result.rows_b, result.failed_b, result.sampled_b)},
          {"outputs_only_in",
           {{"a", OnlyIn(result.a.outputs, result.b.outputs)},
            {"b", OnlyIn(result.b.outputs, result.a.outputs)}}},
          {"correction", "Holm"},
          {"tests", result.tests},
          {"level", kLevel},
          {"outputs", std::move(outputs)}};
}

}  // namespace windlass::compare
