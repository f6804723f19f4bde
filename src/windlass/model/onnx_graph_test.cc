#include "windlass/model/onnx_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "windlass/base/error.h"
#include "windlass/model/linear.h"
#include "windlass/model/onnx_proto_internal.h"
#include "windlass/model/testing_internal.h"

namespace windlass::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Content(const std::string& name) { return ReadTestdata(name + ".onnx"); }

Json Expected() { return ParseTestdata("expected.json"); }

std::string ErrorOf(std::string_view content, const OnnxChoice& choice = {},
                    ErrorCode code = ErrorCode::kInvalidInput) {
  try {
    ReadOnnxLinear(content, "m.onnx", choice);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "no error";
}

// --- files of testdata/make.py ---

class OnnxFiles : public ::testing::TestWithParam<std::string> {};

TEST_P(OnnxFiles, AreRecognisedExactlyWhenTheyAreLinear) {
  const Json expected = Expected().at(GetParam());
  auto linear = ReadOnnxLinear(Content(GetParam()), GetParam());
  ASSERT_EQ(linear.has_value(), expected.at("linear").get<bool>());
  if (!linear) return;
  const Activation activation = linear->structure.activation;
  const auto name = expected.at("activation").get<std::string>();
  EXPECT_EQ(activation == Activation::kSigmoid   ? "sigmoid"
            : activation == Activation::kSoftmax ? "softmax"
                                                 : "identity",
            name);
  const auto model = MakeLinearModel(std::move(linear->structure), std::move(linear->column_names),
                                     std::move(linear->output_names));
  EXPECT_EQ(model->output_names(), expected.at("outputs").get<std::vector<std::string>>());
  const auto x = Flattened(expected.at("x"));
  const auto y = Flattened(expected.at("y"));
  ASSERT_EQ(model->columns(), 3);
  const auto rows = std::ssize(x) / 3;
  std::vector<double> out(rows * model->output_names().size());
  ASSERT_EQ(out.size(), y.size());
  model->Predict(x, rows, out);
  // The runtime computes in single precision where the graph says so.
  const double slack = expected.at("double").get<bool>() ? 1e-12 : 3e-5;
  for (std::size_t i = 0; i < y.size(); ++i) {
    EXPECT_NEAR(out[i], y[i], slack * (1 + std::abs(y[i]))) << i;
  }
}

TEST_P(OnnxFiles, NameTheirOutputs) {
  const auto signature = ReadOnnxSignature(Content(GetParam()), GetParam());
  const auto outputs = Expected().at(GetParam()).at("outputs").get<std::vector<std::string>>();
  EXPECT_EQ(signature.columns, 3);
  if (!signature.output_names.empty()) {
    EXPECT_EQ(signature.output_names, outputs);
  }
}

// Nothing that is cut off is read as something else: each prefix is an error, unless what is cut
// off means nothing (an operator set that stands twice).
TEST_P(OnnxFiles, CutAnywhereGiveAnErrorNotAnotherModel) {
  const std::string whole = Content(GetParam());
  const auto truth = ReadOnnxLinear(whole, "m.onnx");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    try {
      const auto read = ReadOnnxLinear(std::string_view(whole).substr(0, size), "m.onnx");
      ASSERT_EQ(read.has_value(), truth.has_value()) << size;
      EXPECT_GT(size, whole.size() - 40) << "the graph itself is not whole";
      if (read) {
        EXPECT_EQ(read->structure.coef, truth->structure.coef) << size;
      }
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidInput) << error.what();
      EXPECT_THAT(error.what(), HasSubstr("m.onnx"));
    }
  }
}

TEST_P(OnnxFiles, WithAnyByteChangedGiveAnErrorOrAModel) {
  const std::string whole = Content(GetParam());
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      try {
        const auto signature = ReadOnnxSignature(damaged, "m.onnx");
        OnnxForRuntime(damaged, signature, "m.onnx");
        ReadOnnxLinear(damaged, "m.onnx");
      } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr("m.onnx"));
      }
    }
  }
}

TEST_P(OnnxFiles, KeepOneOutputForTheRuntime) {
  const std::string whole = Content(GetParam());
  const auto signature = ReadOnnxSignature(whole, "m.onnx");
  const std::string program = OnnxForRuntime(whole, signature, "m.onnx");
  const OnnxModelFile model = ParseOnnxModel(program, "m.onnx");
  ASSERT_EQ(model.outputs.size(), 1u);
  EXPECT_EQ(model.outputs[0].name, signature.output);
  for (const auto& node : model.nodes) EXPECT_NE(node.op, "ZipMap");
  EXPECT_EQ(ReadOnnxLinear(program, "m.onnx").has_value(),
            ReadOnnxLinear(whole, "m.onnx").has_value());
}

INSTANTIATE_TEST_SUITE_P(Testdata, OnnxFiles, ::testing::ValuesIn(KeysOf(Expected())),
                         [](const auto& info) { return info.param; });

// --- graphs made here, message by message ---

std::string Field(int field, std::string_view bytes) {
  std::string out;
  AppendBytesField(out, field, bytes);
  return out;
}

std::string Integer(int field, std::uint64_t value) {
  std::string out(1, static_cast<char>(field << 3));
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
  return out;
}

// A value of element type `type`; a size of 0 is a symbol.
std::string ValueInfo(std::string_view name, int type, const std::vector<int>& dims) {
  std::string shape;
  for (const int size : dims) {
    shape += Field(1, size == 0 ? Field(2, "N") : Integer(1, static_cast<std::uint64_t>(size)));
  }
  return Field(1, name) +
         Field(2, Field(1, Integer(1, static_cast<std::uint64_t>(type)) + Field(2, shape)));
}

std::string Node(std::string_view op, const std::vector<std::string>& inputs,
                 const std::vector<std::string>& outputs) {
  std::string node = Field(4, op);
  for (const auto& input : inputs) node += Field(1, input);
  for (const auto& output : outputs) node += Field(2, output);
  return Field(1, node);
}

std::string Tensor(std::string_view name, const std::vector<std::uint64_t>& dims,
                   std::string_view raw) {
  std::string tensor;
  for (const auto size : dims) tensor += Integer(1, size);
  return Field(5, tensor + Integer(2, 11) + Field(8, name) + Field(9, raw));
}

std::string ModelOf(std::string_view graph) {
  return Integer(1, 8) + Field(7, graph) + Field(8, Integer(2, 17));
}

const std::string kInput = Field(11, ValueInfo("x", 11, {0, 2}));
const std::string kOutput = Field(12, ValueInfo("y", 11, {0, 2}));
const std::string kIdentity = Node("Identity", {"x"}, {"y"});

TEST(OnnxGraph, ReadsTheSmallestModel) {
  const auto linear = ReadOnnxLinear(ModelOf(kIdentity + kInput + kOutput), "m.onnx");
  ASSERT_TRUE(linear.has_value());
  EXPECT_THAT(linear->structure.coef, ElementsAre(1, 0, 0, 1));
  EXPECT_THAT(linear->structure.intercept, ElementsAre(0, 0));
}

TEST(OnnxGraph, SaysWhatIsMissing) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("m.onnx is empty; an ONNX model was expected"));
  EXPECT_THAT(ErrorOf("PAR1, but surely no ONNX"), HasSubstr("damaged, or no ONNX model"));
  EXPECT_THAT(ErrorOf(Integer(1, 8)), HasSubstr("it has no graph"));
  EXPECT_THAT(ErrorOf(Field(7, kIdentity + kInput + kOutput) + Field(8, Integer(2, 17))),
              HasSubstr("it has no ir_version"));
  EXPECT_THAT(ErrorOf(Integer(1, 8) + Field(7, kIdentity + kInput + kOutput)),
              HasSubstr("it names no operator set"));
  EXPECT_THAT(ErrorOf(ModelOf(kIdentity + kInput)), HasSubstr("its graph has no output"));
  EXPECT_THAT(ErrorOf(ModelOf(kIdentity + kOutput)), HasSubstr("the graph has no input"));
  EXPECT_THAT(ErrorOf(ModelOf(Field(1, Field(1, "x")) + kInput + kOutput)),
              HasSubstr("a node has no op_type"));
  EXPECT_THAT(
      ErrorOf(ModelOf(Field(1, Field(4, "Scaler") + Field(7, "ai.onnx.ml")) + kInput + kOutput)),
      HasSubstr("operator Scaler is of domain \"ai.onnx.ml\""));
}

TEST(OnnxGraph, SaysWhichInputsItCannotFeed) {
  const auto with = [](int type, const std::vector<int>& dims) {
    return ModelOf(kIdentity + Field(11, ValueInfo("x", type, dims)) + kOutput);
  };
  EXPECT_THAT(ErrorOf(with(8, {0, 2})), HasSubstr("input \"x\" is string [?, 2]; numbers"));
  EXPECT_THAT(ErrorOf(with(1, {0, 3, 224, 224})),
              HasSubstr("input \"x\" is float [?, 3, 224, 224]; rows of numbers"));
  EXPECT_THAT(ErrorOf(with(1, {0, 0})), HasSubstr("say it with ?columns=NUMBER"));
  EXPECT_THAT(ErrorOf(with(1, {0, 2}), {.columns = 3}),
              HasSubstr("option columns=3, but input \"x\" is float [?, 2]"));
  const auto linear = ReadOnnxLinear(with(1, {0, 0}), "m.onnx", {.columns = 3});
  ASSERT_TRUE(linear.has_value());
  EXPECT_EQ(linear->structure.columns(), 3);
  const std::string other = Field(11, ValueInfo("z", 11, {4, 1}));
  EXPECT_THAT(ErrorOf(ModelOf(kIdentity + kInput + other + kOutput)),
              HasSubstr("another number of rows than \"x\""));
}

TEST(OnnxGraph, ChoosesAmongOutputs) {
  const auto with = [](const std::vector<std::string>& names) {
    std::string graph = kInput;
    for (const auto& name : names) {
      graph += Node("Identity", {"x"}, {name}) + Field(12, ValueInfo(name, 11, {0, 2}));
    }
    return ModelOf(graph);
  };
  EXPECT_EQ(ReadOnnxSignature(with({"a", "the_Probs"}), "m.onnx").output, "the_Probs");
  EXPECT_EQ(ReadOnnxSignature(with({"a", "b"}), "m.onnx", {.output = "b"}).output, "b");
  EXPECT_THAT(ErrorOf(with({"a", "b"})),
              HasSubstr("m.onnx: several outputs: a, b; choose one with ?output=NAME"));
  EXPECT_THAT(ErrorOf(with({"margin", "score"}), {.output = "margins"}),
              HasSubstr("no output \"margins\"; did you mean \"margin\"?"));
}

TEST(OnnxGraph, RefusesWeightsInOtherFiles) {
  const std::string tensor =
      Field(5, Integer(1, 2) + Integer(2, 11) + Field(8, "w") + Integer(14, 1));
  EXPECT_THAT(ErrorOf(ModelOf(kIdentity + tensor + kInput + kOutput), {}, ErrorCode::kUnsupported),
              HasSubstr("the weights \"w\" are in another file"));
}

TEST(OnnxGraph, ComparesSizesWithDataBeforeAllocating) {
  const auto with = [](const std::vector<std::uint64_t>& dims, std::string_view raw) {
    return ModelOf(Node("MatMul", {"x", "w"}, {"y"}) + Tensor("w", dims, raw) + kInput + kOutput);
  };
  const std::string four(32, '\0');
  EXPECT_EQ(ErrorOf(with({2, 2}, four)), "no error");
  EXPECT_THAT(ErrorOf(with({2, 3}, four)), HasSubstr("tensor \"w\" of shape [2, 3] has 4 values"));
  EXPECT_THAT(ErrorOf(with({2, 2}, four.substr(1))), HasSubstr("tensor \"w\""));
  EXPECT_THAT(ErrorOf(with({std::uint64_t{1} << 62, 8}, four)), HasSubstr("tensor \"w\""));
  EXPECT_THAT(ErrorOf(with({~std::uint64_t{0}, 2}, four)), HasSubstr("tensor \"w\""));
  // No values, and a size that would keep a loop busy for years.
  EXPECT_FALSE(ReadOnnxLinear(with({std::uint64_t{1} << 60, 0}, ""), "m.onnx").has_value());
  const std::string turned =
      ModelOf(Node("Transpose", {"w"}, {"t"}) + Node("MatMul", {"x", "t"}, {"y"}) +
              Tensor("w", {std::uint64_t{1} << 60, 0}, "") + kInput + kOutput);
  EXPECT_FALSE(ReadOnnxLinear(turned, "m.onnx").has_value());
}

TEST(OnnxGraph, GivesUpOnGraphsThatWouldTakeTooMuch) {
  // 200 products with one matrix of 512 x 512: 2.7e10 multiply-adds from a file of 2 MB.
  const int size = 512;
  std::string graph = Tensor("w", {size, size}, std::string(size * size * 8, '\0')) +
                      Field(11, ValueInfo("x", 11, {0, size})) +
                      Field(12, ValueInfo("y", 11, {0, size}));
  std::string from = "x";
  for (int i = 0; i < 200; ++i) {
    const std::string to = i == 199 ? "y" : "t" + std::to_string(i);
    graph += Node("MatMul", {from, "w"}, {to});
    from = to;
  }
  EXPECT_FALSE(ReadOnnxLinear(ModelOf(graph), "m.onnx").has_value());
}

TEST(OnnxGraph, RefusesBrokenFields) {
  const std::string good = ModelOf(kIdentity + kInput + kOutput);
  EXPECT_THAT(ErrorOf(good + std::string("\x7a\xff\xff\xff\xff\x0f", 6)),
              HasSubstr("a field of 4294967295 bytes where 0 are left"));
  EXPECT_THAT(ErrorOf(good + std::string("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11)),
              HasSubstr("more than 64 bits"));
  EXPECT_THAT(ErrorOf(good + std::string("\x0b", 1)), HasSubstr("wire type 3"));
  EXPECT_THAT(ErrorOf(good + std::string("\x00", 1)), HasSubstr("field number 0"));
  EXPECT_THAT(ErrorOf(good + Field(1, "8")), HasSubstr("field 1 has wire type 2 instead of 0"));
}

TEST(OnnxGraph, DoesNotFollowLoops) {
  const std::string graph = Node("Identity", {"y"}, {"a"}) + Node("Identity", {"a"}, {"y"});
  EXPECT_FALSE(ReadOnnxLinear(ModelOf(graph + kInput + kOutput), "m.onnx").has_value());
}

}  // namespace
}  // namespace windlass::model
