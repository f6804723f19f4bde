#include "windlass/cluster/job_home.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <fstream>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/engine/failed_task.h"
#include "windlass/store/store.h"

namespace windlass::cluster {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;

class FolderHome final : public JobHome {
 public:
  explicit FolderHome(std::filesystem::path home) : home_(std::move(home)) {}

  std::optional<job::JobInfo> Record(std::string_view id) override {
    CheckJobId(id);
    const std::filesystem::path file = home_ / "jobs" / id / "job.json";
    std::error_code unreadable;
    if (!std::filesystem::exists(file, unreadable)) return std::nullopt;
    return job::JobInfo::FromJson(ParseJson(ReadFile(file), file.string()), file.string());
  }

  std::vector<job::JobInfo> Records() override {
    std::vector<job::JobInfo> records;
    std::error_code unreadable;
    for (const auto& entry : std::filesystem::directory_iterator(home_ / "jobs", unreadable)) {
      try {
        if (auto record = Record(entry.path().filename().string())) {
          records.push_back(std::move(*record));
        }
      } catch (const Error&) {  // the index, say, or a record that is being removed
        continue;
      }
    }
    return records;
  }

  JobResult Result(std::string_view id) override {
    CheckJobId(id);
    const std::filesystem::path file = home_ / "jobs" / id / "result.json";
    return JobResult::FromJson(ParseJson(ReadFile(file), file.string()));
  }

  void Fetch(std::string_view id, const JobOutput& output,
             const std::filesystem::path& to) override {
    CheckJobId(id);
    CheckOutputName(output.name);
    std::error_code error;
    const std::filesystem::path from = OutputsFolder(home_, id) / output.name;
    std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing, error);
    if (!error) return;
    throw Error(
        error == std::errc::no_such_file_or_directory ? ErrorCode::kNotFound : ErrorCode::kIo,
        fmt::format("cannot copy {} to {}: {}", from.string(), to.string(), error.message()));
  }

  Bytes FailedTask(std::string_view id) override {
    const std::filesystem::path store = home_ / "store";
    std::error_code unreadable;
    if (!std::filesystem::exists(store, unreadable)) {  // it would be made
      throw Error(ErrorCode::kNotFound, fmt::format("there is no store {}", store.string()));
    }
    return engine::FindFailedTask(*store::Store::Open(store), id);
  }

  void Remove(std::string_view id, bool record) override {
    CheckJobId(id);
    std::error_code ignored;  // what is gone is gone
    std::filesystem::remove_all(OutputsFolder(home_, id), ignored);
    if (record) std::filesystem::remove_all(home_ / "jobs" / id, ignored);
  }

 private:
  std::filesystem::path home_;
};

}  // namespace

Json JobResult::ToJson() const {
  Json list = Json::array();
  for (const JobOutput& output : outputs) {
    list.push_back({{"name", output.name}, {"size", output.size}, {"hash", output.hash.Hex()}});
  }
  return {{"result", result}, {"run", run}, {"outputs", std::move(list)}};
}

JobResult JobResult::FromJson(const Json& json) {
  JobResult result;
  try {
    result.result = json.at("result");
    result.run = json.at("run");
    for (const Json& one : json.at("outputs")) {
      JobOutput& output = result.outputs.emplace_back();
      output.name = one.at("name");
      output.size = one.at("size");
      output.hash = Hash::FromHex(one.at("hash").get<std::string>());
      CheckOutputName(output.name);
    }
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::kCorrupt, fmt::format("this is no result of a job: {}", error.what()));
  }
  return result;
}

Hash HashOfFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string piece(kPiece, '\0');
  Hasher hasher;
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())) || file.gcount() > 0) {
    hasher.Update(std::string_view(piece).substr(0, static_cast<std::size_t>(file.gcount())));
  }
  if (!file.eof()) throw Error(ErrorCode::kIo, fmt::format("cannot read {}", path.string()));
  return hasher.Finish();
}

std::filesystem::path OutputsFolder(const std::filesystem::path& home, std::string_view id) {
  return home / "outputs" / id;
}

void WriteResult(const std::filesystem::path& home, std::string_view id,
                 const job::RunResult& result) {
  const auto record = OpenFolderHome(home)->Record(id);
  if (!record) throw Error(ErrorCode::kIo, fmt::format("the record of job {} has gone", id));
  JobResult told{result.result, result.run, {}};
  for (const std::string& path : record->outputs) {
    const std::filesystem::path file = path;
    told.outputs.push_back(
        {file.filename().string(), std::filesystem::file_size(file), HashOfFile(file)});
  }
  WriteFileAtomically(home / "jobs" / id / "result.json", told.ToJson().dump(1) + "\n");
}

void CheckJobId(std::string_view id) {
  const bool plain = !id.empty() && id.size() <= 100 && std::ranges::all_of(id, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
  });
  if (!plain) throw Error(ErrorCode::kInvalidInput, "this is no id of a job");
}

void CheckOutputName(std::string_view name) {
  const bool plain = !name.empty() && name.size() <= 255 && !name.starts_with('.') &&
                     std::ranges::all_of(name, [](unsigned char c) {
                       return c > ' ' && c < 0x7f && c != '/' && c != '\\';
                     });
  if (!plain) throw Error(ErrorCode::kInvalidInput, "this is no name of an output");
}

std::unique_ptr<JobHome> OpenFolderHome(const std::filesystem::path& home) {
  return std::make_unique<FolderHome>(home);
}

}  // namespace windlass::cluster
