#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <optional>

#include "windlass/base/error.h"
#include "windlass/table/npy_internal.h"
#include "windlass/table/number_internal.h"

namespace windlass::table {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr std::int64_t kPreamble = 8;             // magic and version
constexpr std::int64_t kLongestHeader = 1 << 20;  // NumPy itself writes 128 bytes
constexpr std::int64_t kMostColumns = 1'000'000;
constexpr std::size_t kMostDimensions = 32;  // as NumPy's

// The header's text: a Python dictionary literal with three keys, in any order.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& name) : rest_(text), name_(name) {}

  NpyHeader Parse() {
    NpyHeader header;
    std::optional<std::string> type;
    std::optional<bool> fortran_order;
    std::optional<std::vector<std::int64_t>> shape;
    Expect('{');
    while (!Accept('}')) {
      const std::string key = String();
      Expect(':');
      if (key == "descr" && !type) {
        type = Type();
      } else if (key == "fortran_order" && !fortran_order) {
        fortran_order = Boolean();
      } else if (key == "shape" && !shape) {
        shape = Shape();
      } else {
        Throw(fmt::format("the key '{}' is unknown or stands twice", Shortened(key)));
      }
      if (!Accept(',')) {
        Expect('}');
        break;
      }
    }
    SkipBlanks();
    if (!rest_.empty()) Throw("something follows the dictionary");
    if (!type || !fortran_order || !shape) Throw("it needs 'descr', 'fortran_order' and 'shape'");
    SetType(header, *type);
    header.fortran_order = *fortran_order;
    header.shape = std::move(*shape);
    return header;
  }

 private:
  [[noreturn]] void Throw(std::string_view what) const {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("{} is corrupt: its npy header is not as it should be: {}", name_, what));
  }

  void SkipBlanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\n' ||
                              rest_.front() == '\t' || rest_.front() == '\r')) {
      rest_.remove_prefix(1);
    }
  }

  bool Accept(char c) {
    SkipBlanks();
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void Expect(char c) {
    if (!Accept(c)) Throw(fmt::format("'{}' is missing", c));
  }

  std::string String() {
    SkipBlanks();
    if (rest_.empty() || (rest_.front() != '\'' && rest_.front() != '"')) {
      Throw("a quoted text is missing");
    }
    const auto end = rest_.find(rest_.front(), 1);
    if (end == std::string_view::npos) Throw("a quoted text does not end");
    std::string text(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return text;
  }

  std::string Type() {
    SkipBlanks();
    if (!rest_.empty() && rest_.front() == '[') {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{} is a structured array; a plain two-dimensional array of numbers "
                              "is wanted, or the table as .parquet",
                              name_));
    }
    return String();
  }

  bool Boolean() {
    SkipBlanks();
    for (const auto& [word, value] :
         {std::pair{std::string_view("True"), true}, std::pair{std::string_view("False"), false}}) {
      if (rest_.starts_with(word)) {
        rest_.remove_prefix(word.size());
        return value;
      }
    }
    Throw("'fortran_order' is neither True nor False");
  }

  std::vector<std::int64_t> Shape() {
    std::vector<std::int64_t> shape;
    Expect('(');
    while (!Accept(')')) {
      SkipBlanks();
      std::int64_t extent = 0;
      const auto [end, code] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), extent);
      if (code != std::errc{} || extent < 0) Throw("an extent of 'shape' is no count");
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      if (rest_.starts_with('L')) rest_.remove_prefix(1);  // written by Python 2
      shape.push_back(extent);
      if (shape.size() > kMostDimensions) Throw("'shape' has too many dimensions");
      if (!Accept(',')) {
        Expect(')');
        break;
      }
    }
    return shape;
  }

  [[noreturn]] void ThrowType(const std::string& type, std::string_view what) const {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} holds {} (dtype '{}'); arrays of floats of 2, 4 or 8 bytes, "
                            "integers and booleans are supported",
                            name_, what, Shortened(type)));
  }

  void SetType(NpyHeader& header, const std::string& type) const {
    std::string_view text = type;
    char order = '|';
    if (!text.empty() && std::string_view("<>|=").find(text.front()) != std::string_view::npos) {
      order = text.front();
      text.remove_prefix(1);
    }
    if (text.empty()) Throw("'descr' is empty");
    const char letter = text.front();
    switch (letter) {
      case 'O': ThrowType(type, "Python objects, which are pickled and may run code");
      case 'U':
      case 'S':
      case 'a': ThrowType(type, "text, which .parquet or .csv would keep with its names");
      case 'c': ThrowType(type, "complex numbers");
      case 'M':
      case 'm': ThrowType(type, "dates or time spans");
      case 'V': ThrowType(type, "raw or structured bytes");
      default: break;
    }
    int bytes = 0;
    const std::string_view digits = text.substr(1);
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), bytes);
    const bool is_count = code == std::errc{} && end == digits.data() + digits.size();
    const bool is_power = bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
    switch (letter) {
      case 'b': header.kind = NpyHeader::Kind::kBool; break;
      case 'i': header.kind = NpyHeader::Kind::kInteger; break;
      case 'u': header.kind = NpyHeader::Kind::kUnsigned; break;
      case 'f': header.kind = NpyHeader::Kind::kFloat; break;
      default: ThrowType(type, "elements of a type that is not known");
    }
    if (!is_count || !is_power || (letter == 'b' && bytes != 1) || (letter == 'f' && bytes == 1)) {
      ThrowType(type, "elements of a size that is not supported");
    }
    if (order == '|' && bytes > 1) Throw(fmt::format("'{}' names no byte order", type));
    header.item_bytes = bytes;
    header.big_endian = order == '>';
  }

  std::string_view rest_;
  const std::string& name_;
};

std::uint64_t LittleEndian(const char* bytes, int count) {
  std::uint64_t value = 0;
  for (int i = count - 1; i >= 0; --i) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

// The bytes that the elements take, or nothing when they are beyond 2^63.
std::optional<std::int64_t> DataBytes(const NpyHeader& header) {
  for (const std::int64_t extent : header.shape) {
    if (extent == 0) return 0;
  }
  std::int64_t bytes = header.item_bytes;
  for (const std::int64_t extent : header.shape) {
    if (bytes > std::numeric_limits<std::int64_t>::max() / extent) return std::nullopt;
    bytes *= extent;
  }
  return bytes;
}

}  // namespace

NpyHeader ReadNpyHeader(ByteSource& source, const std::string& name) {
  const auto truncated = [&] {
    return Error(ErrorCode::kInvalidInput,
                 fmt::format("{} is truncated: its npy header is cut off", name));
  };
  char preamble[kPreamble + 4] = {};
  if (source.size() < kPreamble + 2) throw truncated();
  source.ReadAt(0, kPreamble + 2, preamble);
  if (std::string_view(preamble, kMagic.size()) != kMagic) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{} is not an npy array", name));
  }
  const int major = static_cast<unsigned char>(preamble[6]);
  const int minor = static_cast<unsigned char>(preamble[7]);
  if (major < 1 || major > 3 || minor != 0) {
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("{} is npy version {}.{}; versions 1.0 to 3.0 are read", name, major, minor));
  }
  const int length_bytes = major == 1 ? 2 : 4;
  if (source.size() < kPreamble + length_bytes) throw truncated();
  source.ReadAt(kPreamble, length_bytes, preamble);
  const auto length = static_cast<std::int64_t>(LittleEndian(preamble, length_bytes));
  const std::int64_t begin = kPreamble + length_bytes;
  if (length > source.size() - begin) throw truncated();
  if (length > kLongestHeader) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} is corrupt: its npy header has {} bytes", name, length));
  }
  std::string text(static_cast<std::size_t>(length), '\0');
  source.ReadAt(begin, length, text.data());

  NpyHeader header = HeaderParser(text, name).Parse();
  header.data_offset = begin + length;
  const auto wanted = DataBytes(header);
  const std::int64_t present = source.size() - header.data_offset;
  if (!wanted || *wanted > present) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("{} is truncated: an array of shape {} takes {} bytes, but {} are there", name,
                    ShapeText(header.shape), wanted ? std::to_string(*wanted) : "more than 2^63",
                    present));
  }
  if (*wanted < present) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} is corrupt: {} bytes follow the array; one array a file is read",
                            name, present - *wanted));
  }
  return header;
}

std::string ShapeText(const std::vector<std::int64_t>& shape) {
  if (shape.size() == 1) return fmt::format("({},)", shape[0]);
  return fmt::format("({})", fmt::join(shape, ", "));
}

std::vector<std::string> NpyColumnNames(const NpyHeader& header, const std::string& name) {
  if (header.shape.size() != 2) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} holds an array of shape {}; a table has two dimensions, (rows, "
                            "columns){}",
                            name, ShapeText(header.shape),
                            header.shape.size() == 1 ? ": reshape(-1, 1) makes it one column, "
                                                       "reshape(1, -1) one row"
                                                     : ""));
  }
  if (header.shape[1] > kMostColumns) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{} has {} columns; at most {} are read",
                                                      name, header.shape[1], kMostColumns));
  }
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < header.shape[1]; ++i) names.push_back(std::to_string(i));
  return names;
}

}  // namespace windlass::table
