// Anything that predicts: rows of numbers in, one or several outputs a row out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/bytes.h"
#include "windlass/base/object_spec.h"
#include "windlass/base/registry.h"

namespace windlass::model {

// What turns margins into outputs.
enum class Activation { kIdentity, kSigmoid, kSoftmax, kExp };

// outputs = activation(coef x + intercept).
struct LinearStructure {
  std::vector<double> coef;       // [outputs, columns], row-major
  std::vector<double> intercept;  // [outputs]
  Activation activation = Activation::kIdentity;

  std::int64_t outputs() const { return static_cast<std::int64_t>(intercept.size()); }
  std::int64_t columns() const {
    return intercept.empty() ? 0 : static_cast<std::int64_t>(coef.size()) / outputs();
  }
};

struct TreeEnsemble;

class WINDLASS_API Model {
 public:
  virtual ~Model();

  // The number of columns that it takes; -1 when it takes any, or does not tell.
  virtual std::int64_t columns() const = 0;

  // Names of the columns where the model knows them, else empty.
  virtual std::vector<std::string> column_names() const { return {}; }

  // Names of the categories of each column, by code, where the model knows them: [columns], empty
  // for a column that is numeric or whose categories have no names. Empty: none are known.
  virtual std::vector<std::vector<std::string>> column_categories() const { return {}; }

  // Names of the outputs: "0", "1", ... where the model does not name them. Empty for a model that
  // was not introduced yet.
  virtual std::vector<std::string> output_names() const = 0;
  virtual std::int64_t outputs() const { return std::ssize(output_names()); }

  // Whether a missing value (NaN) is an input that it understands.
  virtual bool accepts_missing() const { return false; }

  // x: [rows, columns] row-major; out: [rows, outputs] row-major. Thread safe. Throws Error when
  // the library behind it fails.
  virtual void Predict(std::span<const double> x, std::int64_t rows,
                       std::span<double> out) const = 0;

  // For a model that lives outside its content (behind a server, in a program), else nothing. Shows
  // it some rows, x: [rows, columns], whose columns have these names. What it makes of them
  // becomes part of the plan's identity, since another model may be there tomorrow; from the
  // content workers make the same model without asking again. Throws as Predict does.
  struct Introduction {
    Bytes content;
    std::vector<double> outputs;  // [rows, outputs]
  };
  virtual std::optional<Introduction> Introduce(std::span<const double> x, std::int64_t rows,
                                                const std::vector<std::string>& columns) const;

  // Its structure where it is linear and says so, else null; lives as long as the model.
  virtual const LinearStructure* linear() const { return nullptr; }

  // Its structure where it is a sum of decision trees and says so, else null; see trees.h.
  virtual const TreeEnsemble* trees() const { return nullptr; }

  // What turns its margins into its outputs, where it shows them.
  virtual Activation activation() const { return Activation::kIdentity; }

  // The same model before that last function, or null where it does not show its margin.
  virtual std::unique_ptr<Model> Margin() const { return nullptr; }

  // What of how it was read a user should know, in sentences without their ends.
  virtual std::vector<std::string> notes() const { return {}; }

  // Names and versions of the libraries whose arithmetic Predict uses, for memo keys; empty for
  // our own kernels.
  virtual std::string library() const { return {}; }
};

// A model as bytes: what travels to workers. `spec` is e.g. {name: "onnx", location:
// "model.onnx", options: {opaque: 1}}; location serves messages only, unless the format says how
// its models are reached.
struct ModelSource {
  ObjectSpec spec;
  Bytes content;
};

// How a format's bytes become a model. Registered by name ("linear", "onnx").
class WINDLASS_API ModelFormat : public Registrable {
 public:
  static constexpr std::string_view kRegistryKind = "model format";

  // Endings, with the dot, by which a bare path is recognised.
  virtual std::vector<std::string> endings() const = 0;

  // Options that it understands beyond the common ones ("opaque").
  virtual std::vector<std::string> options() const { return {}; }

  // How a model of it is written, for messages.
  virtual std::string usage(std::string_view name) const;

  // Of the options, those that say how a model that lives outside its content is reached, not what
  // it predicts: a time-out, where a token is. They and the location are no part of a result's
  // identity. Empty: models are their content.
  virtual std::vector<std::string> reach_options() const { return {}; }

  // What becomes ModelSource::content: the file, or what a server tells about the model.
  // Throws Error{kNotFound, kIo, kUnavailable, kInvalidInput}.
  virtual Bytes Read(const ObjectSpec& spec) const;

  // Throws Error{kInvalidInput} naming the location and what would be right.
  virtual std::unique_ptr<Model> Load(const ModelSource& source) const = 0;
};

// `linear:coef.json`, `onnx:model.onnx?opaque=1`, or a bare path recognised by its ending.
// Throws Error{kNotFound} naming the known formats.
WINDLASS_API ObjectSpec ParseModelSpec(std::string_view text);

// The source of the model that `text` names. Throws as ParseModelSpec and ModelFormat::Read do.
WINDLASS_API ModelSource ReadModel(std::string_view text);

// Takes out of the source how its model is reached, as a short text, and puts it back. Empty where
// the model is its content. AddReach throws Error{kCorrupt}.
WINDLASS_API std::string TakeReach(ModelSource& source);
WINDLASS_API void AddReach(ModelSource& source, std::string_view reach);

// Makes the model. `opaque=1` hides its structure. Throws as ModelFormat::Load does.
WINDLASS_API std::unique_ptr<Model> LoadModel(const ModelSource& source);

// Registers the formats of this library: command, lightgbm, linear, oip, onnx and xgboost.
WINDLASS_API void RegisterModelFormats(Registry& registry);

}  // namespace windlass::model
