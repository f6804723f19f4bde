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
  if (!data.interactions.empty()) document["interactions"] = Plain(data.interactions);
  return FillPage(kReportPage,
                  document.dump(/*indent=*/-1, /*indent_char=*/' ', /*ensure_ascii=*/false,
                                Json::error_handler_t::replace));
}

}  // namespace windlass::explain
