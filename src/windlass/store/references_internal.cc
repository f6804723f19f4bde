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

void CheckName(std::string_view name) {
  if (ValidReferenceName(name)) return;
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("\"{}\" is no name of a reference: letters, digits, \".\", \"_\", \"-\" "
                          "in parts of at most {} divided by \"/\", none of them empty, \".\" or "
                          "\"..\"",
                          name.substr(0, 100), kMaxPart));
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

bool ValidReferenceName(std::string_view name) {
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

std::string VersionFile(std::uint64_t version) { return fmt::format("@{:020}", version); }

std::optional<std::uint64_t> VersionOf(std::string_view file) {
  std::uint64_t version = 0;
  if (file.size() != 21 || file.front() != '@') return std::nullopt;
  const auto [end, error] = std::from_chars(file.data() + 1, file.data() + file.size(), version);
  if (error != std::errc() || end != file.data() + file.size() || version == 0) {
    return std::nullopt;
  }
  return version;
}

References::Newest References::NewestOf(std::string_view name) const {
  return NewestOf(name, files_->List(name));
}

References::Newest References::NewestOf(std::string_view name,
                                        std::vector<VersionFiles::Listed> versions) const {
  for (int attempt = 0; attempt < 100; ++attempt, versions = files_->List(name)) {
    Newest newest;
    bool again = false;
    for (auto file = versions.rbegin(); file != versions.rend() && !again; ++file) {
      if (newest.version == 0) newest.version = file->version;
      const auto content = files_->Read(name, file->version);
      if (!content) {
        again = true;  // pruned since it was listed: there is a newer one
        continue;
      }
      const Version version = Decode(*content);
      if (version.cut_off) continue;  // never durable: the one before counts
      if (version.damaged) {
        throw Error(ErrorCode::kCorrupt,
                    fmt::format("{} is damaged; remove it to go back to the version before",
                                files_->NameOf(name, file->version)));
      }
      newest.value = version.value;
      return newest;
    }
    if (!again) return newest;
  }
  throw Error(ErrorCode::kIo, fmt::format("{} changed all the while it was read (or holds what is "
                                          "no file)",
                                          files_->NameOf(name)));
}

std::optional<Hash> References::Read(std::string_view name) const {
  CheckName(name);
  return NewestOf(name).value;
}

bool References::CompareAndSwap(std::string_view name, const std::optional<Hash>& expected,
                                const std::optional<Hash>& value) {
  CheckName(name);
  const auto lock = files_->HoldNumbers();
  const Newest newest = NewestOf(name);
  if (newest.value != expected) return false;
  if (!value && !newest.value) return true;  // removed what is not there
  if (!files_->Create(name, newest.version + 1, Encode(value))) return false;
  const std::lock_guard guard(mutex_);
  unsynced_.emplace_back(name);
  return true;
}

std::vector<std::string> References::List(std::string_view prefix) const {
  std::vector<std::string> names;
  files_->ForEach([&](const std::string& name, const auto& versions) {
    if (name.starts_with(prefix) && NewestOf(name, versions).value) names.push_back(name);
  });
  std::ranges::sort(names);
  return names;
}

void References::ForEach(
    const std::function<void(const std::string&, const Hash&)>& visit,
    const std::function<void(const std::string&, const std::string&)>& fault) const {
  files_->ForEach([&](const std::string& name, const auto& versions) {
    try {
      if (const auto value = NewestOf(name, versions).value) visit(name, *value);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kCorrupt) throw;
      fault(files_->NameOf(name), error.message());
    }
  });
}

std::uint64_t References::Bytes() const {
  std::uint64_t bytes = 0;
  files_->ForEach([&](const std::string&, const auto& versions) {
    for (const auto& version : versions) bytes += version.size;
  });
  return bytes;
}

void References::Sync() {
  std::vector<std::string> names;
  {
    const std::lock_guard guard(mutex_);
    names.swap(unsynced_);
  }
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (!names.empty()) files_->Sync(names);
}

std::optional<Folder> FolderVersions::FolderOf(std::string_view name, bool make) const {
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

std::vector<VersionFiles::Listed> FolderVersions::ListIn(const Folder& folder) {
  std::vector<Listed> versions;
  for (const std::string& file : folder.List()) {  // sorted: versions ascend
    const auto number = VersionOf(file);
    const auto status = number ? folder.Status(file) : std::nullopt;
    if (status) versions.push_back({*number, static_cast<std::uint64_t>(status->st_size)});
  }
  return versions;
}

std::vector<VersionFiles::Listed> FolderVersions::List(std::string_view name) const {
  const auto folder = FolderOf(name, /*make=*/false);
  return folder ? ListIn(*folder) : std::vector<Listed>();
}

std::optional<std::string> FolderVersions::Read(std::string_view name,
                                                std::uint64_t version) const {
  const auto folder = FolderOf(name, /*make=*/false);
  const std::string file = VersionFile(version);
  const Fd fd = folder ? folder->OpenFile(file) : Fd();
  if (!fd.valid()) return std::nullopt;
  std::string content(kMaxVersionFile, '\0');
  content.resize(ReadAt(fd.get(), content.data(), content.size(), 0, folder->path() / file));
  return content;
}

bool FolderVersions::Create(std::string_view name, std::uint64_t version,
                            std::string_view content) {
  const Folder folder = *FolderOf(name, /*make=*/true);
  TemporaryFile file(tmp_);
  WriteAt(file.fd(), content, 0, folder.path() / VersionFile(version));
  SyncPoint("store.ref.written");
  if (!file.MoveToNew(folder, VersionFile(version))) return false;
  SyncPoint("store.ref.linked");
  return true;
}

std::string FolderVersions::NameOf(std::string_view name, std::uint64_t version) const {
  const std::filesystem::path path = refs_.path() / name;
  return (version == 0 ? path : path / VersionFile(version)).string();
}

std::optional<FileLock> FolderVersions::HoldNumbers() const {
  // Shared by all who swap: only pruning is kept out.
  auto lock = FileLock::Take(locks_, "refs", FileLock::Mode::kShared, 60);
  if (lock) return lock;
  throw Error(ErrorCode::kDeadlineExceeded,
              fmt::format("waited 60 s for {}", (locks_.path() / "refs").string()));
}

void FolderVersions::Walk(
    const Folder& folder, const std::string& name,
    const std::function<void(const Folder&, const std::string&)>& visit) const {
  bool versions = false;
  std::vector<std::string> parts;
  for (std::string& entry : folder.List()) {
    if (VersionOf(entry)) {
      versions = true;
    } else if (ValidReferenceName(entry)) {
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

void FolderVersions::ForEach(
    const std::function<void(const std::string&, const std::vector<Listed>&)>& visit) const {
  Walk(refs_, "",
       [&](const Folder& folder, const std::string& name) { visit(name, ListIn(folder)); });
}

void FolderVersions::Prune() {
  const auto lock = FileLock::Take(locks_, "refs", FileLock::Mode::kExclusive, 0);
  if (!lock) return;  // the next gc will
  Walk(refs_, "", [&](const Folder& folder, const std::string&) {
    const std::vector<Listed> versions = ListIn(folder);
    // Two stay: should the machine stop before the newest is on the disk, the one before counts.
    for (std::size_t i = 0; i + 2 < versions.size(); ++i) {
      folder.Remove(VersionFile(versions[i].version));
    }
  });
}

void FolderVersions::Sync(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const auto folder = FolderOf(name, /*make=*/false);
    if (!folder) continue;
    const std::vector<Listed> versions = ListIn(*folder);
    for (auto file = versions.rbegin(); file != versions.rend(); ++file) {
      const Fd fd = folder->OpenFile(VersionFile(file->version));
      if (!fd.valid()) continue;
      if (::fdatasync(fd.get()) != 0) ThrowIo("sync", folder->path() / VersionFile(file->version));
      break;  // the newest is the one that counts
    }
    folder->Sync();
  }
  refs_.Sync();
}

}  // namespace windlass::store::internal
