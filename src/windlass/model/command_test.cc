// Models that are programs; the programs are those of any system.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "windlass/base/child_process.h"
#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/json.h"
#include "windlass/model/command_arrow_internal.h"
#include "windlass/model/model.h"

namespace windlass::model {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<std::string> kColumns = {"a", "b"};

class CommandModels : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!Registry::Global().Has<ModelFormat>("command")) RegisterModelFormats(Registry::Global());
  }

  static std::unique_ptr<Model> Introduced(const std::string& text) {
    ModelSource source = ReadModel(text);
    source.content = LoadModel(source)->Introduce(std::vector<double>{1, 2}, 1, kColumns)->content;
    return LoadModel(source);
  }

  static std::string ErrorOf(ErrorCode code, const std::string& text) {
    try {
      LoadModel(ReadModel(text))->Introduce(std::vector<double>{1, 2}, 1, kColumns);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
    return "no error";
  }

  // A file that the program prints whatever it is asked.
  std::string Printing(const std::string& answer) {
    const auto path = folder_.path() / "answer";
    WriteFileAtomically(path, answer);
    return fmt::format("command:cat {}", path.string());
  }

  std::string Script(const std::string& text, const std::string& name = "script") {
    const auto path = folder_.path() / name;
    WriteFileAtomically(path, text);
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path.string();
  }

  TemporaryFolder folder_;
};

// `cat` answers with what it is asked: the identity.
TEST_F(CommandModels, PredictByAProgramThatStaysAlive) {
  const auto model = Introduced("command:cat");
  EXPECT_EQ(model->columns(), 2);
  EXPECT_THAT(model->output_names(), ElementsAre("a", "b"));
  EXPECT_TRUE(model->accepts_missing());
  for (const int rows : {1, 3, 20'000}) {  // the last is more than a pipe holds, both ways at once
    std::vector<double> x, out(2 * rows);
    for (int i = 0; i < 2 * rows; ++i) x.push_back(0.1 * i);
    model->Predict(x, rows, out);
    EXPECT_EQ(out, x);
  }
  std::vector<double> x = {std::nan(""), 1}, out(2);
  model->Predict(x, 1, out);
  EXPECT_TRUE(std::isnan(out[0]));
}

TEST_F(CommandModels, ServeManyThreadsByAFewPrograms) {
  const std::string log = folder_.path() / "starts";
  const std::string script = Script(fmt::format("#!/bin/sh\necho x >> {}\nexec cat\n", log));
  const auto model = Introduced(fmt::format("command:{}?processes=2", script));
  std::filesystem::remove(log);
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        std::vector<double> x = {1.0 * t, 1.0 * i}, out(2);
        model->Predict(x, 1, out);
        EXPECT_EQ(out, x);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const std::string starts = ReadFile(log);
  EXPECT_GE(starts.size(), 2u);
  EXPECT_LE(starts.size(), 4u);
}

TEST_F(CommandModels, CountByTheirContent) {
  const std::string one = Script("#!/bin/sh\nexec cat\n", "one");
  const std::string same = Script("#!/bin/sh\nexec cat\n", "same");
  const std::string other = Script("#!/bin/sh\nexec cat #\n", "other");
  const auto content = [](const std::string& text) {
    return std::string(ReadModel("command:" + text).content.view());
  };
  EXPECT_EQ(content(one), content(same));
  EXPECT_NE(content(one), content(other));
  EXPECT_EQ(content("sh " + one), content("sh " + same));  // a file that it is given counts too
  EXPECT_NE(content("sh " + one), content("sh " + other));
  EXPECT_NE(content("sh " + one), content("sh " + one + " --more"));

  ModelSource source = ReadModel("command:" + one);
  Script("#!/bin/sh\nexec cat ##\n", "one");
  try {
    LoadModel(source);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("is not the one with which the job began"));
  }
}

TEST_F(CommandModels, SayWhatIsWrongWithThem) {
  EXPECT_EQ(ErrorOf(ErrorCode::kNotFound, "command:no-such-program"),
            "model command:no-such-program: there is no program \"no-such-program\" in the folders "
            "of PATH");
  EXPECT_THAT(ErrorOf(ErrorCode::kNotFound, "command:/no/such"), HasSubstr("no program /no/such"));
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, "command:/tmp"), HasSubstr("/tmp is no file"));
  const std::string plain = folder_.path() / "plain";
  WriteFileAtomically(plain, "x");
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, "command:" + plain),
              HasSubstr("may not be executed; chmod +x"));
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, "command:" + Script("cat\n")),
              HasSubstr("is no program: a script begins with #!"));
  EXPECT_THAT(ErrorOf(ErrorCode::kNotFound, "command:" + Script("#!/no/such/thing\n")),
              HasSubstr("its interpreter"));
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, "command:cat 'x"), HasSubstr("is not closed"));
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, "command:cat?timeout=0"), HasSubstr("timeout"));
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, "command:cat?processes=0"), HasSubstr("processes"));
}

TEST_F(CommandModels, SayHowTheyEnd) {
  EXPECT_EQ(ErrorOf(ErrorCode::kUnavailable, "command:sh -c 'echo so sorry >&2; exit 3'"),
            "command:sh -c 'echo so sorry >&2; exit 3': the program ended before it answered: it "
            "exited with status 3, saying: so sorry");
  EXPECT_THAT(ErrorOf(ErrorCode::kUnavailable, "command:sh -c 'kill -9 $$'"),
              HasSubstr("it was killed by signal 9"));
  EXPECT_THAT(ErrorOf(ErrorCode::kUnavailable, "command:sh -c 'exec >&-; exec sleep 60'"),
              HasSubstr("it closed its standard output, but still runs"));
  EXPECT_THAT(ErrorOf(ErrorCode::kDeadlineExceeded,
                      "command:sh -c 'echo loading >&2; exec sleep 60'?timeout=0.2"),
              AllOf(HasSubstr("no answer for 1 rows within 0.2 s"), HasSubstr("?timeout=SECONDS")));
}

TEST_F(CommandModels, RefuseAnswersThatAreNoPredictions) {
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, "command:echo Hello, world"),
              HasSubstr("wrote \"Hello, world\" to its standard output, where only an Arrow IPC"));
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, "command:echo a"), HasSubstr("wrote \"a\" to its"));
  const std::vector<double> x = {1, 2, 3, 4};
  const std::string schema = EncodeArrowSchema(kColumns);
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, Printing(schema + EncodeArrowRows(kColumns, x, 2))),
              HasSubstr("the program answered 1 rows with 2"));
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, Printing(schema + "loading the model ...")),
              HasSubstr("wrote \"loading the model ...\""));
  EXPECT_THAT(ErrorOf(ErrorCode::kUnavailable, Printing(schema.substr(0, schema.size() - 1))),
              HasSubstr("ended before it answered: it exited with status 0"));
  EXPECT_THAT(ErrorOf(ErrorCode::kUnavailable,
                      Printing(schema + std::string("\xff\xff\xff\xff\0\0\0\0", 8))),
              HasSubstr("ended before it answered: it exited with status 0"));
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput,
                      Printing(std::string("\xff\xff\xff\xff\xf0\xff\xff\x7f", 8))),
              HasSubstr("announces a message of 2147483632 bytes"));
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput,
                      Printing(std::string("\xff\xff\xff\xff\x08\0\0\0garbage!", 16))),
              HasSubstr("wrote damaged Arrow"));
  const std::vector<std::string> twice = {"a", "a"};
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput, Printing(EncodeArrowSchema(twice) +
                                                         EncodeArrowRows(twice, {x.data(), 2}, 1))),
              HasSubstr("two columns \"a\""));
  EXPECT_THAT(ErrorOf(ErrorCode::kInvalidInput,
                      Printing(EncodeArrowSchema({}) + EncodeArrowRows({}, {}, 1))),
              HasSubstr("without columns"));
}

// Every byte of an answer changed in turn: an error or an answer, never more.
TEST_F(CommandModels, TakeDamagedAnswersApart) {
  const std::vector<double> x = {1, 2};
  const std::string whole = EncodeArrowSchema(kColumns) + EncodeArrowRows(kColumns, x, 1);
  int refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    ArrowAnswers answers("test");
    ArrowAnswer answer;
    try {
      for (std::size_t used = 0;;) {
        const std::size_t wanted = answers.wanted();
        if (wanted == 0 || wanted > damaged.size() - used) break;
        if (answers.Take(damaged.substr(used, wanted), answer)) break;
        used += wanted;
      }
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidInput) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 50);
}

}  // namespace
}  // namespace windlass::model
