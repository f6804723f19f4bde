#include "windlass/base/s3.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>
#include <thread>

#include "windlass/base/aws.h"
#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/object_spec.h"
#include "windlass/base/random.h"

namespace windlass {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// As tables: how long a server may take, to begin with and for each megabyte.
constexpr seconds kAnswer{30};
constexpr seconds kAnswerPerMegabyte{10};
constexpr std::chrono::hours kLongAnswer{12};
constexpr seconds kTryAgain{15};  // what may pass
constexpr milliseconds kFirstPause{100};
constexpr milliseconds kLongestPause{3000};
constexpr milliseconds kGlance{20};                   // at the user's wish to stop
constexpr std::size_t kPart = std::size_t{64} << 20;  // of a long upload
constexpr std::size_t kMostPage = std::size_t{16} << 20;
constexpr char kWriter[] = "x-amz-meta-windlass-writer";
constexpr char kEmptyHash[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string HexOf(std::string_view bytes) {
  std::string hex;
  for (const unsigned char c : bytes) hex += fmt::format("{:02x}", c);
  return hex;
}

std::string Sha256(std::string_view bytes) {
  std::array<unsigned char, crypto_hash_sha256_BYTES> hash;
  ::crypto_hash_sha256(hash.data(), reinterpret_cast<const unsigned char*>(bytes.data()),
                       bytes.size());
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

std::string HmacSha256(std::string_view key, std::string_view text) {
  std::array<unsigned char, crypto_auth_hmacsha256_BYTES> code;
  crypto_auth_hmacsha256_state state;
  ::crypto_auth_hmacsha256_init(&state, reinterpret_cast<const unsigned char*>(key.data()),
                                key.size());
  ::crypto_auth_hmacsha256_update(&state, reinterpret_cast<const unsigned char*>(text.data()),
                                  text.size());
  ::crypto_auth_hmacsha256_final(&state, code.data());
  return {reinterpret_cast<const char*>(code.data()), code.size()};
}

// "https://host:port/" as requests name it.
std::string PlainEndpoint(std::string endpoint, std::string_view from) {
  while (endpoint.ends_with('/')) endpoint.pop_back();
  const bool http = endpoint.starts_with("http://");
  const bool good =
      (http || endpoint.starts_with("https://")) && endpoint.find_first_of("@?# ") == endpoint.npos;
  if (!good) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: http(s)://HOST[:PORT] was expected, with no user in it", from));
  }
  const std::string_view port = http ? ":80" : ":443";  // not part of the Host that is signed
  if (endpoint.ends_with(port)) endpoint.resize(endpoint.size() - port.size());
  return endpoint;
}

std::string Unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() &&
        std::isxdigit(static_cast<unsigned char>(text[i + 1])) &&
        std::isxdigit(static_cast<unsigned char>(text[i + 2]))) {
      plain += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      plain += text[i] == '+' ? ' ' : text[i];
    }
  }
  return plain;
}

std::string WithoutQuotes(std::string etag) {
  std::erase(etag, '"');
  return etag;
}

std::uint64_t NumberIn(std::string_view text) {
  return std::strtoull(std::string(text).c_str(), nullptr, 10);
}

// What the same request may not meet again.
bool MayPassSoon(const HttpResponse& response) {
  if (response.status >= 500 || response.status == 429) return true;
  for (const char* code :
       {"RequestTimeout", "SlowDown", "ConditionalRequestConflict", "OperationAborted"}) {
    if (response.status >= 400 && XmlElement(response.body, "Code") == code) return true;
  }
  return false;
}

}  // namespace

struct S3Bucket::Query {
  std::string method = "GET";
  std::string key;  // without the prefix; of the bucket itself when `whole` is set
  bool whole = false;
  std::vector<std::pair<std::string, std::string>> parameters;
  Headers headers;
  std::string body;
  std::uint64_t most_bytes = kMostPage;
  std::function<void(std::string_view)> write;
  std::function<void()> begin;  // of each try
  mutable int tries = 0;
};

S3Place S3Place::Parse(std::string_view text) {
  if (text.substr(0, text.find('?')).find('@') != text.npos) {
    throw Error(ErrorCode::kInvalidInput,
                "s3://...: the address holds a password; leave it out and give it by the "
                "environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) or a profile");
  }
  const ObjectSpec spec = ObjectSpec::Parse(text, {"s3"});
  S3Place place;
  const std::string_view location = spec.location;
  const auto refuse = [&](std::string_view why) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("s3:{}: {}; s3://BUCKET[/PREFIX] was expected", location, why));
  };
  if (spec.name != "s3" || !location.starts_with("//")) refuse("this names no bucket");
  const auto slash = location.find('/', 2);
  place.bucket = location.substr(2, slash == location.npos ? slash : slash - 2);
  const bool plain = !place.bucket.empty() && std::ranges::all_of(place.bucket, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_';
  });
  if (!plain) refuse(fmt::format("\"{}\" is no name of a bucket", place.bucket));
  if (slash != location.npos) place.prefix = location.substr(slash + 1);
  while (place.prefix.ends_with('/')) place.prefix.pop_back();
  if (place.prefix.starts_with('/') || place.prefix.find("//") != place.prefix.npos) {
    refuse("the prefix has an empty part");
  }
  if (!place.prefix.empty()) place.prefix += '/';
  WithContext(
      [&] {
        spec.AllowOnly({"endpoint_override", "region", "scheme"});
        const auto option = [&](const char* key) {
          const auto found = spec.options.find(key);
          return found == spec.options.end() ? std::string() : found->second;
        };
        place.region = option("region");
        if (const std::string endpoint = option("endpoint_override"); !endpoint.empty()) {
          const std::string scheme = option("scheme");
          const bool whole = endpoint.find("://") != endpoint.npos;
          place.endpoint = PlainEndpoint(
              whole ? endpoint : (scheme.empty() ? "https" : scheme) + "://" + endpoint,
              "option endpoint_override");
        }
      },
      [&] { return place.Name(); });
  return place;
}

std::string S3Place::Name(std::string_view key) const {
  return fmt::format("s3://{}/{}{}", bucket, prefix, key);
}

S3Place S3Place::Below(std::string_view folder) const {
  S3Place below = *this;
  below.prefix += std::string(folder) + "/";
  return below;
}

std::string S3Place::Text() const {
  std::string text = Name();
  while (text.ends_with('/')) text.pop_back();
  char separator = '?';
  using Option = std::pair<const char*, const std::string&>;
  for (const auto& [key, value] :
       {Option{"region", region}, Option{"endpoint_override", endpoint}}) {
    if (value.empty()) continue;
    text += fmt::format("{}{}={}", separator, key, value);
    separator = '&';
  }
  return text;
}

void SignForS3(HttpRequest& request, const AwsCredentials& credentials, std::string_view region,
               std::int64_t when) {
  const std::string time = fmt::format("{:%Y%m%dT%H%M%SZ}", fmt::gmtime(std::time_t{when}));
  const std::string day = time.substr(0, 8);
  const std::string payload = request.body.empty() ? kEmptyHash : HexOf(Sha256(request.body));
  request.headers.emplace_back("x-amz-content-sha256", payload);
  request.headers.emplace_back("x-amz-date", time);
  if (!credentials.token.empty()) {
    request.headers.emplace_back("x-amz-security-token", credentials.token);
  }
  const std::string_view address = std::string_view(request.url).substr(request.url.find("//") + 2);
  const auto slash = address.find('/');
  const auto mark = address.find('?');
  std::map<std::string, std::string> headers = {{"host", std::string(address.substr(0, slash))}};
  for (const auto& [name, value] : request.headers) {
    std::string lower = name;
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
    headers[lower] = value;
  }
  std::string lines, names;
  for (const auto& [name, value] : headers) {
    lines += fmt::format("{}:{}\n", name, value);
    names += (names.empty() ? "" : ";") + name;
  }
  const std::string canonical =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, address.substr(slash, mark - slash),
                  mark == address.npos ? "" : address.substr(mark + 1), lines, names, payload);
  const std::string scope = fmt::format("{}/{}/s3/aws4_request", day, region);
  std::string key = "AWS4" + credentials.secret;
  for (const std::string_view part :
       {std::string_view(day), region, std::string_view("s3"), std::string_view("aws4_request")}) {
    key = HmacSha256(key, part);
  }
  const std::string signature = HexOf(HmacSha256(
      key, fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", time, scope, HexOf(Sha256(canonical)))));
  request.headers.emplace_back("Authorization",
                               fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, "
                                           "Signature={}",
                                           credentials.id, scope, names, signature));
}

S3Bucket::S3Bucket(S3Place place, std::function<bool()> cancelled)
    : place_(std::move(place)), region_(place_.region), cancelled_(std::move(cancelled)) {
  if (region_.empty()) region_ = AwsRegion();
  for (const char* name : {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}) {
    if (!place_.endpoint.empty()) break;
    if (std::string url = EnvironmentVariable(name); !url.empty())
      place_.endpoint = PlainEndpoint(url, name);
  }
  idle_.push_back(Http().Connect());
}

S3Bucket::~S3Bucket() = default;

std::string S3Bucket::Where(std::string_view key) const {
  const std::string name = place_.Name(key);
  return place_.endpoint.empty() ? name : fmt::format("{} at {}", name, place_.endpoint);
}

std::string S3Bucket::Url(const Query& query) const {
  std::string url;
  // Certificates of AWS are for one label before its domain, and other servers want paths.
  if (!place_.endpoint.empty()) {
    url = fmt::format("{}/{}", place_.endpoint, place_.bucket);
  } else {
    const std::string domain =
        fmt::format("s3.{}.amazonaws.com{}", region_, region_.starts_with("cn-") ? ".cn" : "");
    url = place_.bucket.find('.') == place_.bucket.npos
              ? fmt::format("https://{}.{}", place_.bucket, domain)
              : fmt::format("https://{}/{}", domain, place_.bucket);
  }
  url += query.whole ? "/" : "/" + UriEscaped(place_.prefix + query.key, /*path=*/true);
  std::vector<std::string> parameters;
  for (const auto& [name, value] : query.parameters) {
    parameters.push_back(UriEscaped(name, /*path=*/false) + "=" +
                         UriEscaped(value, /*path=*/false));
  }
  std::ranges::sort(parameters);
  char separator = '?';
  for (const std::string& parameter : parameters) {
    url += separator + parameter;
    separator = '&';
  }
  return url;
}

HttpResponse S3Bucket::Send(const HttpRequest& unsigned_request) const {
  HttpRequest request = unsigned_request;
  SignForS3(request, AwsCredentials::Find(cancelled_), region_, std::time(nullptr));
  std::unique_ptr<HttpConnection> connection;
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      connection = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (connection == nullptr) connection = Http().Connect();
  HttpResponse response = connection->Do(request, cancelled_);
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(connection));
  return response;
}

HttpResponse S3Bucket::Ask(const Query& query) const {
  HttpRequest request;
  request.method = query.method;
  request.url = Url(query);
  request.headers = query.headers;
  request.body = query.body;
  request.most_bytes = query.most_bytes;
  request.write = query.write;
  if (!request.body.empty() || request.method == "PUT") {
    request.headers.emplace_back("Content-Type", "application/octet-stream");
  }
  // A long answer may take as long as it goes on coming: see HttpRequest::write.
  const seconds patience =
      query.write ? seconds(kLongAnswer)
                  : kAnswer + kAnswerPerMegabyte * static_cast<int>(request.body.size() >> 20);
  Random random(static_cast<std::uint64_t>(Clock::now().time_since_epoch().count()), 0);
  const Deadline give_up = Clock::now() + kTryAgain;
  for (milliseconds pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    const bool last = Clock::now() + pause > give_up;
    try {
      if (query.begin) query.begin();
      ++query.tries;
      request.deadline = Clock::now() + patience;
      HttpResponse response = Send(request);
      if (last || !MayPassSoon(response)) return response;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kCancelled || error.code() == ErrorCode::kInvalidInput) throw;
      if (error.code() == ErrorCode::kDeadlineExceeded) {
        throw Error(error.code(), fmt::format("{}: the server gave no answer within {} s",
                                              Where(query.key), patience.count()));
      }
      if (error.code() != ErrorCode::kUnavailable || last) {
        throw Error(error.code(), Where(query.key), error);
      }
    }
    // Not all at once that were refused together.
    const auto wait = pause / 2 + milliseconds(random.Below(pause.count()));
    for (const Deadline until = Clock::now() + wait; Clock::now() < until;) {
      if (cancelled_()) throw Error(ErrorCode::kCancelled, "interrupted");
      std::this_thread::sleep_for(kGlance);
    }
  }
}

void S3Bucket::Refuse(const Query& query, const HttpResponse& response) const {
  const std::string where = Where(query.key);
  std::string code = XmlText(response.body, "Code");
  const auto is_one_of = [&](std::initializer_list<std::string_view> codes) {
    return std::ranges::find(codes, code) != codes.end();
  };
  if (is_one_of({"NoSuchBucket", "InvalidBucketName"}) || (response.status == 404 && query.whole)) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("{}: there is no bucket \"{}\"", where, place_.bucket));
  }
  std::string region(response.Header("x-amz-bucket-region").value_or(""));
  if (region.empty()) region = XmlText(response.body, "Region");
  std::string what;
  if (is_one_of({"RequestTimeTooSkewed", "RequestExpired"})) {
    what = fmt::format("the clock of this machine is not the server's, which says {}; set it",
                       response.Header("date").value_or("another time"));
  } else if (response.status == 301 || response.status == 307 ||
             (response.status == 400 && !region.empty() && region != region_) ||
             is_one_of({"PermanentRedirect", "AuthorizationHeaderMalformed",
                        "IllegalLocationConstraintException"})) {
    what = region.empty() ? fmt::format(
                                "the bucket is in another region than {}; set AWS_REGION "
                                "to it",
                                region_)
                          : fmt::format(
                                "the bucket is in another region than {}; set AWS_REGION to "
                                "{}",
                                region_, region);
  } else if (is_one_of({"ExpiredToken", "InvalidToken", "TokenRefreshRequired"})) {
    what = "the session token (AWS_SESSION_TOKEN) is not valid any more; a new one is needed";
  } else if (response.status == 401 || response.status == 403) {
    what = fmt::format(
        "the server refuses access{}: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, "
        "must be those of a user who may {} it",
        code.empty() ? "" : " (" + code + ")",
        query.whole                                       ? "list"
        : query.method == "PUT" || query.method == "POST" ? "write"
        : query.method == "DELETE"                        ? "delete"
                                                          : "read and list");
  } else {
    const std::string message = XmlText(response.body, "Message");
    if (code.empty()) code = "UNKNOWN";
    what = fmt::format("the server failed: {} (HTTP status {}){}", code, response.status,
                       message.empty() ? "" : ": " + message.substr(0, 300));
  }
  throw Error(ErrorCode::kIo, fmt::format("{}: {}", where, what));
}

std::optional<std::string> S3Bucket::Get(std::string_view key) const {
  std::string bytes;
  Query query;
  query.key = key;
  query.most_bytes = SIZE_MAX;
  query.begin = [&] { bytes.clear(); };
  query.write = [&](std::string_view piece) { bytes += piece; };
  const HttpResponse response = Ask(query);
  if (response.status == 200) return bytes;
  if (response.status == 404 && XmlText(response.body, "Code") != "NoSuchBucket")
    return std::nullopt;
  Refuse(query, response);
}

std::optional<std::string> S3Bucket::GetRange(std::string_view key, std::uint64_t offset,
                                              std::uint64_t size) const {
  if (size == 0) return "";
  Query query;
  query.key = key;
  query.most_bytes = std::max<std::uint64_t>(size, kMostPage);
  query.headers = {{"Range", fmt::format("bytes={}-{}", offset, offset + size - 1)}};
  HttpResponse response = Ask(query);
  if (response.status == 206) return std::move(response.body);
  if (response.status == 416) return "";  // behind the end
  if (response.status == 404 && XmlText(response.body, "Code") != "NoSuchBucket")
    return std::nullopt;
  Refuse(query, response);
}

bool S3Bucket::GetFile(std::string_view key, const std::filesystem::path& to) const {
  std::ofstream file;
  const auto check = [&] {
    if (!file) throw Error(ErrorCode::kIo, fmt::format("cannot write {}", to.string()));
  };
  Query query;
  query.key = key;
  query.most_bytes = SIZE_MAX;
  query.begin = [&] {
    if (file.is_open()) file.close();
    file.open(to, std::ios::binary | std::ios::trunc);
    check();
  };
  query.write = [&](std::string_view piece) {
    file.write(piece.data(), static_cast<std::streamsize>(piece.size()));
    check();
  };
  const HttpResponse response = Ask(query);
  if (response.status == 200) {
    file.close();
    check();
    return true;
  }
  if (response.status == 404 && XmlText(response.body, "Code") != "NoSuchBucket") return false;
  Refuse(query, response);
}

std::optional<S3Object> S3Bucket::Head(std::string_view key) const {
  Query query;
  query.method = "HEAD";
  query.key = key;
  const HttpResponse response = Ask(query);
  if (response.status == 404) return std::nullopt;
  if (response.status != 200) Refuse(query, response);
  S3Object object;
  object.key = key;
  object.size = NumberIn(response.Header("content-length").value_or("0"));
  object.etag = WithoutQuotes(std::string(response.Header("etag").value_or("")));
  object.modified = AwsTime(std::string(response.Header("last-modified").value_or("")));
  return object;
}

std::string S3Bucket::Put(std::string_view key, std::string_view bytes) const {
  Query query;
  query.method = "PUT";
  query.key = key;
  query.body = bytes;
  const HttpResponse response = Ask(query);
  if (response.status != 200) Refuse(query, response);
  return WithoutQuotes(std::string(response.Header("etag").value_or("")));
}

bool S3Bucket::PutConditionally(std::string_view key, std::string_view bytes,
                                Headers condition) const {
  const std::string writer = UniqueName();
  Query query;
  query.method = "PUT";
  query.key = key;
  query.body = bytes;
  query.headers = std::move(condition);
  query.headers.emplace_back(kWriter, writer);
  const HttpResponse response = Ask(query);
  if (response.status == 200) return true;
  // 404: If-Match, and the object has gone.
  const bool gone = response.status == 404 && XmlText(response.body, "Code") == "NoSuchKey";
  if (response.status != 412 && !gone) Refuse(query, response);
  if (query.tries == 1) return false;
  // The answer to an earlier try was lost, which may have been the one that did it.
  Query look;
  look.method = "HEAD";
  look.key = key;
  const HttpResponse there = Ask(look);
  return there.status == 200 && there.Header(kWriter) == writer;
}

bool S3Bucket::PutNew(std::string_view key, std::string_view bytes) const {
  return PutConditionally(key, bytes, {{"If-None-Match", "*"}});
}

bool S3Bucket::PutIfMatch(std::string_view key, std::string_view bytes,
                          std::string_view etag) const {
  return PutConditionally(key, bytes, {{"If-Match", fmt::format("\"{}\"", etag)}});
}

void S3Bucket::PutFile(std::string_view key, const std::filesystem::path& from) const {
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(from, error);
  if (error || size <= kPart) {
    Put(key, ReadFile(from));
    return;
  }
  Query begin;
  begin.method = "POST";
  begin.key = key;
  begin.parameters = {{"uploads", ""}};
  const HttpResponse begun = Ask(begin);
  if (begun.status != 200) Refuse(begin, begun);
  const std::string upload = XmlText(begun.body, "UploadId");
  try {
    std::ifstream file(from, std::ios::binary);
    const std::uint64_t part = std::max<std::uint64_t>(kPart, size / 9'000 + 1);  // 10,000 at most
    std::string list = "<CompleteMultipartUpload>";
    std::uint64_t at = 0;
    for (int number = 1; at < size; ++number) {
      Query put;
      put.method = "PUT";
      put.key = key;
      put.parameters = {{"partNumber", std::to_string(number)}, {"uploadId", upload}};
      put.body.resize(std::min(part, size - at));
      if (!file.read(put.body.data(), static_cast<std::streamsize>(put.body.size()))) {
        throw Error(ErrorCode::kIo, fmt::format("cannot read {}", from.string()));
      }
      at += put.body.size();
      const HttpResponse response = Ask(put);
      if (response.status != 200) Refuse(put, response);
      list += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", number,
                          response.Header("etag").value_or(""));
    }
    Query end;
    end.method = "POST";
    end.key = key;
    end.parameters = {{"uploadId", upload}};
    end.body = list + "</CompleteMultipartUpload>";
    const HttpResponse response = Ask(end);
    // Its status comes before the work is done.
    if (response.status != 200 || XmlElement(response.body, "Code")) Refuse(end, response);
  } catch (const Error&) {
    try {
      Query abort;
      abort.method = "DELETE";
      abort.key = key;
      abort.parameters = {{"uploadId", upload}};
      Ask(abort);
    } catch (const Error&) {
      // Its parts stay until the bucket's own rules remove them.
    }
    throw;
  }
}

bool S3Bucket::Touch(std::string_view key) const {
  Query query;
  query.method = "PUT";
  query.key = key;
  query.headers = {{"x-amz-copy-source",
                    UriEscaped(fmt::format("/{}/{}{}", place_.bucket, place_.prefix, key), true)},
                   {"x-amz-metadata-directive", "REPLACE"}};
  const HttpResponse response = Ask(query);
  if (response.status == 404 && XmlText(response.body, "Code") != "NoSuchBucket") return false;
  if (response.status != 200 || XmlElement(response.body, "Code")) Refuse(query, response);
  return true;
}

void S3Bucket::Delete(std::string_view key) const {
  Query query;
  query.method = "DELETE";
  query.key = key;
  const HttpResponse response = Ask(query);
  const bool gone = response.status == 404 && XmlText(response.body, "Code") != "NoSuchBucket";
  if (response.status != 204 && response.status != 200 && !gone) Refuse(query, response);
}

std::vector<S3Object> S3Bucket::List(std::string_view prefix, std::size_t most) const {
  std::vector<S3Object> objects;
  std::string token;
  do {
    Query query;
    query.whole = true;
    query.key = prefix;
    query.parameters = {
        {"list-type", "2"},
        {"encoding-type", "url"},
        {"max-keys", std::to_string(std::min<std::size_t>(most - objects.size(), 1000))},
        {"prefix", place_.prefix + std::string(prefix)}};
    if (!token.empty()) query.parameters.emplace_back("continuation-token", token);
    const HttpResponse response = Ask(query);
    if (response.status != 200) Refuse(query, response);
    const std::string_view xml = response.body;
    std::size_t at = 0;
    while (const auto one = XmlElement(xml, "Contents", &at)) {
      const std::string key = Unescaped(XmlText(*one, "Key"));
      if (!key.starts_with(place_.prefix)) continue;
      objects.push_back({key.substr(place_.prefix.size()), NumberIn(XmlText(*one, "Size")),
                         WithoutQuotes(XmlText(*one, "ETag")),
                         AwsTime(XmlText(*one, "LastModified"))});
    }
    if (XmlElement(xml, "ListBucketResult") == std::nullopt &&
        xml.find("<ListBucketResult") == xml.npos) {
      throw Error(ErrorCode::kIo, fmt::format("{}: what answers is no S3 server", Where(prefix)));
    }
    token = XmlText(xml, "IsTruncated") == "true" ? XmlText(xml, "NextContinuationToken") : "";
  } while (!token.empty() && objects.size() < most);
  return objects;
}

}  // namespace windlass
