#include "windlass/serve/protocol.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "windlass/base/build_info.h"
#include "windlass/base/bytes.h"
#include "windlass/base/error.h"
#include "windlass/model/oip_protocol.h"

namespace windlass::serve {
namespace {

using model::OipDocument;
using model::OipTensor;
using model::OipType;

constexpr std::string_view kRequest = "the request";
constexpr std::string_view kText = "BYTES";

[[noreturn]] void Refuse(int status, std::string message) {
  throw Refusal(status, std::move(message));
}

std::string Described(const OipTensor& tensor) {
  std::string shape;
  for (const std::int64_t n : tensor.shape)
    shape += (shape.empty() ? "" : ", ") + std::to_string(n);
  return fmt::format("input \"{}\" is {} of shape [{}]", model::OipExcerpt(tensor.name),
                     model::OipExcerpt(tensor.datatype), shape);
}

// A tensor's values wherever they stand in the request.
struct Values {
  std::span<const double> numbers;
  std::span<const std::string> texts;
  std::vector<double> kept_numbers;  // what the spans may point to
  std::vector<std::string> kept_texts;
};

// Texts as the binary extension has them: a length of four bytes, and so many bytes.
std::vector<std::string> BinaryTexts(const OipTensor& tensor, std::string_view bytes) {
  std::vector<std::string> texts;
  while (!bytes.empty()) {
    std::uint32_t size = 0;
    if (bytes.size() >= sizeof(size)) std::memcpy(&size, bytes.data(), sizeof(size));
    if (bytes.size() < sizeof(size) || size > bytes.size() - sizeof(size)) {
      Refuse(400, Described(tensor) + ", but its bytes end within a text");
    }
    texts.emplace_back(bytes.substr(sizeof(size), size));
    bytes.remove_prefix(sizeof(size) + size);
  }
  return texts;
}

Values ValuesOf(const OipDocument& document, const OipTensor& tensor, std::string_view bytes) {
  Values values;
  const bool text = tensor.datatype == kText;
  const auto type = model::OipTypeOf(tensor.datatype);
  if (!text && !type) {
    Refuse(400, Described(tensor) +
                    "; FP64, FP32, INT64 or another type of numbers was expected, "
                    "or BYTES for categories");
  }
  if (tensor.binary_size) {
    if (tensor.values > 0 || tensor.texts > 0) {
      Refuse(400, Described(tensor) + ", and has data both in JSON and in binary");
    }
    if (text) {
      values.kept_texts = BinaryTexts(tensor, bytes);
      values.texts = values.kept_texts;
      return values;
    }
    if (bytes.size() % model::OipTypeSize(*type) != 0) {
      Refuse(400, fmt::format("{}, but has {} bytes", Described(tensor), bytes.size()));
    }
    model::AppendOipNumbers(*type, bytes, values.kept_numbers);
    values.numbers = values.kept_numbers;
    return values;
  }
  if ((text ? tensor.values : tensor.texts) > 0) {
    Refuse(400, fmt::format("{}, but its data hold {}", Described(tensor),
                            text ? "what is no text" : "text"));
  }
  values.texts = std::span(document.texts).subspan(tensor.first_text, tensor.texts);
  values.numbers = std::span(document.values).subspan(tensor.first_value, tensor.values);
  if (type == OipType::kFp32) {  // however many digits it was written with
    values.kept_numbers.assign(values.numbers.begin(), values.numbers.end());
    for (double& value : values.kept_numbers) value = static_cast<float>(value);
    values.numbers = values.kept_numbers;
  }
  return values;
}

// The bytes of each input behind the JSON.
std::vector<std::string_view> CutBinary(const OipDocument& document, std::string_view behind) {
  std::vector<std::string_view> cut;
  std::size_t used = 0;
  for (const OipTensor& tensor : document.inputs) {
    const std::uint64_t size = tensor.binary_size.value_or(0);
    if (size > behind.size() - used) {
      Refuse(400, fmt::format("{} with {} bytes, but {} are left of the request", Described(tensor),
                              size, behind.size() - used));
    }
    cut.push_back(behind.substr(used, size));
    used += size;
  }
  if (used != behind.size()) {
    Refuse(400, fmt::format("{} bytes follow the last input", behind.size() - used));
  }
  return cut;
}

void AppendNumber(std::string& out, double value) {
  if (!std::isfinite(value)) {  // JSON has no other word
    out += "null";
    return;
  }
  std::array<char, 32> text;
  out.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr);
}

void AppendInteger(std::string& out, std::int64_t value) {
  std::array<char, 24> text;
  out.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr);
}

}  // namespace

Protocol::Protocol(const job::Service& service, std::string model)
    : service_(service), model_(std::move(model)) {
  for (const job::ServiceColumn& column : service.columns()) {
    columns_.emplace(column.name, columns_.size());
    auto& codes = codes_.emplace_back();
    for (const std::string& category : column.categories) codes.emplace(category, codes.size());
  }
  for (const job::ServiceOperation& operation : service.operations()) {
    auto& described = described_.emplace_back();
    for (const job::ServiceOutput& output : operation.outputs) {
      std::string& json = described.emplace_back(
          fmt::format(R"({{"name":{},"datatype":"{}","shape":[)", CanonicalDump(Json(output.name)),
                      output.words.empty() ? "FP64" : kText));
      if (output.per_row) continue;
      for (const std::int64_t n : output.shape) json += std::to_string(n) + ',';
      if (json.back() == ',') json.pop_back();
      json += R"(],"data":[)";
      for (const double value : output.numbers) {
        AppendNumber(json, value);
        json += ',';
      }
      for (const std::string& word : output.words) json += CanonicalDump(Json(word)) + ',';
      if (json.back() == ',') json.pop_back();
      json += "]}";
    }
  }
}

double Protocol::CodeOf(std::size_t column, const std::string& category) const {
  const auto found = codes_[column].find(category);
  if (found != codes_[column].end()) return static_cast<double>(found->second);
  const job::ServiceColumn& described = service_.columns()[column];
  if (described.categories.empty()) {
    Refuse(422, fmt::format("column \"{}\" holds numbers, and was given \"{}\"", described.name,
                            model::OipExcerpt(category)));
  }
  Refuse(422, fmt::format("column \"{}\" has no category \"{}\"{}", described.name,
                          model::OipExcerpt(category), Suggestion(category, described.categories)));
}

std::size_t Protocol::FindColumn(const std::string& name) const {
  const auto found = columns_.find(name);
  if (found != columns_.end()) return found->second;
  std::vector<std::string> known;
  for (const job::ServiceColumn& column : service_.columns()) known.push_back(column.name);
  Refuse(422, fmt::format("no column \"{}\"{}", model::OipExcerpt(name),
                          known.size() > 20 ? std::string() : Suggestion(name, known)));
}

RowsRequest Protocol::Parse(std::size_t operation, std::string_view body,
                            std::optional<std::uint64_t> json_size) const {
  if (json_size && *json_size > body.size()) {
    Refuse(400, fmt::format("the header says that {} bytes are JSON, but there are {}", *json_size,
                            body.size()));
  }
  const std::uint64_t end = json_size.value_or(body.size());
  OipDocument document;
  try {
    document = model::ParseOipDocument(body.substr(0, end), kRequest, model::OipSender::kClient);
  } catch (const Error& error) {
    Refuse(400, error.what());
  }
  const std::vector<std::string_view> bytes = CutBinary(document, body.substr(end));
  RowsRequest request;
  request.id = std::move(document.id);
  const std::size_t columns = service_.columns().size();
  if (document.inputs.empty()) Refuse(400, "the request has no \"inputs\"");
  if (document.inputs.size() == 1 && columns > 1) {
    const OipTensor& tensor = document.inputs.front();
    const bool fits = tensor.shape.size() == 2 &&
                      tensor.shape[1] == static_cast<std::int64_t>(columns) && tensor.shape[0] >= 0;
    if (!fits) {
      Refuse(422, fmt::format("{}; [rows, {}] was expected, or an input for each column",
                              Described(tensor), columns));
    }
    const Values values = ValuesOf(document, tensor, bytes.front());
    if (tensor.datatype == kText) {
      Refuse(422, Described(tensor) +
                      "; numbers were expected, categories as codes, or an input "
                      "for each column");
    }
    request.rows = tensor.shape[0];
    if (values.numbers.size() % columns != 0 ||
        values.numbers.size() / columns != static_cast<std::size_t>(request.rows)) {
      Refuse(400, fmt::format("{}, but has {} numbers", Described(tensor), values.numbers.size()));
    }
    if (values.numbers.size() == document.values.size() && values.kept_numbers.empty()) {
      request.x = std::move(document.values);
    } else {
      request.x.assign(values.numbers.begin(), values.numbers.end());
    }
  } else {
    std::vector<bool> seen(columns, false);
    for (std::size_t i = 0; i < document.inputs.size(); ++i) {
      const OipTensor& tensor = document.inputs[i];
      // A single column needs no name.
      const std::size_t column = columns == 1 ? 0 : FindColumn(tensor.name);
      const bool fits =
          (tensor.shape.size() == 1 || (tensor.shape.size() == 2 && tensor.shape[1] == 1)) &&
          tensor.shape[0] >= 0;
      if (!fits) Refuse(422, Described(tensor) + "; [rows] or [rows, 1] was expected");
      if (seen[column]) Refuse(400, fmt::format("input \"{}\" stands twice", tensor.name));
      seen[column] = true;
      const Values values = ValuesOf(document, tensor, bytes[i]);
      const std::size_t count = std::max(values.numbers.size(), values.texts.size());
      if (count != static_cast<std::size_t>(tensor.shape[0])) {
        Refuse(400, fmt::format("{}, but has {} values", Described(tensor), count));
      }
      if (i == 0) {
        request.rows = tensor.shape[0];
        // Every column has as many values: no more memory than the request has bytes, often.
        if (count * columns > body.size()) Refuse(400, "an input is missing");
        request.x.resize(count * columns);
      }
      if (tensor.shape[0] != request.rows) {
        Refuse(400,
               fmt::format("{}, but the first input has {} rows", Described(tensor), request.rows));
      }
      for (std::size_t r = 0; r < values.numbers.size(); ++r) {
        request.x[r * columns + column] = values.numbers[r];
      }
      for (std::size_t r = 0; r < values.texts.size(); ++r) {
        request.x[r * columns + column] = CodeOf(column, values.texts[r]);
      }
    }
    for (std::size_t c = 0; c < columns; ++c) {
      if (!seen[c]) {
        Refuse(422, fmt::format("there is no input for column \"{}\"", service_.columns()[c].name));
      }
    }
  }
  CheckRows(request);
  const auto& outputs = service_.operations()[operation].outputs;
  const bool binary = document.binary_outputs.value_or(false);
  if (document.outputs.empty()) {
    for (std::size_t k = 0; k < outputs.size(); ++k) request.wanted.push_back({k, binary});
  }
  for (const OipTensor& asked : document.outputs) {
    std::size_t k = 0;
    while (k < outputs.size() && outputs[k].name != asked.name) ++k;
    if (k == outputs.size()) {
      std::vector<std::string> known;
      for (const auto& output : outputs) known.push_back(output.name);
      Refuse(400, fmt::format("no output \"{}\"{}", model::OipExcerpt(asked.name),
                              Suggestion(asked.name, known)));
    }
    for (const auto& before : request.wanted) {
      if (before.output == k) Refuse(400, fmt::format("output \"{}\" stands twice", asked.name));
    }
    request.wanted.push_back({k, asked.binary_wanted.value_or(binary)});
  }
  return request;
}

void Protocol::CheckRows(const RowsRequest& request) const {
  if (request.rows == 0) Refuse(400, "the request has no rows");
  const auto& columns = service_.columns();
  const bool missing = service_.accepts_missing();
  std::size_t i = 0;
  for (std::int64_t r = 0; r < request.rows; ++r) {
    for (std::size_t c = 0; c < columns.size(); ++c, ++i) {
      const double value = request.x[i];
      const std::size_t categories = columns[c].categories.size();
      if (std::isfinite(value) && categories == 0) continue;
      const auto where = [&] { return fmt::format("row {}, column \"{}\"", r, columns[c].name); };
      if (std::isnan(value)) {
        if (missing) continue;
        Refuse(422, where() + " is missing, and the model takes no missing values");
      }
      if (!std::isfinite(value)) Refuse(422, where() + " is infinite");
      if (value < 0 || value >= static_cast<double>(categories) || value != std::trunc(value)) {
        Refuse(422, fmt::format("{} is {}, but codes of its {} categories (0..{}) were expected",
                                where(), value, categories, categories - 1));
      }
    }
  }
}

EncodedAnswer Protocol::Encode(std::size_t operation, const RowsRequest& request,
                               const job::ServiceResult& result, std::int64_t first) const {
  const auto& outputs = service_.operations()[operation].outputs;
  EncodedAnswer answer;
  std::string& json = answer.body;
  std::string bytes;
  bool binary = false;
  json = R"({"model_name":")" + model_ + R"(","model_version":"1",)";
  if (!request.id.empty()) json += R"("id":)" + CanonicalDump(Json(request.id)) + ",";
  json += R"("outputs":[)";
  for (std::size_t w = 0; w < request.wanted.size(); ++w) {
    const auto [k, as_bytes] = request.wanted[w];
    const job::ServiceOutput& output = outputs[k];
    if (w > 0) json += ',';
    json += described_[operation][k];
    if (!output.per_row) continue;  // never as bytes
    AppendInteger(json, request.rows);
    for (const std::int64_t n : output.shape) {
      json += ',';
      AppendInteger(json, n);
    }
    json += ']';
    const auto values = std::span(result.values[k])
                            .subspan(static_cast<std::size_t>(first) * output.width(),
                                     static_cast<std::size_t>(request.rows) * output.width());
    if (as_bytes) {
      binary = true;
      json += fmt::format(R"(,"parameters":{{"binary_data_size":{}}}}})", values.size_bytes());
      AppendRaw(bytes, values);
      continue;
    }
    json += R"(,"data":[)";
    for (const double value : values) {
      AppendNumber(json, value);
      json += ',';
    }
    if (json.back() == ',') json.pop_back();
    json += "]}";
  }
  json += "]}";
  if (binary) {
    answer.json_size = json.size();
    json += bytes;
  }
  return answer;
}

Json Protocol::Server() {
  return {{"name", "windlass"}, {"version", Version()}, {"extensions", {"binary_tensor_data"}}};
}

Json Protocol::Model() const {
  Json columns = Json::array();
  for (const job::ServiceColumn& column : service_.columns()) {
    columns.push_back({{"name", column.name}});
    if (!column.categories.empty()) columns.back()["categories"] = column.categories;
  }
  Json parameters = service_.Describe();
  parameters["columns"] = std::move(columns);
  // The protocol's one list of outputs is that of the first operation, "infer".
  const auto tensors = [](const job::ServiceOperation& operation) {
    Json list = Json::array();
    for (const job::ServiceOutput& output : operation.outputs) {
      std::vector<std::int64_t> shape = output.shape;
      if (output.per_row) shape.insert(shape.begin(), -1);
      list.push_back({{"name", output.name},
                      {"datatype", output.words.empty() ? "FP64" : kText},
                      {"shape", std::move(shape)}});
    }
    return list;
  };
  const auto& operations = service_.operations();
  for (std::size_t i = 1; i < operations.size(); ++i) {
    parameters["operations"][operations[i].name] = tensors(operations[i]);
  }
  return {{"name", model_},
          {"versions", {"1"}},
          {"platform", "windlass"},
          {"inputs",
           {{{"name", "input-0"},
             {"datatype", "FP64"},
             {"shape", {-1, std::ssize(service_.columns())}}}}},
          {"outputs", tensors(operations.front())},
          {"parameters", std::move(parameters)}};
}

Json Protocol::Index() const {
  return Json::array({{{"name", model_}, {"version", "1"}, {"state", "READY"}}});
}

}  // namespace windlass::serve
