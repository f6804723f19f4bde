// Objects in a bucket that speaks Amazon S3's REST API.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "windlass/base/aws.h"
#include "windlass/base/http.h"

namespace windlass {

// s3://BUCKET[/PREFIX][?region=...&endpoint_override=HOST:PORT&scheme=http], as tables are named.
struct S3Place {
  std::string bucket;
  std::string prefix;    // of all keys; empty, or with a slash at its end
  std::string region;    // empty: as the environment says
  std::string endpoint;  // "http://127.0.0.1:9000"; empty: as the environment says, else AWS's

  static bool Is(std::string_view text) { return text.starts_with("s3://"); }
  // Throws Error{kInvalidInput} naming what is wrong; secrets in it are refused and not repeated.
  static S3Place Parse(std::string_view text);

  std::string Name(std::string_view key = {}) const;  // "s3://bucket/prefix/key"
  S3Place Below(std::string_view folder) const;       // of the keys that begin so
  std::string Text() const;                           // what Parse makes the same place of
};

struct S3Object {
  std::string key;  // without the place's prefix
  std::uint64_t size = 0;
  std::string etag;
  std::int64_t modified = 0;  // nanoseconds since 1970, by the server's clock
};

// Adds what makes AWS's Signature Version 4 of the request, whose query must be sorted and encoded;
// `seconds` is the time since 1970.
void SignForS3(HttpRequest& request, const AwsCredentials& credentials, std::string_view region,
               std::int64_t seconds);

// Thread safe. What may pass (a lost connection, status 5xx, "slow down") is tried again for some
// seconds.
//
// All throw Error{kNotFound} when there is no such bucket, {kIo} when the server refuses or fails,
// {kUnavailable} when it cannot be reached, {kDeadlineExceeded}, {kCancelled}; messages name
// bucket, key and endpoint, and what would be right.
class WINDLASS_API S3Bucket {
 public:
  // `cancelled` is asked every few milliseconds. Throws Error{kUnsupported} when there is no HTTP.
  explicit S3Bucket(
      S3Place place, std::function<bool()> cancelled = [] { return false; });
  ~S3Bucket();

  const S3Place& place() const { return place_; }

  // Keys are without the place's prefix. Nothing when there is no such object.
  std::optional<std::string> Get(std::string_view key) const;
  // `size` bytes at `offset`; fewer at the end of the object.
  std::optional<std::string> GetRange(std::string_view key, std::uint64_t offset,
                                      std::uint64_t size) const;
  // Writes the object over the file. False when there is no such object.
  bool GetFile(std::string_view key, const std::filesystem::path& to) const;
  std::optional<S3Object> Head(std::string_view key) const;

  // Replaces what has the key; gives its ETag.
  std::string Put(std::string_view key, std::string_view bytes) const;
  // An exclusive create: false when the key is taken.
  bool PutNew(std::string_view key, std::string_view bytes) const;
  // Replaces the object only while its ETag is this one.
  bool PutIfMatch(std::string_view key, std::string_view bytes, std::string_view etag) const;
  // As Put, in parts where it is long.
  void PutFile(std::string_view key, const std::filesystem::path& from) const;
  // Sets the object's time to now. False when there is no such object.
  bool Touch(std::string_view key) const;
  void Delete(std::string_view key) const;  // also when there is none

  // The objects whose keys begin so, by key; at most `most` of them.
  std::vector<S3Object> List(std::string_view prefix, std::size_t most = SIZE_MAX) const;

 private:
  using Headers = std::vector<std::pair<std::string, std::string>>;
  struct Query;

  HttpResponse Ask(const Query& query) const;
  HttpResponse Send(const HttpRequest& unsigned_request) const;
  [[noreturn]] void Refuse(const Query& query, const HttpResponse& response) const;
  std::string Where(std::string_view key) const;
  bool PutConditionally(std::string_view key, std::string_view bytes, Headers condition) const;
  std::string Url(const Query& query) const;

  S3Place place_;
  std::string region_;
  std::function<bool()> cancelled_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<HttpConnection>> idle_;
};

}  // namespace windlass
