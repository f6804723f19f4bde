#include "windlass/model/linear.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include "windlass/base/error.h"
#include "windlass/model/dot_internal.h"
#include "windlass/model/testing_internal.h"

namespace windlass::model {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A fixed sequence of numbers in (-1, 1): any that are not round will do.
class Numbers {
 public:
  double Next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(static_cast<std::int64_t>(state_) >> 11) * 0x1p-52;
  }
  std::vector<double> Take(std::int64_t count, double scale = 1) {
    std::vector<double> values(count);
    for (double& value : values) value = scale * Next();
    return values;
  }

 private:
  std::uint64_t state_ = 7;
};

long double Margin(const LinearStructure& structure, const double* x, std::int64_t output) {
  long double sum = structure.intercept[output];
  for (std::int64_t i = 0; i < structure.columns(); ++i) {
    sum += static_cast<long double>(x[i]) * structure.coef[output * structure.columns() + i];
  }
  return sum;
}

// The definition, in extended precision.
std::vector<long double> Reference(const LinearStructure& structure, const double* x) {
  std::vector<long double> values;
  for (std::int64_t i = 0; i < structure.outputs(); ++i) values.push_back(Margin(structure, x, i));
  if (structure.activation == Activation::kSigmoid) {
    for (auto& value : values) value = 1 / (1 + std::exp(-value));
  }
  if (structure.activation == Activation::kSoftmax) {
    long double sum = 0;
    for (auto& value : values) sum += value = std::exp(value);
    for (auto& value : values) value /= sum;
  }
  return values;
}

std::string ErrorOf(std::string_view json) {
  try {
    ParseLinearModel(json, "coef.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput) << error.what();
    return error.what();
  }
  return "no error";
}

TEST(Linear, AgreesWithItsDefinitionInExtendedPrecision) {
  Numbers numbers;
  for (const auto activation :
       {Activation::kIdentity, Activation::kSigmoid, Activation::kSoftmax}) {
    for (const std::int64_t columns : {1, 2, 7, 8, 9, 16, 49, 130}) {
      for (const std::int64_t outputs : {1, 2, 5}) {
        if (activation == Activation::kSoftmax && outputs == 1) continue;
        const LinearStructure structure{numbers.Take(outputs * columns, 2), numbers.Take(outputs),
                                        activation};
        const auto model = MakeLinearModel(structure, {}, {});
        const auto x = numbers.Take(20 * columns);
        const auto out = PredictAll(*model, x);
        for (std::int64_t row = 0; row < 20; ++row) {
          const auto expected = Reference(structure, x.data() + row * columns);
          for (std::int64_t i = 0; i < outputs; ++i) {
            // Rounding of the dot product: columns * eps * sum of |terms|, at most 2 a column.
            const double slack = activation == Activation::kIdentity ? 2.0 * columns : 1.0;
            EXPECT_NEAR(out[row * outputs + i], static_cast<double>(expected[i]),
                        4e-16 * slack * (1 + columns / 8.0));
          }
        }
      }
    }
  }
}

TEST(Linear, SigmoidKeepsItsDigitsAtLargeMargins) {
  const auto model = MakeLinearModel({{1.0}, {0.0}, Activation::kSigmoid}, {}, {});
  for (const double z : {0.0, 1e-300, -1.0, 1.0, -40.0, 40.0, -300.0, -700.0, 700.0}) {
    const double expected = static_cast<double>(1 / (1 + std::exp(-static_cast<long double>(z))));
    EXPECT_NEAR(PredictAll(*model, {z})[0] / expected, 1.0, 1e-15) << z;
  }
  EXPECT_EQ(PredictAll(*model, {-1e308})[0], 0.0);
  EXPECT_EQ(PredictAll(*model, {1e308})[0], 1.0);
}

TEST(Linear, SoftmaxIsFiniteAtLargeMargins) {
  const auto model = MakeLinearModel({{1, 0, -1}, {0, 0, 0}, Activation::kSoftmax}, {}, {});
  EXPECT_THAT(PredictAll(*model, {1e6}), ElementsAre(1.0, 0.0, 0.0));
  EXPECT_THAT(PredictAll(*model, {-1e6}), ElementsAre(0.0, 0.0, 1.0));
  EXPECT_NEAR(PredictAll(*model, {50})[1] / std::exp(-50.0), 1.0, 1e-14);
}

TEST(Linear, DotHasOneOrderOfSummation) {
  // Lanes make the result: 1e16 in lane 0 swallows the 1 that lane 0 gets next, not that of lane 1.
  std::vector<double> x(16, 0.0);
  std::vector<double> w(16, 1.0);
  x[0] = 1e16;
  x[8] = 1.0;    // lane 0: 1e16 + 1 rounds to 1e16
  x[4] = -1e16;  // lane 4 takes it away again
  x[1] = 3.0;
  EXPECT_EQ(Dot(x.data(), w.data(), 16), 3.0);
  // A product that only a fused multiply-add keeps: (1 + e)^2 - (1 + 2e) = e^2.
  const double e = 0x1p-30;
  std::vector<double> y(16, 0.0);
  std::vector<double> v(16, 0.0);
  y[0] = -(1 + 2 * e);
  v[0] = 1;
  y[8] = v[8] = 1 + e;
  EXPECT_EQ(Dot(y.data(), v.data(), 16), e * e);
}

TEST(Linear, DotIsTheSameBytesWithAndWithoutVectors) {
  Numbers numbers;
  for (std::int64_t columns = 1; columns <= 70; ++columns) {
    for (int repetition = 0; repetition < 20; ++repetition) {
      const auto x = numbers.Take(columns, 100);
      auto w = numbers.Take(columns);
      w.resize(PaddedToLanes(columns));
      const double a = Dot(x.data(), w.data(), columns);
      const double b = DotPortable(x.data(), w.data(), columns);
      EXPECT_EQ(std::memcmp(&a, &b, sizeof a), 0) << columns;
    }
  }
}

class LinearActivations : public ::testing::TestWithParam<Activation> {};

INSTANTIATE_TEST_SUITE_P(All, LinearActivations,
                         ::testing::Values(Activation::kIdentity, Activation::kSigmoid,
                                           Activation::kSoftmax));

TEST_P(LinearActivations, ARowAloneHasTheBytesItHasAmongMany) {
  Numbers numbers;
  const auto model =
      MakeLinearModel({numbers.Take(3 * 49, 3), numbers.Take(3), GetParam()}, {}, {});
  const auto x = numbers.Take(100 * 49);
  const auto all = PredictAll(*model, x);
  std::vector<std::vector<double>> parts(4, std::vector<double>(all.size()));
  std::vector<std::thread> threads;
  for (auto& part : parts) {
    threads.emplace_back([&] {
      for (std::int64_t row = 0; row < 100; ++row) {
        model->Predict(std::span(x).subspan(row * 49, 49), 1, std::span(part).subspan(row * 3, 3));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& part : parts) {
    EXPECT_EQ(std::memcmp(all.data(), part.data(), all.size() * sizeof(double)), 0);
  }
}

TEST(Linear, RefusesBuffersOfAnotherShape) {
  const auto model = MakeLinearModel({{1, 2}, {0}, Activation::kIdentity}, {}, {});
  std::vector<double> x(4);
  std::vector<double> out(2);
  model->Predict(x, 2, out);
  EXPECT_THROW(model->Predict(x, 1, out), Error);
  EXPECT_THROW(model->Predict(std::span(x).first(2), 1, out), Error);
  EXPECT_THROW(model->Predict(x, -1, out), Error);
}

TEST(Linear, ReadsOneOutput) {
  const auto model = ParseLinearModel(
      R"({"windlass": "linear", "version": 1, "activation": "identity", "coef": [2, -0.5],
          "intercept": 1e-1})",
      "coef.json");
  EXPECT_EQ(model->columns(), 2);
  EXPECT_THAT(model->column_names(), IsEmpty());
  EXPECT_THAT(model->output_names(), ElementsAre("0"));
  EXPECT_FALSE(model->accepts_missing());
  EXPECT_EQ(model->library(), "");
  ASSERT_NE(model->linear(), nullptr);
  EXPECT_THAT(model->linear()->coef, ElementsAre(2, -0.5));
  EXPECT_THAT(PredictAll(*model, {1, 2, 0, 0}), ElementsAre(DoubleEq(1.1), DoubleEq(0.1)));
}

TEST(Linear, ReadsSeveralOutputsAndNames) {
  const auto model = ParseLinearModel(
      R"({"windlass": "linear", "version": 1, "columns": ["a", "b"], "outputs": ["no", "yes"],
          "activation": "softmax", "coef": [[0, 0], [1, 2]], "intercept": [0, 3]})",
      "coef.json");
  EXPECT_THAT(model->column_names(), ElementsAre("a", "b"));
  EXPECT_THAT(model->output_names(), ElementsAre("no", "yes"));
  EXPECT_EQ(model->linear()->activation, Activation::kSoftmax);
  EXPECT_THAT(model->linear()->intercept, ElementsAre(0, 3));
}

TEST(Linear, ErrorsSayWhatIsWrongAndWhatWouldBeRight) {
  const auto with = [](std::string_view rest) {
    return fmt::format(R"({{"windlass": "linear", "version": 1, {}}})", rest);
  };
  const struct {
    std::string json;
    std::string message;
  } kCases[] = {
      {"", "coef.json is empty; a JSON document was expected"},
      {"{", "coef.json:1:2: not valid JSON"},
      {"[1]", "coef.json: a JSON object was expected, not a list"},
      {R"({"version": 1})", R"("windlass" is missing)"},
      {R"({"windlass": "tree", "version": 1})", R"("windlass" is "tree"; "linear" was expected)"},
      {R"({"windlass": "linear"})", R"("version" is missing: 1 was expected)"},
      {R"({"windlass": "linear", "version": 2})",
       R"("version" is 2; this Windlass reads version 1)"},
      {R"({"windlass": "linear", "version": "1"})", R"("version" is "1"; this Windlass reads)"},
      {with(R"("coefs": [1])"), R"(coef.json: unknown key "coefs"; did you mean "coef"?)"},
      {with(R"("coef": [1], "intercept": 0)"), R"("activation" is missing)"},
      {with(R"("activation": 3)"), R"("activation" is 3; "identity", "sigmoid" or "softmax")"},
      {with(R"("activation": "sigmod")"),
       R"(unknown activation "sigmod"; did you mean "sigmoid"?)"},
      {with(R"("activation": "sigmoid", "intercept": 0)"), R"("coef" is missing)"},
      {with(R"("activation": "sigmoid", "coef": [], "intercept": 0)"),
       R"("coef" is an empty list; a list of numbers)"},
      {with(R"("activation": "sigmoid", "coef": [1, "2"], "intercept": 0)"),
       R"(coef[1] is "2"; a number was expected)"},
      {with(R"("activation": "sigmoid", "coef": [1, null], "intercept": 0)"),
       R"(coef[1] is null; a number was expected)"},
      {with(R"("activation": "sigmoid", "coef": [1, [2]], "intercept": 0)"),
       R"(coef[1] is a list)"},
      {with(R"("activation": "sigmoid", "coef": [[1, 2], [3]], "intercept": [0, 0])"),
       "coef[1] has 1 numbers, but coef[0] has 2"},
      {with(R"("activation": "sigmoid", "coef": [[1, 2], 3], "intercept": [0, 0])"),
       "coef[1] is 3; a list of numbers was expected"},
      {with(R"("activation": "sigmoid", "coef": [[]], "intercept": [0])"),
       "coef[0] is an empty list"},
      {with(R"("activation": "sigmoid", "coef": [1])"), R"("intercept" is missing)"},
      {with(R"("activation": "sigmoid", "coef": [1], "intercept": [1, 2])"),
       R"("intercept" has 2 numbers, but "coef" has 1 outputs)"},
      {with(R"("activation": "sigmoid", "coef": [1], "intercept": "0")"),
       R"("intercept" is "0"; a number was expected)"},
      {with(R"("activation": "sigmoid", "coef": [1e999], "intercept": 0)"), "coef.json"},
      {with(R"("activation": "softmax", "coef": [[1]], "intercept": [0])"),
       "softmax of one output is always 1"},
      {with(R"("activation": "sigmoid", "coef": [1, 2], "intercept": 0, "columns": ["a"])"),
       "1 columns are named, but the coefficients have 2"},
      {with(R"("activation": "sigmoid", "coef": [1, 2], "intercept": 0, "columns": ["a", "a"])"),
       R"(column "a" is named twice)"},
      {with(R"("activation": "sigmoid", "coef": [1, 2], "intercept": 0, "columns": ["a", ""])"),
       "column 1 has an empty name"},
      {with(R"("activation": "sigmoid", "coef": [1, 2], "intercept": 0, "columns": ["a", 2])"),
       "columns[1] is 2; a name in quotes was expected"},
      {with(R"("activation": "sigmoid", "coef": [1, 2], "intercept": 0, "columns": "a")"),
       R"("columns" is "a"; a list of names was expected)"},
      {with(R"("activation": "sigmoid", "coef": [1], "intercept": 0, "outputs": ["a", "b"])"),
       "2 outputs are named, but the coefficients have 1"},
  };
  for (const auto& [json, message] : kCases) {
    EXPECT_THAT(ErrorOf(json), HasSubstr(message)) << json;
    EXPECT_THAT(ErrorOf(json), HasSubstr("coef.json")) << json;
  }
}

TEST(Linear, RefusesStructuresThatAreNotFiniteOrRagged) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto error_of = [](LinearStructure structure) -> std::string {
    try {
      MakeLinearModel(std::move(structure), {}, {});
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_of({{1, 2, 3, infinity}, {0, 0}, Activation::kIdentity}),
              HasSubstr("coef[1][1] is inf"));
  EXPECT_THAT(error_of({{1}, {nan}, Activation::kIdentity}), HasSubstr("intercept[0] is nan"));
  EXPECT_THAT(error_of({{1, 2, 3}, {0, 0}, Activation::kIdentity}),
              HasSubstr("3 coefficients for 2 outputs"));
  EXPECT_THAT(error_of({{}, {0}, Activation::kIdentity}), HasSubstr("0 coefficients"));
  EXPECT_THAT(error_of({{1}, {}, Activation::kIdentity}), HasSubstr("no intercept"));
}

}  // namespace
}  // namespace windlass::model
