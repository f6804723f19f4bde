#include "windlass/compare/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "windlass/base/error.h"

namespace windlass::compare {
namespace {

constexpr std::int64_t kBlockRows = 4096;
constexpr std::size_t kNamedParts = 3;  // of a row that moved

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

  // Rows that moved by no more than `rounding` did not.
  std::vector<MovedRow> Finish(double rounding) && {
    std::erase_if(rows_, [&](const MovedRow& row) { return Size(row) <= rounding; });
    std::ranges::sort(rows_, Before);
    return std::move(rows_);
  }

 private:
  static double Size(const MovedRow& row) { return std::abs(row.change()); }
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
  std::vector<Moments> difference;  // [outputs]
  std::vector<MovedRows> moved;     // [outputs]
  std::int64_t failed_pairs = 0;
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

// False where neither has rows left; a side that has none gives an empty block.
bool NextOfBoth(ExplanationReader& a, ExplanationReader& b, Block& block_a, Block& block_b) {
  const auto next = [](ExplanationReader& reader, Block& block) {
    if (reader.Next(kBlockRows, block)) return true;
    block.rows = 0;
    block.row.clear();
    return false;
  };
  const bool has_a = next(a, block_a), has_b = next(b, block_b);
  return has_a || has_b;
}

std::int64_t RowsLeft(ExplanationReader& reader) {
  std::int64_t rows = 0;
  Block block;
  while (reader.Next(kBlockRows, block)) rows += block.rows;
  return rows;
}

void ReadPairs(const Explanation& run_a, const Explanation& run_b, const Layout& layout,
               const Tick& tick, Gathered& gathered) {
  ExplanationReader reader_a(run_a), reader_b(run_b);
  const auto count = [&](std::int64_t rows_a, std::int64_t rows_b) {
    if (rows_a == rows_b) return;
    NotTheSame(run_a, run_b, fmt::format("one has {} rows, the other {}", rows_a, rows_b));
  };
  if (reader_a.rows() && reader_b.rows()) count(*reader_a.rows(), *reader_b.rows());
  Block block_a, block_b;
  Row a, b;
  std::int64_t before = 0;  // rows of earlier blocks
  while (NextOfBoth(reader_a, reader_b, block_a, block_b)) {
    const auto [of_a, of_b] = std::ranges::mismatch(block_a.row, block_b.row);
    if (of_a != block_a.row.end() && of_b != block_b.row.end()) {
      NotTheSame(run_a, run_b,
                 fmt::format("their row numbers differ: where one has row {}, the other has row {}",
                             *of_a, *of_b));
    }
    if (block_a.rows != block_b.rows) {  // one ended, which its format did not tell before
      count(before + block_a.rows + RowsLeft(reader_a), before + block_b.rows + RowsLeft(reader_b));
    }
    before += block_a.rows;
    for (std::int64_t r = 0; r < block_a.rows; ++r) {
      const bool good_a = gathered.map_a.Fill(block_a, r, a);
      const bool good_b = gathered.map_b.Fill(block_b, r, b);
      if (good_a && good_b) {
        AddPair(a, b, layout, gathered);
      } else {
        ++gathered.failed_pairs;
      }
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

void CheckPairs(const Explanation& a, const Explanation& b, const Gathered& gathered) {
  if (gathered.a.rows() > 0) return;
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("{} and {}: no row has finite attributions in both ({} failed)", a.place,
                          b.place, gathered.failed_pairs));
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
  const auto constant = [&](const Totals& side) {
    return !(side.Of(k, Quantity::kBase).variance > 0);
  };
  // That of a run, which no rows are drawn for: known, also with one row.
  if (constant(gathered.a) && constant(gathered.b)) output.base.half_width = 0;
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
  if (paired) {
    output.rows = std::move(gathered.moved[k]).Finish(RoundingOf(gathered.a, gathered.b, k));
  }
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

// The parts that moved a row the way it went, most first: a group each, or the base value (null).
Json ToJson(const MovedRow& row, const Layout& layout) {
  const double way = row.change() < 0 ? -1 : 1;
  std::vector<std::pair<double, Json>> parts;
  const auto add = [&](double change, Json group) {
    if (change * way > 0) parts.emplace_back(change, std::move(group));
  };
  add(row.base, nullptr);
  for (std::size_t g = 0; g < row.phi.size(); ++g) add(row.phi[g], layout.groups[g]);
  std::ranges::stable_sort(parts, std::greater{},
                           [](const auto& part) { return std::abs(part.first); });
  parts.resize(std::min(parts.size(), kNamedParts));
  Json named = Json::array();
  double others = row.change();
  for (auto& [change, group] : parts) {
    others -= change;
    named.push_back({{"group", std::move(group)}, {"change", change}});
  }
  return {{"row", row.row},         {"a", row.a},       {"b", row.b},
          {"change", row.change()}, {"base", row.base}, {"parts", std::move(named)},
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

Json Side(const Explanation& run, bool paired, std::int64_t rows, std::int64_t failed,
          std::int64_t sampled) {
  Json side = ToJson(run);
  side["rows"] = rows;
  side["failed_rows"] = paired ? Json() : Json(failed);
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
  if (!a.rows || !b.rows || a.data_digest.empty() || b.data_digest.empty()) {
    return {false, "no summary.json tells whether the rows are the same"};
  }
  if (a.data_digest != b.data_digest || *a.rows != *b.rows) {
    return {false, "the rows explained differ"};
  }
  return {true, "both explained the same rows"};
}

DiffResult Diff(const Explanation& a, const Explanation& b, const std::string& pairing,
                const Tick& tick) {
  DiffResult result{a, b, LayoutOf({a, b}), ChoosePairing(a, b, pairing)};
  CheckGroups(a, b);
  Gathered gathered(result.layout, a, b);
  if (result.pairing.paired) {
    ReadPairs(a, b, result.layout, tick, gathered);
    CheckPairs(a, b, gathered);
  } else {
    ReadSide(a, gathered.map_a, tick, gathered.a);
    ReadSide(b, gathered.map_b, tick, gathered.b);
    CheckRows(a, gathered.a);
    CheckRows(b, gathered.b);
  }
  result.rows_a = gathered.a.rows();
  result.rows_b = gathered.b.rows();
  result.failed_a = gathered.a.failed();
  result.failed_b = gathered.b.failed();
  result.failed_pairs = gathered.failed_pairs;
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

Json LinksUnknown(const std::vector<Explanation>& runs) {
  Json places = Json::array();
  for (const Explanation& run : runs) {
    if (run.link.empty()) places.push_back(run.place);
  }
  return places;
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
  // Single outputs of which one has no name, so that they differ by name and are one.
  const bool matched = result.a.outputs.size() == 1 && result.b.outputs.size() == 1;
  const std::string link = result.a.link.empty() ? result.b.link : result.a.link;
  const bool paired = result.pairing.paired;
  return {{"link", link.empty() ? Json() : Json(link)},
          {"links_unknown", LinksUnknown({result.a, result.b})},
          {"other_values", OtherValues({result.a, result.b})},
          {"paired", paired},
          {"pairing_reason", result.pairing.reason},
          {"failed_pairs", paired ? Json(result.failed_pairs) : Json()},
          {"a", Side(result.a, paired, result.rows_a, result.failed_a, result.sampled_a)},
          {"b", Side(result.b, paired, result.rows_b, result.failed_b, result.sampled_b)},
          {"outputs_only_in",
           {{"a", OnlyIn(result.a.outputs, matched ? result.a.outputs : result.b.outputs)},
            {"b", OnlyIn(result.b.outputs, matched ? result.b.outputs : result.a.outputs)}}},
          {"correction", "Holm"},
          {"tests", result.tests},
          {"level", kLevel},
          {"outputs", std::move(outputs)}};
}

}  // namespace windlass::compare
