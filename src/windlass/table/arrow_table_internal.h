// A file that yields Arrow record batches, and a Reader on top of any such file.
#pragma once

#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "windlass/table/encode_internal.h"
#include "windlass/table/source_internal.h"
#include "windlass/table/table.h"

namespace windlass::table {

// One pass over some columns.
class BatchPass {
 public:
  virtual ~BatchPass() = default;
  // The next rows, with the columns asked for in the order asked for; nullptr at the end.
  virtual std::shared_ptr<arrow::RecordBatch> Next() = 0;
  // The rows encoded so far are not needed again: memory that mirrors them may go.
  virtual void Trim() {}
};

// A column as the file has it.
struct FileColumn {
  std::string name;
  std::shared_ptr<arrow::DataType> type;
};

class BatchFile {
 public:
  virtual ~BatchFile() = default;

  virtual const std::string& name() const = 0;
  virtual const std::vector<FileColumn>& columns() const = 0;
  virtual std::optional<std::int64_t> rows() const = 0;

  // Throws for a column of an unsupported type.
  virtual ColumnKind Kind(int column) {
    return KindOfType(*columns()[column].type, name(), columns()[column].name);
  }

  // Throws when the file does not hold the whole dictionary of a dictionary column, so that the
  // codes of its categories are lost.
  virtual void CheckHasDictionary(int) const {}

  // Whether every cell is text, so that the codes wanted say how a column is read (CSV).
  virtual bool IsText() const { return false; }

  // Starts a pass over the columns with these positions. Passes may follow each other, one at a
  // time.
  virtual std::unique_ptr<BatchPass> Read(const std::vector<int>& columns) = 0;
};

// Whether `uri` is that of a table in memory (see memory.h), and the table. Throws
// Error{kNotFound}.
bool IsMemory(const std::string& uri);
std::unique_ptr<BatchFile> OpenMemory(const std::string& uri);

std::unique_ptr<BatchFile> OpenParquet(Source source);
std::unique_ptr<BatchFile> OpenArrow(Source source);
std::unique_ptr<BatchFile> OpenCsv(Source source);

std::unique_ptr<Reader> MakeBatchReader(std::unique_ptr<BatchFile> file,
                                        const ReadOptions& options);

// See OpenLabels.
std::unique_ptr<LabelReader> MakeLabelReader(std::unique_ptr<BatchFile> file,
                                             const std::string& column, std::int64_t most);

}  // namespace windlass::table
