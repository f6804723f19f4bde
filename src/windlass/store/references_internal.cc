#include "windlass/store/references_internal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "windlass/base/error.h"
#include "windlass/base/sync_point.h"

namespace windlass::store::internal {
namespace {

// A version file: 64 digits of the hash (or of zeros and the word removed), and a checksum.
constexpr std::string_view kRemoved = "removed";
constexpr std::size_t kMaxVersionFile = 128;
constexpr std::size_t kMaxName = 1024;
constexpr std::size_t kMaxPart = 200;

bool ValidName(std::string_view name) {
  if (name.empty() || name.size() > kMaxName) return false;
  for (std::string_view rest = name;;) {
    const auto slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.size() > kMaxPart) return false;
    for (const char c : part) {
      const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
      if (!good) return false;
    }
    if (slash == std::string_view::npos) return true;
    rest = rest.substr(slash + 1);
  }
}

void CheckName(std::string_view name) {
  if (ValidName(name)) return;
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("\"{}\" is no name of a reference: letters, digits, \".\", \"_\", \"-\" "
                          "in parts of at most {} divided by \"/\", none of them empty, \".\" or "
                          "\"..\"",
                          name.substr(0, 100), kMaxPart));
}

std::string FileOf(std::uint64_t version) { return fmt::format("@{:020}", version); }

std::optional<std::uint64_t> VersionOf(std::string_view file) {
  std::uint64_t version = 0;
  if (file.size() != 21 || file.front() != '@') return std::nullopt;
  const auto [end, error] = std::from_chars(file.data() + 1, file.data() + file.size(), version);
  if (error != std::errc() || end != file.data() + file.size() || version == 0) {
    return std::nullopt;
  }
  return version;
}

std::string Encode(const std::optional<Hash>& value) {
  const std::string text = value ? value->Hex() : std::string(kRemoved);
  return fmt::format("{} {:016x}\n", text, XXH3_64bits(text.data(), text.size()));
}

struct Version {
  bool cut_off = false;  // by a machine that stopped before the disk had it
  bool damaged = false;
  std::optional<Hash> value;
};

Version Decode(std::string_view content) {
  Version version;
  if (content.find_first_not_of('\0') == std::string_view::npos) {
    version.cut_off = true;
    return version;
  }
  const std::string_view text = content.substr(0, content.find(' '));
  try {
    if (text != kRemoved) version.value = Hash::FromHex(text);
    version.damaged = content != Encode(version.value);
  } catch (const Error&) {
    version.damaged = true;
  }
  return version;
}

}  // namespace

std::optional<Folder> References::FolderOf(std::string_view name, bool make) const {
  std::optional<Folder> folder;
  for (std::string_view rest = name;;) {
    const auto slash = rest.find('/');
    const std::string part(rest.substr(0, slash));
    auto next = (folder ? *folder : refs_).Sub(part, make);
    if (!next || slash == std::string_view::npos) return next;
    folder = std::move(next);
    rest = rest.substr(slash + 1);
  }
}

References::Newest References::NewestIn(const Folder& folder) const {
  for (int attempt = 0; attempt < 100; ++attempt) {
    const std::vector<std::string> files = folder.List();  // sorted: versions ascend
    Newest newest;
    bool again = false;
    for (auto file = files.rbegin(); file != files.rend() && !again; ++file) {
      const auto number = VersionOf(*file);
      if (!number) continue;
      if (newest.version == 0) newest.version = *number;
      const Fd fd = folder.OpenFile(*file);
      if (!fd.valid()) {
        again = true;  // pruned since the folder was listed: there is a newer one
        continue;
      }
      std::string content(kMaxVersionFile, '\0');
      content.resize(ReadAt(fd.get(), content.data(), content.size(), 0, folder.path() / *file));
      const Version version = Decode(content);
      if (version.cut_off) continue;  // never durable: the one before counts
      if (version.damaged) {
        throw Error(ErrorCode::kCorrupt,
                    fmt::format("{} is damaged; remove it to go back to the version before",
                                (folder.path() / *file).string()));
      }
      newest.value = version.value;
      return newest;
    }
    if (!again) return newest;
  }
  throw Error(ErrorCode::kIo, fmt::format("{} changed all the while it was read (or holds what is "
                                          "no file)",
                                          folder.path().string()));
}

std::optional<Hash> References::Read(std::string_view name) const {
  CheckName(name);
  const auto folder = FolderOf(name, /*make=*/false);
  return folder ? NewestIn(*folder).value : std::nullopt;
}

bool References::CompareAndSwap(std::string_view name, const std::optional<Hash>& expected,
                                const std::optional<Hash>& value) {
  CheckName(name);
  // Shared by all who swap: only pruning is kept out, which could free a number for a second use.
  const auto lock = FileLock::Take(locks_, "refs", FileLock::Mode::kShared, 60);
  if (!lock) {
    throw Error(ErrorCode::kDeadlineExceeded,
                fmt::format("waited 60 s for {}", (locks_.path() / "refs").string()));
  }
  std::optional<Folder> folder = FolderOf(name, /*make=*/false);
  const Newest newest = folder ? NewestIn(*folder) : Newest{};
  if (newest.value != expected) return false;
  if (!value && !newest.value) return true;  // removed what is not there
  if (!folder) folder = FolderOf(name, /*make=*/true);
  TemporaryFile file(tmp_);
  WriteAt(file.fd(), Encode(value), 0, folder->path() / FileOf(newest.version + 1));
  SyncPoint("store.ref.written");
  if (!file.MoveToNew(*folder, FileOf(newest.version + 1))) return false;
  SyncPoint("store.ref.linked");
  const std::lock_guard guard(mutex_);
  unsynced_.emplace_back(name);
  return true;
}

void References::Walk(const Folder& folder, const std::string& name,
                      const std::function<void(const Folder&, const std::string&)>& visit) const {
  bool versions = false;
  std::vector<std::string> parts;
  for (std::string& entry : folder.List()) {
    if (VersionOf(entry)) {
      versions = true;
    } else if (ValidName(entry)) {
      parts.push_back(std::move(entry));
    }
  }
  if (versions) visit(folder, name);
  for (const std::string& part : parts) {
    const std::string full = name.empty() ? part : name + "/" + part;
    if (full.size() > kMaxName) continue;  // none of ours; keeps the descent short
    if (const auto next = folder.Sub(part, /*make=*/false)) Walk(*next, full, visit);
  }
}

std::vector<std::string> References::List(std::string_view prefix) const {
  std::vector<std::string> names;
  Walk(refs_, "", [&](const Folder& folder, const std::string& name) {
    if (name.starts_with(prefix) && NewestIn(folder).value) names.push_back(name);
  });
  std::ranges::sort(names);
  return names;
}

void References::ForEach(
    const std::function<void(const std::string&, const Hash&)>& visit,
    const std::function<void(const std::filesystem::path&, std::string)>& fault) const {
  Walk(refs_, "", [&](const Folder& folder, const std::string& name) {
    try {
      if (const auto value = NewestIn(folder).value) visit(name, *value);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kCorrupt) throw;
      fault(folder.path(), error.message());
    }
  });
}

std::uint64_t References::Bytes() const {
  std::uint64_t bytes = 0;
  Walk(refs_, "", [&](const Folder& folder, const std::string&) {
    for (const std::string& file : folder.List()) {
      const auto status = VersionOf(file) ? folder.Status(file) : std::nullopt;
      if (status) bytes += static_cast<std::uint64_t>(status->st_size);
    }
  });
  return bytes;
}

void References::Prune() {
  const auto lock = FileLock::Take(locks_, "refs", FileLock::Mode::kExclusive, 0);
  if (!lock) return;  // the next gc will
  Walk(refs_, "", [&](const Folder& folder, const std::string&) {
    std::vector<std::string> versions;
    for (std::string& file : folder.List()) {
      if (VersionOf(file)) versions.push_back(std::move(file));
    }
    // Two stay: should the machine stop before the newest is on the disk, the one before counts.
    for (std::size_t i = 0; i + 2 < versions.size(); ++i) folder.Remove(versions[i]);
  });
}

void References::Sync() {
  std::vector<std::string> names;
  {
    const std::lock_guard guard(mutex_);
    names.swap(unsynced_);
  }
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const std::string& name : names) {
    const auto folder = FolderOf(name, /*make=*/false);
    if (!folder) continue;
    const std::vector<std::string> files = folder->List();
    for (auto file = files.rbegin(); file != files.rend(); ++file) {
      const Fd fd = VersionOf(*file) ? folder->OpenFile(*file) : Fd();
      if (!fd.valid()) continue;
      if (::fdatasync(fd.get()) != 0) ThrowIo("sync", folder->path() / *file);
      break;  // the newest is the one that counts
    }
    folder->Sync();
  }
  if (!names.empty()) refs_.Sync();
}

}  // namespace windlass::store::internal
