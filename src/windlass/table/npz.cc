#include <arrow/buffer.h>
#include <fmt/format.h>
#include <zip.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/json.h"
#include "windlass/table/arrow_errors_internal.h"
#include "windlass/table/npz_internal.h"
#include "windlass/table/number_internal.h"

namespace windlass::table {
namespace {

constexpr std::string_view kEnding = ".npy";

// An open zip archive, read by libzip. A local file is read in place, a remote one from memory.
class Archive {
 public:
  explicit Archive(const Source& source) : name_(source.name) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t* bytes = nullptr;
    if (source.local_path.empty()) {
      bytes_ = ValueOf(source.file->ReadAt(0, source.size), name_);
      bytes = zip_source_buffer_create(bytes_->data(), static_cast<zip_uint64_t>(bytes_->size()), 0,
                                       &error);
    } else {
      bytes = zip_source_file_create(source.local_path.c_str(), 0, -1, &error);
    }
    if (bytes != nullptr) {
      zip_ = zip_open_from_source(bytes, ZIP_RDONLY | ZIP_CHECKCONS, &error);
      if (zip_ == nullptr) zip_source_free(bytes);
    }
    const std::string why = zip_ == nullptr ? zip_error_strerror(&error) : "";
    zip_error_fini(&error);
    if (zip_ == nullptr) {
      throw Error(
          ErrorCode::kInvalidInput,
          fmt::format("{} is corrupt or truncated: not a whole zip archive ({})", name_, why));
    }
  }

  ~Archive() { zip_discard(zip_); }
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  zip_t* get() const { return zip_; }
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  std::shared_ptr<arrow::Buffer> bytes_;
  zip_t* zip_ = nullptr;
};

// One entry, unpacked while it is read forwards.
class EntrySource final : public ByteSource {
 public:
  EntrySource(std::shared_ptr<Archive> archive, zip_uint64_t index, std::string name)
      : archive_(std::move(archive)), index_(index), name_(std::move(name)) {
    zip_stat_t status;
    zip_stat_init(&status);
    constexpr zip_uint64_t kNeeded = ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD;
    if (zip_stat_index(archive_->get(), index_, 0, &status) != 0 ||
        (status.valid & kNeeded) != kNeeded || status.size > (zip_uint64_t{1} << 62)) {
      Throw("its entry in the archive is incomplete");
    }
    size_ = static_cast<std::int64_t>(status.size);
    is_stored_ = status.comp_method == ZIP_CM_STORE;
  }

  ~EntrySource() override { CloseEntry(); }
  EntrySource(const EntrySource&) = delete;
  EntrySource& operator=(const EntrySource&) = delete;

  std::int64_t size() const override { return size_; }
  bool IsRandomAccess() const override { return is_stored_; }

  void ReadAt(std::int64_t offset, std::int64_t count, char* out) override {
    if (file_ == nullptr) OpenEntry();
    if (offset != position_ && is_stored_) {
      if (zip_fseek(file_, offset, SEEK_SET) != 0) Throw(zip_file_strerror(file_));
      position_ = offset;
    }
    if (offset < position_) {
      CloseEntry();
      OpenEntry();
    }
    std::array<char, 4096> skipped;
    while (position_ < offset) {
      ReadExactly(std::min<std::int64_t>(offset - position_, skipped.size()), skipped.data());
    }
    ReadExactly(count, out);
    if (position_ == size_) {
      // libzip compares the checksum when it meets the end.
      char beyond = 0;
      const zip_int64_t more = zip_fread(file_, &beyond, 1);
      if (more != 0) Throw(more < 0 ? zip_file_strerror(file_) : "it is longer than it says");
    }
  }

 private:
  [[noreturn]] void Throw(std::string_view why) const {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} is corrupt or truncated: {}", name_, why));
  }

  void OpenEntry() {
    file_ = zip_fopen_index(archive_->get(), index_, 0);
    if (file_ == nullptr) Throw(zip_strerror(archive_->get()));
    position_ = 0;
  }

  void CloseEntry() {
    if (file_ != nullptr) zip_fclose(file_);
    file_ = nullptr;
  }

  void ReadExactly(std::int64_t count, char* out) {
    while (count > 0) {
      const zip_int64_t read = zip_fread(file_, out, static_cast<zip_uint64_t>(count));
      if (read < 0) Throw(zip_file_strerror(file_));
      if (read == 0) Throw("it ends early");
      out += read;
      count -= read;
      position_ += read;
    }
  }

  std::shared_ptr<Archive> archive_;
  zip_uint64_t index_;
  std::string name_;
  std::int64_t size_ = 0;
  bool is_stored_ = false;
  zip_file_t* file_ = nullptr;
  std::int64_t position_ = 0;
};

// Bytes that were unpacked whole.
class UnpackedSource final : public ByteSource {
 public:
  explicit UnpackedSource(ByteSource& packed) {
    constexpr std::int64_t kStep = 1 << 20;  // grows with what is there, not with what is promised
    while (size() < packed.size()) {
      const std::int64_t begin = size();
      const std::int64_t count = std::min(kStep, packed.size() - begin);
      bytes_.resize(static_cast<std::size_t>(begin + count));
      packed.ReadAt(begin, count, bytes_.data() + begin);
    }
  }

  std::int64_t size() const override { return static_cast<std::int64_t>(bytes_.size()); }
  void ReadAt(std::int64_t offset, std::int64_t count, char* out) override {
    std::copy_n(bytes_.data() + offset, count, out);
  }

 private:
  std::string bytes_;
};

struct Array {
  std::string name;
  zip_uint64_t index = 0;
};

std::vector<Array> ArraysOf(const Archive& archive) {
  std::vector<Array> arrays;
  const zip_int64_t entries = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < entries; ++i) {
    const char* name = zip_get_name(archive.get(), static_cast<zip_uint64_t>(i), 0);
    const std::string_view file = name == nullptr ? "" : name;
    if (!file.ends_with(kEnding)) continue;
    arrays.push_back(
        {std::string(file.substr(0, file.size() - kEnding.size())), static_cast<zip_uint64_t>(i)});
  }
  if (arrays.empty()) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("{} holds no npy array; an npz is a zip archive of them", archive.name()));
  }
  return arrays;
}

std::string Label(const std::string& file, const Array& array) {
  return fmt::format("{} (array \"{}\")", file, Shortened(array.name));
}

Array NamedArray(const Source& source, const std::vector<Array>& arrays) {
  std::vector<std::string> names;
  for (const Array& array : arrays) {
    if (array.name == source.array) return array;
    names.push_back(array.name);
  }
  throw Error(ErrorCode::kInvalidInput, fmt::format("{}: there is no array \"{}\"{}", source.name,
                                                    source.array, Suggestion(source.array, names)));
}

// The one array of numbers with two dimensions.
Array OnlyTable(const std::shared_ptr<Archive>& archive, const std::vector<Array>& arrays) {
  if (arrays.size() == 1) return arrays[0];
  std::vector<Array> tables;
  std::string seen;
  for (const Array& array : arrays) {
    const std::string label = Label(archive->name(), array);
    std::string what;
    try {
      EntrySource source(archive, array.index, label);
      const NpyHeader header = ReadNpyHeader(source, label);
      if (header.shape.size() == 2) tables.push_back(array);
      what = ShapeText(header.shape);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kInvalidInput) throw;
      what = "no numbers";
    }
    if (seen.size() < 300) {
      seen += fmt::format("{}{} {}", seen.empty() ? "" : ", ", Shortened(array.name), what);
    }
  }
  if (tables.size() == 1) return tables[0];
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("{} holds {} two-dimensional arrays of numbers ({}); name one, as in "
                          "{}?array={}",
                          archive->name(), tables.empty() ? "no" : std::to_string(tables.size()),
                          seen, archive->name(), (tables.empty() ? arrays : tables)[0].name));
}

}  // namespace

NpzArray OpenNpzArray(const Source& source) {
  const auto archive = std::make_shared<Archive>(source);
  const std::vector<Array> arrays = ArraysOf(*archive);
  const Array array =
      source.array.empty() ? OnlyTable(archive, arrays) : NamedArray(source, arrays);
  NpzArray opened;
  opened.name = Label(source.name, array);
  opened.source = std::make_unique<EntrySource>(archive, array.index, opened.name);
  const NpyHeader header = ReadNpyHeader(*opened.source, opened.name);
  if (header.fortran_order && !opened.source->IsRandomAccess()) {
    opened.source = std::make_unique<UnpackedSource>(*opened.source);
  }
  return opened;
}

}  // namespace windlass::table
