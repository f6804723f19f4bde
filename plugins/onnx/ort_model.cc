#include "ort_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "windlass/base/error.h"

namespace windlass::ort {
namespace {

using model::OnnxElement;
using model::OnnxInput;
using model::OnnxProgram;

// What a call needs besides the caller's buffers: kept by each thread, so that Predict takes no
// lock and, once a thread has seen the largest block, no memory.
struct Scratch {
  std::vector<double> inputs;   // converted inputs, one after another, each 8-byte aligned
  std::vector<double> output;   // of another type than double
  std::vector<double> batch_x;  // a block filled up to a fixed number of rows
  std::vector<double> batch_out;
  std::vector<ValuePtr> owned;
  std::vector<const Value*> values;
  std::vector<std::int64_t> shape;
};

Scratch& ThreadScratch() {
  thread_local Scratch scratch;
  return scratch;
}

int TypeOf(OnnxElement element) {
  switch (element) {
    case OnnxElement::kFloat: return kFloat;
    case OnnxElement::kDouble: return kDouble;
    case OnnxElement::kInt32: return kInt32;
    case OnnxElement::kInt64: return kInt64;
  }
  return kDouble;
}

std::size_t SizeOf(int type) { return type == kFloat || type == kInt32 ? 4 : 8; }

bool IsNumber(int type) {
  return type == kFloat || type == kDouble || type == kInt32 || type == kInt64;
}

// Room for `count` numbers of at most 8 bytes.
void Reserve(std::vector<double>& buffer, std::size_t count) {
  if (buffer.size() < count) buffer.resize(count);
}

template <typename T>
T Converted(double value, const OnnxInput& input, const std::string& what) {
  if constexpr (std::is_integral_v<T>) {
    // Beyond 2^53 not every whole number is a double; none is a code or a count.
    const double limit = sizeof(T) == 8 ? 0x1p53 : 0x1p31;
    if (!(value >= -limit && value < limit) || value != std::trunc(value)) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: input \"{}\" takes whole numbers of {} bits, and was given {}",
                              what, input.name, 8 * sizeof(T), value));
    }
  }
  return static_cast<T>(value);
}

template <typename T>
void CopyInput(std::span<const double> x, std::int64_t rows, std::int64_t stride,
               std::int64_t first, const OnnxInput& input, const std::string& what, void* target) {
  T* out = static_cast<T*>(target);
  for (std::int64_t row = 0; row < rows; ++row) {
    const double* from = x.data() + row * stride + first;
    for (std::int64_t i = 0; i < input.columns; ++i) *out++ = Converted<T>(from[i], input, what);
  }
}

template <typename T>
void CopyOutput(const void* source, std::span<double> out) {
  const T* from = static_cast<const T*>(source);
  std::copy(from, from + out.size(), out.begin());
}

void CopyOutputOf(int type, const void* source, std::span<double> out) {
  switch (type) {
    case kFloat: return CopyOutput<float>(source, out);
    case kInt32: return CopyOutput<std::int32_t>(source, out);
    case kInt64: return CopyOutput<std::int64_t>(source, out);
    default: return CopyOutput<double>(source, out);
  }
}

class OrtModel final : public model::Model {
 public:
  OrtModel(const Library& library, const OnnxProgram& program)
      : api_(library.api),
        version_(library.version),
        what_(program.what),
        signature_(program.signature) {
    MemoryInfo* memory = nullptr;
    Check(api_, api_.CreateCpuMemoryInfo(kDeviceAllocator, kDefaultMemory, &memory), what_);
    memory_ = MemoryPtr(memory, {&api_});
    OpenSession(library, program);
    for (const auto& input : signature_.inputs) input_names_.push_back(input.name.c_str());
    LearnOutput();
    output_names_ = signature_.output_names;
    if (std::ssize(output_names_) != width_) {
      output_names_.clear();
      for (std::int64_t i = 0; i < width_; ++i) output_names_.push_back(std::to_string(i));
    }
  }

  std::int64_t columns() const override { return signature_.columns; }
  std::vector<std::string> column_names() const override { return signature_.column_names; }
  std::vector<std::string> output_names() const override { return output_names_; }
  bool accepts_missing() const override { return true; }  // trees do; a graph does not say
  std::string library() const override { return "onnxruntime " + version_; }

  void Predict(std::span<const double> x, std::int64_t rows, std::span<double> out) const override {
    if (rows < 0 || std::ssize(x) != rows * signature_.columns ||
        std::ssize(out) != rows * width_) {
      throw Error(ErrorCode::kInternal,
                  fmt::format("{}: Predict of {} rows was given {} inputs and room for {} outputs; "
                              "{} columns and {} outputs a row were expected",
                              what_, rows, x.size(), out.size(), signature_.columns, width_));
    }
    if (rows == 0) return;
    if (signature_.batch == 0) return RunBlock(x, rows, out);
    PredictInBatches(x, rows, out);
  }

 private:
  void OpenSession(const Library& library, const OnnxProgram& program) {
    SessionOptions* made = nullptr;
    Check(api_, api_.CreateSessionOptions(&made), what_);
    const OptionsPtr options(made, {&api_});
    Check(api_, api_.SetIntraOpNumThreads(made, program.threads), what_);
    Check(api_, api_.SetInterOpNumThreads(made, 1), what_);
    Check(api_, api_.SetSessionExecutionMode(made, kSequential), what_);
    Check(api_, api_.SetSessionLogSeverityLevel(made, kLogFatal), what_);
    Session* session = nullptr;
    Check(api_,
          api_.CreateSessionFromArray(library.env, static_cast<const void*>(program.content.data()),
                                      program.content.size(), made, &session),
          what_);
    session_ = SessionPtr(session, {&api_});
  }

  // Runs zeros once: files rarely say the shape of the output in full. Two rows, so that an output
  // which is not one for each row shows.
  void LearnOutput() {
    const std::int64_t rows = signature_.batch == 0 ? 2 : signature_.batch;
    const std::vector<double> zeros(rows * signature_.columns, 0.0);
    Value* output = nullptr;
    Run(zeros, rows, &output);
    const ValuePtr owned(output, {&api_});
    int is_tensor = 0;
    Check(api_, api_.IsTensor(static_cast<const Value*>(output), &is_tensor), what_);
    if (is_tensor == 0) {
      Throw(fmt::format("output \"{}\" is no tensor; choose another with ?output=NAME",
                        signature_.output));
    }
    TensorInfo* made = nullptr;
    Check(api_, api_.GetTensorTypeAndShape(static_cast<const Value*>(output), &made), what_);
    const InfoPtr info(made, {&api_});
    const TensorInfo* seen = made;
    std::size_t rank = 0;
    Check(api_, api_.GetTensorElementType(seen, &output_type_), what_);
    Check(api_, api_.GetDimensionsCount(seen, &rank), what_);
    output_shape_.resize(rank);
    Check(api_, api_.GetDimensions(seen, output_shape_.data(), rank), what_);
    if (!IsNumber(output_type_)) {
      Throw(
          fmt::format("output \"{}\" is no tensor of numbers (float, double, int32 or int64); "
                      "choose another with ?output=NAME",
                      signature_.output));
    }
    width_ = rank == 0 ? 0
                       : std::accumulate(output_shape_.begin() + 1, output_shape_.end(),
                                         std::int64_t{1}, std::multiplies<>());
    if (rank == 0 || output_shape_[0] != rows || width_ < 1) {
      Throw(
          fmt::format("output \"{}\" has shape [{}] for {} rows of inputs; one row of outputs "
                      "for each was expected",
                      signature_.output, fmt::join(output_shape_, ", "), rows));
    }
  }

  // Blocks of the graph's fixed number of rows, the last one filled up with its last row.
  void PredictInBatches(std::span<const double> x, std::int64_t rows, std::span<double> out) const {
    const std::int64_t batch = signature_.batch;
    const std::int64_t columns = signature_.columns;
    for (std::int64_t first = 0; first < rows; first += batch) {
      const std::int64_t count = std::min(batch, rows - first);
      const auto x_part = x.subspan(first * columns, count * columns);
      const auto out_part = out.subspan(first * width_, count * width_);
      if (count == batch) {
        RunBlock(x_part, batch, out_part);
        continue;
      }
      Scratch& scratch = ThreadScratch();
      scratch.batch_x.assign(x_part.begin(), x_part.end());
      const auto last = x_part.last(columns);
      while (std::ssize(scratch.batch_x) < batch * columns) {
        scratch.batch_x.insert(scratch.batch_x.end(), last.begin(), last.end());
      }
      scratch.batch_out.resize(batch * width_);
      RunBlock(scratch.batch_x, batch, scratch.batch_out);
      std::copy_n(scratch.batch_out.begin(), count * width_, out_part.begin());
    }
  }

  void RunBlock(std::span<const double> x, std::int64_t rows, std::span<double> out) const {
    Scratch& scratch = ThreadScratch();
    void* target = out.data();
    if (output_type_ != kDouble) {
      Reserve(scratch.output, out.size());
      target = scratch.output.data();
    }
    scratch.shape = output_shape_;
    scratch.shape[0] = rows;
    Value* output = Wrap(target, out.size(), scratch.shape, output_type_);
    const ValuePtr owned(output, {&api_});
    Run(x, rows, &output);
    if (output_type_ != kDouble) CopyOutputOf(output_type_, target, out);
  }

  // One call of the runtime; `output` points to null, or to the value to fill.
  void Run(std::span<const double> x, std::int64_t rows, Value** output) const {
    Scratch& scratch = ThreadScratch();
    scratch.owned.clear();
    scratch.values.clear();
    const bool as_it_is =
        signature_.inputs.size() == 1 && signature_.inputs[0].element == OnnxElement::kDouble;
    if (!as_it_is) Reserve(scratch.inputs, x.size());
    std::int64_t first = 0;
    for (const auto& input : signature_.inputs) {
      const int type = TypeOf(input.element);
      void* data = const_cast<double*>(x.data());  // the runtime does not write to inputs
      if (!as_it_is) {
        data = scratch.inputs.data() + rows * first;
        Convert(x, rows, first, input, data);
      }
      const std::int64_t shape[2] = {rows, input.columns};
      Value* value = Wrap(data, rows * input.columns, std::span(shape).first(input.rank), type);
      scratch.owned.emplace_back(value, ReleaseValue{&api_});
      scratch.values.push_back(value);
      first += input.columns;
    }
    const char* output_name = signature_.output.c_str();
    Status* status = api_.Run(session_.get(), static_cast<const RunOptions*>(nullptr),
                              input_names_.data(), scratch.values.data(), scratch.values.size(),
                              &output_name, std::size_t{1}, output);
    scratch.owned.clear();
    Check(api_, status, what_);
  }

  void Convert(std::span<const double> x, std::int64_t rows, std::int64_t first,
               const OnnxInput& input, void* data) const {
    const std::int64_t stride = signature_.columns;
    switch (input.element) {
      case OnnxElement::kFloat: return CopyInput<float>(x, rows, stride, first, input, what_, data);
      case OnnxElement::kDouble:
        return CopyInput<double>(x, rows, stride, first, input, what_, data);
      case OnnxElement::kInt32:
        return CopyInput<std::int32_t>(x, rows, stride, first, input, what_, data);
      case OnnxElement::kInt64:
        return CopyInput<std::int64_t>(x, rows, stride, first, input, what_, data);
    }
  }

  Value* Wrap(void* data, std::size_t count, std::span<const std::int64_t> shape, int type) const {
    Value* value = nullptr;
    Check(api_,
          api_.CreateTensorWithDataAsOrtValue(memory_.get(), data, count * SizeOf(type),
                                              shape.data(), shape.size(), type, &value),
          what_);
    return value;
  }

  [[noreturn]] void Throw(const std::string& message) const {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{}: {}", what_, message));
  }

  const Api api_;
  std::string version_;
  std::string what_;
  model::OnnxSignature signature_;
  MemoryPtr memory_;
  SessionPtr session_;
  std::vector<const char*> input_names_;
  std::vector<std::string> output_names_;
  std::vector<std::int64_t> output_shape_;  // of the first run
  int output_type_ = 0;
  std::int64_t width_ = 0;  // outputs a row
};

}  // namespace

std::unique_ptr<model::Model> MakeOrtModel(const Library& library, const OnnxProgram& program) {
  return std::make_unique<OrtModel>(library, program);
}

}  // namespace windlass::ort
