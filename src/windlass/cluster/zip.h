// A ZIP archive of files as they are, without compression.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace windlass::cluster {

// Equal files in equal order make equal bytes: no times, no owners. Format: PKWARE's APPNOTE 6.3.
class ZipWriter {
 public:
  // `name`: a path in the archive with slashes, UTF-8. Throws Error{kInvalidInput} once the archive
  // would have more than 4 GiB or 65,535 files, which need another format.
  void Add(std::string_view name, std::string_view content);

  // The bytes of the archive. The writer is then empty.
  std::string Finish();

 private:
  std::string files_;
  std::string directory_;
  std::size_t count_ = 0;
};

// CRC-32 as ZIP, gzip and PNG have it (ITU-T V.42).
std::uint32_t Crc32(std::string_view bytes);

}  // namespace windlass::cluster
