// The runtime's cost a row for the shape of the Adult model: Gemm + Sigmoid, 49 columns, double.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "windlass/model/model.h"

namespace windlass::model {
namespace {

constexpr int kColumns = 49;

std::string Varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  return out + static_cast<char>(value);
}
std::string Integer(int field, std::uint64_t value) { return Varint(field << 3) + Varint(value); }
std::string Field(int field, const std::string& bytes) {
  return Varint((field << 3) | 2) + Varint(bytes.size()) + bytes;
}
std::string Tensor(const std::string& name, std::vector<std::uint64_t> dims, int seed) {
  std::string tensor;
  std::uint64_t count = 1;
  for (const auto size : dims) {
    tensor += Integer(1, size);
    count *= size;
  }
  std::string raw;
  for (std::uint64_t i = 0; i < count; ++i) {
    AppendRaw(raw, static_cast<double>((i * 37 + seed) % 19) / 19 - 0.5);
  }
  return Field(5, tensor + Integer(2, 11) + Field(8, name) + Field(9, raw));
}
std::string Info(const std::string& name, std::uint64_t columns) {
  const std::string shape = Field(1, Field(2, "N")) + Field(1, Integer(1, columns));
  return Field(1, name) + Field(2, Field(1, Integer(1, 11) + Field(2, shape)));
}
std::string Node(const std::string& op, const std::string& inputs, const std::string& output) {
  std::string node = Field(4, op) + Field(2, output);
  for (const char input : inputs) node += Field(1, std::string(1, input));
  return Field(1, node);
}

std::string Logistic() {
  return Integer(1, 8) +
         Field(7, Node("Gemm", "xwb", "z") + Node("Sigmoid", "z", "y") + Field(2, "logistic") +
                      Tensor("w", {kColumns, 1}, 3) + Tensor("b", {1}, 5) +
                      Field(11, Info("x", kColumns)) + Field(12, Info("y", 1))) +
         Field(8, Integer(2, 17));
}

void Predict(benchmark::State& state, const char* spec) {
  static const bool registered = [] {
    RegisterModelFormats(Registry::Global());
    return true;
  }();
  static_cast<void>(registered);
  const auto model = LoadModel({ParseModelSpec(spec), Bytes(Logistic())});
  const std::int64_t rows = state.range(0);
  std::vector<double> x(rows * kColumns);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(i % 23) / 23;
  std::vector<double> out(rows);
  for (auto _ : state) {
    model->Predict(x, rows, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations() * rows);
}

BENCHMARK_CAPTURE(Predict, Runtime, "logistic.onnx?opaque=1")
    ->Arg(1)
    ->Arg(256)
    ->Arg(1024)
    ->Arg(4096);
BENCHMARK_CAPTURE(Predict, OwnKernel, "logistic.onnx")->Arg(1)->Arg(256)->Arg(1024)->Arg(4096);

}  // namespace
}  // namespace windlass::model
