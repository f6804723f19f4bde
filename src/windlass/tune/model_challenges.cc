#include "windlass/tune/model_challenges.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "windlass/base/error.h"
#include "windlass/base/json.h"
#include "windlass/model/boosting.h"
#include "windlass/tune/challenge.h"
#include "windlass/tune/cross_validation.h"
#include "windlass/tune/data_set.h"

namespace windlass::tune {
namespace {

constexpr int kFolds = 5;
constexpr std::uint32_t kFoldSeed = 42;
constexpr int kBoostingRounds = 100;

// Some of a data set's rows, in their order.
struct Part {
  model::SparseRows rows;
  std::vector<float> labels;

  Part(const DataSet& data, const std::vector<int>& fold_of, int fold, bool held_out) {
    rows.columns = data.rows.columns;
    rows.first.push_back(0);
    for (std::size_t row = 0; row < data.labels.size(); ++row) {
      if ((fold_of[row] == fold) != held_out) continue;
      const auto from = data.rows.first[row], to = data.rows.first[row + 1];
      rows.column.insert(rows.column.end(), data.rows.column.begin() + from,
                         data.rows.column.begin() + to);
      rows.value.insert(rows.value.end(), data.rows.value.begin() + from,
                        data.rows.value.begin() + to);
      rows.first.push_back(std::ssize(rows.column));
      labels.push_back(static_cast<float>(data.labels[row]));
    }
  }
};

// A fold as the library has it.
struct FoldRows {
  std::unique_ptr<model::TrainingRows> train;
  std::unique_ptr<model::TrainingRows> test;
  std::vector<std::int64_t> labels;  // of the rows that are held out
};

// The published benchmark's: five stratified folds, the mean of their macro F1 scores.
class XgboostChallenge final : public Challenge {
 public:
  explicit XgboostChallenge(DataSet data)
      : data_(std::move(data)),
        library_(model::FindBoostingLibrary()),
        fold_of_(StratifiedFolds(data_.labels, kFolds, kFoldSeed)) {
    space_ = Space::Parse(ParseJson(R"({
      "max_depth": {"type": "integer", "low": 3, "high": 10, "default": 3},
      "learning_rate": {"type": "float", "low": 0, "high": 1, "default": 0.1},
      "gamma": {"type": "float", "low": 0, "high": 1, "default": 0},
      "min_child_weight": {"type": "integer", "low": 1, "high": 10, "default": 1}})",
                                    "the space of xgboost"));
  }

  const Space& space() const override { return space_; }

  double Score(const Point& point, const std::function<void()>& check) const override {
    std::map<std::string, std::string> parameters = {{"seed", "0"}};
    for (int i = 0; i < space_.size(); ++i) {
      parameters[space_[i].name] = fmt::format("{}", point[static_cast<std::size_t>(i)]);
    }
    parameters["objective"] = data_.classes == 2 ? "binary:logistic" : "multi:softprob";
    if (data_.classes > 2) parameters["num_class"] = std::to_string(data_.classes);
    const Folds folds(*this);
    double sum = 0;
    for (const FoldRows& fold : *folds) {
      const std::vector<float> probabilities =
          library_.TrainAndPredict(*fold.train, *fold.test, parameters, kBoostingRounds, check);
      sum += MacroF1(fold.labels, Classes(probabilities));
    }
    return sum / kFolds;
  }

 private:
  // Folds for the time of one score: the library keeps what it made of the rows with them, from
  // trial to trial, but one thread at a time may use them.
  class Folds {
   public:
    explicit Folds(const XgboostChallenge& of) : of_(of) {
      {
        const std::lock_guard lock(of.mutex_);
        if (!of.free_.empty()) {
          folds_ = std::move(of.free_.back());
          of.free_.pop_back();
          return;
        }
      }
      folds_ = of.MakeFolds();
    }
    ~Folds() {
      const std::lock_guard lock(of_.mutex_);
      of_.free_.push_back(std::move(folds_));
    }
    Folds(const Folds&) = delete;
    Folds& operator=(const Folds&) = delete;

    const std::vector<FoldRows>& operator*() const { return folds_; }

   private:
    const XgboostChallenge& of_;
    std::vector<FoldRows> folds_;
  };

  std::vector<FoldRows> MakeFolds() const {
    std::vector<FoldRows> folds;
    for (int fold = 0; fold < kFolds; ++fold) {
      const Part train(data_, fold_of_, fold, /*held_out=*/false);
      const Part test(data_, fold_of_, fold, /*held_out=*/true);
      folds.push_back({library_.MakeRows(train.rows, train.labels),
                       library_.MakeRows(test.rows, test.labels),
                       {test.labels.begin(), test.labels.end()}});
    }
    return folds;
  }

  std::vector<std::int64_t> Classes(const std::vector<float>& probabilities) const {
    std::vector<std::int64_t> classes;
    if (data_.classes == 2) {
      for (const float p : probabilities) classes.push_back(p > 0.5F ? 1 : 0);
      return classes;
    }
    for (auto row = probabilities.begin(); row != probabilities.end(); row += data_.classes) {
      classes.push_back(std::max_element(row, row + data_.classes) - row);
    }
    return classes;
  }

  DataSet data_;
  const model::BoostingLibrary& library_;
  std::vector<int> fold_of_;
  Space space_;
  mutable std::mutex mutex_;
  mutable std::vector<std::vector<FoldRows>> free_;
};

class XgboostKind final : public ChallengeKind {
 public:
  std::string type() const override { return "xgboost"; }
  std::string help() const override {
    return "xgboost:TABLE: four hyper-parameters of XGBoost, macro F1 of five folds";
  }
  bool needs_table() const override { return true; }
  std::string libraries() const override { return model::FindBoostingLibrary().version(); }

  Bytes Prepare(const ObjectSpec& spec) const override {
    spec.AllowOnly({"target", "encode"});
    if (spec.name.empty() || spec.location.empty()) {
      throw Error(ErrorCode::kInvalidInput,
                  "it needs a table with the column \"class\", as xgboost:haberman.csv");
    }
    const auto option = [&](const char* key, const char* otherwise) {
      const auto given = spec.options.find(key);
      return given == spec.options.end() ? std::string(otherwise) : given->second;
    };
    const std::string encode = option("encode", "onehot");
    if (encode != "onehot" && encode != "auto") {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("encode={}: onehot or auto was expected", encode));
    }
    return ReadDataSet(spec.location, option("target", "class"),
                       encode == "auto" ? Encoding::kAuto : Encoding::kOneHot)
        .Encode();
  }

  std::unique_ptr<const Challenge> Make(const Bytes& prepared) const override {
    return std::make_unique<XgboostChallenge>(DataSet::Decode(prepared));
  }
};

}  // namespace

void RegisterModelChallenges(Registry& registry) {
  registry.Add<ChallengeKind>("xgboost", std::make_shared<XgboostKind>());
}

}  // namespace windlass::tune
