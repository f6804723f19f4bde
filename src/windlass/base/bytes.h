// Immutable, cheaply copied bytes: what travels between driver, workers and store.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace windlass {

class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(std::string data)  // NOLINT(performance-unnecessary-value-param): it is moved
      : owner_(std::make_shared<const std::string>(std::move(data))), view_(*owner_) {}

  std::string_view view() const { return view_; }
  const char* data() const { return view_.data(); }
  std::size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }

  friend bool operator==(const Bytes& a, const Bytes& b) { return a.view_ == b.view_; }

 private:
  std::shared_ptr<const std::string> owner_;
  std::string_view view_;
};

// Appends the object representation of plain values, little-endian as on every machine that we
// build for (checked in bytes.cc's static assertion of the platform).
template <typename T>
void AppendRaw(std::string& out, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

template <typename T>
void AppendRaw(std::string& out, std::span<const T> values) {
  static_assert(std::is_trivially_copyable_v<T>);
  out.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

}  // namespace windlass
