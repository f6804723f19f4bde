#include "windlass/table/table.h"

#include <utility>

#include "windlass/base/error.h"
#include "windlass/table/arrow_errors_internal.h"
#include "windlass/table/arrow_table_internal.h"
#include "windlass/table/source_internal.h"

namespace windlass::table {
namespace {

std::unique_ptr<BatchFile> OpenBatches(Source source) {
  switch (source.format) {
    case Format::kParquet: return OpenParquet(std::move(source));
    default:
      throw Error(ErrorCode::kUnsupported, source.name + ": only .parquet is read so far");
  }
}

}  // namespace

std::unique_ptr<Reader> OpenTable(const std::string& uri, const ReadOptions& options) {
  Source source = OpenSource(uri);
  return Guarded(uri, [&] { return MakeBatchReader(OpenBatches(std::move(source)), options); });
}

std::vector<std::string> ColumnNames(const std::string& uri) {
  Source source = OpenSource(uri);
  return Guarded(uri, [&] {
    std::vector<std::string> names;
    const auto file = OpenBatches(std::move(source));
    for (const auto& column : file->columns()) names.push_back(column.name);
    return names;
  });
}

}  // namespace windlass::table
