#include "windlass/table/table.h"

#include <arrow/io/interfaces.h>

#include <utility>

#include "windlass/base/error.h"
#include "windlass/table/arrow_errors_internal.h"
#include "windlass/table/arrow_table_internal.h"
#include "windlass/table/coded_internal.h"
#include "windlass/table/npy_internal.h"
#include "windlass/table/npz_internal.h"
#include "windlass/table/source_internal.h"

namespace windlass::table {
namespace {

// Any file of Arrow's file systems, local or remote.
class FileSource final : public ByteSource {
 public:
  explicit FileSource(Source source) : source_(std::move(source)) {}

  std::int64_t size() const override { return source_.size; }

  void ReadAt(std::int64_t offset, std::int64_t count, char* out) override {
    const std::int64_t read = ValueOf(source_.file->ReadAt(offset, count, out), source_.name);
    if (read != count) {
      throw Error(ErrorCode::kCorrupt, source_.name + " became shorter while it was read");
    }
  }

 private:
  Source source_;
};

bool IsNumPy(const Source& source) {
  return source.format == Format::kNpy || source.format == Format::kNpz;
}

NpzArray OpenArray(Source source) {
  if (source.format == Format::kNpz) return OpenNpzArray(source);
  const std::string name = source.name;
  return {name, std::make_unique<FileSource>(std::move(source))};
}

std::unique_ptr<BatchFile> OpenBatches(Source source) {
  switch (source.format) {
    case Format::kParquet: return OpenParquet(std::move(source));
    case Format::kArrowFile:
    case Format::kArrowStream: return OpenArrow(std::move(source));
    case Format::kCsv: return OpenCsv(std::move(source));
    case Format::kNpy:
    case Format::kNpz: break;
  }
  throw Error(ErrorCode::kInternal, source.name + ": no record batches in this format");
}

std::vector<std::string> NamesOf(const BatchFile& file) {
  std::vector<std::string> names;
  for (const auto& column : file.columns()) names.push_back(column.name);
  return names;
}

}  // namespace

std::unique_ptr<Reader> OpenTable(const std::string& uri, const ReadOptions& options) {
  if (IsMemory(uri)) return WithCodes(MakeBatchReader(OpenMemory(uri), options), uri, options);
  Source source = OpenSource(uri);
  return Guarded(uri, [&]() -> std::unique_ptr<Reader> {
    if (IsNumPy(source)) {
      NpzArray array = OpenArray(std::move(source));
      return WithCodes(MakeNpyReader(std::move(array.source), std::move(array.name), options), uri,
                       options);
    }
    return WithCodes(MakeBatchReader(OpenBatches(std::move(source)), options), uri, options);
  });
}

std::unique_ptr<LabelReader> OpenLabels(const std::string& uri, const std::string& column,
                                        std::int64_t most) {
  if (IsMemory(uri)) return MakeLabelReader(OpenMemory(uri), column, most);
  Source source = OpenSource(uri);
  return Guarded(uri, [&]() -> std::unique_ptr<LabelReader> {
    if (IsNumPy(source)) return nullptr;
    return MakeLabelReader(OpenBatches(std::move(source)), column, most);
  });
}

std::vector<std::string> ColumnNames(const std::string& uri) {
  if (IsMemory(uri)) return NamesOf(*OpenMemory(uri));
  Source source = OpenSource(uri);
  return Guarded(uri, [&] {
    if (!IsNumPy(source)) return NamesOf(*OpenBatches(std::move(source)));
    const NpzArray array = OpenArray(std::move(source));
    return NpyColumnNames(ReadNpyHeader(*array.source, array.name), array.name);
  });
}

}  // namespace windlass::table
