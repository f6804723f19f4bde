#include "windlass/model/oip_protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <new>

#include "windlass/base/bytes.h"
#include "windlass/base/error.h"

namespace windlass::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Counted by operator new and delete below, while `counting`, on this thread.
thread_local bool counting = false;
thread_local std::ptrdiff_t held_bytes = 0;
thread_local std::ptrdiff_t most_bytes = 0;

[[maybe_unused]] void Count(std::ptrdiff_t bytes) {
  if (!counting) return;
  held_bytes += bytes;
  most_bytes = std::max(most_bytes, held_bytes);
}

template <typename Body>
std::string ErrorOf(ErrorCode code, Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "no error";
}

OipSignature SignatureOf(std::string_view metadata, const OipChoice& choice = {}) {
  return ReadOipSignature(ParseOipDocument(metadata, "m"), choice, "m");
}

std::string Metadata(std::string_view inputs, std::string_view outputs = "[]") {
  return std::string(
             R"({"name": "m", "versions": ["1", "2"], "platform": "p", "more": {"a": [1]},)") +
         R"( "inputs": )" + std::string(inputs) + R"(, "outputs": )" + std::string(outputs) + "}";
}

std::string Tensor(std::string_view name, std::string_view type, std::string_view shape) {
  return R"({"name": ")" + std::string(name) + R"(", "datatype": ")" + std::string(type) +
         R"(", "shape": )" + std::string(shape) + R"(, "parameters": {"content_type": "np"}})";
}

TEST(OipSignature, OneTableOrOneInputAColumn) {
  const OipSignature table = SignatureOf(Metadata("[" + Tensor("x", "FP32", "[-1, 3]") + "]"));
  EXPECT_EQ(table.columns, 3);
  EXPECT_EQ(table.inputs.at(0).type, OipType::kFp32);
  EXPECT_FALSE(table.flat);
  EXPECT_EQ(SignatureOf(Metadata("[" + Tensor("x", "FP32", "[-1, -1]") + "]")).columns, -1);
  EXPECT_EQ(SignatureOf(Metadata("[" + Tensor("x", "INT64", "[8, 3]") + "]")).fixed_rows, 8);

  const OipSignature columns = SignatureOf(
      Metadata("[" + Tensor("age", "INT64", "[-1]") + "," + Tensor("sex", "FP64", "[-1]") + "]"));
  EXPECT_EQ(columns.columns, 2);
  EXPECT_TRUE(columns.flat && columns.one_input_a_column());
  EXPECT_EQ(columns.inputs.at(1).name, "sex");

  const OipSignature again = DecodeOipSignature(EncodeOipSignature(columns));
  EXPECT_EQ(EncodeOipSignature(again), EncodeOipSignature(columns));
}

TEST(OipSignature, WithoutMetadataTheUserSays) {
  const OipSignature usual = SignatureOf(R"({"name": "m"})");
  EXPECT_EQ(usual.inputs.at(0).name, "input-0");
  EXPECT_EQ(usual.inputs.at(0).type, OipType::kFp64);
  EXPECT_EQ(usual.columns, -1);
  EXPECT_EQ(usual.output, "");
  const OipSignature said = SignatureOf(Metadata("[]"), {"predict", "proba", OipType::kFp32});
  EXPECT_EQ(said.inputs.at(0).name, "predict");
  EXPECT_EQ(said.inputs.at(0).type, OipType::kFp32);
  EXPECT_EQ(said.output, "proba");
}

TEST(OipSignature, RefusesWhatNoTableFits) {
  const auto refused = [](ErrorCode code, const std::string& metadata,
                          const OipChoice& choice = {}) {
    return ErrorOf(code, [&] { SignatureOf(metadata, choice); });
  };
  EXPECT_THAT(
      refused(ErrorCode::kUnsupported, Metadata("[" + Tensor("x", "BYTES", "[-1, 3]") + "]")),
      HasSubstr(R"(m: input "x" is BYTES of shape [-1, 3]; numbers (FP64)"));
  for (const auto* shape : {"[]", "[-1, 3, 3]", "[0, 3]", "[-1, 0]", "[-2, 3]"}) {
    EXPECT_THAT(refused(ErrorCode::kUnsupported, Metadata("[" + Tensor("x", "FP32", shape) + "]")),
                HasSubstr("rows of numbers, [-1, columns], were expected"))
        << shape;
  }
  const std::string two =
      Metadata("[" + Tensor("a", "FP32", "[-1, 1]") + "," + Tensor("b", "FP32", "[-1, 2]") + "]");
  EXPECT_THAT(refused(ErrorCode::kUnsupported, two),
              HasSubstr(R"(input "b" is FP32 of shape [-1, 2] beside 1 others)"));
  EXPECT_EQ(SignatureOf(two, {"b", "", {}}).columns, 2);
  EXPECT_THAT(refused(ErrorCode::kInvalidInput, two, {"bb", "", {}}),
              HasSubstr(R"(no input "bb"; did you mean "b"?)"));
}

TEST(OipSignature, ChoosesTheOutput) {
  const std::string predict = Tensor("predict", "INT64", "[-1]");
  const std::string proba = Tensor("predict_proba", "FP64", "[-1, 2]");
  const std::string other = Tensor("other", "FP64", "[-1]");
  EXPECT_EQ(SignatureOf(Metadata("[]", "[" + predict + "]")).output, "predict");
  EXPECT_EQ(SignatureOf(Metadata("[]", "[" + predict + "," + proba + "]")).output, "predict_proba");
  const std::string unclear = Metadata("[]", "[" + predict + "," + other + "]");
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, [&] { SignatureOf(unclear); }),
              HasSubstr("several outputs: predict, other; choose one with ?output=NAME"));
  EXPECT_EQ(SignatureOf(unclear, {"", "other", {}}).output, "other");
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput,
                      [&] {
                        SignatureOf(unclear, {"", "othe", {}});
                      }),
              HasSubstr(R"(no output "othe"; did you mean "other"?)"));
}

TEST(OipRequest, InJson) {
  OipSignature signature = SignatureOf(Metadata("[" + Tensor("x", "FP64", "[-1, 2]") + "]"));
  signature.output = "p";
  const std::vector<double> x = {0.1, -2, 1e300, 3};
  EXPECT_EQ(EncodeOipRequest(signature, x, 2, "m").body,
            R"({"inputs":[{"name":"x","shape":[2,2],"datatype":"FP64","data":[0.1,-2,1e+300,3]}],)"
            R"("outputs":[{"name":"p"}]})");

  OipSignature columns = SignatureOf(
      Metadata("[" + Tensor("a", "INT64", "[-1]") + "," + Tensor("b", "FP32", "[-1]") + "]"));
  const std::vector<double> y = {1, 0.1, 3, 0.2};
  EXPECT_EQ(EncodeOipRequest(columns, y, 2, "m").body,
            R"({"inputs":[{"name":"a","shape":[2],"datatype":"INT64","data":[1,3]},)"
            R"({"name":"b","shape":[2],"datatype":"FP32","data":[0.1,0.2]}]})");
}

TEST(OipRequest, InBinary) {
  OipSignature signature = SignatureOf(Metadata("[" + Tensor("x", "INT32", "[-1, 2]") + "]"));
  signature.binary = true;
  const std::vector<double> x = {1, -2};
  const OipRequest request = EncodeOipRequest(signature, x, 1, "m");
  EXPECT_EQ(request.body.substr(0, request.json_size),
            R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"INT32",)"
            R"("parameters":{"binary_data_size":8}}],"parameters":{"binary_data_output":true}})");
  EXPECT_EQ(request.body.substr(request.json_size), std::string("\1\0\0\0\xfe\xff\xff\xff", 8));
  signature.output = "p";
  EXPECT_THAT(EncodeOipRequest(signature, x, 1, "m").body,
              HasSubstr(R"("outputs":[{"name":"p","parameters":{"binary_data":true}}])"));
}

TEST(OipRequest, RefusesNumbersThatTheTypeCannotHold) {
  const auto refused = [](std::string_view type, double value) {
    const OipSignature signature = SignatureOf(Metadata("[" + Tensor("x", type, "[-1, 1]") + "]"));
    return ErrorOf(ErrorCode::kInvalidInput,
                   [&] { EncodeOipRequest(signature, std::vector<double>{value}, 1, "m"); });
  };
  EXPECT_EQ(refused("INT64", 0.5), R"(m: input "x" takes INT64, and was given 0.5)");
  EXPECT_THAT(refused("INT8", 128), HasSubstr("takes INT8, and was given 128"));
  EXPECT_EQ(refused("INT8", -128), "no error");
  EXPECT_THAT(refused("UINT64", -1), HasSubstr("takes UINT64"));
  EXPECT_THAT(refused("BOOL", 2), HasSubstr("takes BOOL"));
  EXPECT_EQ(refused("BOOL", 1), "no error");
  EXPECT_THAT(refused("FP32", 1e300), HasSubstr("takes FP32, and 1e+300 is beyond it"));
  EXPECT_THAT(refused("FP64", std::nan("")), HasSubstr("JSON cannot say nan"));
}

std::string Answer(std::string_view tensors) {
  return R"({"model_name": "m", "id": null, "outputs": [)" + std::string(tensors) + "]}";
}

std::string Output(std::string_view name, std::string_view type, std::string_view shape,
                   std::string_view data) {
  return R"({"data": )" + std::string(data) + R"(, "name": ")" + std::string(name) +
         R"(", "datatype": ")" + std::string(type) + R"(", "shape": )" + std::string(shape) + "}";
}

OipPrediction Predicted(std::string_view body, std::int64_t rows, std::string_view output = "") {
  return ParseOipAnswer(body, std::nullopt, output, rows, "m");
}

TEST(OipAnswer, ReadsJsonInAllItsForms) {
  EXPECT_THAT(Predicted(Answer(Output("p", "FP64", "[3]", "[1, 2.5, -3e2]")), 3).values,
              ElementsAre(1, 2.5, -300));
  const OipPrediction nested =
      Predicted(Answer(Output("p", "FP32", "[2, 2]", "[[0.1, 2], [3, 4]]")), 2);
  EXPECT_EQ(nested.width, 2);
  EXPECT_THAT(nested.values, ElementsAre(static_cast<double>(0.1F), 2, 3, 4));
  EXPECT_THAT(Predicted(Answer(Output("p", "BOOL", "[2, 1]", "[true, false]")), 2).values,
              ElementsAre(1, 0));
  EXPECT_TRUE(std::isnan(Predicted(Answer(Output("p", "FP64", "[1]", "[null]")), 1).values[0]));
  EXPECT_THAT(Predicted(Answer(Output("a", "FP64", "[2]", "[1, 2]") + "," +
                               Output("b", "INT8", "[2]", "[3, 4]")),
                        2, "b")
                  .values,
              ElementsAre(3, 4));
}

TEST(OipAnswer, ReadsBinaryWhateverWasAsked) {
  std::string json = Answer(
      R"({"name": "a", "datatype": "INT8", "shape": [2], "parameters": {"binary_data_size": 2}},)"
      R"({"name": "b", "datatype": "FP32", "shape": [2, 1], "parameters": {"binary_data_size": 8}})");
  const std::uint64_t size = json.size();
  std::string body = json + "\x01\xff";
  AppendRaw(body, 0.5F);
  AppendRaw(body, -2.0F);
  EXPECT_THAT(ParseOipAnswer(body, size, "b", 2, "m").values, ElementsAre(0.5, -2));
  EXPECT_THAT(ParseOipAnswer(body, size, "a", 2, "m").values, ElementsAre(1, -1));

  const auto refused = [&](std::string_view bytes, std::uint64_t json_size) {
    return ErrorOf(ErrorCode::kInvalidInput,
                   [&] { ParseOipAnswer(bytes, json_size, "b", 2, "m"); });
  };
  EXPECT_THAT(refused(std::string_view(body).substr(0, body.size() - 1), size),
              HasSubstr(R"(output "b" has 8 bytes, but 7 are left)"));
  EXPECT_THAT(refused(body + "x", size), HasSubstr("1 bytes follow the last output"));
  EXPECT_THAT(refused(body, body.size() + 1), HasSubstr("bytes are JSON, but there are"));
}

TEST(OipAnswer, SaysWhatIsWrong) {
  const auto refused = [](std::string_view body, std::string_view output = "") {
    return ErrorOf(ErrorCode::kInvalidInput, [&] { Predicted(body, 2, output); });
  };
  EXPECT_EQ(refused("  "), "m: an empty answer; JSON was expected");
  EXPECT_EQ(refused("<html><body>Sign in\n</body>"),
            "m: HTML instead of JSON (a proxy's page?): <html><body>Sign in </body>");
  EXPECT_EQ(refused("upstream timed out"), "m: a JSON object was expected, not upstream timed out");
  EXPECT_THAT(refused("[1]"), HasSubstr("a JSON object was expected, not [1]"));
  EXPECT_THAT(refused(R"({"outputs": [)"), HasSubstr("not valid JSON at byte 14"));
  EXPECT_THAT(refused(R"({"outputs": []} x)"), HasSubstr("not valid JSON"));
  for (const char* word : {"NaN", "Infinity", "-Infinity"}) {
    const std::string tensor = R"({"name": "a", "datatype": "FP64", "shape": [2], "data": [1, )";
    EXPECT_THAT(refused(Answer(tensor + word + "]}")),
                HasSubstr(*word == 'N' ? "NaN at byte" : "Infinity at byte"));
  }
  EXPECT_EQ(refused("{}"), "m: JSON without \"outputs\"");
  EXPECT_EQ(refused(R"({"error": "out of\nmemory"})"), "m: the server says: out of memory");
  EXPECT_EQ(refused(R"({"outputs": []})"), "m: \"outputs\" is empty");
  EXPECT_THAT(refused(R"({"outputs": [], "outputs": []})"), HasSubstr("stands twice"));
  EXPECT_THAT(refused(R"({"outputs": [1]})"), HasSubstr("a number stands where a tensor should"));
  EXPECT_THAT(refused(R"({"outputs": [{"name": "p"}]})"), HasSubstr("lacks its"));
  const auto one = [&](std::string_view type, std::string_view shape, std::string_view data) {
    return refused(Answer(Output("p", type, shape, data)));
  };
  EXPECT_EQ(one("FP64", "[3]", "[1, 2, 3]"),
            R"(m: output "p" is FP64 of shape [3], but 2 rows were sent)");
  EXPECT_EQ(one("FP64", "[2]", "[1, 2, 3]"),
            R"(m: output "p" is FP64 of shape [2], but has 3 numbers)");
  EXPECT_THAT(one("FP64", "[2, 1, 1]", "[1, 2]"), HasSubstr("[2] or [2, outputs] was expected"));
  EXPECT_THAT(one("FP64", "[]", "[1, 2]"), HasSubstr("[2] or [2, outputs] was expected"));
  EXPECT_THAT(one("FP64", "[2, 4611686018427387904]", "[1, 2]"), HasSubstr("was expected"));
  EXPECT_THAT(one("BYTES", "[2]", "[1, 2]"), HasSubstr("\"p\" is BYTES of shape [2]; numbers"));
  EXPECT_THAT(one("FP64", "[2]", R"(["a", "b"])"), HasSubstr("holds text (\"a\")"));
  EXPECT_THAT(one("FP64", "[2]", "3"), HasSubstr("\"data\" is no list"));
  EXPECT_THAT(one("FP64", "[2, \"x\"]", "[1, 2]"), HasSubstr("text stands in its shape"));
  EXPECT_THAT(one("FP64", "[2]", "[1, 1e999]"), HasSubstr("larger than a double can hold"));
  EXPECT_THAT(one("FP64", "[2]", std::string(70, '[')), HasSubstr("64 levels deep"));
  EXPECT_THAT(refused(Answer(Output("a", "FP64", "[2]", "[1, 2]")), "other"),
              HasSubstr("no output \"other\"; known: a"));
  EXPECT_THAT(refused(Answer(Output("a", "FP64", "[2]", "[1, 2]") + "," +
                             Output("b", "FP64", "[2]", "[1, 2]"))),
              HasSubstr("several outputs: a, b; choose one with ?output=NAME"));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// The most memory that `body` has at a time beyond what there was.
template <typename Body>
std::size_t MostMemory(Body&& body) {
  held_bytes = most_bytes = 0;
  counting = true;
  try {
    body();
  } catch (const Error&) {
  }
  counting = false;
  return static_cast<std::size_t>(most_bytes);
}

// Untrusted answers cost at most ten times their size, however they are made.
TEST(OipAnswer, TakesMemoryInProportion) {
  const auto many = [](std::string_view piece, std::size_t count = 200'000) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += piece;
    text.pop_back();
    return text;
  };
  const std::string tensor = R"({"name":"","datatype":"","shape":[1]},)";
  const std::string pair = Output("a", "FP64", "[200000]", "[" + many("0,") + "]") + "," +
                           Output("p", "FP64", "[200000]", "[" + many("0,") + "]");
  const std::vector<std::string> bodies = {
      Answer(Output("p", "FP64", "[200000]", "[" + many("0,") + "]")),
      Answer(Output("p", "FP64", "[200000]", "[" + many("[],") + "]")),
      Answer(pair),
      Answer(many(tensor)),
      Answer(many("{},")),
      Answer(many("[],")),
      R"({"inputs": [)" + many(tensor) + "]}",
      R"({"versions": [)" + many(R"("",)") + R"(], "extensions": [)" + many(R"("",)") + "]}",
      R"({"other": [)" + many("[{}],") + "]}",
      R"({"error": ")" + std::string(400'000, 'x') + "\"}",
      R"({"error": ")" + many("\\u00e9", 100'000) + "\"}",
      R"({"a)" + std::string(400'000, '\x01'),
      std::string(400'000, '{'),
      "{" + many(R"("":0,)") + "}"};
  EXPECT_GT(MostMemory([&] { Predicted(bodies[0], 200'000); }), bodies[0].size());  // it counts
  for (const std::string& body : bodies) {
    for (const auto* output : {"", "p"}) {
      const std::size_t most =
          MostMemory([&] { ParseOipAnswer(body, std::nullopt, output, 200'000, "m"); });
      EXPECT_LE(most, 10 * body.size()) << body.substr(0, 80);
    }
  }
  const std::string json = Answer(
      R"({"name":"p","datatype":"INT8","shape":[200000],"parameters":{"binary_data_size":200000}})");
  const std::string body = json + std::string(200'000, 1);
  EXPECT_LE(MostMemory([&] { ParseOipAnswer(body, json.size(), "p", 200'000, "m"); }),
            10 * body.size());
}
#endif

}  // namespace
}  // namespace windlass::model

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void* operator new(std::size_t size) {
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  windlass::model::Count(static_cast<std::ptrdiff_t>(::malloc_usable_size(memory)));
  return memory;
}
void operator delete(void* memory) noexcept {
  if (memory != nullptr) {
    windlass::model::Count(-static_cast<std::ptrdiff_t>(::malloc_usable_size(memory)));
  }
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
#endif
