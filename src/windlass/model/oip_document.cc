#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <limits>
#include <utility>

#include "windlass/model/oip_protocol_internal.h"

namespace windlass::model {
namespace {

constexpr std::size_t kMaxNesting = 64;
constexpr std::size_t kMaxDimensions = 8;
constexpr std::size_t kMaxNames = 64;  // of versions and extensions; more are passed over
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Reads a document as its parts go by, and keeps only what is asked for: a tree of values would
// take many times their size.
class Handler final : public nlohmann::json_sax<Json> {
 public:
  Handler(OipDocument& document, std::string_view json, std::string_view what, OipSender sender)
      : document_(document),
        json_(json),
        what_(what),
        request_(sender == OipSender::kClient),
        valued_(request_ ? &document.inputs : &document.outputs) {}

  bool null() override { return Number(kNaN, "null"); }
  bool boolean(bool value) override {
    if (place() == Place::kTensorParameters && key_ == "binary_data") {
      tensor().binary_wanted = value;
      return true;
    }
    if (place() == Place::kParameters && key_ == "binary_data_output") {
      document_.binary_outputs = value;
      return true;
    }
    return Number(value ? 1 : 0, "true or false");
  }
  bool number_integer(number_integer_t value) override { return Integer(value); }
  bool number_unsigned(number_unsigned_t value) override {
    if (place() == Place::kTensorParameters && key_ == "binary_data_size") {
      tensor().binary_size = value;
      return true;
    }
    if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return Integer(static_cast<std::int64_t>(value));
    }
    return Number(static_cast<double>(value), "a number");
  }
  bool number_float(number_float_t value, const string_t&) override {
    return Number(value, "a number");
  }

  bool string(string_t& value) override {
    switch (place()) {
      case Place::kRoot:
        if (key_ == "name" || key_ == "model_name") {
          document_.name = std::move(value);
        } else if (key_ == "id") {
          document_.id = std::move(value);
        } else if (key_ == "platform") {
          document_.platform = std::move(value);
        } else if (key_ == "error" || key_ == "detail" || key_ == "message") {
          document_.error = std::move(value);
        }
        break;
      case Place::kTensor:
        if (key_ == "name") {
          tensor().name = std::move(value);
        } else if (key_ == "datatype") {
          tensor().datatype = std::move(value);
        }
        if (key_ == "shape" || key_ == "data") NoArray();
        break;
      case Place::kVersions:
        if (document_.versions.size() < kMaxNames) document_.versions.push_back(std::move(value));
        break;
      case Place::kExtensions:
        if (document_.extensions.size() < kMaxNames) {
          document_.extensions.push_back(std::move(value));
        }
        break;
      case Place::kData:
        if (request_) {
          document_.texts.push_back(std::move(value));
          break;
        }
        Fail(fmt::format("{} holds text (\"{}\"); numbers were expected", Tensor(),
                         OipExcerpt(value)));
      case Place::kTensors:
      case Place::kShape: return Number(0, "text");
      default: break;
    }
    return true;
  }
  bool binary(binary_t&) override { return true; }  // never in JSON

  bool start_object(std::size_t) override {
    if (places_.empty()) return Push(Place::kRoot);
    if (place() == Place::kTensors) {
      tensors_->emplace_back();
      tensor().first_value = document_.values.size();
      tensor().first_text = document_.texts.size();
      seen_ = {};
      return Push(Place::kTensor);
    }
    if (place() == Place::kRoot && key_ == "parameters") return Push(Place::kParameters);
    if (place() == Place::kTensor && key_ == "parameters") return Push(Place::kTensorParameters);
    if (place() == Place::kTensor && (key_ == "shape" || key_ == "data")) NoArray();
    if (place() == Place::kData || place() == Place::kShape) return Number(0, "an object");
    return Push(Place::kOther);
  }

  bool key(string_t& name) override {
    key_ = std::move(name);
    if (place() == Place::kTensor) {
      constexpr std::array<std::string_view, 5> kOnce = {"name", "datatype", "shape", "data",
                                                         "parameters"};
      for (std::size_t i = 0; i < kOnce.size(); ++i) {
        if (key_ != kOnce[i]) continue;
        if (seen_[i]) Fail(fmt::format("{}: key \"{}\" stands twice", Tensor(), key_));
        seen_[i] = true;
      }
    }
    return true;
  }

  bool end_object() override {
    if (place() == Place::kTensor) {
      // Also what bounds the memory of a list of many small tensors.
      const bool asked_for = request_ && tensors_ == &document_.outputs;
      if (!seen_[0] || (!asked_for && (!seen_[1] || !seen_[2]))) {
        Fail("a tensor lacks its \"name\", \"datatype\" or \"shape\"");
      }
      tensor().values = document_.values.size() - tensor().first_value;
      tensor().texts = document_.texts.size() - tensor().first_text;
    }
    places_.pop_back();
    return true;
  }

  bool start_array(std::size_t) override {
    if (places_.empty()) Fail("a list; a JSON object was expected");
    switch (place()) {
      case Place::kRoot:
        if (key_ == "inputs" || key_ == "outputs") {
          tensors_ = key_ == "inputs" ? &document_.inputs : &document_.outputs;
          bool& seen = key_ == "inputs" ? has_inputs_ : document_.has_outputs;
          if (std::exchange(seen, true)) Fail(fmt::format("key \"{}\" stands twice", key_));
          return Push(Place::kTensors);
        }
        if (key_ == "versions") return Push(Place::kVersions);
        if (key_ == "extensions") return Push(Place::kExtensions);
        break;
      case Place::kTensors: return Number(0, "a list");
      case Place::kTensor:
        if (key_ == "shape") return Push(Place::kShape);
        if (key_ == "data" && tensors_ == valued_) {
          // Two bytes a number at the least: no growth, and so no copies.
          document_.values.reserve(json_.size() / 2 + 1);
          return Push(Place::kData);
        }
        break;
      case Place::kShape: return Number(0, "a list");
      case Place::kData: return Push(Place::kData);
      default: break;
    }
    return Push(Place::kOther);
  }
  bool end_array() override {
    places_.pop_back();
    return true;
  }

  bool parse_error(std::size_t byte, const std::string&,
                   const nlohmann::detail::exception& error) override {
    constexpr int kOutOfRange = 406;
    if (error.id == kOutOfRange) Fail("a number is larger than a double can hold");
    // What Python's json writes for numbers that are none.
    const std::string_view near = json_.substr(byte > 4 ? byte - 4 : 0, 12);
    for (const std::string_view word : {"NaN", "Infinity"}) {
      if (near.find(word) == std::string_view::npos) continue;
      Fail(
          fmt::format("{} at byte {}, which is no JSON: the model gives no finite number there, or "
                      "takes ?binary=1",
                      word, byte));
    }
    Fail(fmt::format("not valid JSON at byte {}", byte));
  }

 private:
  enum class Place {
    kRoot,
    kTensors,
    kTensor,
    kTensorParameters,
    kParameters,
    kShape,
    kData,
    kVersions,
    kExtensions,
    kOther,
  };

  [[noreturn]] void Fail(std::string_view message) const { ThrowOipAnswer(what_, message); }

  [[noreturn]] void NoArray() const { Fail(fmt::format("{}: \"{}\" is no list", Tensor(), key_)); }

  Place place() const {
    if (places_.empty()) Fail("a single value; a JSON object was expected");
    return places_.back();
  }
  OipTensor& tensor() const { return tensors_->back(); }
  std::string Tensor() const { return fmt::format("tensor \"{}\"", OipExcerpt(tensor().name)); }

  bool Push(Place place) {
    if (places_.size() == kMaxNesting) {
      Fail(fmt::format("nested more than {} levels deep", kMaxNesting));
    }
    places_.push_back(place);
    return true;
  }

  bool Integer(std::int64_t value) {
    if (place() == Place::kShape) {
      if (tensor().shape.size() == kMaxDimensions) {
        Fail(fmt::format("{} has more than {} dimensions", Tensor(), kMaxDimensions));
      }
      tensor().shape.push_back(value);
      return true;
    }
    return Number(static_cast<double>(value), "a number");
  }

  bool Number(double value, std::string_view described) {
    switch (place()) {
      case Place::kData: document_.values.push_back(value); break;
      case Place::kShape: Fail(fmt::format("{}: {} stands in its shape", Tensor(), described));
      case Place::kTensors: Fail(fmt::format("{} stands where a tensor should", described));
      case Place::kTensor:
        if (key_ == "shape" || key_ == "data") NoArray();
        if (key_ == "name" || key_ == "datatype") Fail(fmt::format("\"{}\" is no text", key_));
        break;
      default: break;
    }
    return true;
  }

  OipDocument& document_;
  std::string_view json_;
  std::string_view what_;
  const bool request_;
  const std::deque<OipTensor>* const valued_;  // whose "data" are kept
  std::vector<Place> places_;
  std::string key_;
  std::deque<OipTensor>* tensors_ = nullptr;
  std::array<bool, 5> seen_{};
  bool has_inputs_ = false;
};

}  // namespace

OipDocument ParseOipDocument(std::string_view json, std::string_view what, OipSender sender) {
  const auto begin = json.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos)
    ThrowOipAnswer(what, fmt::format("an empty {}; JSON was expected",
                                     sender == OipSender::kClient ? "body" : "answer"));
  if (json[begin] == '<') {
    ThrowOipAnswer(what, fmt::format("HTML instead of JSON (a proxy's page?): {}",
                                     OipExcerpt(json.substr(begin))));
  }
  if (json[begin] != '{') {
    ThrowOipAnswer(
        what, fmt::format("a JSON object was expected, not {}", OipExcerpt(json.substr(begin))));
  }
  OipDocument document;
  Handler handler(document, json, what, sender);
  Json::sax_parse(json.begin(), json.end(), &handler);
  return document;
}

}  // namespace windlass::model
