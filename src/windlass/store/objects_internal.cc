#include "windlass/store/objects_internal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "windlass/base/error.h"
#include "windlass/base/sync_point.h"

namespace windlass::store::internal {
namespace {

// Below its folder of two digits.
std::string NameBelow(const Hash& hash) { return hash.Hex().substr(2); }

}  // namespace

std::string LargeObjects::FileOf(const Hash& hash) {
  return hash.Hex().substr(0, 2) + "/" + NameBelow(hash);
}

std::optional<Hash> LargeObjects::HashOfFile(std::string_view file) {
  if (file.size() != 65 || file[2] != '/') return std::nullopt;
  try {
    return Hash::FromHex(std::string(file.substr(0, 2)) + std::string(file.substr(3)));
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string LargeObjects::WrongHash(std::uint64_t size) {
  return fmt::format("its {} bytes have another hash", size);
}

bool LargeObjects::IsDamaged(const Hash& hash) const {
  const std::lock_guard lock(damaged_mutex_);
  return damaged_.contains(hash);
}

void LargeObjects::Put(const Hash& hash, std::string_view bytes) {
  if (!IsDamaged(hash) && Use(hash, bytes.size())) return;
  Write(hash, bytes);
  const std::lock_guard lock(damaged_mutex_);
  damaged_.erase(hash);
}

std::optional<Bytes> LargeObjects::Get(const Hash& hash) {
  auto bytes = Read(hash);
  if (!bytes) return std::nullopt;
#ifndef WINDLASS_PLANTED_UNCHECKED_OBJECT
  if (HashOf(*bytes) != hash) {
    const std::lock_guard lock(damaged_mutex_);
    damaged_.insert(hash);
    return std::nullopt;
  }
#endif
  Use(hash, std::nullopt);  // removed meanwhile or not: we have it
  return Bytes(*std::move(bytes));
}

bool LargeObjects::Contains(const Hash& hash) {
  return !IsDamaged(hash) && Use(hash, std::nullopt);
}

std::optional<Folder> FolderObjects::FolderOf(const Hash& hash, bool make) const {
  return objects_.Sub(hash.Hex().substr(0, 2), make);
}

bool FolderObjects::Use(const Hash& hash, std::optional<std::size_t> size) {
  const auto folder = FolderOf(hash, /*make=*/false);
  if (!folder) return false;
  const std::string name = NameBelow(hash);
  const auto status = folder->Status(name);
  if (!status || !S_ISREG(status->st_mode)) return false;
  if (size && static_cast<std::size_t>(status->st_size) != *size) return false;
  if (Now() - ModifiedAt(*status) < kUseGranularity) return true;
  // Gc looks at the time once more under the exclusive lock before it removes a file: with the
  // shared lock held, either it has removed the file already or it will see the new time.
  const auto lock = FileLock::Take(locks_, "remove", FileLock::Mode::kShared, 60);
  if (!lock) {
    throw Error(ErrorCode::kDeadlineExceeded, fmt::format("waited 60 s for a gc to release {}",
                                                          (locks_.path() / "remove").string()));
  }
  if (::utimensat(folder->fd(), name.c_str(), nullptr, AT_SYMLINK_NOFOLLOW) == 0) return true;
  // Somebody else's file in a shared folder: there, but its time is not ours to change.
  return errno != ENOENT;
}

void FolderObjects::Write(const Hash& hash, std::string_view bytes) {
  const Folder folder = *FolderOf(hash, /*make=*/true);
  const std::string name = NameBelow(hash);
  TemporaryFile file(tmp_);
  WriteAt(file.fd(), bytes, 0, folder.path() / name);
  // The disk begins at once, so that Sync at the end of a long job waits for little; a hint.
  ::sync_file_range(file.fd(), 0, 0, SYNC_FILE_RANGE_WRITE);
  SyncPoint("store.object.written");
  file.MoveTo(folder, name);
  SyncPoint("store.object.renamed");
  const std::lock_guard lock(mutex_);
  unsynced_.push_back(hash);
}

std::optional<std::string> FolderObjects::Read(const Hash& hash) {
  const auto folder = FolderOf(hash, /*make=*/false);
  if (!folder) return std::nullopt;
  const std::string name = NameBelow(hash);
  const Fd file = folder->OpenFile(name);
  if (!file.valid()) return std::nullopt;
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) ThrowIo("look at", folder->path() / name);
  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  bytes.resize(ReadAt(file.get(), bytes.data(), bytes.size(), 0, folder->path() / name));
  return bytes;
}

bool FolderObjects::Exists(const Hash& hash) const {
  const auto folder = FolderOf(hash, /*make=*/false);
  return folder && folder->Status(NameBelow(hash)).has_value();
}

std::string FolderObjects::NameOf(const Hash& hash) const {
  return (objects_.path() / FileOf(hash)).string();
}

void FolderObjects::ForEach(const std::function<void(const Listed&)>& visit,
                            const std::function<void(const std::string&)>& stray) const {
  for (const std::string& prefix : objects_.List()) {
    const auto folder = objects_.Sub(prefix, /*make=*/false);
    if (!folder) {
      if (stray) stray((objects_.path() / prefix).string());
      continue;
    }
    for (const std::string& name : folder->List()) {
      const auto status = folder->Status(name);
      if (!status) continue;  // removed meanwhile
      const auto hash = HashOfFile(prefix + "/" + name);
      if (hash && S_ISREG(status->st_mode)) {
        visit({*hash, static_cast<std::uint64_t>(status->st_size), ModifiedAt(*status)});
      } else if (stray) {
        stray((folder->path() / name).string());
      }
    }
  }
}

bool FolderObjects::RemoveUnused(const Hash& hash, std::int64_t unused_since) {
  const auto folder = FolderOf(hash, /*make=*/false);
  if (!folder) return false;
  const auto status = folder->Status(NameBelow(hash));
  if (!status || ModifiedAt(*status) > unused_since) return false;
  return folder->Remove(NameBelow(hash));
}

std::string FolderObjects::Check(const Hash& hash) const {
  const auto folder = FolderOf(hash, /*make=*/false);
  const std::string name = NameBelow(hash);
  const Fd file = folder ? folder->OpenFile(name) : Fd();
  if (!file.valid()) return {};  // removed meanwhile
  Hasher hasher;
  std::string piece(std::size_t{1} << 20, '\0');
  for (std::uint64_t at = 0;;) {
    const std::size_t got =
        ReadAt(file.get(), piece.data(), piece.size(), at, folder->path() / name);
    hasher.Update(std::string_view(piece).substr(0, got));
    at += got;
    if (got < piece.size()) {
      return hasher.Finish() == hash ? std::string() : WrongHash(at);
    }
  }
}

void FolderObjects::Sync() {
  std::vector<Hash> hashes;
  {
    const std::lock_guard lock(mutex_);
    hashes.swap(unsynced_);
  }
  std::unordered_set<std::string> folders;
  for (const Hash& hash : hashes) {
    const auto folder = FolderOf(hash, /*make=*/false);
    const Fd file = folder ? folder->OpenFile(NameBelow(hash)) : Fd();
    if (!file.valid()) continue;  // removed meanwhile
    if (::fdatasync(file.get()) != 0) ThrowIo("sync", folder->path() / NameBelow(hash));
    if (folders.insert(hash.Hex().substr(0, 2)).second) folder->Sync();
  }
  if (!hashes.empty()) objects_.Sync();
}

}  // namespace windlass::store::internal
