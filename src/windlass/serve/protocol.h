// The server's side of the Open Inference Protocol, version 2: bytes of a request to rows of
// numbers, results to bytes of an answer. Nothing here touches a network.
#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "windlass/base/json.h"
#include "windlass/job/service.h"

namespace windlass::serve {

// Why a request gets no result: the status of its answer, and what is wrong in words.
class Refusal : public std::exception {
 public:
  Refusal(int status, std::string message) : status_(status), message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }
  int status() const { return status_; }

 private:
  int status_;
  std::string message_;
};

// The rows of a request, and what is wanted of the result.
struct RowsRequest {
  struct Wanted {
    std::size_t output = 0;  // in the operation's outputs
    bool binary = false;
  };
  std::vector<double> x;  // [rows, columns]
  std::int64_t rows = 0;
  std::string id;  // to be repeated; may be empty
  std::vector<Wanted> wanted;
};

// Bytes of an answer, of which the first json_size are JSON where binary tensors follow.
struct EncodedAnswer {
  std::string body;
  std::optional<std::size_t> json_size;
};

// Reads requests for one service. Thread safe.
class Protocol {
 public:
  // `model`: the name under which it is served.
  Protocol(const job::Service& service, std::string model);

  const std::string& model() const { return model_; }

  // Reads the body of a request for an operation: one tensor [rows, columns] of numbers, or an
  // input a column, [rows] or [rows, 1], by name: numbers, or for columns with categories also
  // BYTES. `json_size`: how much of the body is JSON; nothing: all of it.
  //
  // Throws Refusal: 400 for what the protocol does not allow, 422 for rows that the model does not
  // take.
  RowsRequest Parse(std::size_t operation, std::string_view body,
                    std::optional<std::uint64_t> json_size) const;

  // The answer for `rows` rows from `first` on in `result`.
  EncodedAnswer Encode(std::size_t operation, const RowsRequest& request,
                       const job::ServiceResult& result, std::int64_t first) const;

  // Documents of GET /v2, of the model, and of POST /v2/repository/index.
  static Json Server();
  Json Model() const;
  Json Index() const;

 private:
  void CheckRows(const RowsRequest& request) const;
  double CodeOf(std::size_t column, const std::string& category) const;
  std::size_t FindColumn(const std::string& name) const;

  const job::Service& service_;
  std::string model_;
  std::unordered_map<std::string, std::size_t> columns_;  // by name
  std::vector<std::unordered_map<std::string, std::size_t>> codes_;
  // Of each operation's outputs the JSON up to the shape, or of those that are not per_row all.
  std::vector<std::vector<std::string>> described_;
};

}  // namespace windlass::serve
