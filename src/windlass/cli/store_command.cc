#include <fmt/format.h>

#include <iostream>
#include <memory>
#include <optional>

#include "windlass/base/error.h"
#include "windlass/cli/cli.h"
#include "windlass/cli/print.h"
#include "windlass/store/store.h"

namespace windlass::cli {
namespace {

struct StoreCommand {
  bool json = false;
  std::uint64_t limit = 0;
  CLI::Option* limit_option = nullptr;

  static std::shared_ptr<store::Store> Open() {
    return store::Store::Open(store::HomeFolder() / "store");
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
    std::cout << FormatTable({{"folder", (store::HomeFolder() / "store").string()},
                              {"objects", Grouped(static_cast<std::int64_t>(stat.objects))},
                              {"remembered", Grouped(static_cast<std::int64_t>(stat.memo_entries))},
                              {"references", Grouped(static_cast<std::int64_t>(stat.references))},
                              {"segments", Grouped(static_cast<std::int64_t>(stat.segments))},
                              {"size", Size(stat.bytes)},
                              {"limit", Size(stat.size_limit)}});
  }

  void Gc() const {
    const store::GcReport report =
        Open()->Gc(limit_option->count() > 0 ? std::optional<std::uint64_t>(limit) : std::nullopt);
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
  auto* group = app.add_subcommand("store", "What is remembered, in $WINDLASS_HOME/store");
  group->require_subcommand(1);
  auto* stat = group->add_subcommand("stat", "How much there is");
  auto* gc = group->add_subcommand("gc", "Remove what was unused for longest");
  auto* verify = group->add_subcommand("verify", "Read everything again and check its hashes");
  for (auto* sub : {stat, gc, verify}) sub->add_flag("--json", command->json, "Print JSON");
  command->limit_option =
      gc->add_option("--limit", command->limit, "How large it may stay, such as 500MB or 0")
          ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false));
  stat->final_callback([command] { command->Stat(); });
  gc->final_callback([command] { command->Gc(); });
  verify->final_callback([command, &outcome] { command->Verify(outcome); });
}

}  // namespace windlass::cli
