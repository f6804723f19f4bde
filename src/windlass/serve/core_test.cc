// The paths of a service, without sockets.
#include "windlass/serve/core.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "windlass/serve/testing_internal.h"

namespace windlass::serve {
namespace {

using ::testing::HasSubstr;
using Headers = std::vector<std::pair<std::string, std::string>>;

HttpAnswer Ask(Core& core, std::string method, std::string target, std::string body = "",
               Headers headers = {}) {
  HttpServerRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.body = std::move(body);
  request.headers = std::move(headers);
  std::promise<HttpAnswer> answer;
  core.Answer(request, [&](HttpAnswer given) { answer.set_value(std::move(given)); }, {});
  return answer.get_future().get();
}

constexpr const char* kRow =
    R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64","data":[1,2]}]})";

struct Served {
  Served() : core(std::make_unique<SumService>(2, false), "m", {.replicas = 2}) {}
  Core core;
};

TEST(Core, AnswersEveryPath) {
  Served served;
  const auto get = [&](const char* path) { return Ask(served.core, "GET", path); };
  EXPECT_THAT(get("/v2").body, HasSubstr("binary_tensor_data"));
  EXPECT_EQ(get("/v2/health/live").status, 200);
  EXPECT_EQ(get("/v2/health/ready").status, 200);
  EXPECT_THAT(get("/v2/models/m").body, HasSubstr(R"("shape":[-1,2])"));
  EXPECT_THAT(get("/v2/models/m/versions/1").body, HasSubstr(R"("name":"m")"));
  EXPECT_EQ(get("/v2/models/m/ready").status, 200);
  EXPECT_EQ(get("/v2/models/m/versions/2").status, 404);
  EXPECT_THAT(get("/v2/models/n").body, HasSubstr(R"(there is no model \"n\")"));
  EXPECT_THAT(get("/v2/models/m/inferr").body, HasSubstr(R"(did you mean \"infer\"?)"));
  EXPECT_EQ(get("/").status, 404);
  const HttpAnswer wrong = get("/v2/models/m/infer");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers, (Headers{{"Allow", "POST"}}));
  EXPECT_EQ(Ask(served.core, "POST", "/v2").status, 405);
  EXPECT_THAT(Ask(served.core, "POST", "/v2/repository/index").body, HasSubstr("READY"));
  for (const char* path : {"/v2/models/m/infer", "/v2/models/m/versions/1/infer"}) {
    EXPECT_THAT(Ask(served.core, "POST", path, kRow).body, HasSubstr(R"("data":[3])"));
  }
}

TEST(Core, TellsWhoseFaultItIs) {
  Served served;
  const auto post = [&](const std::string& body, Headers headers = {}) {
    return Ask(served.core, "POST", "/v2/models/m/infer", body, std::move(headers)).status;
  };
  const auto row = [](const char* first) {
    return fmt::format(
        R"({{"inputs":[{{"name":"x","shape":[1,2],"datatype":"FP64","data":[{},2]}}]}})", first);
  };
  EXPECT_EQ(post(kRow), 200);
  EXPECT_EQ(post("rubbish"), 400);
  EXPECT_EQ(post(row("null")), 422);
  EXPECT_EQ(post(row("13")), 422);  // the model throws
  EXPECT_EQ(post(row("14")), 422);  // it has no result
  EXPECT_EQ(post(kRow, {{"content-type", "application/x-www-form-urlencoded"}}), 415);
  EXPECT_EQ(post(kRow, {{"content-encoding", "gzip"}}), 415);
  EXPECT_EQ(post(kRow, {{"content-type", "Application/JSON; charset=utf-8"}}), 200);
  EXPECT_EQ(post(kRow, {{"inference-header-content-length", "x"}}), 400);
  EXPECT_EQ(post(kRow, {{"inference-header-content-length", "9999"}}), 400);
}

TEST(Core, Counts) {
  Served served;
  Ask(served.core, "POST", "/v2/models/m/infer", kRow);
  Ask(served.core, "POST", "/v2/models/m/infer", "rubbish");
  served.core.Refused(413);
  const std::string text = Ask(served.core, "GET", "/metrics").body;
  for (const char* line :
       {"windlass_requests_total{operation=\"infer\",code=\"200\"} 1\n",
        "windlass_requests_total{operation=\"infer\",code=\"400\"} 1\n",
        "windlass_requests_total{operation=\"other\",code=\"413\"} 1\n",
        "windlass_rows_total{operation=\"infer\"} 1\n", "windlass_requests_in_flight 0\n",
        "windlass_request_seconds_count{operation=\"infer\"} 2\n",
        "windlass_batch_rows_bucket{operation=\"infer\",le=\"+Inf\"} 1\n",
        "windlass_queue_length 0\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

}  // namespace
}  // namespace windlass::serve
