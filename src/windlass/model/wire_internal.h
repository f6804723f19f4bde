// The protocol buffer wire format, read strictly and without recursion: the caller decides what to
// descend into. Source: https://protobuf.dev/programming-guides/encoding/
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace windlass::model {

enum class WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// A cursor over the fields of one message. Views that it hands out point into the message.
// Every method throws Error{kInvalidInput} naming `what` for bytes that are no such message.
class WireReader {
 public:
  // `what` is copied into messages only; it must outlive the reader.
  WireReader(std::string_view message, std::string_view what)
      : rest_(message), message_(message), what_(what) {}

  // Moves to the next field; false at the end. The value of the field before must have been read
  // by one of the methods below, or skipped.
  bool Next();

  int field() const { return field_; }
  WireType type() const { return type_; }

  // The value of a field of any type, unread: the bytes between its tag and the next one.
  std::string_view Skip();

  // The bytes of the field that Skip or a Read just passed, with its tag: to copy it verbatim.
  std::string_view Verbatim() const {
    return message_.substr(start_, message_.size() - rest_.size() - start_);
  }

  std::string_view ReadBytes();  // a string, a nested message, or packed numbers
  std::int64_t ReadInteger();
  float ReadFloat();

  // Adds the bytes of a repeated number: a packed run of them, or one alone. DecodeFloats and its
  // friends read what was gathered.
  void GatherNumbers(WireType element, std::vector<std::string_view>& chunks);

 private:
  std::uint64_t Varint();
  std::string_view Take(std::uint64_t count);
  [[noreturn]] void Throw(std::string_view message) const;
  void Expect(WireType type) const;

  std::string_view rest_;
  std::string_view message_;
  std::string_view what_;
  std::size_t start_ = 0;  // of the field, in the message
  int field_ = 0;
  WireType type_ = WireType::kVarint;
};

using NumberChunks = std::vector<std::string_view>;

// Throw Error{kInvalidInput} naming `what` when a chunk ends within a number.
std::vector<float> DecodeFloats(const NumberChunks& chunks, std::string_view what);
std::vector<double> DecodeDoubles(const NumberChunks& chunks, std::string_view what);
std::vector<std::int64_t> DecodeIntegers(const NumberChunks& chunks, std::string_view what);

// Appends a field to a message that is being written.
void AppendBytesField(std::string& out, int field, std::string_view bytes);

}  // namespace windlass::model
