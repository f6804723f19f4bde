#include <memory>

#include "windlass/cli/cli.h"
#include "windlass/cli/spec_flags.h"

namespace windlass::cli {
namespace {

// A command that fills the spec of a capability from flags, and runs it.
struct SpecCommand {
  explicit SpecCommand(const std::string& kind) : spec(kind) {}

  SpecFlags spec;
  RunFlags flags;

  void Run() const { RunAndPrint(spec.Spec(), "the command line", flags); }
};

void AddSpecCommand(CLI::App& app, const std::string& kind, const std::string& help) {
  auto command = std::make_shared<SpecCommand>(kind);
  auto* sub = app.add_subcommand(kind, help);
  command->spec.AddTo(*sub, /*require=*/true);
  command->flags.AddTo(*sub, /*out_required=*/true);
  sub->final_callback([command] { command->Run(); });
}

}  // namespace

void AddExplainCommand(CLI::App& app, Outcome&) {
  AddSpecCommand(app, "explain", "Explain a model's predictions with Shapley values");
}

}  // namespace windlass::cli
