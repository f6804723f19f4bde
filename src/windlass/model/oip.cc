// Models behind an inference server: oip:http://host/v2/models/NAME.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/json.h"
#include "windlass/base/secret.h"
#include "windlass/model/formats_internal.h"
#include "windlass/model/oip_client_internal.h"
#include "windlass/model/oip_protocol.h"

namespace windlass::model {
namespace {

constexpr std::string_view kUsage = "http(s)://HOST[:PORT]/v2/models/NAME[/versions/VERSION]";
constexpr std::string_view kBinaryExtension = "binary_tensor_data";
constexpr std::size_t kMostServerTells = 16 << 20;
constexpr int kRetriesAtFirst = 2;  // a wrong address should be told of soon

struct OipPlace {
  std::string server;  // "http://host:port/v2"
  std::string model;   // "http://host:port/v2/models/m/versions/1"
  std::string name;    // "m"
};

OipPlace ParsePlace(const std::string& location) {
  const auto refuse = [&](std::string_view why) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{}; oip:{} was expected", why, kUsage));
  };
  OipPlace place;
  std::string_view rest = location;
  while (rest.ends_with('/')) rest.remove_suffix(1);
  const bool plain = std::ranges::all_of(
      rest, [](unsigned char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; });
  if (!rest.starts_with("http://") && !rest.starts_with("https://")) refuse("this is no address");
  if (!plain || rest.find_first_of("?#") != std::string_view::npos) {
    refuse("the address has a character that must be written as %XX");
  }
  const std::size_t host = rest.find("//") + 2;
  const std::size_t path = rest.find('/', host);
  const std::string_view authority = rest.substr(host, path - host);
  if (authority.empty() || path == std::string_view::npos) refuse("the address names no model");
  if (authority.find('@') != std::string_view::npos) {
    refuse("the address has a user in it; a token is given by token=env:NAME or token=file:PATH");
  }
  constexpr std::string_view kModels = "/v2/models/";
  const std::size_t models = rest.find(kModels, path);
  if (models == std::string_view::npos) refuse("the address names no model");
  std::string_view name = rest.substr(models + kModels.size());
  const std::size_t slash = name.find('/');
  if (slash != std::string_view::npos) {
    constexpr std::string_view kVersions = "/versions/";
    const std::string_view after = name.substr(slash);
    const bool version = after.starts_with(kVersions) && after.size() > kVersions.size() &&
                         after.find('/', kVersions.size()) == std::string_view::npos;
    if (!version) refuse(fmt::format("\"{}\" follows the model's name", after));
    name = name.substr(0, slash);
  }
  if (name.empty()) refuse("the address names no model");
  place.server = rest.substr(0, models + 3);
  place.model = rest;
  place.name = name;
  return place;
}

struct OipSettings {
  OipPatience patience;
  int concurrency = 4;
  std::int64_t batch = 256;
  std::string token;  // a reference; empty: none
  std::optional<bool> binary;
  OipChoice choice;
};

std::string Option(const ObjectSpec& spec, const std::string& key) {
  const auto found = spec.options.find(key);
  return found == spec.options.end() ? std::string() : found->second;
}

template <typename Number>
Number BoundedOption(const std::string& key, Number value, Number low, Number high) {
  if (value < low || value > high) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("option {}={}: a number from {} to {} was expected", key, value, low, high));
  }
  return value;
}

OipSettings ReadOipSettings(const ObjectSpec& spec) {
  OipSettings settings;
  settings.batch = BoundedOption<std::int64_t>("batch", spec.Integer("batch", 256), 1, 65536);
  settings.concurrency = static_cast<int>(
      BoundedOption<std::int64_t>("concurrency", spec.Integer("concurrency", 4), 1, 256));
  settings.patience.retries =
      static_cast<int>(BoundedOption<std::int64_t>("retries", spec.Integer("retries", 5), 0, 100));
  const double timeout = BoundedOption("timeout", spec.Number("timeout", 60), 0.001, 86400.0);
  settings.patience.timeout = std::chrono::milliseconds(std::llround(1000 * timeout));
  settings.token = Option(spec, "token");
  if (spec.options.contains("token")) CheckSecretReference("token", settings.token);
  const std::string binary = Option(spec, "binary");
  if (!binary.empty() && binary != "auto") settings.binary = spec.Flag("binary", false);
  settings.choice.input = Option(spec, "input");
  settings.choice.output = Option(spec, "output");
  if (const std::string type = Option(spec, "datatype"); !type.empty()) {
    settings.choice.type = OipTypeOf(type);
    if (!settings.choice.type) {
      throw Error(
          ErrorCode::kInvalidInput,
          fmt::format("option datatype={}: FP64, FP32, INT64 or another type of numbers was "
                      "expected",
                      OipExcerpt(type)));
    }
  }
  return settings;
}

bool Cancelled() { return ProcessCancelToken().cancelled(); }

// A server, with how it is asked.
class Server {
 public:
  Server(const OipPlace& place, const OipSettings& settings)
      : settings_(settings), pool_(OipPool::Shared(place.server, settings.concurrency)) {}

  OipPool& pool() const { return *pool_; }

  HttpResponse Get(HttpConnection& connection, const std::string& url) const {
    HttpRequest request;
    request.url = url;
    request.most_bytes = kMostServerTells;
    OipPatience patience = settings_.patience;
    patience.retries = std::min(patience.retries, kRetriesAtFirst);
    return Ask(connection, std::move(request), patience);
  }

  // `binary`: the body goes on in binary behind its JSON.
  HttpResponse Post(HttpConnection& connection, const std::string& url, OipRequest asked,
                    bool binary, std::size_t most_bytes) const {
    HttpRequest request;
    request.method = "POST";
    request.url = url;
    request.body = std::move(asked.body);
    request.most_bytes = most_bytes;
    if (binary) {
      request.headers.emplace_back("Content-Type", "application/octet-stream");
      request.headers.emplace_back("Inference-Header-Content-Length",
                                   std::to_string(asked.json_size));
    } else {
      request.headers.emplace_back("Content-Type", "application/json");
    }
    return Ask(connection, std::move(request), settings_.patience);
  }

 private:
  HttpResponse Ask(HttpConnection& connection, HttpRequest request,
                   const OipPatience& patience) const {
    if (settings_.token.empty()) {
      return ExchangeOip(connection, std::move(request), patience, Cancelled);
    }
    const std::string token = ReadSecret("token", settings_.token);  // each time: tokens in files are renewed
    request.headers.emplace_back("Authorization", "Bearer " + token);
    try {
      HttpResponse response = ExchangeOip(connection, std::move(request), patience, Cancelled);
      if (response.status != 200) {
        response.body = Without(token, response.body);
        for (auto& [name, value] : response.headers) value = Without(token, value);
      }
      return response;
    } catch (const Error& error) {
      throw Error(error.code(), Without(token, error.message()));
    }
  }

  // A server may tell what it was sent.
  static std::string Without(const std::string& token, std::string text) {
    for (auto at = text.find(token); at != std::string::npos; at = text.find(token, at)) {
      text.replace(at, token.size(), "***");
      at += 3;
    }
    return text;
  }

  OipSettings settings_;
  std::shared_ptr<OipPool> pool_;
};

// What the server says in an answer that is no success.
std::string SaidIn(const HttpResponse& response) {
  try {
    const auto error = ParseOipDocument(response.body, "").error;
    if (error) return fmt::format(" ({})", OipExcerpt(*error));
  } catch (const Error&) {  // HTML, or nothing
  }
  return {};
}

[[noreturn]] void ThrowHttpStatus(const HttpResponse& response, std::string_view asked) {
  const int status = response.status;
  if (status == 401 || status == 403) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("the server refuses access, status {}{}; a token is given by "
                            "token=env:NAME or token=file:PATH",
                            status, SaidIn(response)));
  }
  if (status >= 300 && status < 400) {
    const std::string to(response.Header("location").value_or("an unnamed place"));
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("the server sends on to {}, status {}; redirects are not followed, give "
                    "the address itself",
                    OipExcerpt(to.substr(0, to.find('?'))), status));
  }
  if (status == 413) {
    throw Error(ErrorCode::kInvalidInput,
                "the server finds the request too long, status 413; a smaller ?batch=ROWS makes it "
                "shorter");
  }
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("the server refuses {}, status {}{}", asked, status, SaidIn(response)));
}

// "; known: a, b" where the server lists its models.
std::string KnownModels(const Server& server, HttpConnection& connection, const OipPlace& place) {
  try {
    const HttpResponse response =
        server.Post(connection, place.server + "/repository/index", {"{}", 0}, false, 1 << 20);
    if (response.status != 200) return {};
    const Json index = ParseJson(response.body, "the index");
    const Json& models = index.is_object() ? index.at("models") : index;
    std::vector<std::string> names;
    for (const Json& model : models) names.push_back(model.at("name").get<std::string>());
    return OipExcerpt(Suggestion(place.name, names));
  } catch (const Error&) {
    if (Cancelled()) throw;
    return {};  // an extension that few servers have
  } catch (const Json::exception&) {
    return {};
  }
}

Json Tensors(const std::deque<OipTensor>& tensors) {
  Json list = Json::array();
  for (const OipTensor& tensor : tensors) {
    list.push_back({{"name", tensor.name}, {"datatype", tensor.datatype}, {"shape", tensor.shape}});
  }
  return list;
}

// A server's answer is no table of some size: width times more than was sent, and error texts.
std::size_t MostAnswerBytes(std::int64_t rows, std::int64_t width) {
  constexpr std::int64_t kSlack = 16 << 20;
  constexpr std::int64_t kBytesANumber = 32;
  return static_cast<std::size_t>(kSlack + rows * width * kBytesANumber);
}

class OipModel final : public Model {
 public:
  explicit OipModel(const ModelSource& source)
      : what_("oip:" + source.spec.location),
        place_(ParsePlace(source.spec.location)),
        settings_(ReadOipSettings(source.spec)),
        server_(place_, settings_) {
    try {
      content_ = Json::parse(source.content.view());
      signature_ = DecodeOipSignature(content_.at("signature"));
      if (content_.contains("outputs")) width_ = content_.at("outputs").get<std::int64_t>();
    } catch (const Json::exception&) {
      throw Error(ErrorCode::kCorrupt, what_ + ": what is known of the model cannot be read");
    }
    if (signature_.fixed_rows > 0) settings_.batch = signature_.fixed_rows;
  }

  std::int64_t columns() const override { return signature_.columns; }

  std::vector<std::string> column_names() const override {
    std::vector<std::string> names;
    if (signature_.one_input_a_column()) {
      for (const auto& input : signature_.inputs) names.push_back(input.name);
    }
    return names;
  }

  std::vector<std::string> output_names() const override {
    if (width_ == 1 && !signature_.output.empty()) return {signature_.output};
    std::vector<std::string> names;
    for (std::int64_t k = 0; k < width_; ++k) names.push_back(std::to_string(k));
    return names;
  }

  // JSON has no word for it.
  bool accepts_missing() const override {
    return signature_.binary && std::ranges::all_of(signature_.inputs, [](const auto& input) {
             return input.type == OipType::kFp32 || input.type == OipType::kFp64;
           });
  }

  void Predict(std::span<const double> x, std::int64_t rows, std::span<double> out) const override {
    if (width_ == 0 || std::ssize(out) != rows * width_) {
      throw Error(ErrorCode::kInternal, what_ + ": Predict was given room for other outputs");
    }
    ForEachBatch(x, rows, [&](std::int64_t first, std::int64_t count, OipPrediction prediction) {
      if (prediction.width != width_) {
        throw Error(
            ErrorCode::kInvalidInput,
            fmt::format("{}: {} outputs a row, but {} when the job began: another model has "
                        "taken its place",
                        what_, prediction.width, width_));
      }
      std::copy_n(prediction.values.begin(), count * width_, out.begin() + first * width_);
    });
  }

  std::optional<Introduction> Introduce(std::span<const double> x, std::int64_t rows,
                                        const std::vector<std::string>&) const override {
    std::vector<OipPrediction> parts(
        static_cast<std::size_t>((rows + settings_.batch - 1) / settings_.batch));
    ForEachBatch(x, rows, [&](std::int64_t first, std::int64_t count, OipPrediction prediction) {
      prediction.values.resize(static_cast<std::size_t>(count * prediction.width));
      parts[first / settings_.batch] = std::move(prediction);
    });
    Introduction introduction;
    for (const OipPrediction& part : parts) {
      if (part.width != parts.front().width) {
        throw Error(ErrorCode::kInvalidInput,
                    fmt::format("{}: {} outputs for some rows, {} for others", what_,
                                parts.front().width, part.width));
      }
      introduction.outputs.insert(introduction.outputs.end(), part.values.begin(),
                                  part.values.end());
    }
    Json content = content_;
    content["outputs"] = parts.front().width;
    introduction.content = Bytes(CanonicalDump(content));
    return introduction;
  }

 private:
  using Take = std::function<void(std::int64_t first, std::int64_t count, OipPrediction)>;

  // Cuts the rows into requests; `take` gets each one's answer, on some thread.
  void ForEachBatch(std::span<const double> x, std::int64_t rows, const Take& take) const {
    std::vector<OipPool::Job> jobs;
    for (std::int64_t first = 0; first < rows; first += settings_.batch) {
      const std::int64_t count = std::min(settings_.batch, rows - first);
      jobs.push_back([this, x, rows, first, count, &take](HttpConnection& connection) {
        const std::size_t columns = x.size() / static_cast<std::size_t>(rows);
        take(first, count, Ask(connection, x.subspan(first * columns, count * columns), count));
      });
    }
    server_.pool().Run(jobs);
  }

  OipPrediction Ask(HttpConnection& connection, std::span<const double> x,
                    std::int64_t rows) const {
    std::vector<double> filled;
    const std::int64_t sent = signature_.fixed_rows > 0 ? signature_.fixed_rows : rows;
    if (sent > rows) {  // the rest are copies of the first row
      const std::size_t columns = x.size() / static_cast<std::size_t>(rows);
      filled.assign(x.begin(), x.end());
      for (std::int64_t r = rows; r < sent; ++r) {
        filled.insert(filled.end(), x.begin(), x.begin() + static_cast<std::ptrdiff_t>(columns));
      }
      x = filled;
    }
    OipRequest request = EncodeOipRequest(signature_, x, sent, what_);
    constexpr std::int64_t kMostWidth = 4096;  // before it is known
    const HttpResponse response = WithContext(
        [&] {
          HttpResponse got = server_.Post(connection, place_.model + "/infer", std::move(request),
                                          signature_.binary,
                                          MostAnswerBytes(sent, width_ > 0 ? width_ : kMostWidth));
          if (got.status != 200) ThrowHttpStatus(got, fmt::format("to predict {} rows", sent));
          return got;
        },
        [&] { return what_; });
    return ParseOipAnswer(response.body, JsonSize(response), signature_.output, sent, what_);
  }

  std::optional<std::uint64_t> JsonSize(const HttpResponse& response) const {
    const auto header = response.Header("inference-header-content-length");
    if (!header) return std::nullopt;
    std::uint64_t size = 0;
    const auto [end, error] =
        std::from_chars(header->data(), header->data() + header->size(), size);
    if (error != std::errc() || end != header->data() + header->size()) {
      throw Error(
          ErrorCode::kInvalidInput,
          fmt::format("{}: the header Inference-Header-Content-Length is \"{}\"; a number was "
                      "expected",
                      what_, OipExcerpt(*header)));
    }
    return size;
  }

  std::string what_;
  OipPlace place_;
  OipSettings settings_;
  Server server_;
  Json content_;
  OipSignature signature_;
  std::int64_t width_ = 0;  // 0: not introduced yet
};

class OipFormat final : public ModelFormat {
 public:
  std::vector<std::string> endings() const override { return {}; }
  std::vector<std::string> options() const override {
    return {"batch",  "binary",  "concurrency", "datatype", "input",
            "output", "retries", "timeout",     "token"};
  }
  std::string usage(std::string_view name) const override {
    return fmt::format("{}:{}", name, kUsage);
  }
  std::vector<std::string> reach_options() const override {
    return {"concurrency", "retries", "timeout", "token"};
  }

  // What the server says of the model, in one form whatever it looked like: part of the identity.
  Bytes Read(const ObjectSpec& spec) const override {
    const OipPlace place = ParsePlace(spec.location);
    const OipSettings settings = ReadOipSettings(spec);
    const Server server(place, settings);
    Json content;
    server.pool().Run({[&](HttpConnection& connection) {
      const OipDocument metadata = Metadata(server, connection, place);
      CheckReady(server, connection, place);
      OipSignature signature = ReadOipSignature(metadata, settings.choice, "its metadata");
      signature.binary = settings.binary.value_or(false);
      if (!settings.binary) signature.binary = HasBinary(server, connection, place);
      content = {{"metadata",
                  {{"name", metadata.name},
                   {"platform", metadata.platform},
                   {"versions", metadata.versions},
                   {"inputs", Tensors(metadata.inputs)},
                   {"outputs", Tensors(metadata.outputs)}}},
                 {"signature", EncodeOipSignature(signature)}};
    }});
    return Bytes(CanonicalDump(content));
  }

  std::unique_ptr<Model> Load(const ModelSource& source) const override {
    return std::make_unique<OipModel>(source);
  }

 private:
  static OipDocument Metadata(const Server& server, HttpConnection& connection,
                              const OipPlace& place) {
    const HttpResponse response = server.Get(connection, place.model);
    if (response.status == 404 || response.status == 400) {
      throw Error(
          ErrorCode::kNotFound,
          fmt::format("the server knows no model \"{}\", status {}{}{}", place.name,
                      response.status, SaidIn(response), KnownModels(server, connection, place)));
    }
    if (response.status != 200) ThrowHttpStatus(response, "to describe the model");
    return ParseOipDocument(response.body, "its metadata");
  }

  static void CheckReady(const Server& server, HttpConnection& connection, const OipPlace& place) {
    const HttpResponse response = server.Get(connection, place.model + "/ready");
    const int status = response.status;
    // Some servers have no such address.
    if (status == 200 || status == 404 || status == 405 || status == 501) return;
    throw Error(ErrorCode::kUnavailable,
                fmt::format("the model is not ready, status {}{}", status, SaidIn(response)));
  }

  static bool HasBinary(const Server& server, HttpConnection& connection, const OipPlace& place) {
    const HttpResponse response = server.Get(connection, place.server);
    if (response.status != 200) return false;  // it tells nothing of itself
    const auto extensions = ParseOipDocument(response.body, "its server's metadata").extensions;
    return std::ranges::find(extensions, kBinaryExtension) != extensions.end();
  }
};

}  // namespace

std::shared_ptr<const ModelFormat> MakeOipFormat() { return std::make_shared<OipFormat>(); }

}  // namespace windlass::model
