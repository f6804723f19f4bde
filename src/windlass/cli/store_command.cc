#include <fmt/format.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <optional>

#include "windlass/base/amount.h"
#include "windlass/base/cancel.h"
#include "windlass/base/error.h"
#include "windlass/base/s3.h"
#include "windlass/base/secret.h"
#include "windlass/cli/cli.h"
#include "windlass/cli/print.h"
#include "windlass/cluster/gateway.h"
#include "windlass/store/store.h"

namespace windlass::cli {
namespace {

constexpr std::chrono::hours kLongest{365 * 24};

struct StoreCommand {
  bool json = false;
  std::uint64_t limit = 0;
  CLI::Option* limit_option = nullptr;
  std::string unused_for;
  std::string address = "127.0.0.1";
  std::uint16_t port = 8266;
  std::string token;

  static std::shared_ptr<store::Store> Open(const store::StoreOptions& options = {}) {
    return store::Store::Open(store::DefaultPlace(), options);
  }

  void Stat() const {
    const store::StoreStat stat = Open()->Stat();
    if (json) {
      std::cout << Json{{"objects", stat.objects},       {"memo_entries", stat.memo_entries},
                        {"references", stat.references}, {"segments", stat.segments},
                        {"bytes", stat.bytes},           {"size_limit", stat.size_limit}}
                       .dump(2)
                << "\n";
      return;
    }
    const std::string place = store::DefaultPlace().string();
    std::cout << FormatTable({{S3Place::Is(place) ? "bucket" : "folder", place},
                              {"objects", Grouped(static_cast<std::int64_t>(stat.objects))},
                              {"remembered", Grouped(static_cast<std::int64_t>(stat.memo_entries))},
                              {"references", Grouped(static_cast<std::int64_t>(stat.references))},
                              {"segments", Grouped(static_cast<std::int64_t>(stat.segments))},
                              {"size", Size(stat.bytes)},
                              {"limit", Size(stat.size_limit)}});
  }

  void Gc() const {
    store::StoreOptions options;
    if (!unused_for.empty()) {
      if (!S3Place::Is(store::DefaultPlace().native())) {
        throw Error(ErrorCode::kUsage,
                    "--unused-for is for a store in a bucket; in a folder what running processes "
                    "use is known");
      }
      options.unused_for = std::chrono::floor<std::chrono::seconds>(
          ParseDuration(unused_for, "--unused-for", std::chrono::seconds(0), kLongest));
    }
    const store::GcReport report = Open(options)->Gc(
        limit_option->count() > 0 ? std::optional<std::uint64_t>(limit) : std::nullopt);
    if (json) {
      std::cout << Json{{"bytes_before", report.bytes_before},
                        {"bytes_after", report.bytes_after},
                        {"objects_removed", report.objects_removed},
                        {"memo_entries_removed", report.memo_entries_removed}}
                       .dump(2)
                << "\n";
      return;
    }
    std::cout << fmt::format("Removed {} objects and {} remembered results: {} -> {}.\n",
                             Grouped(static_cast<std::int64_t>(report.objects_removed)),
                             Grouped(static_cast<std::int64_t>(report.memo_entries_removed)),
                             Size(report.bytes_before), Size(report.bytes_after));
  }

  // Ends with the process's interrupt, which is how it is meant to end.
  void Serve() const {
    cluster::GatewayOptions options;
    options.home = store::HomeFolder();
    options.address = address;
    options.port = port;
    if (!token.empty()) options.token = ReadSecret("token", token);
    if (options.token.empty() && address != "127.0.0.1" && address != "localhost") {
      throw Error(ErrorCode::kUsage,
                  fmt::format("--address {}: who reaches that could read all results; --token "
                              "env:NAME or file:PATH is needed",
                              address));
    }
    cluster::ServeGateway(options, ProcessCancelToken(), [](const std::string& url) {
      std::cout << fmt::format("Serves {} on {} until it is interrupted.\n",
                               store::HomeFolder().string(), url)
                << std::flush;
    });
  }

  void Verify(Outcome& outcome) const {
    const store::VerifyReport report = Open()->Verify();
    outcome.exit_code = report.faults.empty() ? 0 : 1;
    if (json) {
      std::cout << Json{{"objects_checked", report.objects_checked},
                        {"memo_entries_checked", report.memo_entries_checked},
                        {"faults", report.faults}}
                       .dump(2)
                << "\n";
      return;
    }
    for (const auto& fault : report.faults) std::cout << fault << "\n";
    std::cout << fmt::format("Checked {} objects and {} remembered results: {}.\n",
                             Grouped(static_cast<std::int64_t>(report.objects_checked)),
                             Grouped(static_cast<std::int64_t>(report.memo_entries_checked)),
                             report.faults.empty()
                                 ? std::string("no fault")
                                 : fmt::format("{} faults", report.faults.size()));
  }
};

}  // namespace

void AddStoreCommands(CLI::App& app, Outcome& outcome) {
  auto command = std::make_shared<StoreCommand>();
  auto* group =
      app.add_subcommand("store", "What is remembered, in $WINDLASS_STORE or $WINDLASS_HOME/store");
  group->require_subcommand(1);
  auto* stat = group->add_subcommand("stat", "How much there is");
  auto* gc = group->add_subcommand("gc", "Remove what was unused for longest");
  auto* verify = group->add_subcommand("verify", "Read everything again and check its hashes");
  for (auto* sub : {stat, gc, verify}) sub->add_flag("--json", command->json, "Print JSON");
  command->limit_option =
      gc->add_option("--limit", command->limit, "How large it may stay, such as 500MB or 0")
          ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false));
  gc->add_option("--unused-for", command->unused_for,
                 "Of a bucket: remove only what was unused for so long (7 days), such as 90m");
  auto* serve = group->add_subcommand(
      "serve", "Serve the outputs of jobs over HTTP, for commands outside of a cluster");
  serve->add_option("--address", command->address, "Where to listen")->capture_default_str();
  serve->add_option("--port", command->port, "Its port; 0: any that is free")
      ->capture_default_str();
  serve->add_option("--token", command->token,
                    "The bearer token that is asked for: env:NAME or file:PATH");
  serve->final_callback([command] { command->Serve(); });
  stat->final_callback([command] { command->Stat(); });
  gc->final_callback([command] { command->Gc(); });
  verify->final_callback([command, &outcome] { command->Verify(outcome); });
}

}  // namespace windlass::cli
