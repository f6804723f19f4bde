// Files that are written beside the output folder and appear in it together at the end.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/file.h"

namespace windlass::job {

// What was not committed vanishes with it, also the output folder when it was made for this.
class Staging {
 public:
  // Makes the folder `out`, and removes from it what killed processes left. Throws Error{kIo,
  // kInvalidInput}.
  explicit Staging(std::filesystem::path out);
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Where to write the file that is to be called `name`; also once more.
  std::filesystem::path Add(std::string_view name);

  // All files or none: when one cannot be put in place, those before it are taken away again and
  // what they replaced comes back. Gives their paths. Throws Error{kIo}.
  std::vector<std::string> Commit();

 private:
  std::filesystem::path Replaced(const std::string& name) const;
  void RemoveAbandoned() const;
  void PutBack(const std::string& name);
  void Remove();

  std::filesystem::path out_;
  bool created_ = false;
  int lock_ = -1;
  std::optional<TemporaryFolder> folder_;
  std::vector<std::string> names_;
};

}  // namespace windlass::job
