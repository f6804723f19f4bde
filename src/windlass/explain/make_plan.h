// From a spec to a plan: reads and checks model, background and groups, and chooses the method.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "windlass/base/json.h"
#include "windlass/explain/cohorts.h"
#include "windlass/explain/groups.h"
#include "windlass/explain/hierarchy.h"
#include "windlass/explain/label_cohorts.h"
#include "windlass/explain/plan.h"
#include "windlass/table/table.h"

namespace windlass::explain {

struct PreparedPlan {
  Plan plan;
  std::vector<Group> groups;
  NamedHierarchy hierarchy;  // as asked for; the plan's is empty where it changes nothing
  table::Schema columns;     // of the background: names and codes of the data
  std::vector<std::string> output_names;  // of the explained outputs
  std::optional<Cohorts> cohorts;         // where they are asked for: of no consequence to workers
  // Where cohorts are by a column that is no input: those of the rows.
  std::optional<LabelCohorts> label_cohorts;
  std::vector<std::string> notes;    // what a user should know, in sentences without ends
  std::string reason;                // why this method
  std::string libraries;             // of the model, for memo keys
  std::string reach;                 // of the model (model::TakeReach), for workers only
  std::vector<std::string> ignored;  // columns of the tables that are passed over
  std::string weights_column;        // of the background where the data are its rows
  bool accepts_missing = false;
  bool shows_trees = false;
  bool codes_of_model = false;  // the codes in `columns` are the model's, not the background's

  // How the rows to explain are read: these columns, with these codes.
  table::ReadOptions DataOptions() const;
};

// Throws Error{kInvalidInput, kNotFound} saying what in the spec is wrong and what would be right.
PreparedPlan MakePlan(const Json& spec);

}  // namespace windlass::explain
