#include <fmt/format.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>

#include "windlass/base/error.h"
#include "windlass/table/table.h"

namespace windlass::table {
namespace {

void AppendText(std::string& line, std::string_view text) {
  if (text.find_first_of(",\"\r\n") == text.npos) {
    line += text;
    return;
  }
  line += '"';
  for (const char c : text) line.append(c == '"' ? 2 : 1, c);
  line += '"';
}

class CsvWriter final : public Writer {
 public:
  CsvWriter(const std::string& path, const std::vector<OutputColumn>& columns)
      : path_(path), columns_(columns), file_(path, std::ios::binary | std::ios::trunc) {
    std::string line;
    for (const OutputColumn& column : columns) {
      if (!line.empty()) line += ',';
      AppendText(line, column.name);
    }
    Write(line + '\n');
  }

  void Append(const std::vector<OutputValues>& values) override {
    const std::size_t rows = columns_.empty() ? 0 : RowsOf(values.front());
    std::string lines;
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t c = 0; c < columns_.size(); ++c) {
        if (c > 0) lines += ',';
        AppendCell(lines, columns_[c].type, values[c], row);
      }
      lines += '\n';
    }
    Write(lines);
  }

  void Close() override {
    file_.close();
    Check();
  }

 private:
  std::size_t RowsOf(const OutputValues& values) const {
    switch (columns_.front().type) {
      case OutputColumn::Type::kInt64: return values.integers.size();
      case OutputColumn::Type::kDouble: return values.doubles.size();
      case OutputColumn::Type::kText: break;
    }
    return values.texts.size();
  }

  static void AppendCell(std::string& lines, OutputColumn::Type type, const OutputValues& values,
                         std::size_t row) {
    switch (type) {
      case OutputColumn::Type::kInt64: lines += std::to_string(values.integers[row]); break;
      case OutputColumn::Type::kDouble:
        if (!std::isnan(values.doubles[row])) lines += fmt::format("{}", values.doubles[row]);
        break;
      case OutputColumn::Type::kText: AppendText(lines, values.texts[row]); break;
    }
  }

  void Write(const std::string& text) {
    file_ << text;
    Check();
  }

  void Check() const {
    if (file_.good()) return;
    throw Error(ErrorCode::kIo, fmt::format("cannot write {}: {}", path_, std::strerror(errno)));
  }

  std::string path_;
  std::vector<OutputColumn> columns_;
  std::ofstream file_;
};

}  // namespace

std::unique_ptr<Writer> CreateCsv(const std::string& path,
                                  const std::vector<OutputColumn>& columns) {
  return std::make_unique<CsvWriter>(path, columns);
}

}  // namespace windlass::table
