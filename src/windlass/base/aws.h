// What services of Amazon's have in common, for base/s3: who asks, and what they answer.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace windlass {

// What signs requests.
struct AwsCredentials {
  std::string id;
  std::string secret;
  std::string token;  // of a session; may be empty

  // As Amazon's own tools look for them: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
  // AWS_SESSION_TOKEN; the role AWS_ROLE_ARN of a service account (AWS_WEB_IDENTITY_TOKEN_FILE);
  // the profile AWS_PROFILE ("default") of AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials); the
  // role of a container (AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI); that of an instance,
  // unless AWS_EC2_METADATA_DISABLED is true. Those of roles are kept until shortly before they
  // expire.
  //
  // Throws Error{kInvalidInput} when there are none, {kIo, kUnavailable} when a role that is named
  // is not given.
  static AwsCredentials Find(const std::function<bool()>& cancelled = [] { return false; });
};

// AWS_REGION, AWS_DEFAULT_REGION, that of the profile in AWS_CONFIG_FILE (~/.aws/config), or
// us-east-1.
std::string AwsRegion();

// Empty when it is not set.
std::string EnvironmentVariable(const char* name);

// Percent escapes as Signature Version 4 wants them; slashes stay in a path.
std::string UriEscaped(std::string_view text, bool path);

// The text of the first element of this name, from `at` on, which is moved behind it; nothing when
// there is none. Answers of these services have no attributes that matter and no comments.
std::optional<std::string_view> XmlElement(std::string_view xml, std::string_view name,
                                           std::size_t* at = nullptr);
std::string XmlText(std::string_view xml, std::string_view name);  // entities resolved

// Nanoseconds since 1970 of "2026-11-26T14:45:32.123Z", as documents have it, and "Thu, 26 Nov 2026
// 14:45:32 GMT", as headers do; 0 for anything else.
std::int64_t AwsTime(const std::string& text);

}  // namespace windlass
