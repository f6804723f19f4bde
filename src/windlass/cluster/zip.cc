#include "windlass/cluster/zip.h"

#include <array>

#include "windlass/base/error.h"

namespace windlass::cluster {
namespace {

constexpr std::array<std::uint32_t, 256> MakeCrcTable() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0xedb88320U : 0U);
    table[i] = value;
  }
  return table;
}

void Add16(std::string& out, std::uint32_t value) {
  out += static_cast<char>(value & 0xff);
  out += static_cast<char>(value >> 8 & 0xff);
}

void Add32(std::string& out, std::uint64_t value) {
  Add16(out, static_cast<std::uint32_t>(value & 0xffff));
  Add16(out, static_cast<std::uint32_t>(value >> 16 & 0xffff));
}

}  // namespace

std::uint32_t Crc32(std::string_view bytes) {
  static constexpr auto kTable = MakeCrcTable();
  std::uint32_t crc = ~0U;
  for (const char byte : bytes) {
    crc = kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xff] ^ (crc >> 8);
  }
  return ~crc;
}

void ZipWriter::Add(std::string_view name, std::string_view content) {
  constexpr std::size_t kMostBytes = 0xffff0000;
  if (count_ == 0xffff || files_.size() + directory_.size() + content.size() > kMostBytes) {
    throw Error(ErrorCode::kInvalidInput, "these are too many or too large files for an archive");
  }
  const std::size_t offset = files_.size();
  std::string common;
  Add16(common, 20);      // version 2.0 reads it
  Add16(common, 0x0800);  // names are UTF-8
  Add16(common, 0);       // stored
  Add16(common, 0);       // 0:00
  Add16(common, 0x0021);  // 1980-01-01
  Add32(common, Crc32(content));
  Add32(common, content.size());
  Add32(common, content.size());
  Add16(common, static_cast<std::uint32_t>(name.size()));
  Add16(common, 0);  // no extra field
  Add32(files_, 0x04034b50);
  files_ += common;
  files_ += name;
  files_ += content;
  Add32(directory_, 0x02014b50);
  Add16(directory_, 3 << 8 | 20);  // made on Unix
  directory_ += common;
  Add16(directory_, 0);                             // no comment
  Add16(directory_, 0);                             // disk
  Add16(directory_, 0);                             // binary
  Add32(directory_, std::uint64_t{0100644} << 16);  // a file, rw-r--r--
  Add32(directory_, offset);
  directory_ += name;
  ++count_;
}

std::string ZipWriter::Finish() {
  const std::size_t offset = files_.size();
  const std::size_t size = directory_.size();
  std::string archive = std::move(files_);
  archive += directory_;
  Add32(archive, 0x06054b50);
  Add16(archive, 0);
  Add16(archive, 0);
  Add16(archive, static_cast<std::uint32_t>(count_));
  Add16(archive, static_cast<std::uint32_t>(count_));
  Add32(archive, size);
  Add32(archive, offset);
  Add16(archive, 0);
  *this = ZipWriter();
  return archive;
}

}  // namespace windlass::cluster
