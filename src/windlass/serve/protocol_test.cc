#include "windlass/serve/protocol.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "windlass/base/bytes.h"
#include "windlass/serve/options.h"
#include "windlass/serve/testing_internal.h"

namespace windlass::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The status and message of a refusal.
std::string Refused(const Protocol& protocol, std::string_view body,
                    std::optional<std::uint64_t> json_size = {}) {
  try {
    static_cast<void>(protocol.Parse(0, body, json_size));
  } catch (const Refusal& refusal) {
    return std::to_string(refusal.status()) + " " + refusal.what();
  }
  return "taken";
}

std::string Binary(const std::vector<float>& values) {
  std::string bytes;
  AppendRaw(bytes, std::span<const float>(values));
  return bytes;
}

TEST(Protocol, ReadsOneTensorOfRows) {
  const SumService service(3, false);
  const Protocol protocol(service, "m");
  for (const char* data : {"[1,2,3,4,5,6.5]", "[[1,2,3],[4,5,6.5]]"}) {
    const auto request = protocol.Parse(
        0,
        fmt::format(R"({{"id":"7","inputs":[{{"name":"x","shape":[2,3],"datatype":"FP64",)"
                    R"("data":{}}}]}})",
                    data),
        {});
    EXPECT_EQ(request.rows, 2);
    EXPECT_EQ(request.id, "7");
    EXPECT_THAT(request.x, ElementsAre(1, 2, 3, 4, 5, 6.5));
    EXPECT_EQ(request.wanted.size(), 2U);
  }
  const auto single = protocol.Parse(
      0, R"({"inputs":[{"name":"x","data":[0.1,1,2],"datatype":"FP32","shape":[1,3]}]})", {});
  EXPECT_EQ(single.x[0], static_cast<double>(0.1F));
}

TEST(Protocol, ReadsAColumnAnInputInAnyOrderWithCategories) {
  const SumService service(2, true);
  const Protocol protocol(service, "m");
  const auto request = protocol.Parse(
      0,
      R"({"inputs":[{"name":"c1","shape":[3],"datatype":"BYTES","data":["blue","red","green"]},)"
      R"({"name":"c0","shape":[3,1],"datatype":"INT64","data":[7,8,9]}]})",
      {});
  EXPECT_THAT(request.x, ElementsAre(7, 2, 8, 0, 9, 1));
}

TEST(Protocol, ReadsBinaryTensors) {
  const SumService service(2, true);
  const Protocol protocol(service, "m");
  const std::string whole =
      R"({"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32",)"
      R"("parameters":{"binary_data_size":16}}],"parameters":{"binary_data_output":true}})";
  const auto request = protocol.Parse(0, whole + Binary({1.5, 2, 3, 1}), whole.size());
  EXPECT_THAT(request.x, ElementsAre(1.5, 2, 3, 1));
  EXPECT_TRUE(request.wanted.front().binary);
  const std::string columns =
      R"({"inputs":[{"name":"c0","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}},)"
      R"({"name":"c1","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":8}}]})";
  const std::string blue("\4\0\0\0blue", 8);
  EXPECT_THAT(protocol.Parse(0, columns + Binary({5}) + blue, columns.size()).x, ElementsAre(5, 2));
  EXPECT_THAT(Refused(protocol, columns + Binary({5}), columns.size()), HasSubstr("400"));
  EXPECT_THAT(Refused(protocol, columns + Binary({5}) + blue + "x", columns.size()),
              HasSubstr("1 bytes follow"));
  EXPECT_THAT(
      Refused(protocol, columns + Binary({5}) + std::string("\5\0\0\0blue", 8), columns.size()),
      HasSubstr("within a text"));
  EXPECT_THAT(Refused(protocol, whole, 100'000), HasSubstr("the header says"));
}

TEST(Protocol, SaysWhatIsWrongWithARequest) {
  const SumService service(2, true);
  const Protocol protocol(service, "m");
  const auto rows = [](std::string_view shape, std::string_view type, std::string_view data) {
    return fmt::format(R"({{"inputs":[{{"name":"x","shape":{},"datatype":"{}","data":{}}}]}})",
                       shape, type, data);
  };
  EXPECT_THAT(Refused(protocol, ""), HasSubstr("400 the request: an empty body"));
  EXPECT_THAT(Refused(protocol, "{"), HasSubstr("400 the request: not valid JSON"));
  EXPECT_THAT(Refused(protocol, "{}"), HasSubstr("400 the request has no \"inputs\""));
  EXPECT_THAT(Refused(protocol, rows("[1,3]", "FP64", "[1,2,3]")), HasSubstr("[rows, 2]"));
  EXPECT_THAT(Refused(protocol, rows("[2]", "FP64", "[1,2]")), HasSubstr("422"));
  EXPECT_THAT(Refused(protocol, rows("[-1,2]", "FP64", "[1,2]")), HasSubstr("422"));
  EXPECT_THAT(Refused(protocol, rows("[1000000000000000,2]", "FP64", "[1,2]")),
              HasSubstr("has 2 numbers"));
  EXPECT_THAT(Refused(protocol, rows("[0,2]", "FP64", "[]")), HasSubstr("no rows"));
  EXPECT_THAT(Refused(protocol, rows("[1,2]", "FP65", "[1,2]")), HasSubstr("400 input"));
  EXPECT_THAT(Refused(protocol, rows("[1,2]", "FP64", "[1,\"a\"]")), HasSubstr("text"));
  EXPECT_THAT(Refused(protocol, rows("[1,2]", "BYTES", "[\"a\",\"b\"]")), HasSubstr("422"));
  EXPECT_THAT(Refused(protocol, rows("[1,2]", "FP64", "[null,1]")), HasSubstr("is missing"));
  EXPECT_THAT(Refused(protocol, rows("[1,2]", "FP64", "[1,3]")), HasSubstr("codes of its 3"));
  EXPECT_THAT(Refused(protocol, rows("[1,2]", "FP64", "[1,0.5]")), HasSubstr("codes of its 3"));
  EXPECT_THAT(Refused(protocol, rows("[1,2]", "FP64", "[1e999,1]")), HasSubstr("400"));
  const auto columns = [](std::string_view c0, std::string_view c1) {
    return fmt::format(R"({{"inputs":[{{"name":"{}","shape":[1],"datatype":"FP64","data":[1]}},)"
                       R"({{"name":"c1","shape":[1],"datatype":"BYTES","data":["{}"]}}]}})",
                       c0, c1);
  };
  EXPECT_EQ(Refused(protocol, columns("c0", "red")), "taken");
  EXPECT_THAT(Refused(protocol, columns("c", "red")), HasSubstr("no column \"c\""));
  EXPECT_THAT(Refused(protocol, columns("c1", "red")), HasSubstr("twice"));
  EXPECT_THAT(Refused(protocol, columns("c0", "reed")), HasSubstr("did you mean \"red\"?"));
  EXPECT_THAT(
      Refused(protocol, R"({"inputs":[{"name":"c0","shape":[1],"datatype":"FP64","data":[1]},)"
                        R"({"name":"c1","shape":[2],"datatype":"FP64","data":[1,1]}]})"),
      HasSubstr("the first input has 1 rows"));
  EXPECT_THAT(
      Refused(protocol, R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64","data":[1,1]}],)"
                        R"("outputs":[{"name":"sun"}]})"),
      HasSubstr("did you mean \"sum\"?"));
}

TEST(Protocol, TakesMissingValuesWhereTheModelDoes) {
  SumService service(2, true);
  service.missing = true;
  const Protocol protocol(service, "m");
  const auto request = protocol.Parse(
      0, R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64","data":[null,null]}]})", {});
  EXPECT_TRUE(std::isnan(request.x[0]) && std::isnan(request.x[1]));
}

TEST(Protocol, WritesWhatWasAskedFor) {
  const SumService service(1, false);
  const Protocol protocol(service, "m");
  job::ServiceResult result;
  result.values = {{9, 0.1, NAN, 9}, {}};
  RowsRequest request{{}, 2, "a\"b", {{1, false}, {0, false}}};
  EXPECT_EQ(protocol.Encode(0, request, result, 1).body,
            R"({"model_name":"m","model_version":"1","id":"a\"b","outputs":[)"
            R"({"name":"names","datatype":"BYTES","shape":[2],"data":["a \"quoted\" one","b"]},)"
            R"({"name":"sum","datatype":"FP64","shape":[2,1],"data":[0.1,null]}]})");
  request.wanted = {{0, true}};
  const EncodedAnswer binary = protocol.Encode(0, request, result, 1);
  ASSERT_TRUE(binary.json_size.has_value());
  ASSERT_EQ(binary.body.size(), *binary.json_size + 16);
  double first = 0;
  std::memcpy(&first, binary.body.data() + *binary.json_size, sizeof(first));
  EXPECT_EQ(first, 0.1);
  EXPECT_THAT(binary.body, HasSubstr(R"("parameters":{"binary_data_size":16}})"));
}

}  // namespace
}  // namespace windlass::serve
