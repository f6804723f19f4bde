#include "windlass/explain/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/page.h"

namespace windlass {
extern const std::string_view kReportPage;  // web/dist/report.html, by windlass_embed_file
}

namespace windlass::explain {
namespace {

using Json = nlohmann::ordered_json;  // the order of keys is the order they are written in

constexpr int kDataVersion = 1;  // web/src/data.ts reads this version

void CheckSize(std::string_view field, std::size_t size, std::size_t expected,
               std::string_view shape) {
  if (size == expected) return;
  throw Error(ErrorCode::kInternal, fmt::format("report: {} has {} entries, but {} needs {}", field,
                                                size, shape, expected));
}

// Of methods that sample, else empty.
void CheckIntervals(const ReportData& data) {
  const std::size_t outputs = data.outputs.size(), groups = data.groups.size();
  const std::size_t shown = data.row.size();
  const bool intervals = !data.importance_half_width.empty();
  const auto check = [&](std::string_view field, std::size_t size, std::size_t expected,
                         std::string_view shape) {
    CheckSize(field, size, intervals ? expected : 0, shape);
  };
  check("importance_half_width", data.importance_half_width.size(), outputs * groups,
        "[outputs, groups]");
  check("half_width", data.half_width.size(), shown * outputs * groups,
        "[shown, outputs, groups] of methods that sample");
  check("ranked", data.ranked.size(), shown * outputs, "[shown, outputs] of methods that sample");
}

void CheckCohorts(const ReportData& data) {
  const ReportCohorts& cohorts = data.cohorts;
  const std::size_t outputs = data.outputs.size(), count = cohorts.names.size();
  const std::size_t cells = outputs * count * data.groups.size();
  CheckSize("cohorts.rows", cohorts.rows.size(), count, "[cohorts]");
  CheckSize("cohorts.prediction", cohorts.prediction.size(), outputs * count, "[outputs, cohorts]");
  CheckSize("cohorts.mean_abs", cohorts.mean_abs.size(), cells, "[outputs, cohorts, groups]");
  CheckSize("cohorts.mean", cohorts.mean.size(), cells, "[outputs, cohorts, groups]");
  CheckSize("cohorts.half_width", cohorts.half_width.size(),
            data.importance_half_width.empty() ? 0 : cells,
            "[outputs, cohorts, groups] of methods that sample");
  CheckSize("cohorts.member", cohorts.member.size(), count == 0 ? 0 : data.row.size(), "[shown]");
  for (const std::int32_t member : cohorts.member) {
    if (member >= 0 && static_cast<std::size_t>(member) < count) continue;
    throw Error(ErrorCode::kInternal,
                fmt::format("report: a row is in cohort {} of {}", member, count));
  }
}

void CheckShapes(const ReportData& data) {
  if (data.link != "identity" && data.link != "logit") {
    throw Error(
        ErrorCode::kInternal,
        fmt::format(R"(report: link is "{}"; it must be "identity" or "logit")", data.link));
  }
  if (data.outputs.empty()) {
    throw Error(ErrorCode::kInternal, "report: outputs is empty; a model has at least one");
  }
  const std::size_t outputs = data.outputs.size();
  const std::size_t groups = data.groups.size();
  const std::size_t shown = data.row.size();
  CheckSize("importance", data.importance.size(), outputs * groups, "[outputs, groups]");
  if (!data.interactions.empty()) {
    CheckSize("interactions", data.interactions.size(), outputs * groups * (groups - 1) / 2,
              "[outputs, pairs]");
  }
  CheckSize("base_value", data.base_value.size(), outputs, "[outputs]");
  CheckSize("prediction", data.prediction.size(), shown * outputs, "[shown, outputs]");
  CheckSize("phi", data.phi.size(), shown * outputs * groups, "[shown, outputs, groups]");
  CheckSize("value", data.value.size(), shown * groups, "[shown, groups]");
  CheckIntervals(data);
  CheckCohorts(data);
  std::int64_t previous = -1;
  for (const std::int64_t row : data.row) {
    if (row <= previous || row >= data.rows) {
      throw Error(ErrorCode::kInternal,
                  fmt::format("report: row {} follows row {}; row numbers must ascend within 0..{}",
                              row, previous, data.rows - 1));
    }
    previous = row;
  }
}

// Base64 (RFC 4648, with padding) of the little-endian bytes of each number.
template <typename Bits>
class Base64Writer {
 public:
  explicit Base64Writer(std::size_t numbers) {
    text_.reserve((numbers * sizeof(Bits) + 2) / 3 * 4);
  }

  void Append(Bits bits) {
    for (std::size_t byte = 0; byte < sizeof(Bits); ++byte) {
      pending_ = pending_ << 8 | (bits >> (8 * byte) & 0xff);
      if (++pending_bytes_ == 3) Flush();
    }
  }

  std::string Finish() && {
    if (pending_bytes_ > 0) {
      const int padding = 3 - pending_bytes_;
      pending_ <<= 8 * padding;
      Flush();
      text_.replace(text_.size() - padding, padding, padding, '=');
    }
    return std::move(text_);
  }

 private:
  void Flush() {
    static constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int shift = 18; shift >= 0; shift -= 6) text_ += kDigits[pending_ >> shift & 0x3f];
    pending_ = 0;
    pending_bytes_ = 0;
  }

  std::string text_;
  std::uint32_t pending_ = 0;
  int pending_bytes_ = 0;
};

template <typename Float, typename Bits>
std::string EncodeFloats(std::span<const double> numbers) {
  // One pattern for every NaN: payload and sign differ between machines, bytes must not.
  constexpr Float kNan = std::numeric_limits<Float>::quiet_NaN();
  Base64Writer<Bits> writer(numbers.size());
  for (const double number : numbers) {
    const Float value = std::isnan(number) ? kNan : static_cast<Float>(number);
    writer.Append(std::bit_cast<Bits>(value));
  }
  return std::move(writer).Finish();
}

// Whether single precision would show another number: one out of its range, or a whole number with
// more digits than it holds, such as an identifier or a time in seconds.
bool NeedsDouble(double number) {
  if (!std::isfinite(number) || number == 0.0) return false;
  const double size = std::fabs(number);
  if (size > std::numeric_limits<float>::max() || size < std::numeric_limits<float>::min()) {
    return true;
  }
  return number == std::trunc(number) && static_cast<double>(static_cast<float>(number)) != number;
}

Json Doubles(std::span<const double> numbers) {
  return Json{{"f64", EncodeFloats<double, std::uint64_t>(numbers)}};
}

Json Compact(std::span<const double> numbers) {
  if (std::ranges::any_of(numbers, NeedsDouble)) return Doubles(numbers);
  return Json{{"f32", EncodeFloats<float, std::uint32_t>(numbers)}};
}

// The upper halves of singles ("bf16"), rounded up: two digits of a half width are enough, and none
// becomes narrower than it is.
Json Rough(std::span<const double> half_widths) {
  constexpr std::uint16_t kNan = 0x7fc0;
  Base64Writer<std::uint16_t> writer(half_widths.size());
  for (const double half_width : half_widths) {
    const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(half_width));
    const bool rest = (bits & 0xffff) != 0;
    writer.Append(std::isnan(half_width) ? kNan : static_cast<std::uint16_t>((bits >> 16) + rest));
  }
  return Json{{"bf16", std::move(writer).Finish()}};
}

// Numbers to be read by eye or by other tools. JSON has no word for what is not finite: NaN is
// null, an infinity a string.
Json Plain(std::span<const double> numbers) {
  Json list = Json::array();
  for (const double number : numbers) {
    if (std::isinf(number)) {
      list.push_back(number > 0 ? "Infinity" : "-Infinity");
    } else if (std::isnan(number)) {
      list.push_back(nullptr);
    } else {
      list.push_back(number);
    }
  }
  return list;
}

Json GroupsOf(const ReportData& data) {
  Json groups = Json::array();
  for (const ReportGroup& group : data.groups) {
    groups.push_back(
        {{"name", group.name}, {"columns", group.columns}, {"categories", group.categories}});
  }
  return groups;
}

Json CohortsOf(const ReportCohorts& cohorts) {
  Json made = {{"by", cohorts.by},
               {"names", cohorts.names},
               {"rows", cohorts.rows},
               {"prediction", Plain(cohorts.prediction)},
               {"mean_abs", Plain(cohorts.mean_abs)},
               {"mean", Plain(cohorts.mean)},
               {"member", cohorts.member}};
  if (!cohorts.half_width.empty()) made["half_width"] = Plain(cohorts.half_width);
  return made;
}

}  // namespace

std::string RenderReport(const ReportData& data) {
  CheckShapes(data);
  Json document = {
      {"version", kDataVersion},
      {"windlass", data.windlass_version},
      {"model", data.model},
      {"data", data.data},
      {"link", data.link},
      {"method", data.method},
      {"reason", data.reason},
      {"rows", data.rows},
      {"model_evaluations", data.model_evaluations},
      {"outputs", data.outputs},
      {"groups", GroupsOf(data)},
      {"importance", Plain(data.importance)},
      {"base_value", Plain(data.base_value)},
      {"row", data.row},
      {"prediction", Doubles(data.prediction)},
      {"phi", Compact(data.phi)},
      {"value", Compact(data.value)},
  };
  if (data.margin) document["margin"] = true;
  if (!data.notes.empty()) document["notes"] = data.notes;
  if (!data.interactions.empty()) document["interactions"] = Plain(data.interactions);
  if (!data.importance_half_width.empty()) {
    document["importance_half_width"] = Plain(data.importance_half_width);
    document["half_width"] = Rough(data.half_width);
    document["ranked"] = data.ranked;
  }
  if (!data.cohorts.names.empty()) document["cohorts"] = CohortsOf(data.cohorts);
  return FillPage(kReportPage,
                  document.dump(/*indent=*/-1, /*indent_char=*/' ', /*ensure_ascii=*/false,
                                Json::error_handler_t::replace));
}

}  // namespace windlass::explain
