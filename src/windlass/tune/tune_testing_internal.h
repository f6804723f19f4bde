// What the tests of this folder register: our tuners and challenges, and ones with faults.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "windlass/base/error.h"
#include "windlass/tune/challenge.h"
#include "windlass/tune/tuner.h"

namespace windlass::tune {

class FailingChallenge final : public Challenge {
 public:
  const Space& space() const override { return space_; }
  double Score(const Point&, const std::function<void()>&) const override {
    throw Error(ErrorCode::kUnavailable, "no score here");
  }

 private:
  Space space_ = Space::Parse({{"x", {{"type", "boolean"}}}});
};

class FailingChallengeKind final : public ChallengeKind {
 public:
  std::string type() const override { return "test"; }
  std::string help() const override { return "has no score"; }
  Bytes Prepare(const ObjectSpec&) const override { return Bytes(); }
  std::unique_ptr<const Challenge> Make(const Bytes&) const override {
    return std::make_unique<FailingChallenge>();
  }
};

// Gives up at the third trial.
class StuckTuner final : public Tuner {
 public:
  explicit StuckTuner(const Space& space) : space_(space) {}
  std::vector<Suggestion> Suggest(int count) override {
    if (++calls_ > 2) throw Error(ErrorCode::kInternal, "stuck");
    return std::vector<Suggestion>(static_cast<std::size_t>(count), Suggestion{space_.Initial()});
  }
  void Observe(const Observation&) override {}

 private:
  const Space space_;
  int calls_ = 0;
};

class StuckTunerKind final : public TunerKind {
 public:
  std::string help() const override { return "gives up"; }
  std::unique_ptr<Tuner> Make(const ObjectSpec&, const Space& space, std::uint64_t) const override {
    return std::make_unique<StuckTuner>(space);
  }
};

inline void RegisterForTests() {
  static const bool once = [] {
    Registry& registry = Registry::Global();
    RegisterTuners(registry);
    RegisterChallenges(registry);
    registry.Add<ChallengeKind>("test-failing", std::make_shared<FailingChallengeKind>());
    registry.Add<TunerKind>("test-stuck", std::make_shared<StuckTunerKind>());
    return true;
  }();
  static_cast<void>(once);
}

}  // namespace windlass::tune
