#include <arrow/buffer.h>
#include <arrow/config.h>
#include <arrow/filesystem/filesystem.h>
#include <arrow/io/interfaces.h>
#include <arrow/util/config.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include "windlass/base/cancel.h"
#include "windlass/base/error.h"
#include "windlass/table/arrow_errors_internal.h"
#include "windlass/table/remote_internal.h"

namespace windlass::table {
namespace {

// How long a server may take: to begin with, and for each megabyte. Arrow itself would try again
// for a hundred seconds where a server takes connections and says nothing.
constexpr std::chrono::seconds kPatience{30};
constexpr std::chrono::seconds kPatiencePerMegabyte{10};
constexpr std::chrono::milliseconds kLook{20};  // at the user's wish to stop

// What `ask` answers. It runs in a thread of its own, which is left behind when it takes too long
// or the user interrupts: so it must own all that it touches.
template <typename Ask>
std::invoke_result_t<Ask> WithPatience(Ask ask, std::int64_t bytes = 0) {
  using Answer = std::invoke_result_t<Ask>;
  std::packaged_task<Answer()> task(std::move(ask));
  std::future<Answer> answer = task.get_future();
  std::thread(std::move(task)).detach();
  const auto patience = kPatience + kPatiencePerMegabyte * (bytes >> 20);
  const Deadline deadline = Clock::now() + patience;
  while (answer.wait_for(kLook) != std::future_status::ready) {
    if (ProcessCancelToken().cancelled()) return arrow::Status::Cancelled("interrupted");
    if (Clock::now() > deadline) {
      return arrow::Status::IOError(kNoAnswer, patience.count(), " s");
    }
  }
  return answer.get();
}

// Hands every read to WithPatience. It returns statuses and throws nothing: Arrow's CSV reader
// reads ahead in threads of its own.
class PatientFile final : public arrow::io::RandomAccessFile {
 public:
  PatientFile(std::shared_ptr<arrow::io::RandomAccessFile> file, std::int64_t size)
      : file_(std::move(file)), size_(size) {}

  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(std::int64_t position,
                                                       std::int64_t count) override {
    return WithPatience([file = file_, position, count] { return file->ReadAt(position, count); },
                        count);
  }

  arrow::Result<std::int64_t> ReadAt(std::int64_t position, std::int64_t count,
                                     void* out) override {
    ARROW_ASSIGN_OR_RAISE(const auto buffer, ReadAt(position, count));
    std::memcpy(out, buffer->data(), static_cast<std::size_t>(buffer->size()));
    return buffer->size();
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(std::int64_t count) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, count));
    position_ += buffer->size();
    return buffer;
  }

  arrow::Result<std::int64_t> Read(std::int64_t count, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const auto read, ReadAt(position_, count, out));
    position_ += read;
    return read;
  }

  arrow::Status Seek(std::int64_t position) override {
    position_ = position;
    return arrow::Status::OK();
  }
  arrow::Result<std::int64_t> Tell() const override { return position_; }
  arrow::Result<std::int64_t> GetSize() override { return size_; }
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }

 private:
  std::shared_ptr<arrow::io::RandomAccessFile> file_;
  std::int64_t size_;
  std::int64_t position_ = 0;
  bool closed_ = false;
};

std::string FolderOfArrow() {
  Dl_info info{};
  const void* address = &arrow::GetBuildInfo();  // an object of libarrow's
  if (::dladdr(address, &info) == 0 || info.dli_fname == nullptr) return "";
  const std::string path = info.dli_fname;
  const auto slash = path.find_last_of('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

// Loads Arrow's S3 file system, 17 MB that most runs never need, from beside libarrow; loading it
// registers s3://, and S3 must then be shut down before the process ends.
void LoadS3(const std::string& name) {
  static std::once_flag once;
  static std::string failure;
  std::call_once(once, [] {
    const std::string library =
        fmt::format("{}libarrow_s3.so.{}", FolderOfArrow(), ARROW_SO_VERSION);
    void* handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == nullptr) {
      const char* why = ::dlerror();
      failure = why == nullptr ? "libarrow_s3 cannot be loaded" : why;
      return;
    }
    // arrow::Status arrow::fs::FinalizeS3(): looked up by name so that nothing links to it.
    using Finalize = arrow::Status (*)();
    static const auto finalize =
        reinterpret_cast<Finalize>(::dlsym(handle, "_ZN5arrow2fs10FinalizeS3Ev"));
    if (finalize != nullptr) std::atexit([] { static_cast<void>(finalize()); });
  });
  if (!failure.empty()) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: this installation cannot read s3:// ({})", name, failure));
  }
}

}  // namespace

RemotePlace FindRemote(const std::string& uri, const std::string& name) {
  if (uri.starts_with("s3://")) LoadS3(name);
  const auto found = WithPatience([uri]() -> arrow::Result<RemotePlace> {
    RemotePlace place;
    ARROW_ASSIGN_OR_RAISE(place.system, arrow::fs::FileSystemFromUri(uri, &place.path));
    if (place.system->type_name() == "local") place.system = nullptr;
    return place;
  });
  if (found.ok()) return *found;
  if (found.status().IsCancelled() || found.status().message().starts_with(kNoAnswer)) {
    ThrowStatus(found.status(), name);
  }
  throw Error(ErrorCode::kInvalidInput, fmt::format("{}: {}; a path, file:// or s3:// is wanted",
                                                    name, found.status().message()));
}

std::shared_ptr<arrow::io::RandomAccessFile> OpenRemoteFile(const RemotePlace& place,
                                                            const std::string& name) {
  const auto look = [&](const std::string& path) {
    auto info = WithPatience([system = place.system, path] { return system->GetFileInfo(path); });
    if (info.status().IsInvalid()) {  // as an empty part of the path
      throw Error(ErrorCode::kInvalidInput, fmt::format("{}: {}", name, info.status().message()));
    }
    return ValueOf(std::move(info), name);
  };
  const auto info = look(place.path);
  if (info.type() == arrow::fs::FileType::NotFound) {
    const std::string bucket = place.path.substr(0, place.path.find('/'));
    if (look(bucket).type() == arrow::fs::FileType::NotFound) {
      throw Error(ErrorCode::kNotFound, fmt::format("{}: there is no bucket \"{}\"", name, bucket));
    }
    throw Error(ErrorCode::kNotFound, fmt::format("{}: there is no such file", name));
  }
  if (info.type() != arrow::fs::FileType::File) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{} is a folder; a file is wanted", name));
  }
  auto file = ValueOf(
      WithPatience([system = place.system, info] { return system->OpenInputFile(info); }), name);
  const std::int64_t size = ValueOf(file->GetSize(), name);  // known from `info`
  return std::make_shared<PatientFile>(std::move(file), size);
}

}  // namespace windlass::table
