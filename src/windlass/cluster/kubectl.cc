#include "windlass/cluster/kubectl.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <sstream>
#include <thread>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/cluster/names.h"

namespace windlass::cluster {
namespace {

constexpr std::size_t kMostOutput = std::size_t{64} << 20;
constexpr auto kFarewell = std::chrono::seconds(15);  // for helm to note that it was interrupted
constexpr std::size_t kLongestMessage = 1000;
constexpr std::string_view kEverywhere = " in the whole cluster";

// One line without control characters: what a server says goes to a terminal.
std::string OneLine(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const bool plain = static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
    if (plain && !(c == ' ' && (line.empty() || line.back() == ' '))) line += c;
    if (!plain && !line.empty() && line.back() != ' ') line += ' ';
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  if (line.size() > kLongestMessage) line = line.substr(0, kLongestMessage) + "...";
  return line;
}

// Without the lines that are notes: warnings of the server, klog's of client-go.
std::string WithoutNotes(const std::string_view all) {
  static const std::regex klog(R"([IWEF]\d{4} \d\d:\d\d:\d\d.*)");
  std::string rest;
  for (std::string_view said = all; !said.empty();) {
    const auto end = std::min(said.find('\n'), said.size());
    const std::string line(said.substr(0, end));
    said.remove_prefix(std::min(end + 1, said.size()));
    if (line.starts_with("Warning: ") || std::regex_match(line, klog)) continue;
    rest += line + "\n";
  }
  return OneLine(rest).empty() ? std::string(all) : rest;
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

struct Answer {
  int status = 0;
  std::string output;
  std::string errors;
};

Answer RunProgram(const std::string& program, std::vector<std::string> words,
                  const std::string& input, std::chrono::seconds limit,
                  const std::function<bool()>& cancelled, const std::string& what) {
  ChildProcess child(program, words);
  if (!input.empty()) child.Write(input);
  child.CloseInput();
  const Deadline deadline = Clock::now() + limit;
  Answer answer;
  try {
    answer.output = child.ReadAll(kMostOutput, deadline, cancelled);
    answer.status = child.Wait(deadline, cancelled);
  } catch (const Error& error) {
    child.Interrupt();
    try {
      child.Wait(Clock::now() + kFarewell, [] { return false; });
    } catch (const Error&) {
      child.Kill();
    }
    if (error.code() != ErrorCode::kDeadlineExceeded) throw;
    throw Error(ErrorCode::kDeadlineExceeded,
                fmt::format("{} did not end within {} s{}", what, limit.count(),
                            child.LastErrorLine().empty() ? "" : ": " + child.LastErrorLine()));
  }
  answer.errors = child.error_text();
  return answer;
}

std::string InNamespace(const std::string& name_space) {
  return name_space.empty() ? "" : fmt::format(" in namespace {}", name_space);
}

}  // namespace

Fault ReadFault(std::string_view said) {
  const std::string text = OneLine(WithoutNotes(said));
  std::smatch match;
  static const std::regex forbidden(
      R"re(User "([^"]*)" cannot (\S+) (?:resource|path) "([^"]*)"(?: in API group "[^"]*")?( in the namespace "([^"]*)")?)re");
  if (std::regex_search(text, match, forbidden)) {
    const std::string what = match[3].str();
    const std::string where =
        match[5].matched ? InNamespace(match[5].str()) : std::string(kEverywhere);
    return {Fault::Kind::kForbidden,
            fmt::format("{} may not {} {}{}", match[1].str(), match[2].str(), what, where)};
  }
  static const std::regex context(
      R"re(context "([^"]*)" does not exist|context was not found for specified context: (\S+))re");
  if (std::regex_search(text, match, context)) {
    return {Fault::Kind::kContext, match[1].matched ? match[1].str() : match[2].str()};
  }
  static const std::regex server(R"(^Error from server \((\w+)\): (.*))");
  if (std::regex_search(text, match, server)) {
    const std::string message = match[2].str();
    const std::string reason = match[1].str();
    if (reason == "NotFound") return {Fault::Kind::kNotFound, message};
    if (reason == "ServiceUnavailable" || reason == "Timeout" || reason == "TooManyRequests") {
      return {Fault::Kind::kUnreachable, message};
    }
    return {Fault::Kind::kOther, message};
  }
  if (text.find("the server doesn't have a resource type") != text.npos) {
    return {Fault::Kind::kNotFound, text};
  }
  for (const std::string_view word :
       {"You must be logged in", "Unauthorized", "getting credentials", "provide credentials"}) {
    if (text.find(word) != text.npos) return {Fault::Kind::kLogin, text};
  }
  for (const std::string_view word :
       {"connection refused", "was refused", "no such host", "i/o timeout", "Unable to connect",
        "deadline exceeded", "no route to host", "connection reset", "TLS handshake timeout",
        "unexpected EOF", "network is unreachable", "Client.Timeout exceeded"}) {
    if (text.find(word) != text.npos) return {Fault::Kind::kUnreachable, text};
  }
  return {Fault::Kind::kOther, text};
}

Error Forbidden(const Fault& fault) {
  const bool everywhere = fault.message.ends_with(kEverywhere);
  return {ErrorCode::kIo, fmt::format("{}: {}", fault.message,
                                      everywhere ? "an administrator can allow it"
                                                 : "ask for what deploy/role.yaml grants")};
}

Kubectl::Kubectl(Access access, std::function<bool()> cancelled)
    : access_(std::move(access)), cancelled_(std::move(cancelled)) {
  if (!access_.name_space.empty()) CheckLabelName(access_.name_space, "--namespace");
  std::error_code ignored;
  if (!access_.kubeconfig.empty() && !std::filesystem::exists(access_.kubeconfig, ignored)) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("--kubeconfig: there is no file {}", access_.kubeconfig));
  }
  try {
    program_ = FindProgram("kubectl");
  } catch (const Error&) {
    throw Error(ErrorCode::kNotFound,
                "kubectl is not on the PATH: Windlass speaks to Kubernetes through it; "
                "https://kubernetes.io/docs/tasks/tools/ says how to get it");
  }
}

std::vector<std::string> Kubectl::Words(const std::vector<std::string>& arguments,
                                        Scope scope) const {
  std::vector<std::string> words = {"kubectl"};
  if (!access_.kubeconfig.empty()) words.push_back("--kubeconfig=" + access_.kubeconfig);
  if (!access_.context.empty()) words.push_back("--context=" + access_.context);
  if (!access_.name_space.empty() && scope == Scope::kNamespace) {
    words.push_back("--namespace=" + access_.name_space);
  }
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

std::string Kubectl::Run(const std::vector<std::string>& arguments, const std::string& input,
                         Scope scope, std::chrono::seconds limit) const {
  const Answer answer = RunProgram(program_, Words(arguments, scope), input, limit, cancelled_,
                                   fmt::format("kubectl {}", Joined(arguments)));
  if (answer.status != 0) Fail(arguments, answer.errors);
  return answer.output;
}

void Kubectl::Fail(const std::vector<std::string>& arguments, const std::string& said) const {
  const Fault fault = ReadFault(said);
  switch (fault.kind) {
    case Fault::Kind::kForbidden: throw Forbidden(fault);
    case Fault::Kind::kContext: {
      const Answer known = RunProgram(
          program_,
          [&] {
            std::vector<std::string> words = {"kubectl"};
            if (!access_.kubeconfig.empty()) words.push_back("--kubeconfig=" + access_.kubeconfig);
            for (const char* word : {"config", "get-contexts", "-o", "name"}) words.push_back(word);
            return words;
          }(),
          "", std::chrono::seconds(10), cancelled_, "kubectl config get-contexts");
      std::vector<std::string> names;
      std::istringstream lines(known.output);
      for (std::string line; std::getline(lines, line);) names.push_back(OneLine(line));
      throw Error(ErrorCode::kNotFound,
                  fmt::format("context \"{}\" does not exist{}", fault.message,
                              Suggestion(fault.message, names)));
    }
    case Fault::Kind::kNotFound: throw Error(ErrorCode::kNotFound, fault.message);
    case Fault::Kind::kLogin:
      throw Error(ErrorCode::kIo,
                  fmt::format("Kubernetes does not know who you are, or the login has run out: {}",
                              fault.message));
    case Fault::Kind::kUnreachable: {
      const bool unset = fault.message.find("localhost:8080") != std::string::npos;
      throw Error(ErrorCode::kUnavailable,
                  fmt::format("Kubernetes cannot be reached: {}{}", fault.message,
                              unset ? "; no kubeconfig is set, or $KUBECONFIG names no file: "
                                      "name one by --kubeconfig"
                                    : ""));
    }
    case Fault::Kind::kOther: break;
  }
  throw Error(ErrorCode::kIo,
              fmt::format("kubectl {}: {}", Joined(arguments),
                          fault.message.empty() ? "it failed without a word" : fault.message));
}

Json Kubectl::Get(std::vector<std::string> arguments, Scope scope) const {
  arguments.insert(arguments.begin(), "get");
  if (std::ranges::find(arguments, "--raw") == arguments.end()) {
    arguments.insert(arguments.end(), {"-o", "json"});
  }
  return ParseJson(Run(arguments, "", scope), "kubectl's answer");
}

std::optional<Json> Kubectl::Find(std::vector<std::string> arguments, Scope scope) const {
  try {
    return Get(std::move(arguments), scope);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound) throw;
    if (error.message().starts_with("context ")) throw;
    return std::nullopt;
  }
}

std::optional<Json> Kubectl::GetIfAllowed(std::vector<std::string> arguments, Scope scope) const {
  try {
    return Get(std::move(arguments), scope);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kIo && error.code() != ErrorCode::kNotFound) throw;
    return std::nullopt;
  }
}

std::unique_ptr<ChildProcess> Kubectl::Start(const std::vector<std::string>& arguments) const {
  return std::make_unique<ChildProcess>(program_, Words(arguments, Scope::kNamespace));
}

std::string Kubectl::Helm(const std::vector<std::string>& arguments,
                          std::chrono::seconds limit) const {
  std::string program;
  try {
    program = FindProgram("helm");
  } catch (const Error&) {
    throw Error(ErrorCode::kNotFound,
                "helm is not on the PATH: Windlass puts the KubeRay operator in and out by it; "
                "https://helm.sh/docs/intro/install/ says how to get it, and --operator-manifest "
                "FILE does without");
  }
  std::vector<std::string> words = {"helm"};
  if (!access_.kubeconfig.empty()) words.push_back("--kubeconfig=" + access_.kubeconfig);
  if (!access_.context.empty()) words.push_back("--kube-context=" + access_.context);
  if (!access_.name_space.empty()) words.push_back("--namespace=" + access_.name_space);
  words.insert(words.end(), arguments.begin(), arguments.end());
  const Answer answer =
      RunProgram(program, words, "", limit, cancelled_, fmt::format("helm {}", Joined(arguments)));
  if (answer.status == 0) return answer.output;
  const Fault fault = ReadFault(answer.errors);
  if (fault.kind == Fault::Kind::kForbidden) {
    throw Error(ErrorCode::kIo,
                fmt::format("{}: an administrator of the cluster puts the KubeRay operator in, "
                            "once for all users",
                            fault.message));
  }
  throw Error(ErrorCode::kIo, fmt::format("helm {}: {}", Joined(arguments), fault.message));
}

void Kubectl::Sleep(std::chrono::milliseconds time) const {
  const Deadline end = Clock::now() + time;
  while (Clock::now() < end) {
    if (cancelled_()) throw Error(ErrorCode::kCancelled, "interrupted");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace windlass::cluster
