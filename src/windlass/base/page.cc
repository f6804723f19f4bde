#include "windlass/base/page.h"

#include <fmt/format.h>

#include "windlass/base/error.h"

namespace windlass {
namespace {

constexpr std::string_view kPlaceholder = "__WINDLASS_DATA__";

// JSON stays the same JSON when these stand as escapes, as they do in strings only; but then
// nothing in it can end the script element or begin another, and it is valid JavaScript too.
std::string EscapeForHtml(std::string_view json) {
  std::string escaped;
  escaped.reserve(json.size() + json.size() / 64);
  for (std::size_t at = 0; at < json.size(); ++at) {
    const std::string_view rest = json.substr(at);
    if (rest.front() == '<') {
      escaped += "\\u003c";
    } else if (rest.front() == '>') {
      escaped += "\\u003e";
    } else if (rest.front() == '&') {
      escaped += "\\u0026";
    } else if (rest.starts_with("\xe2\x80\xa8") || rest.starts_with("\xe2\x80\xa9")) {
      escaped += rest[2] == '\xa8' ? "\\u2028" : "\\u2029";
      at += 2;
    } else {
      escaped += rest.front();
    }
  }
  return escaped;
}

}  // namespace

std::string FillPage(std::string_view page, std::string_view json) {
  const std::size_t at = page.find(kPlaceholder);
  if (at == std::string_view::npos || page.rfind(kPlaceholder) != at) {
    throw Error(ErrorCode::kInternal,
                fmt::format("the built page must hold {} exactly once", kPlaceholder));
  }
  std::string filled(page.substr(0, at));
  filled += EscapeForHtml(json);
  filled += page.substr(at + kPlaceholder.size());
  return filled;
}

}  // namespace windlass
