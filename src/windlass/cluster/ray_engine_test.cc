#include "windlass/cluster/ray_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "windlass/base/error.h"

namespace windlass::cluster {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string EngineError(const std::string& engine, ErrorCode code = ErrorCode::kInvalidInput) {
  try {
    RayEngine::Parse(engine);
    return "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
}

TEST(RayEngine, IsAnAddressOfHttp) {
  EXPECT_TRUE(RayEngine::Is("http://head:8265"));
  EXPECT_TRUE(RayEngine::Is("https://head/ray?token=env:T"));
  for (const char* other : {"local", "ray", "ray:head:6379", "local?workers=2", "httpd"}) {
    EXPECT_FALSE(RayEngine::Is(other)) << other;
  }
  try {
    RayEngine::Is("ray://head:10001");
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("Ray Client"), HasSubstr("http://HOST:8265")));
  }
}

TEST(RayEngine, ReadsPlaces) {
  const RayEngine plain = RayEngine::Parse("http://head:8265/");
  EXPECT_EQ(plain.url, "http://head:8265");
  EXPECT_EQ(plain.host, "head");
  EXPECT_EQ(plain.ray, "ray");
  EXPECT_EQ(RayEngine::Parse("https://proxy/clusters/a").url, "https://proxy/clusters/a");
  EXPECT_EQ(RayEngine::Parse("http://[::1]:8265").host, "[::1]");
  EXPECT_THAT(EngineError("http:head:8265"), HasSubstr("this is no address"));
  EXPECT_THAT(EngineError("http://"), HasSubstr("it names no host"));
  for (const char* port : {"http://head:0", "http://head:x", "http://head:70000", "http://head:"}) {
    EXPECT_THAT(EngineError(port), HasSubstr("is no port")) << port;
  }
  EXPECT_THAT(EngineError("http://head 1:8265"), HasSubstr("must be written as %XX"));
  EXPECT_THAT(EngineError("http://me:HUSH@head:8265"),
              AllOf(HasSubstr("has a user in it"), Not(HasSubstr("HUSH"))));
}

TEST(RayEngine, ReadsOptions) {
  const RayEngine engine = RayEngine::Parse(
      "http://head:8265?token=env:T&header=X-A:env:A,X-B:file:/b&ca=/ca.pem&store=/mnt/store&"
      "gateway=http://127.0.0.1:9000/&wheel=w.whl&python=/opt/python&patience=5&restarts=0&cpus=2&"
      "memory=4GiB");
  EXPECT_EQ(engine.token, "env:T");
  ASSERT_EQ(engine.headers.size(), 2U);
  EXPECT_EQ(engine.headers[1], std::make_pair(std::string("X-B"), std::string("file:/b")));
  EXPECT_EQ(engine.ca_file, "/ca.pem");
  EXPECT_EQ(engine.store, "/mnt/store");
  EXPECT_EQ(engine.gateway, "http://127.0.0.1:9000");
  EXPECT_EQ(engine.wheel, "w.whl");
  EXPECT_EQ(engine.python, "/opt/python");
  EXPECT_EQ(engine.patience.count(), 5);
  EXPECT_EQ(engine.restarts, 0);
  EXPECT_EQ(engine.ray, "ray?cpus=2&memory=4GiB");
  EXPECT_EQ(RayEngine::Parse("http://head?shared=/mnt/both").store, "/mnt/both/windlass");
  const RayEngine bucket =
      RayEngine::Parse("http://head?shared=s3://both/jobs/%3Fregion=eu-west-1%26scheme=http");
  EXPECT_EQ(bucket.bucket, "s3://both/jobs?region=eu-west-1");
  EXPECT_TRUE(bucket.shared.empty() && bucket.store.empty());
}

TEST(RayEngine, QuotesForAShell) {
  EXPECT_EQ(ShellQuoted("ray?cpus=2"), "'ray?cpus=2'");
  EXPECT_EQ(ShellQuoted("a'; rm x"), "'a'\\''; rm x'");
}

TEST(RayEngine, RefusesWrongOptions) {
  EXPECT_THAT(EngineError("http://head?tokn=env:T"), HasSubstr("did you mean \"token\"?"));
  EXPECT_THAT(EngineError("http://head?token=HUSH"),
              AllOf(HasSubstr("token=env:NAME or token=file:PATH"), Not(HasSubstr("HUSH"))));
  for (const char* header : {"HUSH", "X-A:HUSH", ":env:HUSH", "X A:env:HUSH"}) {
    EXPECT_THAT(EngineError(std::string("http://head?header=") + header), Not(HasSubstr("HUSH")))
        << header;
  }
  EXPECT_THAT(EngineError("http://head?shared=mnt"), HasSubstr("an absolute path was expected"));
  EXPECT_THAT(EngineError("http://head?shared=s3://key:hush@b"), HasSubstr("holds a password"));
  EXPECT_THAT(EngineError("http://head?store=mnt"), HasSubstr("an absolute path was expected"));
  EXPECT_THAT(EngineError("http://head?gateway=head:8266"), HasSubstr("http(s)://HOST:PORT"));
  EXPECT_THAT(EngineError("http://head?patience=-1"), HasSubstr("a number from 0"));
  EXPECT_THAT(EngineError("http://head?ca="), HasSubstr("says nothing"));
}

}  // namespace
}  // namespace windlass::cluster
