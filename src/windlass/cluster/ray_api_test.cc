// Ray's Jobs API, answered from a function: no sockets.
#include "windlass/cluster/ray_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <memory>

#include "windlass/base/registry.h"

namespace windlass::cluster {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

using RayAnswerer = std::function<HttpResponse(const HttpRequest&)>;

RayAnswerer& RayAnswering() {
  static RayAnswerer answerer;
  return answerer;
}

class FakeRayConnection final : public HttpConnection {
 public:
  HttpResponse Do(const HttpRequest& request, const std::function<bool()>& cancelled) override {
    if (cancelled()) throw Error(ErrorCode::kCancelled, "interrupted");
    return RayAnswering()(request);
  }
};

class FakeRayLibrary final : public HttpLibrary {
 public:
  std::unique_ptr<HttpConnection> Connect() const override {
    return std::make_unique<FakeRayConnection>();
  }
};

std::string HeaderIn(const HttpRequest& request, std::string_view name) {
  for (const auto& [key, value] : request.headers) {
    if (key == name) return value;
  }
  return "none";
}

class RayApiTest : public ::testing::Test {
 protected:
  RayApiTest() {
    if (!Registry::Global().Has<HttpLibrary>("curl")) {
      Registry::Global().Add<HttpLibrary>("curl", std::make_shared<FakeRayLibrary>());
    }
    for (const char* name : {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"}) {
      ::unsetenv(name);
    }
    ::setenv("HOME", "/nowhere", 1);
    RayAnswering() = [this](const HttpRequest& request) {
      last_ = request;
      return answer_;
    };
  }

  static RayApi Api(const std::string& options = "") {
    return RayApi(RayEngine::Parse("http://head:8265" + options));
  }

  std::string ErrorFor(ErrorCode code, HttpResponse answer, const std::string& options = "") {
    answer_ = std::move(answer);
    try {
      Api(options).Version();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_THAT(error.what(), AllOf(HasSubstr("http://head:8265"), Not(HasSubstr("HUSH"))));
      return error.what();
    }
    return "no error";
  }

  HttpRequest last_;
  HttpResponse answer_{200, {}, R"({"ray_version": "2.60.0"})"};
};

TEST_F(RayApiTest, SendsTokensAndHeaders) {
  Api().Version();
  EXPECT_EQ(HeaderIn(last_, "Authorization"), "none");
  ::setenv("RAY_AUTH_TOKEN", "HUSH1", 1);
  Api().Version();
  EXPECT_EQ(HeaderIn(last_, "Authorization"), "Bearer HUSH1");
  ::setenv("OTHER", "HUSH2", 1);
  Api("?token=env:OTHER&header=X-A:env:OTHER&ca=/ca.pem").Version();
  EXPECT_EQ(HeaderIn(last_, "Authorization"), "Bearer HUSH2");
  EXPECT_EQ(HeaderIn(last_, "X-A"), "HUSH2");
  EXPECT_EQ(last_.ca_file, "/ca.pem");
  ::unsetenv("RAY_AUTH_TOKEN");
}

TEST_F(RayApiTest, SaysWhatTheClusterRefuses) {
  EXPECT_THAT(ErrorFor(ErrorCode::kInvalidInput, {401, {}, "Unauthorized"}),
              AllOf(HasSubstr("asks for a token"), HasSubstr("?token=env:NAME")));
  ::setenv("RAY_AUTH_TOKEN", "HUSH1", 1);
  EXPECT_THAT(ErrorFor(ErrorCode::kInvalidInput, {403, {}, "Forbidden"}),
              HasSubstr("refuses the token from RAY_AUTH_TOKEN"));
  ::unsetenv("RAY_AUTH_TOKEN");
  EXPECT_THAT(ErrorFor(ErrorCode::kUnavailable, {503, {}, ""}), HasSubstr("is not ready"));
  EXPECT_THAT(ErrorFor(ErrorCode::kInvalidInput, {302, {}, ""}), HasSubstr("elsewhere"));
  for (const char* body : {"<html>", "{}", "[]", "not found"}) {
    EXPECT_THAT(ErrorFor(ErrorCode::kUnsupported, {200, {}, body}),
                HasSubstr("is not Ray's dashboard"));
  }
  EXPECT_THAT(ErrorFor(ErrorCode::kUnsupported, {404, {}, ""}), HasSubstr("8265"));
  EXPECT_THAT(ErrorFor(ErrorCode::kIo, {500, {}, "Traceback:\n  File x\nValueError: why\n"}),
              HasSubstr("ValueError: why"));
  EXPECT_THAT(ErrorFor(ErrorCode::kUnavailable,
                       {500, {}, "No available agent to submit job, please try again later."}),
              HasSubstr("No available agent"));
}

TEST_F(RayApiTest, TellsAForgottenJobFromAProxyThatKnowsNothing) {
  answer_ = {404, {}, "Job a does not exist"};
  EXPECT_FALSE(Api().Find("a"));
  EXPECT_EQ(last_.url, "http://head:8265/api/jobs/a");
  EXPECT_EQ(Api().Log("a"), "");
  Api().Stop("a");
  Api().Delete("a");
  EXPECT_EQ(last_.method, "DELETE");
  answer_ = {404, {}, "404 page not found"};
  EXPECT_THROW(Api().Find("a"), Error);
  answer_ = {200, {}, R"({"status": "RUNNING"})"};
  EXPECT_TRUE(Api().Find("a"));
}

TEST_F(RayApiTest, UploadsWhatIsMissing) {
  answer_ = {404, {}, "Package gcs://x.zip does not exist"};
  EXPECT_FALSE(Api().HasPackage("x.zip"));
  answer_ = {200, {}, ""};
  EXPECT_TRUE(Api().HasPackage("x.zip"));
  Api().PutPackage("x.zip", "bytes");
  EXPECT_EQ(last_.method, "PUT");
  EXPECT_EQ(last_.url, "http://head:8265/api/packages/gcs/x.zip");
  EXPECT_EQ(last_.body, "bytes");
}

TEST_F(RayApiTest, StopsAskingWhenTheUserDoes) {
  const CancelToken token;
  RayApi api(RayEngine::Parse("http://head:8265"), token);
  token.Cancel();
  EXPECT_THROW(api.Version(), Error);
  api.IgnoreInterrupts();
  EXPECT_EQ(api.Version().at("ray_version"), "2.60.0");
}

}  // namespace
}  // namespace windlass::cluster
