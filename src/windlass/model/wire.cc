#include <fmt/format.h>

#include <cstring>

#include "windlass/base/error.h"
#include "windlass/model/wire_internal.h"

namespace windlass::model {
namespace {

template <typename T>
std::vector<T> DecodeFixed(const NumberChunks& chunks, std::string_view what) {
  std::size_t bytes = 0;
  for (const auto chunk : chunks) {
    if (chunk.size() % sizeof(T) != 0) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{} is damaged: a list of numbers ends within one", what));
    }
    bytes += chunk.size();
  }
  std::vector<T> values(bytes / sizeof(T));
  auto* target = reinterpret_cast<char*>(values.data());
  for (const auto chunk : chunks) {
    if (chunk.empty()) continue;
    std::memcpy(target, chunk.data(), chunk.size());
    target += chunk.size();
  }
  return values;
}

}  // namespace

void WireReader::Throw(std::string_view message) const {
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("{} is damaged, or no ONNX model: {}", what_, message));
}

std::string_view WireReader::Take(std::uint64_t count) {
  if (count > rest_.size()) {
    Throw(fmt::format("a field of {} bytes where {} are left", count, rest_.size()));
  }
  const std::string_view taken = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return taken;
}

std::uint64_t WireReader::Varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    const auto byte = static_cast<unsigned char>(Take(1).front());
    if (shift == 63 && byte > 1) break;
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  Throw("a whole number of more than 64 bits");
}

bool WireReader::Next() {
  if (rest_.empty()) return false;
  start_ = message_.size() - rest_.size();
  const std::uint64_t tag = Varint();
  const std::uint64_t field = tag >> 3;
  if (field == 0 || field >= (1u << 29)) Throw(fmt::format("field number {}", field));
  field_ = static_cast<int>(field);
  switch (tag & 7) {
    case 0:
    case 1:
    case 2:
    case 5: type_ = static_cast<WireType>(tag & 7); return true;
    default: Throw(fmt::format("field {} has wire type {}", field, tag & 7));
  }
}

void WireReader::Expect(WireType type) const {
  if (type_ != type) {
    Throw(fmt::format("field {} has wire type {} instead of {}", field_, static_cast<int>(type_),
                      static_cast<int>(type)));
  }
}

std::string_view WireReader::Skip() {
  switch (type_) {
    case WireType::kVarint: {
      const std::string_view before = rest_;
      Varint();
      return before.substr(0, before.size() - rest_.size());
    }
    case WireType::kFixed64: return Take(8);
    case WireType::kBytes: return Take(Varint());
    case WireType::kFixed32: return Take(4);
  }
  Throw("unknown wire type");
}

std::string_view WireReader::ReadBytes() {
  Expect(WireType::kBytes);
  return Skip();
}

std::int64_t WireReader::ReadInteger() {
  Expect(WireType::kVarint);
  return static_cast<std::int64_t>(Varint());
}

float WireReader::ReadFloat() {
  Expect(WireType::kFixed32);
  float value;
  std::memcpy(&value, Take(4).data(), sizeof value);
  return value;
}

void WireReader::GatherNumbers(WireType element, std::vector<std::string_view>& chunks) {
  if (type_ != WireType::kBytes) Expect(element);
  chunks.push_back(Skip());
}

std::vector<float> DecodeFloats(const NumberChunks& chunks, std::string_view what) {
  return DecodeFixed<float>(chunks, what);
}

std::vector<double> DecodeDoubles(const NumberChunks& chunks, std::string_view what) {
  return DecodeFixed<double>(chunks, what);
}

std::vector<std::int64_t> DecodeIntegers(const NumberChunks& chunks, std::string_view what) {
  std::vector<std::int64_t> values;
  for (const auto chunk : chunks) {
    std::uint64_t value = 0;
    int shift = 0;
    for (const char c : chunk) {
      const auto byte = static_cast<unsigned char>(c);
      if (shift > 63) {
        throw Error(ErrorCode::kInvalidInput,
                    fmt::format("{} is damaged: a whole number of more than 64 bits", what));
      }
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      shift += 7;
      if (byte < 0x80) {
        values.push_back(static_cast<std::int64_t>(value));
        value = 0;
        shift = 0;
      }
    }
    if (shift != 0) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{} is damaged: a list of numbers ends within one", what));
    }
  }
  return values;
}

void AppendBytesField(std::string& out, int field, std::string_view bytes) {
  const auto append_varint = [&](std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
    out += static_cast<char>(value);
  };
  append_varint((static_cast<std::uint64_t>(field) << 3) | static_cast<int>(WireType::kBytes));
  append_varint(bytes.size());
  out += bytes;
}

}  // namespace windlass::model
