// The Open Inference Protocol, version 2 (KServe v2), as bytes: what servers say about themselves
// and their models, requests, and answers. Nothing here touches a network.
// https://github.com/kserve/open-inference-protocol, and its extension "binary_tensor_data".
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/json.h"

namespace windlass::model {

enum class OipType : std::uint8_t {
  kBool,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kFp32,
  kFp64,
};
std::string_view OipTypeName(OipType type);  // "FP64"
std::optional<OipType> OipTypeOf(std::string_view name);
std::size_t OipTypeSize(OipType type);

// A tensor as it stands in a document; of an answer or a request, with its values.
struct OipTensor {
  std::string name;
  std::string datatype;
  std::vector<std::int64_t> shape;
  std::optional<std::uint64_t> binary_size;  // its values are bytes behind the document
  std::size_t first_value = 0;               // in OipDocument::values
  std::size_t values = 0;
  std::size_t first_text = 0;  // in OipDocument::texts, where its values are texts
  std::size_t texts = 0;
  std::optional<bool> binary_wanted;  // of an output that a request asks for
};

// What any of the protocol's documents says; other keys are passed over.
struct OipDocument {
  std::string name;  // of the model, or of the server
  std::string platform;
  std::vector<std::string> versions;
  std::vector<std::string> extensions;
  std::optional<std::string> error;
  std::string id;                      // of a request
  std::optional<bool> binary_outputs;  // whether a request wants them as bytes
  bool has_outputs = false;
  std::deque<OipTensor> inputs;  // a deque: grows without copies
  std::deque<OipTensor> outputs;
  // Of the outputs' "data", of a request of the inputs': null as NaN, booleans as 0 and 1.
  std::vector<double> values;
  std::vector<std::string> texts;  // of the inputs of a request
};

// Who wrote a document: a server its own, or a client a request.
enum class OipSender : std::uint8_t { kServer, kClient };

// Reads a document from untrusted bytes, in memory of at most ten times their size. `what` names
// the sender in messages. Throws Error{kInvalidInput}.
OipDocument ParseOipDocument(std::string_view json, std::string_view what,
                             OipSender sender = OipSender::kServer);

// Appends the numbers that the bytes of a tensor hold; a rest shorter than one is passed over.
void AppendOipNumbers(OipType type, std::string_view bytes, std::vector<double>& values);

// What a model wants, from its metadata and the user's options.
struct OipSignature {
  struct Input {
    std::string name;
    OipType type = OipType::kFp64;
  };
  std::vector<Input> inputs;    // one of [rows, columns], or one a column
  bool flat = false;            // inputs have shape [rows], not [rows, 1]
  std::int64_t columns = -1;    // -1: the metadata does not tell
  std::int64_t fixed_rows = 0;  // every request must have exactly so many; 0: any
  std::string output;           // empty: whichever the answer has
  bool binary = false;

  bool one_input_a_column() const { return inputs.size() > 1; }
};

struct OipChoice {
  std::string input;   // name of the input; empty: the metadata's, else "input-0"
  std::string output;  // empty: the only one
  std::optional<OipType> type;
};

// Throws Error{kInvalidInput, kUnsupported} when no table of numbers can be given to the model.
OipSignature ReadOipSignature(const OipDocument& metadata, const OipChoice& choice,
                              std::string_view what);

Json EncodeOipSignature(const OipSignature& signature);
OipSignature DecodeOipSignature(const Json& json);  // throws Json::exception

// The body of a request to predict x: [rows, columns], and the size of the JSON at its beginning
// (all of it unless signature.binary). Throws Error{kInvalidInput} for a number that the input's
// type cannot hold.
struct OipRequest {
  std::string body;
  std::size_t json_size = 0;
};
OipRequest EncodeOipRequest(const OipSignature& signature, std::span<const double> x,
                            std::int64_t rows, std::string_view what);

// The outputs for `rows` rows, [rows, width], from the body of an answer, of which the first
// `json_size` bytes are JSON. `output`: the tensor's name; empty: the only one. Throws
// Error{kInvalidInput} saying what is wrong with it.
struct OipPrediction {
  std::vector<double> values;
  std::int64_t width = 0;
};
OipPrediction ParseOipAnswer(std::string_view body, std::optional<std::uint64_t> json_size,
                             std::string_view output, std::int64_t rows, std::string_view what);

// At most 200 characters of what a server said, on one line, for messages.
std::string OipExcerpt(std::string_view text);

}  // namespace windlass::model
