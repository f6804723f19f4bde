// What the parts of the protocol share: documents, signatures, requests and answers.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "windlass/base/error.h"
#include "windlass/model/oip_protocol.h"

namespace windlass::model {

inline constexpr std::int64_t kMaxOipColumns = 1'000'000;  // of one tensor
inline constexpr std::string_view kOipNumbers =
    "numbers (FP64, FP32, INT8 to INT64, UINT8 to UINT64, BOOL)";

// Throws Error{kInvalidInput}: `what` said something that the protocol does not.
[[noreturn]] void ThrowOipAnswer(std::string_view what, std::string_view message);

// "\"x\" is FP32 of shape [-1, 4]"
std::string DescribeOipTensor(const OipTensor& tensor);

// The output that is meant: the one asked for, the only one, or the one that says that it holds
// probabilities. Throws Error{code} when there is no such one.
std::string ChooseOipOutput(const std::deque<OipTensor>& outputs, const std::string& wanted,
                            std::string_view what, ErrorCode code);

}  // namespace windlass::model
