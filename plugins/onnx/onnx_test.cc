// ONNX models through libwindlass.so, the plug-in and ONNX Runtime.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>

#include "windlass/base/error.h"
#include "windlass/model/model.h"
#include "windlass/model/onnx_runtime.h"

namespace windlass::model {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::filesystem::path Testdata() {
  const char* source = std::getenv("WINDLASS_SOURCE");
  return std::filesystem::path(source == nullptr ? "." : source) / "src/windlass/model/testdata";
}

const json& Expected() {
  static const json expected = json::parse(ReadAll(Testdata() / "expected.json"));
  return expected;
}

void RegisterOnce() {
  static const bool registered = [] {
    RegisterModelFormats(Registry::Global());
    return true;
  }();
  static_cast<void>(registered);
}

std::unique_ptr<Model> Load(const std::string& name, const std::string& options = "") {
  RegisterOnce();
  return LoadModel(
      {ParseModelSpec(name + ".onnx" + options), Bytes(ReadAll(Testdata() / (name + ".onnx")))});
}

std::string ErrorOf(const std::string& name, const std::string& options, ErrorCode code) {
  try {
    Load(name, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "no error";
}

std::vector<double> Flattened(const json& rows) {
  std::vector<double> values;
  for (const auto& row : rows) {
    for (const auto& value : row) values.push_back(value.get<double>());
  }
  return values;
}

std::vector<double> PredictAll(const Model& model, const std::vector<double>& x) {
  const auto rows = std::ssize(x) / model.columns();
  std::vector<double> out(rows * model.output_names().size());
  model.Predict(x, rows, out);
  return out;
}

// Runs first: a linear graph must not need the plug-in at all.
TEST(Onnx0, LinearGraphsDoNotLoadThePlugin) {
  ASSERT_NE(Load("gemm_sigmoid")->linear(), nullptr);
  EXPECT_FALSE(Registry::Global().Has<OnnxRuntime>("onnxruntime"));
}

TEST(Onnx0, WithoutThePluginTheErrorSaysWhereItWasSought) {
  const char* folder = std::getenv("WINDLASS_PLUGINS");
  const std::string kept = folder == nullptr ? "" : folder;
  ::setenv("WINDLASS_PLUGINS", "/nonexistent", 1);
  EXPECT_THAT(ErrorOf("mlp", "", ErrorCode::kUnsupported),
              AllOf(HasSubstr("mlp.onnx needs ONNX Runtime to run"),
                    HasSubstr("there is no /nonexistent/windlass_onnx.so")));
  if (folder == nullptr) {
    ::unsetenv("WINDLASS_PLUGINS");
  } else {
    ::setenv("WINDLASS_PLUGINS", kept.c_str(), 1);
  }
}

TEST(Onnx0, WithoutTheRuntimeTheErrorSaysWhatToDo) {
  ::setenv("WINDLASS_ONNXRUNTIME", "/nonexistent/libonnxruntime.so", 1);
  EXPECT_THAT(
      ErrorOf("mlp", "", ErrorCode::kUnsupported),
      AllOf(HasSubstr("$WINDLASS_ONNXRUNTIME"), HasSubstr("/nonexistent/libonnxruntime.so")));
  ::unsetenv("WINDLASS_ONNXRUNTIME");
}

class OnnxFiles : public ::testing::TestWithParam<std::string> {};

TEST_P(OnnxFiles, PredictWhatTheRuntimePredictsInPython) {
  const json& expected = Expected().at(GetParam());
  const auto model = Load(GetParam(), "?opaque=1");
  EXPECT_EQ(model->linear(), nullptr);
  EXPECT_EQ(model->columns(), 3);
  EXPECT_THAT(model->library(), HasSubstr("onnxruntime 1."));
  EXPECT_TRUE(model->accepts_missing());
  EXPECT_EQ(model->output_names(), expected.at("outputs").get<std::vector<std::string>>());
  const auto y = Flattened(expected.at("y"));
  const auto out = PredictAll(*model, Flattened(expected.at("x")));
  ASSERT_EQ(out.size(), y.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    EXPECT_NEAR(out[i], y[i], 1e-6 * (1 + std::abs(y[i]))) << i;
  }
}

TEST_P(OnnxFiles, AgreeWithTheirLinearForm) {
  const json& expected = Expected().at(GetParam());
  const auto model = Load(GetParam());
  EXPECT_EQ(model->linear() != nullptr, expected.at("linear").get<bool>());
  const auto opaque = Load(GetParam(), "?opaque=1");
  EXPECT_EQ(model->output_names(), opaque->output_names());
  EXPECT_EQ(model->column_names(), opaque->column_names());
  const auto x = Flattened(expected.at("x"));
  const auto a = PredictAll(*model, x);
  const auto b = PredictAll(*opaque, x);
  const double slack = expected.at("double").get<bool>() ? 1e-12 : 3e-5;
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_NEAR(a[i], b[i], slack * (1 + std::abs(b[i]))) << i;
  }
}

std::vector<std::string> AllFiles() {
  std::vector<std::string> names;
  for (const auto& [name, value] : Expected().items()) names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Testdata, OnnxFiles, ::testing::ValuesIn(AllFiles()),
                         [](const auto& info) { return info.param; });

TEST(Onnx, ThreadsGetTheSameBytes) {
  for (const auto* name : {"double_relu", "forest", "fixed_batch", "logistic"}) {
    const auto model = Load(name, "?opaque=1");
    const auto block = Flattened(Expected().at(name).at("x"));
    std::vector<double> x;
    for (int i = 0; i < 40; ++i) x.insert(x.end(), block.begin(), block.end());
    const auto alone = PredictAll(*model, x);
    std::vector<int> equal(4, 0);
    std::vector<std::thread> threads;
    for (int& count : equal) {
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) {
          const auto out = PredictAll(*model, x);
          count += std::memcmp(out.data(), alone.data(), out.size() * sizeof(double)) == 0;
        }
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_THAT(equal, ElementsAre(50, 50, 50, 50)) << name;
  }
}

TEST(Onnx, AFixedNumberOfRowsDoesNotShow) {
  const auto model = Load("fixed_batch");
  const auto x = Flattened(Expected().at("fixed_batch").at("x"));
  const auto y = Flattened(Expected().at("fixed_batch").at("y"));
  for (std::int64_t rows = 0; rows <= 7; ++rows) {
    std::vector<double> out(rows * 2);
    model->Predict(std::span(x).first(rows * 3), rows, out);
    for (std::int64_t i = 0; i < rows * 2; ++i) EXPECT_NEAR(out[i], y[i], 1e-9);
  }
}

TEST(Onnx, AnOutputCanBeChosen) {
  const auto label = Load("multinomial", "?output=label");
  EXPECT_EQ(label->linear(), nullptr);
  EXPECT_THAT(label->output_names(), ElementsAre("0"));
  const auto& expected = Expected().at("multinomial");
  const auto labels = PredictAll(*label, Flattened(expected.at("x")));
  for (std::size_t row = 0; row < labels.size(); ++row) {
    const auto p = expected.at("y")[row].get<std::vector<double>>();
    EXPECT_EQ(labels[row], std::ranges::max_element(p) - p.begin());
  }
}

TEST(Onnx, NamesOfInputsAreNamesOfColumns) {
  EXPECT_THAT(Load("three_inputs")->column_names(), ElementsAre("age", "income", "debt"));
}

TEST(Onnx, ErrorsSayWhatWasFoundAndWanted) {
  EXPECT_THAT(ErrorOf("multinomial", "?output=probs", ErrorCode::kInvalidInput),
              HasSubstr("multinomial.onnx: no output \"probs\""));
  EXPECT_THAT(ErrorOf("logistic_zipmap", "?output=output_label", ErrorCode::kInvalidInput),
              HasSubstr("output \"output_label\" is no tensor of numbers"));
  EXPECT_THAT(ErrorOf("mlp", "?threads=0", ErrorCode::kInvalidInput),
              HasSubstr("option threads=0: a number from 1 to 1024 was expected"));
  EXPECT_THAT(ErrorOf("mlp", "?thread=2", ErrorCode::kInvalidInput),
              HasSubstr("unknown option \"thread\"; did you mean \"threads\"?"));
}

TEST(Onnx, WhatTheRuntimeRefusesIsAnError) {
  RegisterOnce();
  std::string content = ReadAll(Testdata() / "double_relu.onnx");
  const auto at = content.find("Relu");
  ASSERT_NE(at, std::string::npos);
  content.replace(at, 4, "Rolu");
  try {
    LoadModel({ParseModelSpec("odd.onnx"), Bytes(content)});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("odd.onnx: ONNX Runtime: "), HasSubstr("Rolu")));
  }
}

TEST(Onnx, RefusesBuffersOfAnotherShape) {
  const auto model = Load("double_relu");
  std::vector<double> x(6);
  std::vector<double> out(2);
  model->Predict(x, 2, out);
  EXPECT_THROW(model->Predict(x, 1, out), Error);
  EXPECT_THROW(model->Predict(x, 2, std::span(out).first(1)), Error);
}

}  // namespace
}  // namespace windlass::model
