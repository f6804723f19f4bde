// What a sweep leaves in its results folder.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "windlass/base/json.h"
#include "windlass/bench/sweep.h"

namespace windlass::bench {

inline constexpr int kResultsVersion = 1;  // web/src/sweep.ts reads this version

// The whole sweep: where and with what it ran, every sample, and the summary.
Json ToJson(const SweepResult& result);

// A header line, then one line a sample in the order they ran; times in seconds.
std::string ToCsv(const SweepResult& result);

// The page that draws the document of ToJson: one self-contained file.
std::string RenderSweep(const Json& document);

struct ResultFiles {
  std::filesystem::path json;
  std::filesystem::path csv;
  std::filesystem::path page;
};

// A folder that results will go to. Made at once, so that a sweep does not end with nowhere to put
// what it measured; removed again when it was made here and nothing was written.
class ResultsFolder {
 public:
  // Throws Error{kInvalidInput} when `folder` is a file, Error{kIo} when it cannot be written to.
  explicit ResultsFolder(std::filesystem::path folder);
  ~ResultsFolder();
  ResultsFolder(const ResultsFolder&) = delete;
  ResultsFolder& operator=(const ResultsFolder&) = delete;

  // Writes explain-YYYYMMDD-HHMMSS.json, .csv and .html (the start in UTC), or -2, -3, ... after
  // it: no file that exists is ever replaced. Each appears whole or not at all. Throws Error{kIo}.
  ResultFiles Write(const SweepResult& result) const;

 private:
  std::filesystem::path folder_;
  bool created_ = false;
};

}  // namespace windlass::bench
