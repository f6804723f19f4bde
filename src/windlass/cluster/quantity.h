// Amounts of CPU and memory as Kubernetes writes them: 2, 500m, 30G, 1.5Gi.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace windlass::cluster {

// In thousandths of a CPU, rounded up. `what` names it in errors ("--head-cpu"). Throws
// Error{kInvalidInput} for anything but a positive amount of CPU.
std::int64_t ParseCpu(std::string_view text, std::string_view what);

// In bytes, rounded up. Throws Error{kInvalidInput} for anything but a positive amount of memory;
// 500m, half a byte, is a mistake too.
std::int64_t ParseMemory(std::string_view text, std::string_view what);

// Any amount, 0 included (of GPUs, of storage). Throws Error{kInvalidInput}.
void CheckQuantity(std::string_view text, std::string_view what);

std::string CpuText(std::int64_t millis);    // "7", "0.5"
std::string MemoryText(std::int64_t bytes);  // "1.5 GiB"

}  // namespace windlass::cluster
