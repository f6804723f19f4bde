#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>

#include <exception>
#include <limits>
#include <set>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/model/command_arrow_internal.h"

namespace windlass::model {
namespace {

constexpr std::size_t kMostMetadataBytes = 64 << 20;
constexpr std::size_t kMostBodyBytes = std::size_t{4} << 30;
constexpr std::string_view kContinuation = "\xff\xff\xff\xff";

template <typename T>
T ArrowValue(arrow::Result<T> result) {
  if (!result.ok()) throw Error(ErrorCode::kIo, "Arrow: " + result.status().message());
  return std::move(result).ValueUnsafe();
}

void Check(const arrow::Status& status) {
  if (!status.ok()) throw Error(ErrorCode::kIo, "Arrow: " + status.message());
}

std::string TextOf(const std::shared_ptr<arrow::Buffer>& buffer) { return buffer->ToString(); }

std::shared_ptr<arrow::Schema> SchemaOf(const std::vector<std::string>& columns) {
  arrow::FieldVector fields;
  fields.reserve(columns.size());
  for (const std::string& name : columns) fields.push_back(arrow::field(name, arrow::float64()));
  return arrow::schema(std::move(fields));
}

std::shared_ptr<arrow::RecordBatch> BatchOf(const std::vector<std::string>& columns,
                                            std::span<const double> x, std::int64_t rows) {
  const std::size_t width = columns.size();
  arrow::ArrayVector arrays;
  for (std::size_t c = 0; c < width; ++c) {
    std::vector<double> values(static_cast<std::size_t>(rows));
    for (std::size_t r = 0; r < values.size(); ++r) values[r] = x[r * width + c];
    arrays.push_back(
        std::make_shared<arrow::DoubleArray>(rows, arrow::Buffer::FromVector(std::move(values))));
  }
  return arrow::RecordBatch::Make(SchemaOf(columns), rows, std::move(arrays));
}

template <typename ArrayType>
void CopyColumn(const arrow::Array& column, std::size_t stride, double* out) {
  const auto& typed = static_cast<const ArrayType&>(column);
  for (std::int64_t row = 0; row < column.length(); ++row, out += stride) {
    *out = typed.IsNull(row) ? std::numeric_limits<double>::quiet_NaN()
                             : static_cast<double>(typed.Value(row));
  }
}

}  // namespace

std::string EncodeArrowSchema(const std::vector<std::string>& columns) {
  return TextOf(ArrowValue(arrow::ipc::SerializeSchema(*SchemaOf(columns))));
}

std::string EncodeArrowRows(const std::vector<std::string>& columns, std::span<const double> x,
                            std::int64_t rows) {
  return TextOf(ArrowValue(arrow::ipc::SerializeRecordBatch(
      *BatchOf(columns, x, rows), arrow::ipc::IpcWriteOptions::Defaults())));
}

std::string EncodeArrowAnswer(const std::vector<std::string>& columns,
                              std::span<const double> values, std::int64_t rows,
                              const ArrowNotes& notes) {
  const auto metadata = std::make_shared<arrow::KeyValueMetadata>();
  for (const auto& [key, value] : notes) metadata->Append(key, value);
  const auto options = arrow::ipc::IpcWriteOptions::Defaults();
  arrow::ipc::IpcPayload payload;
  Check(arrow::ipc::GetRecordBatchPayload(*BatchOf(columns, values, rows), metadata, options,
                                          &payload));
  const auto stream = ArrowValue(arrow::io::BufferOutputStream::Create());
  std::int32_t metadata_length = 0;
  Check(arrow::ipc::WriteIpcPayload(payload, options, stream.get(), &metadata_length));
  return TextOf(ArrowValue(stream->Finish()));
}

class ArrowAnswers::Impl final : public arrow::ipc::Listener {
 public:
  explicit Impl(std::string what) : what_(std::move(what)) {}

  static std::unique_ptr<Impl> Make(std::string what) {
    auto impl = std::make_unique<Impl>(std::move(what));
    auto options = arrow::ipc::IpcReadOptions::Defaults();
    options.use_threads = false;
    // The decoder shares its listener, which it must not own: it is ours.
    impl->decoder_ = std::make_unique<arrow::ipc::StreamDecoder>(
        std::shared_ptr<arrow::ipc::Listener>(std::shared_ptr<void>(), impl.get()), options);
    return impl;
  }

  arrow::Status OnRecordBatchWithMetadataDecoded(arrow::RecordBatchWithMetadata batch) override {
    batch_ = std::move(batch.batch);
    notes_.clear();
    if (batch.custom_metadata) {
      for (const auto& [key, value] : batch.custom_metadata->sorted_pairs()) notes_[key] = value;
    }
    return arrow::Status::OK();
  }
  arrow::Status OnEOS() override {
    ended_ = true;
    return arrow::Status::OK();
  }

  std::size_t wanted() const {
    const auto wanted = static_cast<std::size_t>(decoder_->next_required_size());
    const bool body = part_ == Part::kBody;
    if (wanted > (body ? kMostBodyBytes : kMostMetadataBytes)) {
      Throw(fmt::format("announces a message of {} bytes", wanted));
    }
    return wanted;
  }

  bool at_message() const { return part_ == Part::kStart; }
  bool ended() const { return ended_; }

  bool Take(std::string bytes, ArrowAnswer& answer) {
    if (part_ == Part::kStart && bytes != kContinuation) {
      Throw("wrote something else than an Arrow IPC stream");
    }
    const auto before = decoder_->stats().num_messages;
    batch_ = nullptr;
    try {
      const arrow::Status status = decoder_->Consume(arrow::Buffer::FromString(std::move(bytes)));
      if (!status.ok()) Throw("wrote damaged Arrow: " + FirstLine(status.message()));
      part_ = decoder_->stats().num_messages != before ? Part::kStart : Next(part_);
      if (batch_ == nullptr) {
        return false;
      }
      Decode(answer);
      return true;
    } catch (const Error&) {
      throw;
    } catch (const std::exception& caught) {  // bad_alloc for a damaged length
      Throw(fmt::format("wrote damaged Arrow: {}", caught.what()));
    }
  }

 private:
  enum class Part { kStart, kLength, kMetadata, kBody };

  static Part Next(Part part) {
    return part == Part::kStart    ? Part::kLength
           : part == Part::kLength ? Part::kMetadata
                                   : Part::kBody;
  }

  static std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

  [[noreturn]] void Throw(std::string_view message) const {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{}: the program {}", what_, message));
  }

  void Decode(ArrowAnswer& answer) const {
    const arrow::Status valid = batch_->ValidateFull();
    if (!valid.ok()) Throw("wrote damaged Arrow: " + FirstLine(valid.message()));
    const auto width = static_cast<std::size_t>(batch_->num_columns());
    answer.notes = notes_;
    if (width == 0 && batch_->num_rows() > 0)
      Throw("answered without columns; one column of floats an output was expected");
    answer.rows = batch_->num_rows();
    answer.names.clear();
    answer.values.assign(static_cast<std::size_t>(answer.rows) * width, 0.0);
    std::set<std::string_view> known;
    for (std::size_t c = 0; c < width; ++c) {
      const std::string& name = answer.names.emplace_back(batch_->column_name(static_cast<int>(c)));
      if (!known.insert(batch_->schema()->field(static_cast<int>(c))->name()).second) {
        Throw(fmt::format("answered with two columns \"{}\"", name));
      }
      const arrow::Array& column = *batch_->column(static_cast<int>(c));
      double* out = answer.values.data() + c;
      switch (column.type_id()) {
        case arrow::Type::DOUBLE: CopyColumn<arrow::DoubleArray>(column, width, out); break;
        case arrow::Type::FLOAT: CopyColumn<arrow::FloatArray>(column, width, out); break;
        default:
          Throw(
              fmt::format("answered with column \"{}\" of type {}; float64 or float32 was "
                          "expected",
                          name, column.type()->ToString()));
      }
    }
  }

  std::string what_;
  std::unique_ptr<arrow::ipc::StreamDecoder> decoder_;
  Part part_ = Part::kStart;
  bool ended_ = false;
  std::shared_ptr<arrow::RecordBatch> batch_;
  ArrowNotes notes_;
};

ArrowAnswers::ArrowAnswers(std::string what) : impl_(Impl::Make(std::move(what))) {}
ArrowAnswers::~ArrowAnswers() = default;
std::size_t ArrowAnswers::wanted() const { return impl_->wanted(); }
bool ArrowAnswers::at_message() const { return impl_->at_message(); }
bool ArrowAnswers::ended() const { return impl_->ended(); }
bool ArrowAnswers::Take(std::string bytes, ArrowAnswer& answer) {
  return impl_->Take(std::move(bytes), answer);
}

}  // namespace windlass::model
