#include "windlass/cluster/submitted.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/cluster/ray_engine.h"
#include "windlass/store/store.h"

namespace windlass::cluster {
namespace {

std::filesystem::path Folder() { return store::HomeFolder() / "submitted"; }

std::filesystem::path FileOf(const std::string& id) { return Folder() / (id + ".json"); }

// Those whose ids begin so.
std::vector<job::JobInfo> All(std::string_view id = "") {
  std::vector<job::JobInfo> all;
  std::error_code unreadable;
  for (const auto& entry : std::filesystem::directory_iterator(Folder(), unreadable)) {
    if (!entry.path().stem().string().starts_with(id)) continue;
    try {
      const std::string file = entry.path().string();
      all.push_back(job::JobInfo::FromJson(ParseJson(ReadFile(entry.path()), file), file));
    } catch (const Error&) {  // half written, or removed by now: nothing to submit again
      continue;
    }
  }
  return all;
}

}  // namespace

void KeepSubmitted(const job::JobInfo& info) {
  MakeFolders(Folder());
  WriteFileAtomically(FileOf(info.id), info.ToJson().dump(1) + "\n");
}

std::optional<job::JobInfo> FindSubmitted(std::string_view id) {
  std::vector<job::JobInfo> found = All(id);
  const auto whole = std::ranges::find(found, id, &job::JobInfo::id);
  if (whole != found.end()) return std::move(*whole);
  if (id.empty() || found.size() != 1) return std::nullopt;
  return std::move(found.front());
}

std::vector<job::JobInfo> AllSubmitted(const std::string& url) {
  std::vector<job::JobInfo> all = All();
  std::erase_if(all, [&url](const job::JobInfo& info) {
    try {
      return RayEngine::Parse(info.run.value("engine", "")).url != url;
    } catch (const Error&) {  // of another version
      return true;
    }
  });
  return all;
}

void DropSubmitted(const std::string& id) {
  std::error_code ignored;  // it was none of these
  std::filesystem::remove(FileOf(id), ignored);
}

job::JobInfo Forgotten(job::JobInfo info, const std::string& url) {
  info.state = job::JobState::kDied;
  info.error = fmt::format(
      "the cluster at {} has forgotten it, as its head was replaced; windlass job wait {} --engine "
      "{} submits it again, and it goes on from what is remembered",
      url, info.id, url);
  return info;
}

}  // namespace windlass::cluster
