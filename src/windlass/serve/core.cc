#include "windlass/serve/core.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/json.h"

namespace windlass::serve {
namespace {

constexpr std::string_view kModels = "/v2/models/";
constexpr std::string_view kJsonSize = "inference-header-content-length";

HttpAnswer Document(const Json& json) {
  HttpAnswer answer;
  answer.body = json.dump() + "\n";
  return answer;
}

HttpAnswer WrongMethod(std::string_view method, std::string_view allowed) {
  HttpAnswer answer =
      HttpAnswer::Failure(405, fmt::format("{} is not for this path; {} is", method, allowed));
  answer.headers.emplace_back("Allow", allowed);
  return answer;
}

// Throws Refusal.
std::optional<std::uint64_t> JsonSizeOf(const HttpServerRequest& request) {
  const auto header = request.Header(kJsonSize);
  if (!header) return std::nullopt;
  std::uint64_t size = 0;
  const char* end = header->data() + header->size();
  const auto [stop, error] = std::from_chars(header->data(), end, size);
  if (error != std::errc() || stop != end) {
    throw Refusal(400, "the header Inference-Header-Content-Length is no number");
  }
  return size;
}

// Throws Refusal for a body that is not what it is read as.
void CheckMediaType(const HttpServerRequest& request) {
  if (const auto encoding = request.Header("content-encoding");
      encoding && *encoding != "identity" && !encoding->empty()) {
    throw Refusal(415, "the body must not be compressed");
  }
  const auto header = request.Header("content-type");
  if (!header) return;
  std::string type;
  for (const char c : header->substr(0, header->find(';'))) {
    if (c != ' ') type += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  if (type == "application/json" || type == "application/octet-stream") return;
  throw Refusal(415,
                "the body must be application/json, or application/octet-stream with binary "
                "tensors behind its JSON");
}

HttpAnswer AnswerOf(const std::exception& error) {
  if (const auto* refusal = dynamic_cast<const Refusal*>(&error)) {
    return HttpAnswer::Failure(refusal->status(), refusal->what());
  }
  // What a model makes of rows that are well-formed.
  if (const auto* ours = dynamic_cast<const Error*>(&error);
      ours != nullptr && ours->code() == ErrorCode::kInvalidInput) {
    return HttpAnswer::Failure(422, ours->what());
  }
  return HttpAnswer::Of(error);
}

std::vector<std::string> NamesOf(const job::Service& service) {
  std::vector<std::string> names;
  for (const auto& operation : service.operations()) names.push_back(operation.name);
  return names;
}

}  // namespace

// A request for an operation, until it is answered.
struct Core::Asked {
  std::size_t operation = 0;
  RowsRequest request;
  Send send;
  Clock::time_point begun;
};

Core::Core(std::unique_ptr<const job::Service> service, const std::string& model,
           const BatcherOptions& options)
    : service_(std::move(service)),
      protocol_(*service_, model),
      metrics_(NamesOf(*service_)),
      batcher_(*service_, options, [this](std::size_t operation, std::int64_t rows) {
        metrics_.Batched(operation, rows);
      }) {}

Core::~Core() = default;

bool Core::NeedsToken(const HttpServerRequest& head) const {
  return head.path() != "/v2/health/live" && head.path() != "/v2/health/ready";
}

void Core::Handle(HttpServerRequest request, HttpReply reply) {
  Answer(
      request, [reply](HttpAnswer answer) { reply.Send(std::move(answer)); },
      [reply] { return reply.abandoned(); });
}

void Core::Refused(int status) { metrics_.Answered(service_->operations().size(), status, -1); }

// The position of the operation that a path of the model names; else the number of operations.
std::size_t Core::OperationOf(std::string_view path) const {
  const auto& operations = service_->operations();
  const std::string& model = protocol_.model();
  if (path.starts_with(kModels) && path.substr(kModels.size()).starts_with(model)) {
    std::string_view rest = path.substr(kModels.size() + model.size());
    constexpr std::string_view kVersion = "/versions/1";
    if (rest.starts_with(kVersion)) rest.remove_prefix(kVersion.size());
    for (std::size_t i = 0; i < operations.size(); ++i) {
      if (rest.starts_with('/') && rest.substr(1) == operations[i].name) return i;
    }
  }
  return operations.size();
}

void Core::Answer(const HttpServerRequest& request, const Send& send,
                  std::function<bool()> abandoned) {
  const auto begun = Clock::now();
  const std::size_t operation = OperationOf(request.path());
  try {
    if (operation < service_->operations().size()) {
      if (request.method == "POST") {
        Run(operation, request, send, std::move(abandoned));
        return;
      }
      send(WrongMethod(request.method, "POST"));
      metrics_.Answered(operation, 405, -1);
      return;
    }
    HttpAnswer answer = Get(request, request.path());
    metrics_.Answered(operation, answer.status,
                      std::chrono::duration<double>(Clock::now() - begun).count());
    send(std::move(answer));
  } catch (const std::exception& error) {
    HttpAnswer answer = AnswerOf(error);
    metrics_.Answered(operation, answer.status,
                      std::chrono::duration<double>(Clock::now() - begun).count());
    send(std::move(answer));
  }
}

void Core::Run(std::size_t operation, const HttpServerRequest& request, const Send& send,
               std::function<bool()> abandoned) {
  const auto begun = Clock::now();
  CheckMediaType(request);
  auto asked = std::make_shared<Asked>();
  asked->operation = operation;
  asked->request = protocol_.Parse(operation, request.body, JsonSizeOf(request));
  asked->send = send;
  asked->begun = begun;
  metrics_.Begun(1);
  const auto done = [this, asked](const Batcher::Outcome& outcome) {
    HttpAnswer answer;
    try {
      const std::int64_t end = outcome.first + asked->request.rows;
      if (outcome.error != nullptr) {
        answer = AnswerOf(*outcome.error);
      } else {
        for (const auto& failure : outcome.result->failures) {
          if (failure.row < outcome.first || failure.row >= end) continue;
          throw Refusal(422, fmt::format("row {} has no result: {}", failure.row - outcome.first,
                                         failure.why));
        }
        EncodedAnswer encoded =
            protocol_.Encode(asked->operation, asked->request, *outcome.result, outcome.first);
        answer.body = std::move(encoded.body);
        if (encoded.json_size) {
          answer.content_type = "application/octet-stream";
          answer.headers.emplace_back("Inference-Header-Content-Length",
                                      std::to_string(*encoded.json_size));
        }
      }
    } catch (const std::exception& error) {
      answer = AnswerOf(error);
    }
    metrics_.Begun(-1);
    metrics_.Answered(asked->operation, answer.status,
                      std::chrono::duration<double>(Clock::now() - asked->begun).count());
    asked->send(std::move(answer));
  };
  if (!batcher_.Add(
          {operation, asked->request.x, asked->request.rows, std::move(abandoned), done})) {
    metrics_.Begun(-1);
    throw Refusal(503, "as many requests wait as may; try again later");
  }
}

HttpAnswer Core::Get(const HttpServerRequest& request, std::string_view path) const {
  const bool get = request.method == "GET";
  const auto when_get = [&](HttpAnswer answer) {
    return get ? std::move(answer) : WrongMethod(request.method, "GET");
  };
  if (path == "/v2" || path == "/v2/") return when_get(Document(Protocol::Server()));
  if (path == "/v2/health/live") return when_get(Document({{"live", true}}));
  if (path == "/v2/health/ready") return when_get(Document({{"ready", true}}));
  if (path == "/v2/repository/index") {
    return request.method == "POST" ? Document(protocol_.Index())
                                    : WrongMethod(request.method, "POST");
  }
  if (path == "/metrics") {
    HttpAnswer answer;
    answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
    answer.body = metrics_.Text(batcher_.queued());
    return when_get(std::move(answer));
  }
  if (path.starts_with(kModels)) return OfModel(request, path.substr(kModels.size()));
  return HttpAnswer::Failure(404,
                             "there is no such path; /v2 is where the Open Inference Protocol "
                             "begins, /metrics has the counts");
}

// `rest`: "NAME", "NAME/ready", "NAME/versions/1", ...
HttpAnswer Core::OfModel(const HttpServerRequest& request, std::string_view rest) const {
  const std::string name(rest.substr(0, rest.find('/')));
  if (name != protocol_.model()) {
    return HttpAnswer::Failure(404, fmt::format("there is no model \"{}\"{}", name,
                                                Suggestion(name, {protocol_.model()})));
  }
  rest.remove_prefix(name.size());
  constexpr std::string_view kVersions = "/versions/";
  if (rest.starts_with(kVersions)) {
    rest.remove_prefix(kVersions.size());
    const std::string_view version = rest.substr(0, rest.find('/'));
    if (version != "1") {
      return HttpAnswer::Failure(404, fmt::format("model \"{}\" has the version 1 only", name));
    }
    rest.remove_prefix(version.size());
  }
  if (rest.empty() || rest == "/ready") {
    if (request.method != "GET") return WrongMethod(request.method, "GET");
    return Document(rest.empty() ? protocol_.Model() : Json{{"name", name}, {"ready", true}});
  }
  std::vector<std::string> known = NamesOf(*service_);
  known.emplace_back("ready");
  const std::string what(rest.substr(1));
  return HttpAnswer::Failure(
      404, fmt::format("model \"{}\" has no \"{}\"{}", name, what, Suggestion(what, known)));
}

}  // namespace windlass::serve
