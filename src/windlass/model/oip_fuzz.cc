// Any bytes as what an inference server says of a model, and as its answer: an error or a
// prediction, never a crash, a hang, or memory out of proportion. The first byte says how many rows
// were asked for and whether the answer goes on in binary, the second where its JSON ends.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "windlass/base/error.h"
#include "windlass/model/oip_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace windlass;
  if (size < 2) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data + 2), size - 2);
  const std::int64_t rows = data[0] & 7;
  std::optional<std::uint64_t> json_size;
  if ((data[0] & 8) != 0) json_size = body.size() - body.size() * data[1] / 255;
  for (const char* output : {"", "p"}) {
    try {
      const auto prediction = model::ParseOipAnswer(body, json_size, output, rows, "fuzz");
      if (std::ssize(prediction.values) != rows * prediction.width) std::abort();
    } catch (const Error&) {
    }
  }
  try {
    const auto signature =
        model::ReadOipSignature(model::ParseOipDocument(body, "fuzz"), {}, "fuzz");
    const auto again = model::DecodeOipSignature(model::EncodeOipSignature(signature));
    if (signature.columns >= 0 && signature.columns < 64) {
      const std::vector<double> x(3 * signature.columns, 1);
      const auto request = model::EncodeOipRequest(again, x, 3, "fuzz");
      model::ParseOipDocument(request.body, "fuzz");
    }
  } catch (const Error&) {
  }
  return 0;
}
