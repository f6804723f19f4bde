// libFuzzer target: any bytes as a segment file. Nothing may crash, and what is given out must be
// what its hash says, or be told apart by it.
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/hash.h"
#include "windlass/store/segment_internal.h"

namespace windlass::store::internal {
namespace {

// So that mutations get past the checksums: those of the header, of the records as their lengths
// lie, and of the trailer are made right. `mode` says which.
void MakeRight(std::string& bytes, std::uint8_t mode) {
  if (bytes.size() < 32) return;
  if (mode & 1) {
    std::memcpy(bytes.data(), "WINDSEG1\1\0\0\0", 12);
    const std::uint64_t checksum = XXH3_64bits(bytes.data(), 24);
    std::memcpy(bytes.data() + 24, &checksum, 8);
  }
  std::uint64_t salt;
  std::memcpy(&salt, bytes.data() + 16, 8);
  for (std::size_t at = 32; (mode & 2) && at + 16 <= bytes.size();) {
    std::uint32_t head[2];
    std::memcpy(head, bytes.data() + at, sizeof head);
    if (head[0] > bytes.size() - at - 16) break;
    const std::uint64_t seed = salt + head[0] * 0x9e3779b97f4a7c15u + head[1];
    const std::uint64_t checksum = XXH3_64bits_withSeed(bytes.data() + at + 16, head[0], seed);
    std::memcpy(bytes.data() + at + 8, &checksum, 8);
    at += 16 + std::size_t{head[0]};
  }
  if ((mode & 4) && bytes.size() >= 32 + 16 + 40) {
    char* trailer = bytes.data() + bytes.size() - 40;
    std::memcpy(trailer + 24, "WNDFOOT1", 8);
    const std::uint64_t checksum = XXH3_64bits_withSeed(trailer, 32, salt);
    std::memcpy(trailer + 32, &checksum, 8);
  }
}

void ReadEverything(std::string bytes, const Folder& folder) {
  {
    const int fd = ::openat(folder.fd(), "a.seg", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    WriteAll(fd, bytes, folder.path());
    ::close(fd);
  }
  const auto segment = Segment::Open(folder, "a.seg");
  if (segment == nullptr) return;
  segment->ForEach([&](Record&& record) {
    bool found = false;
    const Index index = record.has_object() ? Index::kObjects : Index::kMemo;
    segment->Find(index, record.has_object() ? record.hash : record.key, [&](Record&& other) {
      found = true;
      return other.offset == record.offset;
    });
    if (!found && !segment->sealed()) std::abort();  // scanned, so indexed
  });
  for (const Index index : {Index::kObjects, Index::kMemo}) {
    segment->Prefixes(index);
    segment->Find(index, HashOf("missing"), [](Record&&) { return false; });
    Hash from_file;
    if (bytes.size() >= 96) std::memcpy(from_file.bytes.data(), bytes.data() + 64, 32);
    segment->Find(index, from_file, [](Record&&) { return false; });
  }
  segment->TailFault();
}

}  // namespace
}  // namespace windlass::store::internal

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using windlass::store::internal::Folder;
  static const windlass::TemporaryFolder* home = new windlass::TemporaryFolder("/dev/shm");
  static const Folder* folder = new Folder(Folder::Make(home->path()));
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  windlass::store::internal::MakeRight(bytes, data[0]);
  windlass::store::internal::ReadEverything(std::move(bytes), *folder);
  return 0;
}
