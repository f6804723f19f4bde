// The plug-in windlass_xgboost: XGBoost as the library that grows trees.
#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "library.h"
#include "windlass/base/error.h"
#include "windlass/base/registry.h"
#include "windlass/model/boosting.h"

namespace windlass::xgb {
namespace {

// NumPy's array interface.
template <typename T>
std::string Interface(std::span<const T> values, const char* type) {
  return fmt::format(R"({{"data": [{}, true], "shape": [{}], "typestr": "{}", "version": 3}})",
                     reinterpret_cast<std::uintptr_t>(values.data()), values.size(), type);
}

class Rows final : public model::TrainingRows {
 public:
  Rows(const Library& library, const model::SparseRows& rows, std::span<const float> labels)
      : library_(library) {
    library_.Check(library_.matrix_from_csr(Interface(std::span(rows.first), "<i8").c_str(),
                                            Interface(std::span(rows.column), "<i4").c_str(),
                                            Interface(std::span(rows.value), "<f4").c_str(),
                                            static_cast<std::uint64_t>(rows.columns),
                                            R"({"missing": NaN, "nthread": 1})", &matrix_));
    try {
      library_.Check(library_.matrix_set(matrix_, "label", Interface(labels, "<f4").c_str()));
    } catch (...) {
      library_.matrix_free(matrix_);
      throw;
    }
  }
  ~Rows() override { library_.matrix_free(matrix_); }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  DMatrix matrix() const { return matrix_; }

 private:
  const Library& library_;
  DMatrix matrix_ = nullptr;
};

class BoosterHandle {
 public:
  BoosterHandle(const Library& library, DMatrix train) : library_(library) {
    library_.Check(library_.booster_create(&train, 1, &booster_));
  }
  ~BoosterHandle() { library_.booster_free(booster_); }
  BoosterHandle(const BoosterHandle&) = delete;
  BoosterHandle& operator=(const BoosterHandle&) = delete;

  Booster get() const { return booster_; }

 private:
  const Library& library_;
  Booster booster_ = nullptr;
};

class Xgboost final : public model::BoostingLibrary {
 public:
  std::string version() const override { return OpenLibrary().version_text; }

  std::unique_ptr<model::TrainingRows> MakeRows(const model::SparseRows& rows,
                                                std::span<const float> labels) const override {
    return std::make_unique<Rows>(OpenLibrary(), rows, labels);
  }

  std::vector<float> TrainAndPredict(const model::TrainingRows& train,
                                     const model::TrainingRows& test,
                                     const std::map<std::string, std::string>& parameters,
                                     int rounds,
                                     const std::function<void()>& check) const override {
    const Library& library = OpenLibrary();
    const DMatrix matrix = static_cast<const Rows&>(train).matrix();
    const BoosterHandle booster(library, matrix);
    const auto set = [&](const std::string& name, const std::string& value) {
      library.Check(library.booster_set(booster.get(), name.c_str(), value.c_str()));
    };
    set("verbosity", "0");
    set("nthread", "1");
    for (const auto& [name, value] : parameters) set(name, value);
    for (int round = 0; round < rounds; ++round) {
      check();
      library.Check(library.booster_update(booster.get(), round, matrix));
    }
    const std::uint64_t* shape = nullptr;
    std::uint64_t dimensions = 0;
    const float* values = nullptr;
    library.Check(library.booster_predict(
        booster.get(), static_cast<const Rows&>(test).matrix(),
        R"({"type": 0, "training": false, "iteration_begin": 0, "iteration_end": 0,)"
        R"( "strict_shape": true})",
        &shape, &dimensions, &values));
    std::uint64_t count = 1;
    for (std::uint64_t i = 0; i < dimensions; ++i) count *= shape[i];
    return {values, values + count};
  }
};

}  // namespace
}  // namespace windlass::xgb

extern "C" WINDLASS_API int windlass_plugin(int abi, windlass::Registry& registry) {
  if (abi != windlass::kPluginAbi) return windlass::kPluginAbi;
  registry.Add<windlass::model::BoostingLibrary>("xgboost",
                                                 std::make_shared<windlass::xgb::Xgboost>());
  return 0;
}
