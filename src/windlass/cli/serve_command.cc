#include <fmt/format.h>

#include <memory>

#include "windlass/base/registry.h"
#include "windlass/cli/cli.h"
#include "windlass/cli/spec_flags.h"
#include "windlass/job/service.h"
#include "windlass/serve/capability.h"

namespace windlass::cli {
namespace {

// `windlass serve SERVICE`: fills the spec from flags, and runs it until it is stopped.
struct ServeCommand {
  explicit ServeCommand(const std::string& service) : spec(serve::ServeKind(service)) {}

  SpecFlags spec;
  RunFlags flags;

  void Run() const {
    spec.CheckRequired();
    RunAndPrint(spec.Spec(), "the command line", flags);
  }
};

}  // namespace

void AddServeCommand(CLI::App& app, Outcome&) {
  auto* group = app.add_subcommand(
      "serve", "Answer requests over HTTP until it is stopped (Open Inference Protocol v2)");
  group->require_subcommand(1);
  for (const std::string& service : Registry::Global().Names(job::ServiceKind::kRegistryKind)) {
    auto command = std::make_shared<ServeCommand>(service);
    auto* sub = group->add_subcommand(
        service, fmt::format("Predictions and what \"windlass {}\" finds, row by row", service));
    command->spec.AddTo(*sub, /*require=*/false);
    command->flags.AddServiceFlagsTo(*sub);
    sub->final_callback([command] { command->Run(); });
  }
}

}  // namespace windlass::cli
