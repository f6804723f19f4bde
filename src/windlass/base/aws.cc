#include "windlass/base/aws.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>
#include <mutex>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/http.h"
#include "windlass/base/json.h"

namespace windlass {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kService{10'000};
constexpr milliseconds kNeighbour{2'000};  // on this machine, or not at all
constexpr std::size_t kMostAnswerBytes = std::size_t{1} << 20;
constexpr std::int64_t kRenew = std::int64_t{5 * 60} * 1'000'000'000;  // before they expire

// The sections of an INI file such as ~/.aws/credentials: those lines "key = value" of one of them.
std::map<std::string, std::string> Section(const std::string& path, const std::string& name) {
  std::map<std::string, std::string> values;
  std::ifstream file(path);
  bool ours = false;
  const auto trimmed = [](std::string_view text) {
    const auto begin = text.find_first_not_of(" \t\r");
    if (begin == text.npos) return std::string();
    return std::string(text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1));
  };
  for (std::string line; std::getline(file, line);) {
    const std::string text = trimmed(line);
    if (text.starts_with('[')) ours = text == "[" + name + "]";
    const auto equals = text.find('=');
    if (ours && equals != text.npos && !text.starts_with('#')) {
      values[trimmed(text.substr(0, equals))] = trimmed(text.substr(equals + 1));
    }
  }
  return values;
}

std::string Profile() {
  const std::string profile = EnvironmentVariable("AWS_PROFILE");
  return profile.empty() ? "default" : profile;
}

std::string ProfileFile(const char* variable, const char* otherwise) {
  const std::string path = EnvironmentVariable(variable);
  return path.empty() ? EnvironmentVariable("HOME") + otherwise : path;
}

// A role's, and when they expire.
struct RoleCredentials {
  AwsCredentials credentials;
  std::int64_t expires = 0;
};

using Cancelled = std::function<bool()>;

HttpResponse Ask(HttpRequest request, milliseconds patience, const Cancelled& cancelled) {
  request.most_bytes = kMostAnswerBytes;
  request.deadline = Clock::now() + patience;
  return Http().Connect()->Do(request, cancelled);
}

RoleCredentials FromJson(const std::string& text, const std::string& from) {
  const Json json = Json::parse(text, nullptr, false);
  const auto field = [&](const char* name) {
    const auto found = json.is_object() ? json.find(name) : json.end();
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  RoleCredentials role{{field("AccessKeyId"), field("SecretAccessKey"), field("Token")},
                       AwsTime(field("Expiration"))};
  if (!role.credentials.id.empty() && !role.credentials.secret.empty()) return role;
  throw Error(ErrorCode::kIo, fmt::format("{} gives no credentials", from));
}

// Of a service account: its token for a role's.
std::optional<RoleCredentials> OfWebIdentity(const Cancelled& cancelled) {
  const std::string role = EnvironmentVariable("AWS_ROLE_ARN");
  const std::string file = EnvironmentVariable("AWS_WEB_IDENTITY_TOKEN_FILE");
  if (role.empty() || file.empty()) return std::nullopt;
  std::string session = EnvironmentVariable("AWS_ROLE_SESSION_NAME");
  if (session.empty()) session = "windlass";
  std::string endpoint = EnvironmentVariable("AWS_ENDPOINT_URL_STS");
  if (endpoint.empty()) endpoint = fmt::format("https://sts.{}.amazonaws.com", AwsRegion());
  std::string token = ReadFile(file);
  while (!token.empty() && std::isspace(static_cast<unsigned char>(token.back())) != 0) {
    token.pop_back();
  }
  HttpRequest request;
  request.method = "POST";
  request.url = endpoint + "/";
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
  request.body = fmt::format(
      "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={}&RoleSessionName={}"
      "&WebIdentityToken={}",
      UriEscaped(role, /*path=*/false), UriEscaped(session, /*path=*/false),
      UriEscaped(token, /*path=*/false));
  const HttpResponse response = Ask(request, kService, cancelled);
  if (response.status >= 500) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("{} failed (HTTP status {})", endpoint, response.status));
  }
  RoleCredentials found{
      {XmlText(response.body, "AccessKeyId"), XmlText(response.body, "SecretAccessKey"),
       XmlText(response.body, "SessionToken")},
      AwsTime(XmlText(response.body, "Expiration"))};
  if (response.status == 200 && !found.credentials.id.empty()) return found;
  throw Error(ErrorCode::kIo,
              fmt::format("{} does not give the role {} (AWS_ROLE_ARN) for the token in {}: {} "
                          "(HTTP status {})",
                          endpoint, role, file, XmlText(response.body, "Code"), response.status));
}

std::optional<AwsCredentials> OfProfile() {
  auto profile =
      Section(ProfileFile("AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials"), Profile());
  AwsCredentials found{profile["aws_access_key_id"], profile["aws_secret_access_key"],
                       profile["aws_session_token"]};
  if (found.id.empty() || found.secret.empty()) return std::nullopt;
  return found;
}

// Of a task of ECS, or a Pod of EKS.
std::optional<RoleCredentials> OfContainer(const Cancelled& cancelled) {
  std::string url = EnvironmentVariable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (const std::string path = EnvironmentVariable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
      !path.empty()) {
    url = "http://169.254.170.2" + path;
  }
  if (url.empty()) return std::nullopt;
  // The token must not go over a network in the clear.
  constexpr std::array<std::string_view, 6> kHere = {
      "http://127.0.0.1",     "http://localhost",      "http://[::1]",
      "http://169.254.170.2", "http://169.254.170.23", "http://[fd00:ec2::23]"};
  const auto authority_end = url.find_first_of("/?", url.find("://") + 3);
  std::string origin = url.substr(0, authority_end);
  if (const auto colon = origin.rfind(':'); colon > 6 && origin.find(']', colon) == origin.npos) {
    origin.resize(colon);
  }
  if (!url.starts_with("https://") && std::ranges::find(kHere, origin) == kHere.end()) {
    throw Error(ErrorCode::kInvalidInput,
                "AWS_CONTAINER_CREDENTIALS_FULL_URI: https://, or an address of this machine, was "
                "expected");
  }
  std::string token = EnvironmentVariable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (const std::string file = EnvironmentVariable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
      !file.empty()) {
    token = ReadFile(file);
  }
  HttpRequest request;
  request.url = url;
  if (!token.empty()) request.headers = {{"Authorization", token}};
  const HttpResponse response = Ask(request, kNeighbour, cancelled);
  if (response.status == 200) return FromJson(response.body, "the container's agent");
  throw Error(ErrorCode::kIo, fmt::format("the container's agent gives no credentials (HTTP status "
                                          "{})",
                                          response.status));
}

// Of an instance of EC2; nothing where there is no metadata service, or it has no role.
std::optional<RoleCredentials> OfInstance(const Cancelled& cancelled) {
  if (EnvironmentVariable("AWS_EC2_METADATA_DISABLED") == "true") return std::nullopt;
  std::string endpoint = EnvironmentVariable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (endpoint.empty()) endpoint = "http://169.254.169.254";
  while (endpoint.ends_with('/')) endpoint.pop_back();
  const auto ask = [&](const char* method, const std::string& path,
                       std::pair<std::string, std::string> header) {
    HttpRequest request;
    request.method = method;
    request.url = endpoint + path;
    request.headers = {std::move(header)};
    return Ask(request, kNeighbour, cancelled);
  };
  try {
    const HttpResponse token =
        ask("PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds", "300"});
    if (token.status != 200) return std::nullopt;
    const std::string roles = "/latest/meta-data/iam/security-credentials/";
    const HttpResponse role = ask("GET", roles, {"X-aws-ec2-metadata-token", token.body});
    if (role.status != 200) return std::nullopt;
    const std::string name = role.body.substr(0, role.body.find('\n'));
    const HttpResponse found = ask("GET", roles + name, {"X-aws-ec2-metadata-token", token.body});
    if (found.status != 200) return std::nullopt;
    return FromJson(found.body, "the instance's metadata service");
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled || error.code() == ErrorCode::kUnsupported) throw;
    return std::nullopt;  // most machines are no instances
  }
}

}  // namespace

std::string EnvironmentVariable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string UriEscaped(std::string_view text, bool path) {
  std::string escaped;
  for (const unsigned char c : text) {
    const bool plain =
        (c < 0x80 && std::isalnum(c)) || c == '-' || c == '_' || c == '.' || c == '~';
    if (plain || (path && c == '/')) {
      escaped += static_cast<char>(c);
    } else {
      escaped += fmt::format("%{:02X}", c);
    }
  }
  return escaped;
}

std::string AwsRegion() {
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (std::string region = EnvironmentVariable(name); !region.empty()) return region;
  }
  const std::string profile = Profile();
  const auto config = Section(ProfileFile("AWS_CONFIG_FILE", "/.aws/config"),
                              profile == "default" ? profile : "profile " + profile);
  const auto found = config.find("region");
  return found == config.end() ? "us-east-1" : found->second;
}

std::optional<std::string_view> XmlElement(std::string_view xml, std::string_view name,
                                           std::size_t* at) {
  const std::string open = fmt::format("<{}>", name);
  const std::string close = fmt::format("</{}>", name);
  const auto begin = xml.find(open, at == nullptr ? 0 : *at);
  if (begin == xml.npos) return std::nullopt;
  const auto end = xml.find(close, begin);
  if (end == xml.npos) return std::nullopt;
  if (at != nullptr) *at = end + close.size();
  return xml.substr(begin + open.size(), end - begin - open.size());
}

std::string XmlText(std::string_view xml, std::string_view name) {
  constexpr std::array<std::pair<std::string_view, char>, 5> kEntities = {
      {{"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}, {"&amp;", '&'}}};
  const std::string_view raw = XmlElement(xml, name).value_or("");
  std::string text;
  for (std::size_t i = 0; i < raw.size();) {
    const auto entity = std::ranges::find_if(
        kEntities, [&](const auto& one) { return raw.substr(i).starts_with(one.first); });
    text += entity == kEntities.end() ? raw[i] : entity->second;
    i += entity == kEntities.end() ? 1 : entity->first.size();
  }
  return text;
}

std::int64_t AwsTime(const std::string& text) {
  struct tm time {};
  const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &time);
  if (rest == nullptr) rest = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S", &time);
  if (rest == nullptr) return 0;
  double fraction = 0;
  if (*rest == '.') fraction = std::strtod(rest, nullptr);
  return std::int64_t{::timegm(&time)} * 1'000'000'000 + static_cast<std::int64_t>(fraction * 1e9);
}

AwsCredentials AwsCredentials::Find(const Cancelled& cancelled) {
  AwsCredentials found{EnvironmentVariable("AWS_ACCESS_KEY_ID"),
                       EnvironmentVariable("AWS_SECRET_ACCESS_KEY"),
                       EnvironmentVariable("AWS_SESSION_TOKEN")};
  if (!found.id.empty() && !found.secret.empty()) return found;
  const std::int64_t now = std::int64_t{std::time(nullptr)} * 1'000'000'000;
  static std::mutex mutex;  // also so that a role is asked for once, not by each thread
  static RoleCredentials kept;
  const std::lock_guard lock(mutex);
  if (now < kept.expires - kRenew) return kept.credentials;
  auto role = OfWebIdentity(cancelled);
  if (!role) {
    if (const auto profile = OfProfile()) return *profile;
    role = OfContainer(cancelled);
  }
  if (!role) role = OfInstance(cancelled);
  if (role) {
    kept = *role;
    return kept.credentials;
  }
  throw Error(
      ErrorCode::kInvalidInput,
      fmt::format("there are no credentials for s3://: set AWS_ACCESS_KEY_ID and "
                  "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; the profile \"{}\" in {} has "
                  "none, and this machine has no role",
                  Profile(), ProfileFile("AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials")));
}

}  // namespace windlass
