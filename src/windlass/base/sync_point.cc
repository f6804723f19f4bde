#include "windlass/base/sync_point.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "windlass/base/cancel.h"
#include "windlass/base/error.h"
#include "windlass/base/file.h"

namespace windlass {
namespace {

std::atomic<bool> any_armed = false;

struct Armed {
  std::mutex mutex;
  std::multimap<std::string, std::function<void()>, std::less<>> actions;
};

Armed& TheArmed() {
  static Armed* armed = new Armed;  // never destroyed: threads may pass points during exit
  return *armed;
}

void Hold(const std::string& file, const std::string& point) {
  WriteFileAtomically(file, "");
  const Deadline deadline = Clock::now() + std::chrono::minutes(1);
  while (std::filesystem::exists(file) && !ProcessCancelToken().cancelled()) {
    if (Clock::now() > deadline) {
      throw Error(ErrorCode::kDeadlineExceeded,
                  "sync point " + point + ": " + file + " was not removed within a minute");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

std::function<void()> ActionOf(std::string_view action, const std::string& point) {
  if (action == "kill") return [] { ::kill(::getpid(), SIGKILL); };
  if (action == "interrupt") return [] { ::raise(SIGINT); };  // handled before it returns
  if (action == "fail") {
    return [point] { throw Error(ErrorCode::kUnavailable, "sync point " + point + " failed"); };
  }
  if (action == "full") {
    return [point] { throw Error(ErrorCode::kIo, "sync point " + point + ": no space left"); };
  }
  if (constexpr std::string_view kHold = "hold:"; action.starts_with(kHold)) {
    return [file = std::string(action.substr(kHold.size())), point] { Hold(file, point); };
  }
  throw Error(ErrorCode::kUsage, "WINDLASS_SYNC_POINTS: \"" + std::string(action) +
                                     "\" is none of kill, interrupt, fail, full, hold:FILE");
}

void ArmOne(std::string_view entry) {
  const auto equals = entry.find('=');
  if (equals == std::string_view::npos) {
    throw Error(ErrorCode::kUsage, "WINDLASS_SYNC_POINTS: \"" + std::string(entry) +
                                       "\" is not of the form NAME[@N]=ACTION");
  }
  std::string_view name = entry.substr(0, equals);
  int pass = 1;
  if (const auto at = name.find('@'); at != std::string_view::npos) {
    const std::string_view digits = name.substr(at + 1);
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), pass);
    if (error != std::errc() || end != digits.end() || pass < 1) {
      throw Error(ErrorCode::kUsage, "WINDLASS_SYNC_POINTS: \"" + std::string(digits) +
                                         "\" is not a number of passes");
    }
    name = name.substr(0, at);
  }
  const std::string point(name);
  ArmSyncPoint(point, [action = ActionOf(entry.substr(equals + 1), point),
                       left = std::make_shared<std::atomic<int>>(pass)] {
    if (left->fetch_sub(1) == 1) action();
  });
}

}  // namespace

void SyncPoint(std::string_view name) {
  if (!any_armed.load(std::memory_order_relaxed)) return;
  std::vector<std::function<void()>> due;
  {
    const std::lock_guard lock(TheArmed().mutex);
    const auto [first, last] = TheArmed().actions.equal_range(name);
    for (auto it = first; it != last; ++it) due.push_back(it->second);
  }
  for (const auto& action : due) action();
}

void ArmSyncPoint(const std::string& name, std::function<void()> action) {
  const std::lock_guard lock(TheArmed().mutex);
  TheArmed().actions.emplace(name, std::move(action));
  any_armed = true;
}

void DisarmSyncPoints() {
  const std::lock_guard lock(TheArmed().mutex);
  TheArmed().actions.clear();
  any_armed = false;
}

void ArmSyncPointsFromEnvironment() {
  const char* value = std::getenv("WINDLASS_SYNC_POINTS");
  if (value == nullptr) return;
  for (std::string_view rest = value; !rest.empty();) {
    const auto comma = rest.find(',');
    ArmOne(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
}

}  // namespace windlass
