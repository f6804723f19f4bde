#include <arrow/buffer.h>
#include <arrow/io/file.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/table/arrow_errors_internal.h"
#include "windlass/table/remote_internal.h"
#include "windlass/table/source_internal.h"
#include "windlass/table/table.h"

namespace windlass::table {
namespace {

constexpr std::string_view kEndings = ".csv, .parquet, .arrow, .feather, .ipc, .npy or .npz";

struct Ending {
  std::string_view text;
  Format format;
};
constexpr std::array<Ending, 7> kFormats = {{{".csv", Format::kCsv},
                                             {".parquet", Format::kParquet},
                                             {".arrow", Format::kArrowFile},
                                             {".feather", Format::kArrowFile},
                                             {".ipc", Format::kArrowFile},
                                             {".npy", Format::kNpy},
                                             {".npz", Format::kNpz}}};

std::string Lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

Format FormatOfPath(const std::string& name, const std::string& path) {
  const std::string file = Lower(path.substr(path.find_last_of('/') + 1));
  const auto dot = file.find_last_of('.');
  const std::string ending = dot == std::string::npos ? "" : file.substr(dot);
  for (const Ending& known : kFormats) {
    if (ending == known.text) return known.format;
  }
  throw Error(ErrorCode::kInvalidInput,
              ending.empty()
                  ? fmt::format("{}: the file has no ending that tells its format; a table's is {}",
                                name, kEndings)
                  : fmt::format("{}: the ending \"{}\" is not that of a table; known are {}", name,
                                ending, kEndings));
}

// What the first bytes of a file say that it is.
struct Looks {
  std::string_view what;         // "Parquet"
  std::string_view right;        // the ending that would be right, or what to do
  std::optional<Format> format;  // empty: not a table that we read
};

bool IsPlainText(std::string_view head) {
  return std::ranges::all_of(head, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 || byte == '\t' || byte == '\n' || byte == '\r';
  });
}

Looks LooksLike(std::string_view head) {
  using namespace std::string_view_literals;
  if (head.starts_with("PAR1")) return {"Parquet", "name it .parquet", Format::kParquet};
  if (head.starts_with("ARROW1")) return {"an Arrow file", "name it .arrow", Format::kArrowFile};
  if (head.starts_with("\xff\xff\xff\xff"sv)) {
    return {"an Arrow stream", "name it .arrow", Format::kArrowStream};
  }
  if (head.starts_with("\x93NUMPY")) return {"an npy array", "name it .npy", Format::kNpy};
  if (head.starts_with("PK\x03\x04"sv) || head.starts_with("PK\x05\x06"sv)) {
    return {"a zip archive", "an .npz is one; a spreadsheet must be exported as .csv first",
            Format::kNpz};
  }
  if (head.starts_with("\xff\xfe") || head.starts_with("\xfe\xff")) {
    return {"UTF-16 text", "save it as UTF-8", std::nullopt};
  }
  if (head.starts_with("FEA1")) {
    return {"Feather version 1", "write it anew as Feather version 2 or .parquet", std::nullopt};
  }
  if (head.starts_with("PARE")) {
    return {"encrypted Parquet", "decrypt it first", std::nullopt};
  }
  if (head.starts_with("\x1f\x8b")) return {"gzip data", "unpack it first", std::nullopt};
  if (head.starts_with("\x28\xb5\x2f\xfd"sv)) {
    return {"zstd data", "unpack it first", std::nullopt};
  }
  if (head.starts_with("BZh")) return {"bzip2 data", "unpack it first", std::nullopt};
  if (head.starts_with("\x89HDF")) return {"HDF5", "convert it to .parquet", std::nullopt};
  if (head.starts_with("\x80\x02") || head.starts_with("\x80\x03") ||
      head.starts_with("\x80\x04") || head.starts_with("\x80\x05")) {
    return {"a Python pickle", "convert it to .parquet", std::nullopt};
  }
  if (head.starts_with("SQLite format")) {
    return {"an SQLite database", "export the table as .csv", std::nullopt};
  }
  if (IsPlainText(head)) {
    const auto first = head.find_first_not_of(" \t\r\n");
    if (first != std::string_view::npos && (head[first] == '{' || head[first] == '[')) {
      return {"JSON", "convert it to .csv or .parquet", std::nullopt};
    }
    if (first != std::string_view::npos && head[first] == '<') {
      return {"HTML or XML", "convert it to .csv or .parquet", std::nullopt};
    }
    return {"text", "name it .csv if it is that", Format::kCsv};
  }
  return {"unknown binary data", "check where it comes from", std::nullopt};
}

std::string_view FormatName(Format format) {
  switch (format) {
    case Format::kCsv: return "CSV";
    case Format::kParquet: return "Parquet";
    case Format::kArrowFile:
    case Format::kArrowStream: return "Arrow IPC";
    case Format::kNpy: return "npy";
    case Format::kNpz: return "npz";
  }
  return "a table";
}

// Text of one column may begin with '{' or '<'; only what cannot be CSV is refused.
bool MayBeCsv(const Looks& looks, std::string_view head) {
  return looks.format == Format::kCsv || IsPlainText(head) ||
         (looks.what == "unknown binary data" && head.find('\0') == std::string_view::npos);
}

void CompareContent(Source& source) {
  constexpr std::int64_t kHead = 64;
  const auto buffer = ValueOf(source.file->ReadAt(0, std::min(kHead, source.size)), source.name);
  const std::string_view head(reinterpret_cast<const char*>(buffer->data()),
                              static_cast<std::size_t>(buffer->size()));
  const Looks looks = LooksLike(head);
  if (source.format == Format::kArrowFile && looks.format == Format::kArrowStream) {
    source.format = Format::kArrowStream;
    return;
  }
  if (source.format == Format::kCsv ? MayBeCsv(looks, head) : looks.format == source.format) {
    return;
  }
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("{} is not {}: it looks like {} ({})", source.name,
                          FormatName(source.format), looks.what, looks.right));
}

void OpenLocal(Source& source) {
  struct stat status {};
  if (::stat(source.local_path.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      throw Error(ErrorCode::kNotFound, fmt::format("{}: there is no such file", source.name));
    }
    throw Error(ErrorCode::kIo, fmt::format("{}: {}", source.name, std::strerror(errno)));
  }
  if (S_ISDIR(status.st_mode)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} is a folder; a file is wanted", source.name));
  }
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} is a pipe or a device; a regular file is wanted", source.name));
  }
  source.format = FormatOfPath(source.name, source.local_path);
  source.file = ValueOf(arrow::io::ReadableFile::Open(source.local_path), source.name);
}

void OpenRemote(Source& source, const std::string& uri) {
  const RemotePlace place = FindRemote(uri, source.name);
  if (place.is_local()) {
    source.local_path = place.path;
    OpenLocal(source);
    return;
  }
  source.format = FormatOfPath(source.name, place.path);
  source.file = OpenRemoteFile(place, source.name);
}

// Takes "array=NAME" out of the part behind the last '?'.
std::string TakeArrayOption(std::string uri, std::string& array) {
  const auto mark = uri.find_last_of('?');
  if (mark == std::string::npos) return uri;
  std::string rest;
  std::string_view query = std::string_view(uri).substr(mark + 1);
  bool found = false;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const std::string_view option = query.substr(0, end);
    if (option.starts_with("array=")) {
      array = option.substr(6);
      found = true;
    } else {
      rest += (rest.empty() ? "" : "&") + std::string(option);
    }
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  if (!found) return uri;
  return uri.substr(0, mark) + (rest.empty() ? "" : "?" + rest);
}

}  // namespace

Source OpenSource(const std::string& uri) {
  Source source;
  source.name = uri;
  const std::string location = TakeArrayOption(uri, source.array);
  Guarded(source.name, [&] {
    if (location.find("://") == std::string::npos) {
      source.local_path = location;
      OpenLocal(source);
    } else {
      OpenRemote(source, location);
    }
    if (!source.array.empty() && source.format != Format::kNpz) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: \"?array=\" names an array of an .npz file only", uri));
    }
    source.size = ValueOf(source.file->GetSize(), source.name);
    if (source.size == 0) {
      throw Error(ErrorCode::kInvalidInput, fmt::format("{} is empty", source.name));
    }
    CompareContent(source);
  });
  return source;
}

std::optional<std::string> ReadIfThere(const std::string& uri) {
  constexpr std::int64_t kMost = std::int64_t{64} << 20;
  RemotePlace place{uri, nullptr};
  std::string text;
  try {
    Guarded(uri, [&] {
      if (uri.find("://") != std::string::npos) place = FindRemote(uri, uri);
      if (place.is_local()) return;
      const auto file = OpenRemoteFile(place, uri);
      const std::int64_t size = ValueOf(file->GetSize(), uri);
      if (size > kMost) {
        throw Error(ErrorCode::kInvalidInput, fmt::format("{} is of {} bytes", uri, size));
      }
      if (size > 0) text = ValueOf(file->ReadAt(0, size), uri)->ToString();
    });
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNotFound) return std::nullopt;
    throw;
  }
  if (!place.is_local()) return text;
  std::error_code ignored;
  if (!std::filesystem::exists(place.path, ignored)) return std::nullopt;
  return ReadFile(place.path);
}

}  // namespace windlass::table
