// Models behind a server that answers from a function: no sockets, no waiting.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <set>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/http.h"
#include "windlass/base/json.h"
#include "windlass/base/secret.h"
#include "windlass/model/model.h"
#include "windlass/model/oip_client_internal.h"

namespace windlass::model {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

using Answerer = std::function<HttpResponse(const HttpRequest&)>;

Answerer& Answering() {
  static Answerer answerer;
  return answerer;
}

class FakeConnection final : public HttpConnection {
 public:
  HttpResponse Do(const HttpRequest& request, const std::function<bool()>&) override {
    return Answering()(request);
  }
};

class FakeLibrary final : public HttpLibrary {
 public:
  std::unique_ptr<HttpConnection> Connect() const override {
    return std::make_unique<FakeConnection>();
  }
};

HttpResponse Json200(const Json& body) { return {200, {}, body.dump()}; }

std::string HeaderOf(const HttpRequest& request, std::string_view name) {
  for (const auto& [key, value] : request.headers) {
    if (key == name) return value;
  }
  return {};
}

// A server with the model m of two columns: a + 10 b, and its double where it has two outputs.
struct FakeServer {
  Json metadata = {{"name", "m"},
                   {"inputs", {{{"name", "x"}, {"datatype", "FP64"}, {"shape", {-1, 2}}}}},
                   {"outputs", {{{"name", "p"}, {"datatype", "FP64"}, {"shape", {-1}}}}}};
  Json extensions = Json::array();
  int ready = 200;
  int width = 1;
  std::mutex mutex;
  std::vector<std::int64_t> batches;
  std::set<std::string> tokens;

  HttpResponse operator()(const HttpRequest& request) {
    const std::lock_guard lock(mutex);
    tokens.insert(HeaderOf(request, "Authorization"));
    const std::string path = request.url.substr(request.url.find("/v2"));
    if (path == "/v2") return Json200({{"name", "fake"}, {"extensions", extensions}});
    if (path == "/v2/models/m") return Json200(metadata);
    if (path == "/v2/models/m/ready") return {ready, {}, R"({"error": "loading"})"};
    if (path == "/v2/repository/index") return Json200({{{"name", "m"}}, {{"name", "other"}}});
    if (path != "/v2/models/m/infer") return {404, {}, R"({"error": "not here"})"};
    const Json asked = Json::parse(request.body);
    const std::vector<double> data = asked["inputs"][0]["data"];
    const std::int64_t rows = asked["inputs"][0]["shape"][0];
    batches.push_back(rows);
    std::vector<double> out;
    for (std::int64_t r = 0; r < rows; ++r) {
      for (int k = 1; k <= width; ++k) out.push_back(k * (data[2 * r] + 10 * data[2 * r + 1]));
    }
    return Json200(
        {{"outputs",
          {{{"name", "p"}, {"datatype", "FP64"}, {"shape", {rows, width}}, {"data", out}}}}});
  }
};

class Oip : public ::testing::Test {
 protected:
  void SetUp() override {
    Registry& registry = Registry::Global();
    if (!registry.Has<ModelFormat>("oip")) RegisterModelFormats(registry);
    if (!registry.Has<HttpLibrary>("curl")) {
      registry.Add<HttpLibrary>("curl", std::make_shared<FakeLibrary>());
    }
    Answering() = [this](const HttpRequest& request) { return server_(request); };
  }

  // As make_plan does it: read, introduced, and made again from what was learned.
  static std::unique_ptr<Model> Introduced(const std::string& options,
                                           std::vector<double>* outputs = nullptr) {
    ModelSource source = ReadModel("oip:http://host:1/v2/models/m" + options);
    const std::vector<double> x = {1, 2, 3, 4};
    auto introduction = LoadModel(source)->Introduce(x, 2, {"a", "b"});
    source.content = introduction->content;
    if (outputs != nullptr) *outputs = introduction->outputs;
    return LoadModel(source);
  }

  static std::string ErrorOf(ErrorCode code, const std::string& options,
                             const std::string& address = "http://host:1/v2/models/m") {
    try {
      ModelSource source = ReadModel("oip:" + address + options);
      const std::vector<double> x = {1, 2};
      LoadModel(source)->Introduce(x, 1, {"a", "b"});
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
    return "no error";
  }

  FakeServer server_;
};

TEST_F(Oip, PredictsInBatchesWhateverTheirNumber) {
  std::vector<double> outputs;
  const auto model = Introduced("?batch=2&concurrency=3", &outputs);
  EXPECT_THAT(outputs, ElementsAre(21, 43));
  EXPECT_EQ(model->columns(), 2);
  EXPECT_THAT(model->output_names(), ElementsAre("p"));
  EXPECT_FALSE(model->accepts_missing());
  server_.batches.clear();
  std::vector<double> x, out(7), expected;
  for (int i = 0; i < 7; ++i) {
    x.insert(x.end(), {1.0 * i, 2.0 * i});
    expected.push_back(21.0 * i);
  }
  model->Predict(x, 7, out);
  EXPECT_EQ(out, expected);
  std::ranges::sort(server_.batches);
  EXPECT_THAT(server_.batches, ElementsAre(1, 2, 2, 2));
}

TEST_F(Oip, LearnsTheOutputsFromTheFirstAnswer) {
  server_.metadata = {{"name", "m"}, {"inputs", Json::array()}};
  server_.width = 2;
  std::vector<double> outputs;
  const auto model = Introduced("", &outputs);
  EXPECT_THAT(outputs, ElementsAre(21, 42, 43, 86));
  EXPECT_EQ(model->columns(), -1);
  EXPECT_THAT(model->output_names(), ElementsAre("0", "1"));
  server_.width = 1;
  std::vector<double> x = {1, 2}, out(2);
  try {
    model->Predict(x, 1, out);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    EXPECT_THAT(error.what(), HasSubstr("1 outputs a row, but 2 when the job began"));
  }
}

TEST_F(Oip, FillsUpAFixedNumberOfRows) {
  server_.metadata["inputs"][0]["shape"] = {4, 2};
  const auto model = Introduced("?batch=100");
  server_.batches.clear();
  const std::vector<double> x(10, 1);
  std::vector<double> out(5);
  model->Predict(x, 5, out);
  EXPECT_THAT(out, ElementsAre(11, 11, 11, 11, 11));
  EXPECT_THAT(server_.batches, ElementsAre(4, 4));
}

TEST_F(Oip, HowItIsReachedIsNoPartOfWhatItIs) {
  ModelSource here = ReadModel("oip:http://host:1/v2/models/m?timeout=3&batch=7&token=env:PATH");
  ModelSource there = ReadModel("oip:https://other/prefix/v2/models/m/?retries=1&batch=7");
  EXPECT_EQ(here.content, there.content);
  const std::string reach = TakeReach(here);
  TakeReach(there);
  EXPECT_EQ(here.spec.options, there.spec.options);
  EXPECT_EQ(here.spec.location, there.spec.location);
  AddReach(here, reach);
  EXPECT_EQ(here.spec.location, "http://host:1/v2/models/m");
  EXPECT_EQ(here.spec.options.at("timeout"), "3");
  EXPECT_EQ(here.spec.options.at("token"), "env:PATH");
  EXPECT_EQ(here.spec.options.at("batch"), "7");
  EXPECT_THROW(AddReach(here, "{"), Error);

  server_.metadata["versions"] = {"2"};
  EXPECT_NE(ReadModel("oip:http://host:1/v2/models/m").content, here.content);
}

TEST_F(Oip, ATokenIsReadWhereItIsUsedAndNeverRepeated) {
  TemporaryFolder folder;
  WriteFileAtomically(folder.path() / "token", "first\n");
  const std::string option = "?token=file:" + (folder.path() / "token").string();
  const auto model = Introduced(option);
  WriteFileAtomically(folder.path() / "token", "second\n");
  std::vector<double> x = {1, 2}, out(1);
  model->Predict(x, 1, out);
  EXPECT_THAT(server_.tokens, ElementsAre("Bearer first", "Bearer second"));

  ::setenv("OIP_TEST_TOKEN", "HUSH", 1);
  for (const int status : {400, 503}) {  // a server that tells what it was sent
    Answering() = [status](const HttpRequest& request) {
      return HttpResponse{status, {}, "sent: " + HeaderOf(request, "Authorization") + "!"};
    };
    EXPECT_THAT(ErrorOf(status == 400 ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
                        "?token=env:OIP_TEST_TOKEN&retries=0"),
                AllOf(HasSubstr(fmt::format("status {}", status)), Not(HasSubstr("HUSH"))));
  }
  Answering() = [this](const HttpRequest& request) { return server_(request); };

  ::setenv("OIP_TEST_TOKEN", "HUSH HUSH", 1);
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, "?token=env:OIP_TEST_TOKEN"),
              AllOf(HasSubstr("what is there is no token"), Not(HasSubstr("HUSH"))));
  ::unsetenv("OIP_TEST_TOKEN");
  EXPECT_THAT(ErrorOf(ErrorCode::kNotFound, "?token=env:OIP_TEST_TOKEN"),
              HasSubstr("token=env:OIP_TEST_TOKEN: there is no such environment variable"));
  try {
    CheckSecretReference("token", "HUSH");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("token=env:NAME"), Not(HasSubstr("HUSH"))));
  }
}

TEST_F(Oip, RefusesAddressesThatNameNoModel) {
  const auto refused = [](const std::string& address) {
    return ErrorOf(ErrorCode::kInvalidInput, "", address);
  };
  EXPECT_THAT(refused("host/v2/models/m"), HasSubstr("this is no address; oip:http(s)://HOST"));
  for (const auto* address : {"http://host", "http://host/v2", "http://host/v2/models/",
                              "http:///v2/models/m", "http://host/v1/models/m"}) {
    EXPECT_THAT(refused(address), HasSubstr("the address names no model")) << address;
  }
  EXPECT_THAT(refused("http://host/v2/models/m/infer"),
              HasSubstr("\"/infer\" follows the model's"));
  EXPECT_THAT(refused("http://host/v2/models/m/versions/"), HasSubstr("follows the model's name"));
  EXPECT_THAT(refused("http://me@host/v2/models/m"), HasSubstr("the address has a user in it"));
  EXPECT_THAT(refused("http://host/v2/models/a b"), HasSubstr("must be written as %XX"));
}

TEST_F(Oip, RefusesOptionsOutOfBounds) {
  for (const auto* option : {"batch=0", "concurrency=1000", "retries=-1", "timeout=0", "datatype=X",
                             "binary=maybe", "batch=x"}) {
    EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, std::string("?") + option), HasSubstr("option "))
        << option;
  }
}

TEST_F(Oip, SaysWhatTheServerDoesWrong) {
  EXPECT_THAT(
      ErrorOf(ErrorCode::kNotFound, "", "http://host:1/v2/models/othe"),
      HasSubstr("model oip:http://host:1/v2/models/othe: the server knows no model \"othe\", "
                "status 404 (not here); did you mean \"other\"?"));
  server_.ready = 400;
  EXPECT_THAT(ErrorOf(ErrorCode::kUnavailable, ""),
              HasSubstr("the model is not ready, status 400 (loading)"));
  server_.ready = 404;  // no such address: some servers have none
  EXPECT_EQ(ErrorOf(ErrorCode::kUnavailable, ""), "no error");

  const auto infer = [&](int status, const std::string& body) {
    Answering() = [this, status, body](const HttpRequest& request) {
      if (request.url.ends_with("/infer")) return HttpResponse{status, {}, body};
      return server_(request);
    };
  };
  infer(400, R"({"error": "bad shape"})");
  EXPECT_EQ(ErrorOf(ErrorCode::kInvalidInput, ""),
            "oip:http://host:1/v2/models/m: the server refuses to predict 1 rows, status 400 (bad "
            "shape)");
  infer(401, "");
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, ""),
              HasSubstr("refuses access, status 401; a token"));
  infer(413, "");
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, ""), HasSubstr("smaller ?batch=ROWS"));
  infer(200, "<html>");
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, ""), HasSubstr("HTML instead of JSON"));
  infer(500, "oops");
  EXPECT_THAT(ErrorOf(ErrorCode::kUnavailable, "?retries=0"),
              HasSubstr("the server fails: status 500 (oops)"));
  Answering() = [](const HttpRequest&) {
    return HttpResponse{302, {{"location", "http://elsewhere/?secret=HUSH"}}, ""};
  };
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, ""),
              AllOf(HasSubstr("sends on to http://elsewhere/, status 302; redirects are not"),
                    Not(HasSubstr("HUSH"))));
}

// Answers what the list says, one after another.
class Scripted final : public HttpConnection {
 public:
  explicit Scripted(std::vector<std::function<HttpResponse()>> script)
      : script_(std::move(script)) {}
  HttpResponse Do(const HttpRequest&, const std::function<bool()>&) override {
    if (done_ == script_.size()) throw Error(ErrorCode::kInternal, "asked once more");
    return script_[done_++]();
  }
  std::size_t done() const { return done_; }

 private:
  std::vector<std::function<HttpResponse()>> script_;
  std::size_t done_ = 0;
};

HttpResponse Status(int status) { return {status, {}, R"({"error": "why"})"}; }
HttpResponse Lost() { throw Error(ErrorCode::kUnavailable, "the connection was lost: reset"); }
HttpResponse Silent() { throw Error(ErrorCode::kDeadlineExceeded, "no answer in time"); }

OipPatience Quick(int retries) {
  return {std::chrono::milliseconds(60'000), retries, std::chrono::milliseconds(1)};
}

TEST(OipRetries, GoOnWhereItMayHelp) {
  const auto never = [] { return false; };
  Scripted failing({[] { return Status(503); }, Lost, Silent, [] { return Status(429); },
                    [] { return Status(200); }});
  EXPECT_EQ(ExchangeOip(failing, {}, Quick(4), never).status, 200);
  EXPECT_EQ(failing.done(), 5u);
  for (const int status : {400, 404, 302, 200}) {
    Scripted answering({[&] { return Status(status); }});
    EXPECT_EQ(ExchangeOip(answering, {}, Quick(4), never).status, status);
  }
}

TEST(OipRetries, EndWithTheLastReason) {
  const auto error = [](std::vector<std::function<HttpResponse()>> script, int retries,
                        ErrorCode code) -> std::string {
    Scripted connection(std::move(script));
    try {
      ExchangeOip(connection, {}, Quick(retries), [] { return false; });
    } catch (const Error& caught) {
      EXPECT_EQ(caught.code(), code) << caught.what();
      return caught.what();
    }
    return "no error";
  };
  const auto failing = [] { return Status(503); };
  EXPECT_EQ(error({failing, failing, failing}, 2, ErrorCode::kUnavailable),
            "the server fails: status 503 (why), 3 times in a row");
  EXPECT_EQ(error({Lost}, 0, ErrorCode::kUnavailable), "the connection was lost: reset");
  EXPECT_THAT(error({Silent, Silent}, 5, ErrorCode::kDeadlineExceeded),
              HasSubstr("no answer within 60 s, 2 times in a row; a slow server needs"));
  const auto damaged = []() -> HttpResponse { throw Error(ErrorCode::kCorrupt, "no HTTP"); };
  EXPECT_EQ(error({damaged}, 5, ErrorCode::kCorrupt), "no HTTP");
}

TEST(OipRetries, AWaitHearsTheUser) {
  Scripted connection({[] { return Status(503); }, [] { return Status(200); }});
  OipPatience patience = Quick(5);
  patience.first_wait = std::chrono::hours(1);
  int looks = 0;
  try {
    ExchangeOip(connection, {}, patience, [&] { return ++looks > 2; });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
}

TEST_F(Oip, PoolRunsAtMostSoManyAtATime) {
  OipPool pool(3);
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  std::atomic<int> ran = 0;
  std::vector<OipPool::Job> jobs(50, [&](HttpConnection&) {
    const int now = ++running;
    for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
    }
    std::this_thread::yield();
    --running;
    ++ran;
  });
  std::thread other([&] { pool.Run(jobs); });
  pool.Run(jobs);
  other.join();
  EXPECT_EQ(ran, 100);
  EXPECT_LE(most, 3);
  EXPECT_GE(most, 1);
}

TEST_F(Oip, PoolLeavesOutWhatFollowsAFailure) {
  OipPool pool(1);
  int ran = 0;
  std::vector<OipPool::Job> jobs;
  for (int i = 0; i < 5; ++i) {
    jobs.emplace_back([&, i](HttpConnection&) {
      ++ran;
      if (i == 1) throw Error(ErrorCode::kUnavailable, "the second");
    });
  }
  try {
    pool.Run(jobs);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "the second");
  }
  EXPECT_EQ(ran, 2);
  pool.Run({[&](HttpConnection&) { ++ran; }});
  EXPECT_EQ(ran, 3);
}

}  // namespace
}  // namespace windlass::model
