// Signatures are those that Amazon publishes ("Examples: Signature Calculations in AWS Signature
// Version 4", S3 API reference); answers come from a server that a test writes down.
#include "windlass/base/s3.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <fstream>

#include "windlass/base/error.h"
#include "windlass/base/file.h"

namespace windlass {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSecret[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

std::string HeaderOf(const HttpRequest& request, std::string_view wanted) {
  for (const auto& [name, value] : request.headers) {
    if (name == wanted) return value;
  }
  return {};
}

std::string SignatureOf(HttpRequest request) {
  constexpr std::int64_t kFriday = 1369353600;  // 20130524T000000Z
  SignForS3(request, {"AKIAIOSFODNN7EXAMPLE", kSecret, ""}, "us-east-1", kFriday);
  const std::string authorization = HeaderOf(request, "Authorization");
  return authorization.substr(authorization.find("Signature=") + 10);
}

TEST(SignForS3, GivesThePublishedSignatures) {
  const std::string host = "https://examplebucket.s3.amazonaws.com";
  HttpRequest get;
  get.url = host + "/test.txt";
  get.headers = {{"Range", "bytes=0-9"}};
  EXPECT_EQ(SignatureOf(get), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  HttpRequest put;
  put.method = "PUT";
  put.url = host + "/test%24file.text";
  put.body = "Welcome to Amazon S3.";
  put.headers = {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                 {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
  EXPECT_EQ(SignatureOf(put), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  HttpRequest lifecycle;
  lifecycle.url = host + "/?lifecycle=";
  EXPECT_EQ(SignatureOf(lifecycle),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  HttpRequest list;
  list.url = host + "/?max-keys=2&prefix=J";
  EXPECT_EQ(SignatureOf(list), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(S3Place, IsReadAndWritten) {
  const S3Place place = S3Place::Parse("s3://b.c/a/b/?endpoint_override=127.0.0.1:9&scheme=http");
  EXPECT_EQ(place.bucket, "b.c");
  EXPECT_EQ(place.prefix, "a/b/");
  EXPECT_EQ(place.endpoint, "http://127.0.0.1:9");
  EXPECT_EQ(place.Name("k"), "s3://b.c/a/b/k");
  const S3Place again = S3Place::Parse(place.Below("store").Text());
  EXPECT_EQ(again.prefix, "a/b/store/");
  EXPECT_EQ(again.endpoint, place.endpoint);
  EXPECT_EQ(S3Place::Parse("s3://b").prefix, "");
  const auto error = [](std::string_view text) {
    try {
      S3Place::Parse(text);
    } catch (const Error& refused) {
      EXPECT_EQ(refused.code(), ErrorCode::kInvalidInput);
      return std::string(refused.what());
    }
    return std::string();
  };
  EXPECT_THAT(error("s3://"), HasSubstr("is no name of a bucket"));
  EXPECT_THAT(error("s3://a b/c"), HasSubstr("is no name of a bucket"));
  EXPECT_THAT(error("s3://b/a//c"), HasSubstr("an empty part"));
  EXPECT_THAT(error("s3://b?regio=x"), HasSubstr("did you mean \"region\""));
  EXPECT_THAT(error("s3://b?endpoint_override=http://me:hush@h"), Not(HasSubstr("hush")));
  EXPECT_THAT(error("s3://key:hush@b/c"), HasSubstr("holds a password"));
  EXPECT_THAT(error("s3://key:hush@b/c"), Not(HasSubstr("hush")));
  EXPECT_THAT(error("s3://b/c?secret_key=hush"), Not(HasSubstr("hush")));
}

// Answers in order; std::nullopt is a connection that is lost.
std::deque<std::optional<HttpResponse>> answers;
std::vector<HttpRequest> requests;

class Scripted final : public HttpLibrary, public HttpConnection {
 public:
  std::unique_ptr<HttpConnection> Connect() const override { return std::make_unique<Scripted>(); }

  HttpResponse Do(const HttpRequest& request, const std::function<bool()>&) override {
    requests.push_back(request);
    if (answers.empty()) throw Error(ErrorCode::kInternal, "nothing is written down");
    std::optional<HttpResponse> answer = std::move(answers.front());
    answers.pop_front();
    if (!answer) throw Error(ErrorCode::kUnavailable, "the connection was lost");
    if (request.write && answer->status == 200) request.write(std::exchange(answer->body, {}));
    return *std::move(answer);
  }
};

HttpResponse Answer(int status, std::string body = "",
                    std::vector<std::pair<std::string, std::string>> headers = {}) {
  return {status, std::move(headers), std::move(body)};
}

std::string Failure(const std::string& code) {
  return "<?xml version=\"1.0\"?><Error><Code>" + code + "</Code><Message>m</Message></Error>";
}

class S3BucketTest : public ::testing::Test {
 protected:
  S3BucketTest() {
    static const bool added = [] {
      Registry::Global().Add<HttpLibrary>("curl", std::make_shared<Scripted>());
      return true;
    }();
    static_cast<void>(added);
    answers.clear();
    requests.clear();
    ::setenv("AWS_ACCESS_KEY_ID", "id", 1);
    ::setenv("AWS_SECRET_ACCESS_KEY", kSecret, 1);
    ::setenv("AWS_REGION", "eu-west-1", 1);
    ::setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    for (const char* name : {"AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"}) {
      ::unsetenv(name);
    }
  }

  static S3Bucket Open(std::string_view text = "s3://b/p") {
    return S3Bucket(S3Place::Parse(text));
  }
  template <typename Body>
  static std::string ErrorOf(ErrorCode code, Body&& body) {
    try {
      body(Open());
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_THAT(error.what(), Not(HasSubstr(kSecret)));
      return error.what();
    }
    return "no error";
  }
};

TEST_F(S3BucketTest, AsksAmazonOrTheEndpoint) {
  answers = {Answer(200, "x"), Answer(200, "x"), Answer(200, "x")};
  EXPECT_EQ(Open().Get("a b"), "x");
  EXPECT_EQ(requests.at(0).url, "https://b.s3.eu-west-1.amazonaws.com/p/a%20b");
  Open("s3://b.c/p?region=us-west-2").Get("k");
  EXPECT_EQ(requests.at(1).url, "https://s3.us-west-2.amazonaws.com/b.c/p/k");
  ::setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000/", 1);
  ::setenv("AWS_SESSION_TOKEN", "session", 1);
  Open().Get("k");
  EXPECT_EQ(requests.at(2).url, "http://127.0.0.1:9000/b/p/k");
  EXPECT_EQ(HeaderOf(requests.at(2), "x-amz-security-token"), "session");
}

TEST_F(S3BucketTest, ReadsCredentialsFromAProfile) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "credentials")
      << "[default]\naws_access_key_id = other\n[me]\n# mine\naws_access_key_id=mine\n"
         "aws_secret_access_key = hush\n";
  ::unsetenv("AWS_ACCESS_KEY_ID");
  ::setenv("AWS_SHARED_CREDENTIALS_FILE", (folder.path() / "credentials").c_str(), 1);
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, [](const S3Bucket& bucket) { bucket.Get("k"); }),
              HasSubstr("set AWS_ACCESS_KEY_ID"));
  ::setenv("AWS_PROFILE", "me", 1);
  EXPECT_EQ(AwsCredentials::Find().id, "mine");
  EXPECT_EQ(AwsCredentials::Find().secret, "hush");
  ::unsetenv("AWS_PROFILE");
  ::unsetenv("AWS_SHARED_CREDENTIALS_FILE");
}

TEST_F(S3BucketTest, AsksForTheRoleThatItHas) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "token") << "a+b\n";
  const std::vector<std::pair<const char*, std::string>> variables = {
      {"AWS_SHARED_CREDENTIALS_FILE", "/nowhere"},
      {"AWS_ROLE_ARN", "arn:aws:iam::1:role/r"},
      {"AWS_WEB_IDENTITY_TOKEN_FILE", (folder.path() / "token").string()},
      {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:8/role"},
      {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", (folder.path() / "token").string()}};
  ::unsetenv("AWS_ACCESS_KEY_ID");
  for (const auto& [name, value] : variables) ::setenv(name, value.c_str(), 1);
  answers = {Answer(200,
                    "<A><Credentials><AccessKeyId>web</AccessKeyId><SecretAccessKey>s"
                    "</SecretAccessKey><SessionToken>t</SessionToken>"
                    "<Expiration>2020-01-01T00:00:00Z</Expiration></Credentials></A>")};
  EXPECT_EQ(AwsCredentials::Find().id, "web");
  EXPECT_EQ(requests.at(0).url, "https://sts.eu-west-1.amazonaws.com/");
  EXPECT_THAT(requests.at(0).body, HasSubstr("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&"));
  EXPECT_THAT(requests.at(0).body, HasSubstr("WebIdentityToken=a%2Bb"));
  answers = {Answer(403, Failure("AccessDenied"))};
  EXPECT_THAT(ErrorOf(ErrorCode::kIo, [](const S3Bucket&) { AwsCredentials::Find(); }),
              HasSubstr("does not give the role arn:aws:iam::1:role/r"));

  ::unsetenv("AWS_ROLE_ARN");
  const std::string json =
      R"({"AccessKeyId":"box","SecretAccessKey":"s","Token":"t","Expiration":"2020-01-01T00:00:00Z"})";
  requests.clear();
  answers = {Answer(200, json)};
  EXPECT_EQ(AwsCredentials::Find().id, "box");
  EXPECT_THAT(HeaderOf(requests.at(0), "Authorization"), HasSubstr("a+b"));
  ::setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1.example.com/role", 1);
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, [](const S3Bucket&) { AwsCredentials::Find(); }),
              HasSubstr("an address of this machine"));

  ::unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  ::unsetenv("AWS_EC2_METADATA_DISABLED");
  requests.clear();
  answers = {Answer(200, "session"), Answer(200, "a-role\n"), Answer(200, json)};
  EXPECT_EQ(AwsCredentials::Find().id, "box");
  EXPECT_EQ(requests.at(0).method, "PUT");
  EXPECT_TRUE(requests.at(2).url.ends_with("/iam/security-credentials/a-role"));
  EXPECT_EQ(HeaderOf(requests.at(2), "X-aws-ec2-metadata-token"), "session");
  answers = {std::nullopt};
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, [](const S3Bucket&) { AwsCredentials::Find(); }),
              HasSubstr("this machine has no role"));

  // Such that do not expire soon are kept.
  answers = {Answer(200, "session"), Answer(200, "a-role"),
             Answer(200, std::string(json).replace(json.find("2020"), 4, "2199"))};
  requests.clear();
  AwsCredentials::Find();
  AwsCredentials::Find();
  EXPECT_EQ(requests.size(), 3u);
  for (const auto& variable : variables) ::unsetenv(variable.first);
}

TEST_F(S3BucketTest, TriesAgainWhatMayPass) {
  answers = {std::nullopt, Answer(503), Answer(429), Answer(400, Failure("RequestTimeout")),
             Answer(200, "x")};
  EXPECT_EQ(Open().Get("k"), "x");
  EXPECT_EQ(requests.size(), 5u);
}

TEST_F(S3BucketTest, AnExclusiveCreateWhoseAnswerWasLostIsNotTakenForAnothers) {
  answers = {Answer(412, Failure("PreconditionFailed"))};
  EXPECT_FALSE(Open().PutNew("k", "v"));
  EXPECT_EQ(HeaderOf(requests.at(0), "If-None-Match"), "*");
  // The first try did it, and the second one finds it done.
  answers = {std::nullopt, Answer(412, Failure("PreconditionFailed")), Answer(200)};
  requests.clear();
  EXPECT_FALSE(Open().PutNew("k", "v")) << "another's";
  const std::string mark = "x-amz-meta-windlass-writer";
  EXPECT_NE(HeaderOf(requests.at(0), mark), "");
  EXPECT_EQ(HeaderOf(requests.at(0), mark), HeaderOf(requests.at(1), mark));
  EXPECT_EQ(requests.at(2).method, "HEAD");
  answers = {Answer(404, Failure("NoSuchKey"))};
  EXPECT_FALSE(Open().PutIfMatch("k", "v", "etag"));
  EXPECT_EQ(HeaderOf(requests.back(), "If-Match"), "\"etag\"");
}

TEST_F(S3BucketTest, ListsByPages) {
  const auto page = [](const char* key, const char* more) {
    return Answer(200, fmt::format("<ListBucketResult xmlns=\"x\"><Contents><Key>p/{}</Key>"
                                   "<LastModified>2026-11-26T10:00:00.500Z</LastModified>"
                                   "<ETag>&quot;e&quot;</ETag><Size>7</Size></Contents>"
                                   "<IsTruncated>{}</IsTruncated><NextContinuationToken>t/+"
                                   "</NextContinuationToken></ListBucketResult>",
                                   key, more));
  };
  answers = {page("a%20b", "true"), page("c%26d", "false")};
  const auto objects = Open().List("");
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_EQ(objects[0].key, "a b");
  EXPECT_EQ(objects[1].key, "c&d");
  EXPECT_EQ(objects[0].etag, "e");
  EXPECT_EQ(objects[0].size, 7u);
  EXPECT_EQ(objects[0].modified, std::int64_t{1795687200} * 1'000'000'000 + 500'000'000);
  EXPECT_THAT(requests.at(1).url, HasSubstr("continuation-token=t%2F%2B&encoding-type=url"));
  answers = {Answer(200, "<html>")};
  EXPECT_THAT(ErrorOf(ErrorCode::kIo, [](const S3Bucket& bucket) { bucket.List(""); }),
              HasSubstr("is no S3 server"));
}

TEST_F(S3BucketTest, SaysWhatIsWrongAndWhatWouldBeRight) {
  const auto get = [](const S3Bucket& bucket) { bucket.Get("k"); };
  answers = {Answer(404, Failure("NoSuchKey"))};
  EXPECT_EQ(Open().Get("k"), std::nullopt);
  answers = {Answer(404, Failure("NoSuchBucket"))};
  EXPECT_EQ(ErrorOf(ErrorCode::kNotFound, get), "s3://b/p/k: there is no bucket \"b\"");
  answers = {Answer(403, Failure("AccessDenied"))};
  EXPECT_THAT(ErrorOf(ErrorCode::kIo, get),
              HasSubstr("s3://b/p/k: the server refuses access (AccessDenied): AWS_ACCESS_KEY_ID"));
  answers = {Answer(301, Failure("PermanentRedirect"), {{"x-amz-bucket-region", "ap-south-1"}})};
  EXPECT_THAT(ErrorOf(ErrorCode::kIo, get), HasSubstr("set AWS_REGION to ap-south-1"));
  answers = {Answer(403, Failure("RequestTimeTooSkewed"), {{"date", "Thu, 26 Nov 2026"}})};
  EXPECT_THAT(ErrorOf(ErrorCode::kIo, get), HasSubstr("the clock of this machine is not"));
  answers = {Answer(400, Failure("ExpiredToken"))};
  EXPECT_THAT(ErrorOf(ErrorCode::kIo, get), HasSubstr("AWS_SESSION_TOKEN"));
  answers = {Answer(418, Failure("Teapot"))};
  EXPECT_THAT(ErrorOf(ErrorCode::kIo, get),
              HasSubstr("the server failed: Teapot (HTTP status 418): m"));
}

TEST_F(S3BucketTest, PutsLongFilesInParts) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "long";
  std::ofstream(file).close();
  std::filesystem::resize_file(file, (std::uint64_t{64} << 20) + 10);
  answers = {Answer(200, "<R><UploadId>u</UploadId></R>"), Answer(200, "", {{"etag", "\"1\""}}),
             Answer(200, "", {{"etag", "\"2\""}}), Answer(200, "<CompleteResult/>")};
  Open().PutFile("k", file);
  EXPECT_THAT(requests.at(2).url, HasSubstr("partNumber=2&uploadId=u"));
  EXPECT_EQ(requests.at(2).body.size(), 10u);
  EXPECT_THAT(requests.at(3).body, HasSubstr("<PartNumber>2</PartNumber><ETag>\"2\"</ETag>"));
  requests.clear();
  answers = {Answer(200, "<R><UploadId>u</UploadId></R>"), Answer(403, Failure("AccessDenied")),
             Answer(204)};
  EXPECT_THAT(ErrorOf(ErrorCode::kIo, [&](const S3Bucket& bucket) { bucket.PutFile("k", file); }),
              HasSubstr("refuses access"));
  EXPECT_EQ(requests.back().method, "DELETE");
}

}  // namespace
}  // namespace windlass
