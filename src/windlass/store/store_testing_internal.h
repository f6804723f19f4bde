// Shared by the store's tests.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "windlass/base/bytes.h"
#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/hash.h"
#include "windlass/base/random.h"

namespace windlass::store::internal {

// Bytes that look random, a function of both arguments.
inline Bytes Block(std::uint64_t seed, std::size_t size) {
  Random random(seed, 77);
  std::string text;
  text.reserve(size + 8);
  while (text.size() < size) AppendRaw(text, random.Next());
  text.resize(size);
  return Bytes(std::move(text));
}

inline Hash KeyOf(std::uint64_t number) { return HashOf("key " + std::to_string(number)); }

// Where tests of behaviour run.
inline std::vector<std::string> Backends() {
  std::vector<std::string> backends = {"Folder"};
  if (std::getenv("WINDLASS_TEST_BUCKET") != nullptr) backends.push_back("Bucket");
  return backends;
}

// A place in the bucket that is like no other one.
inline std::filesystem::path NewBucketPlace() {
  return fmt::format("{}/{}", std::getenv("WINDLASS_TEST_BUCKET"), UniqueName());
}

// The message of the Error that `body` throws, or "".
template <typename Body>
std::string ErrorOf(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

// Runs `body` in a child process, which ends with its return value or, for an exception, 99.
inline pid_t InChild(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  int status = 99;
  try {
    status = body();
  } catch (const std::exception& error) {
    ::write(STDERR_FILENO, error.what(), std::string_view(error.what()).size());
    ::write(STDERR_FILENO, "\n", 1);
  }
  ::_exit(status);
}

// The raw status of waitpid.
inline int StatusOf(pid_t child) {
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

inline bool WasKilled(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; }

}  // namespace windlass::store::internal
