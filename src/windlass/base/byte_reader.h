// Reads what AppendRaw and friends wrote, refusing to run past the end.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "windlass/base/bytes.h"
#include "windlass/base/error.h"

namespace windlass {

// Strings and vectors are written as a 64-bit count followed by their elements.
inline void AppendString(std::string& out, std::string_view text) {
  AppendRaw(out, static_cast<std::uint64_t>(text.size()));
  out.append(text);
}

template <typename T>
void AppendVector(std::string& out, const std::vector<T>& values) {
  AppendRaw(out, static_cast<std::uint64_t>(values.size()));
  AppendRaw(out, std::span<const T>(values));
}

// A cursor over untrusted bytes. Every method throws Error{kCorrupt} instead of reading past the
// end; `what` names the thing being read in that message.
class ByteReader {
 public:
  ByteReader(std::string_view bytes, std::string what) : rest_(bytes), what_(std::move(what)) {}

  template <typename T>
  T Read() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, Take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  std::string_view Take(std::uint64_t count) {
    if (count > rest_.size()) {
      throw Error(ErrorCode::kCorrupt, what_ + " ends early: " + std::to_string(count) +
                                           " bytes wanted, " + std::to_string(rest_.size()) +
                                           " left");
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::string ReadString() { return std::string(Take(Read<std::uint64_t>())); }

  template <typename T>
  std::vector<T> ReadVector() {
    const auto count = Read<std::uint64_t>();
    if (count > rest_.size() / sizeof(T)) Take(rest_.size() + 1);  // throws
    std::vector<T> values(count);
    if (count != 0) std::memcpy(values.data(), Take(count * sizeof(T)).data(), count * sizeof(T));
    return values;
  }

  std::size_t remaining() const { return rest_.size(); }

  // Throws unless everything was read.
  void Finish() const {
    if (!rest_.empty()) {
      throw Error(ErrorCode::kCorrupt,
                  what_ + " has " + std::to_string(rest_.size()) + " bytes too many");
    }
  }

 private:
  std::string_view rest_;
  std::string what_;
};

}  // namespace windlass
