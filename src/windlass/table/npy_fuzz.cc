// Any bytes as an npy file: an Error or rows, nothing else.
#include <cstddef>
#include <cstdint>

#include "windlass/base/error.h"
#include "windlass/table/npy_internal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace windlass;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const auto reader =
        table::MakeNpyReader(std::make_unique<table::MemorySource>(bytes), "fuzz.npy", {});
    table::Chunk chunk;
    std::int64_t rows = 0;
    constexpr std::int64_t kLimit = 1 << 20;  // a matrix of no bytes may have very many rows
    while (rows < kLimit && reader->Next(1 + static_cast<std::int64_t>(size % 100), chunk)) {
      if (chunk.first_row != rows || chunk.values.size() != chunk.rows * reader->schema().size()) {
        __builtin_trap();
      }
      rows += chunk.rows;
    }
    if (rows < kLimit && rows != *reader->rows()) __builtin_trap();
  } catch (const Error&) {
  }
  return 0;
}
