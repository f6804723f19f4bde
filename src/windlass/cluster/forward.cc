#include <fmt/format.h>

#include <charconv>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/http.h"
#include "windlass/cluster/cluster.h"
#include "windlass/cluster/ray_engine.h"

namespace windlass::cluster {
namespace {

constexpr auto kToBegin = std::chrono::seconds(20);
constexpr auto kBetweenProbes = std::chrono::seconds(3);
constexpr auto kProbe = std::chrono::seconds(5);
constexpr auto kBetweenTries = std::chrono::seconds(1);
constexpr int kProbesToFail = 2;
constexpr int kDashboardPort = 8265;  // of the head

// kubectl's "Forwarding from 127.0.0.1:8265 -> 8265": the port of this machine.
std::optional<int> PortOf(const std::string& line) {
  const auto arrow = line.find(" -> ");
  if (!line.starts_with("Forwarding from ") || arrow == line.npos) return std::nullopt;
  const auto colon = line.rfind(':', arrow);
  int port = 0;
  const auto [end, error] = std::from_chars(line.data() + colon + 1, line.data() + arrow, port);
  if (error != std::errc() || end != line.data() + arrow) return std::nullopt;
  return port;
}

// One line of its output; nothing when that ended before.
std::optional<std::string> ReadLine(ChildProcess& child, Deadline deadline,
                                    const std::function<bool()>& cancelled) {
  std::string line, one;
  while (child.Read(1, one, deadline, cancelled)) {
    if (one == "\n") return line;
    line += one;
  }
  return std::nullopt;
}

class Forwarding {
 public:
  Forwarding(const Kubectl& kubectl, std::string name, ForwardOptions options,
             const std::function<void(const Forwarded&)>& ready, const Say& say)
      : kubectl_(kubectl),
        name_(std::move(name)),
        options_(std::move(options)),
        ready_(ready),
        say_(say),
        connection_(Http().Connect()) {}

  void Run() {
    for (;;) {
      const std::string head = Head();
      try {
        if (head.empty()) throw NotYet();
        const auto child = Begin(head);
        Serve(*child);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::kUnavailable) throw;
        if (error.message() != told_) say_(told_ = error.message());
      }
      kubectl_.Sleep(kBetweenTries);
    }
  }

 private:
  // The head's Pod, which has every port of its container; its Service has those of Ray. Empty
  // while there is none.
  std::string Head() const {
    for (const PodInfo& pod : Inspect(kubectl_, name_).pods) {
      if (pod.node_type == "head" && pod.phase == "Running") return pod.name;
    }
    return "";
  }

  static Error NotYet() { return Error(ErrorCode::kUnavailable, "the head does not answer yet"); }

  std::unique_ptr<ChildProcess> Begin(const std::string& head) {
    const auto pair = [](int here, int there) {
      return fmt::format("{}:{}", here == 0 ? std::string() : std::to_string(here), there);
    };
    if (gateway_port_ == 0 && options_.port != 0) gateway_port_ = options_.port + 1;
    auto child =
        kubectl_.Start({"port-forward", "--address=" + options_.address, "pod/" + head,
                        pair(options_.port, kDashboardPort), pair(gateway_port_, kGatewayPort)});
    for (int* const here : {&options_.port, &gateway_port_}) {
      const auto line = ReadLine(*child, Clock::now() + kToBegin, kubectl_.cancelled());
      const auto port = line ? PortOf(*line) : std::nullopt;
      if (!port) Refuse(*child);
      *here = *port;  // the same one again, when it has to begin anew
    }
    return child;
  }

  std::string Url(int port) const {
    return fmt::format("http://{}:{}",
                       options_.address == "0.0.0.0" ? "127.0.0.1" : options_.address, port);
  }

  [[noreturn]] void Refuse(ChildProcess& child) const {
    const std::string ending = child.Ending();
    const std::string& said = child.error_text();
    if (said.find("unable to listen") != std::string::npos) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("port {} of {} cannot be had: {}; --port takes another",
                              options_.port, options_.address, child.LastErrorLine()));
    }
    const Fault fault = ReadFault(said);
    if (fault.kind == Fault::Kind::kForbidden) throw Forbidden(fault);
    throw Error(ErrorCode::kUnavailable,
                fmt::format("the head does not answer yet: {}",
                            fault.message.empty() ? ending : fault.message));
  }

  // Until the forwarding no longer works, or forever.
  void Serve(ChildProcess& child) {
    int failed = 0;
    bool answered = false;
    while (failed < kProbesToFail) {
      if (Answers()) {
        failed = 0;
        if (!answered) {
          told_.clear();
          ready_({Url(options_.port),
                  gateway_port_ == kGatewayPort
                      ? Url(options_.port)
                      : fmt::format("{}?gateway={}", Url(options_.port), Url(gateway_port_))});
          answered = true;
        }
        WaitOrEnd(child, kBetweenProbes);
      } else {
        ++failed;
        WaitOrEnd(child, kBetweenTries);
      }
      if (ended_) break;
    }
    child.Kill();
    ended_ = false;
    if (!answered) throw NotYet();
    throw Error(ErrorCode::kUnavailable, "the head is lost; waiting for the next one");
  }

  bool Answers() {
    HttpRequest request;
    request.url = Url(options_.port) + "/api/version";
    request.most_bytes = 1 << 20;
    request.deadline = Clock::now() + kProbe;
    try {
      return connection_->Do(request, kubectl_.cancelled()).status < 500;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kCancelled) throw;
      return false;
    }
  }

  // kubectl says "Handling connection for" at each request, which has to be read.
  void WaitOrEnd(ChildProcess& child, std::chrono::milliseconds time) {
    const Deadline until = Clock::now() + time;
    try {
      while (ReadLine(child, until, kubectl_.cancelled())) {
      }
      ended_ = true;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kDeadlineExceeded) throw;
    }
  }

  const Kubectl& kubectl_;
  std::string name_;
  ForwardOptions options_;
  int gateway_port_ = 0;
  const std::function<void(const Forwarded&)>& ready_;
  const Say& say_;
  std::unique_ptr<HttpConnection> connection_;
  std::string told_;
  bool ended_ = false;
};

}  // namespace

PodForward::PodForward(const Access& access, const std::string& pod, int port) {
  auto listens = std::make_shared<std::promise<int>>();
  auto here = listens->get_future();
  ended_ = std::async(std::launch::async, [this, access, pod, port, listens] {
    bool told = false;
    try {
      const auto cancelled = [this] { return stop_ || ProcessCancelToken().cancelled(); };
      const Kubectl kubectl(access, cancelled);
      const auto child = kubectl.Start(
          {"port-forward", "--address=127.0.0.1", "pod/" + pod, fmt::format(":{}", port)});
      auto line = ReadLine(*child, Clock::now() + kToBegin, cancelled);
      const auto found = line ? PortOf(*line) : std::nullopt;
      if (!found) {
        const std::string ending = child->Ending();
        const Fault fault = ReadFault(child->error_text());
        if (fault.kind == Fault::Kind::kForbidden) throw Forbidden(fault);
        throw Error(ErrorCode::kUnavailable,
                    fmt::format("port {} of Pod {} cannot be forwarded: {}", port, pod,
                                fault.message.empty() ? ending : fault.message));
      }
      told = true;
      listens->set_value(*found);
      // kubectl says "Handling connection for" each time, which has to be read.
      while (ReadLine(*child, Deadline::max(), cancelled)) {
      }
    } catch (...) {
      if (!told) listens->set_exception(std::current_exception());
    }
  });
  url_ = fmt::format("http://127.0.0.1:{}", here.get());
}

PodForward::~PodForward() {
  stop_ = true;
  ended_.wait();
}

void Forward(const Kubectl& kubectl, const std::string& name, const ForwardOptions& options,
             const std::function<void(const Forwarded&)>& ready, const Say& say) {
  Forwarding(kubectl, name, options, ready, say).Run();
}

BackgroundForward::BackgroundForward(const Access& access, const std::string& name,
                                     const ForwardOptions& options, const Say& say) {
  auto answered = std::make_shared<std::promise<Forwarded>>();
  auto first = answered->get_future();
  ended_ = std::async(std::launch::async, [this, access, name, options, say, answered] {
    bool told = false;
    try {
      // Once it works an interrupt does not end it: whoever hears of one may need it to tidy up.
      const Kubectl kubectl(
          access, [this, &told] { return stop_ || (!told && ProcessCancelToken().cancelled()); });
      Forward(
          kubectl, name, options,
          [&](const Forwarded& forwarded) {
            if (!std::exchange(told, true)) answered->set_value(forwarded);
          },
          say);
    } catch (...) {
      if (!told) answered->set_exception(std::current_exception());
    }
  });
  forwarded_ = first.get();
}

BackgroundForward::~BackgroundForward() {
  stop_ = true;
  ended_.wait();
}

}  // namespace windlass::cluster
