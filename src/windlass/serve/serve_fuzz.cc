// Any bytes as the body of a request: rows or a refusal, never a crash, a hang, or memory out of
// proportion. The first byte says which columns there are and whether tensors follow the JSON, the
// second where it ends.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "windlass/serve/protocol.h"
#include "windlass/serve/testing_internal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace windlass;
  if (size < 2) return 0;
  static const serve::SumService numbers(3, /*categories=*/false);
  static const serve::SumService mixed(2, /*categories=*/true);
  static const serve::SumService single(1, /*categories=*/true);
  static const serve::Protocol protocols[] = {{numbers, "m"}, {mixed, "m"}, {single, "m"}};
  static const serve::SumService* const services[] = {&numbers, &mixed, &single};
  const std::size_t which = data[0] % 3;
  const std::string_view body(reinterpret_cast<const char*>(data + 2), size - 2);
  std::optional<std::uint64_t> json_size;
  if ((data[0] & 128) != 0) json_size = body.size() - body.size() * data[1] / 255;
  try {
    const auto request = protocols[which].Parse(0, body, json_size);
    const std::size_t columns = services[which]->columns().size();
    if (request.x.size() != static_cast<std::size_t>(request.rows) * columns) std::abort();
    if (request.x.size() > body.size()) std::abort();
    job::ServiceResult result;
    services[which]->Run(
        0, request.x, request.rows, [] {}, result);
    const auto answer = protocols[which].Encode(0, request, result, 0);
    static_cast<void>(ParseJson(
        std::string_view(answer.body).substr(0, answer.json_size.value_or(answer.body.size())),
        "the answer"));
  } catch (const serve::Refusal&) {
  }
  return 0;
}
