#include "windlass/cluster/job_home.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <fstream>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/log.h"
#include "windlass/engine/failed_task.h"
#include "windlass/store/store.h"

namespace windlass::cluster {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;
constexpr std::chrono::seconds kNewsInterval{1};

std::string FileOf(std::string_view id, std::string_view name) {
  return fmt::format("jobs/{}/{}", id, name);
}
std::string OutputsOf(std::string_view id) { return fmt::format("outputs/{}/", id); }

// Records are documents, wherever they lie.
class DocumentHome : public JobHome {
 public:
  std::optional<job::JobInfo> Record(std::string_view id) override {
    CheckJobId(id);
    const std::string file = FileOf(id, "job.json");
    const auto text = Read(file);
    if (!text) return std::nullopt;
    return job::JobInfo::FromJson(ParseJson(*text, NameOf(file)), NameOf(file));
  }

  std::vector<job::JobInfo> Records() override {
    std::vector<job::JobInfo> records;
    for (const std::string& id : Ids()) {
      try {
        if (auto record = Record(id)) records.push_back(std::move(*record));
      } catch (const Error& error) {
        if (error.code() == ErrorCode::kCancelled) throw;
        continue;  // the index, say, or a record that is being removed
      }
    }
    return records;
  }

  JobResult Result(std::string_view id) override {
    CheckJobId(id);
    const std::string file = FileOf(id, "result.json");
    const auto text = Read(file);
    if (!text) throw Error(ErrorCode::kNotFound, fmt::format("there is no {}", NameOf(file)));
    return JobResult::FromJson(ParseJson(*text, NameOf(file)));
  }

 private:
  virtual std::optional<std::string> Read(const std::string& file) = 0;
  virtual std::vector<std::string> Ids() = 0;
  virtual std::string NameOf(const std::string& file) const = 0;
};

class FolderHome final : public DocumentHome {
 public:
  explicit FolderHome(std::filesystem::path home) : home_(std::move(home)) {}

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
  std::optional<std::string> Read(const std::string& file) override {
    std::error_code unreadable;
    if (!std::filesystem::exists(home_ / file, unreadable)) return std::nullopt;
    return ReadFile(home_ / file);
  }

  std::vector<std::string> Ids() override {
    std::vector<std::string> ids;
    std::error_code unreadable;
    for (const auto& entry : std::filesystem::directory_iterator(home_ / "jobs", unreadable)) {
      ids.push_back(entry.path().filename().string());
    }
    return ids;
  }

  std::string NameOf(const std::string& file) const override { return (home_ / file).string(); }

  std::filesystem::path home_;
};

class BucketHome final : public DocumentHome {
 public:
  BucketHome(const std::string& bucket, std::function<bool()> cancelled)
      : cancelled_(std::move(cancelled)),
        bucket_(S3Place::Parse(bucket), [this] { return !ignoring_ && cancelled_(); }) {
    bucket_.List("jobs/", /*most=*/1);
  }

  void IgnoreInterrupts() override { ignoring_ = true; }

  void Fetch(std::string_view id, const JobOutput& output,
             const std::filesystem::path& to) override {
    CheckJobId(id);
    CheckOutputName(output.name);
    const std::string key = OutputsOf(id) + output.name;
    if (bucket_.GetFile(key, to)) return;
    throw Error(ErrorCode::kNotFound, fmt::format("there is no {}", bucket_.place().Name(key)));
  }

  Bytes FailedTask(std::string_view id) override {
    return engine::FindFailedTask(*store::Store::Open(StoreIn(bucket_.place())), id);
  }

  void Remove(std::string_view id, bool record) override {
    CheckJobId(id);
    std::vector<S3Object> objects = bucket_.List(OutputsOf(id));
    if (record) {
      for (S3Object& object : bucket_.List(FileOf(id, ""))) objects.push_back(std::move(object));
    }
    for (const S3Object& object : objects) bucket_.Delete(object.key);
  }

 private:
  std::optional<std::string> Read(const std::string& file) override { return bucket_.Get(file); }

  std::vector<std::string> Ids() override {
    std::vector<std::string> ids;
    constexpr std::string_view kBefore = "jobs/", kAfter = "/job.json";
    for (const S3Object& object : bucket_.List(std::string(kBefore))) {
      std::string_view key = object.key;
      if (!key.ends_with(kAfter)) continue;
      key.remove_prefix(kBefore.size());
      key.remove_suffix(kAfter.size());
      ids.emplace_back(key);
    }
    return ids;
  }

  std::string NameOf(const std::string& file) const override { return bucket_.place().Name(file); }

  std::function<bool()> cancelled_;
  std::atomic<bool> ignoring_ = false;
  S3Bucket bucket_;
};

}  // namespace

std::string StoreIn(const S3Place& bucket) { return bucket.Below("store").Text(); }

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

std::unique_ptr<JobHome> OpenBucketHome(const std::string& bucket,
                                        std::function<bool()> cancelled) {
  return std::make_unique<BucketHome>(bucket, std::move(cancelled));
}

// Not cancelled with the job: that it was is the last thing that it tells.
BucketCopy::BucketCopy(const std::string& bucket, std::filesystem::path home, std::string id)
    : bucket_(std::make_unique<S3Bucket>(S3Place::Parse(bucket))),
      home_(std::move(home)),
      id_(std::move(id)),
      worker_([this] { Work(); }) {}

BucketCopy::~BucketCopy() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  worker_.join();
}

void BucketCopy::PutNews(bool all) {
  std::error_code unreadable;
  const std::filesystem::path folder = home_ / "jobs" / id_;
  if (!std::filesystem::exists(folder / "job.json", unreadable)) return;
  const std::uint64_t logged = std::filesystem::file_size(folder / "log", unreadable);
  // The log is put as a whole: the longer it is, the less often.
  if (!unreadable && logged != logged_ && (all || logged > logged_ + logged_ / 4)) {
    bucket_->PutFile(FileOf(id_, "log"), folder / "log");
    logged_ = logged;
  }
  std::string record = ReadFile(folder / "job.json");
  if (record != record_) bucket_->Put(FileOf(id_, "job.json"), record);
  record_ = std::move(record);
}

void BucketCopy::Work() {
  bool told = false;
  for (bool last = false; !last;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kNewsInterval, [&] { return ending_; });
      last = ending_;
    }
    try {
      PutNews(last);
    } catch (const std::exception& error) {  // the job goes on; its outputs are what counts
      if (!std::exchange(told, true)) {
        Log(LogLevel::kWarning,
            fmt::format("the job's state is not seen from outside: {}", error.what()));
      }
    }
  }
}

void BucketCopy::PutResult() {
  const std::filesystem::path result = home_ / FileOf(id_, "result.json");
  const std::string text = ReadFile(result);
  const std::filesystem::path outputs = OutputsFolder(home_, id_);
  for (const JobOutput& output : JobResult::FromJson(ParseJson(text, result.string())).outputs) {
    bucket_->PutFile(OutputsOf(id_) + output.name, outputs / output.name);
  }
  bucket_->Put(FileOf(id_, "result.json"), text);
  std::error_code ignored;
  std::filesystem::remove_all(outputs, ignored);
}

}  // namespace windlass::cluster
