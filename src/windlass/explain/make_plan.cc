#include "windlass/explain/make_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <limits>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/explain/background.h"
#include "windlass/explain/estimator.h"
#include "windlass/explain/exact.h"
#include "windlass/explain/linear.h"
#include "windlass/explain/owen.h"
#include "windlass/explain/tree.h"
#include "windlass/model/trees.h"

namespace windlass::explain {
namespace {

// --class: names or indices, separated by commas; nothing: all outputs.
std::vector<std::int32_t> ChooseOutputs(const Json& wanted, const std::vector<std::string>& names) {
  std::vector<std::int32_t> chosen;
  if (wanted.is_null()) {
    for (std::size_t k = 0; k < names.size(); ++k) chosen.push_back(static_cast<std::int32_t>(k));
    return chosen;
  }
  const std::string text = wanted.is_string() ? wanted.get<std::string>() : wanted.dump();
  const auto found = std::ranges::find(names, text);
  if (found != names.end()) return {static_cast<std::int32_t>(found - names.begin())};
  int index = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error != std::errc() || end != text.data() + text.size() || index < 0 ||
      index >= std::ssize(names)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("class \"{}\" is no output of the model, which has {} (0..{}){}", text,
                            names.size(), std::ssize(names) - 1, Suggestion(text, names)));
  }
  return {index};
}

// Names go into JSON and Parquet, which are UTF-8.
void CheckNames(const std::vector<std::string>& names, std::string_view file,
                std::string_view thing) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    WithContext([&] { CanonicalDump(Json(names[i])); },
                [&] { return fmt::format("{}: the name of {} {}", file, thing, i); });
  }
}

double Coalitions(int players) { return std::ldexp(1.0, players); }

// Whether the outputs are known to lie within 0 and 1: after sigmoid or softmax, or because no sum
// of leaves leads out, as in a forest of scikit-learn, whose leaves are probabilities.
bool GivesProbabilities(const model::Model& model) {
  if (model.activation() == model::Activation::kSigmoid) return true;
  if (model.activation() == model::Activation::kSoftmax) return true;
  const model::TreeEnsemble* trees = model.trees();
  if (trees == nullptr || model.activation() != model::Activation::kIdentity) return false;
  std::vector<double> low = trees->base, high = trees->base;
  for (std::int64_t t = 0; t < trees->trees(); ++t) {
    double least = std::numeric_limits<double>::infinity(), most = -least;
    for (const model::TreeNode& node : trees->nodes_of(t)) {
      if (!node.leaf()) continue;
      least = std::min(least, node.number);
      most = std::max(most, node.number);
    }
    low[trees->outputs[t]] += least;
    high[trees->outputs[t]] += most;
  }
  constexpr double kRounding = 1e-6;  // of leaves in single precision
  return std::ranges::all_of(low, [](double p) { return p >= -kRounding; }) &&
         std::ranges::all_of(high, [](double p) { return p <= 1 + kRounding; });
}

struct Choice {
  Method method;
  std::string reason;
};

void CheckCoalitions(Method method, int players, std::int64_t allowed) {
  if (players <= kMaxExactPlayers && Coalitions(players) <= static_cast<double>(allowed)) return;
  throw Error(
      ErrorCode::kInvalidInput,
      fmt::format(
          "method {} over {} groups needs 2^{} coalitions a row, more than the {} "
          "allowed; group columns together, raise --max-coalitions (up to 2^{}), "
          "or use a method that samples, as --method msr{}",
          MethodName(method), players, players, allowed, kMaxExactPlayers,
          method == Method::kTree ? "; --output margin of trees takes any number of groups" : ""));
}

// Which method has the least error when so many coalitions a group are sampled, or more; from
// benchmarks/results/2026-11-26-estimators.md: games of trees and networks, 8 to 60 groups.
struct Winner {
  std::int64_t coalitions_a_group;
  Method method;
};
constexpr Winner kWinners[] = {{4, Method::kMsr}, {2, Method::kKernel}};

Choice ChooseSampled(const Json& spec, const Plan& plan, std::int64_t allowed) {
  const int players = plan.players();
  const std::string sampled =
      fmt::format("sampled: 2^{} coalitions are more than the {} allowed", players, allowed);
  if (plan.l1_reg != L1Reg::kNone) {
    return {Method::kKernel, sampled + "; l1_reg selects features for kernel"};
  }
  const Json& wanted = spec.at("nsamples");
  for (const auto& [least, method] : kWinners) {
    const std::int64_t nsamples = wanted.is_number()
                                      ? wanted.get<std::int64_t>()
                                      : AutoSamples(method, players, plan.interactions);
    if (nsamples < MinimumSamples(method, players, plan.interactions)) continue;
    return {method, fmt::format("{}; {} errs least from {} coalitions a group on", sampled,
                                MethodName(method), least)};
  }
  return {Method::kKernel, sampled};  // too few for any, as is said next
}

Choice ChooseMethod(const std::string& wanted, const model::Model& model, const Json& spec,
                    const Plan& plan, std::int64_t allowed) {
  const int players = plan.players();
  const model::LinearStructure* linear = model.linear();
  const bool closed = linear != nullptr && IsClosedForm(*linear, plan.margin, plan.link);
  if (!plan.hierarchy.empty()) {
    auto [method, reason] =
        ChooseOwenMethod(wanted, closed, IsTreeSum(model, plan.margin, plan.link), plan, allowed);
    return {method, std::move(reason)};
  }
  const bool few =
      players <= kMaxExactPlayers && Coalitions(players) <= static_cast<double>(allowed);
  if (wanted == "linear") {
    if (linear == nullptr) {
      throw Error(ErrorCode::kInvalidInput,
                  "method linear needs a model whose structure is linear and not hidden; use "
                  "--method auto");
    }
    if (!closed) CheckCoalitions(Method::kLinear, players, allowed);
    return {Method::kLinear, "asked for; exact for a linear model"};
  }
  const bool trees = IsTreeSum(model, plan.margin, plan.link);
  if (wanted == "tree") {
    if (model.trees() == nullptr) {
      throw Error(ErrorCode::kInvalidInput,
                  "method tree needs a model that shows its trees; use --method auto");
    }
    if (!trees && plan.tree_path) {
      throw Error(ErrorCode::kInvalidInput,
                  "path dependent values are those of the sum of the trees' leaves: add --output "
                  "margin (with --link identity), or take --tree-mode interventional with a "
                  "--background");
    }
    if (!trees) CheckCoalitions(Method::kTree, players, allowed);
    return {Method::kTree,
            plan.tree_path ? "exact for trees, path dependent" : "asked for; exact for trees"};
  }
  if (wanted == "exact") {
    CheckCoalitions(Method::kExact, players, allowed);
    return {Method::kExact, fmt::format("asked for; all 2^{} coalitions", players)};
  }
  for (const Method method :
       {Method::kKernel, Method::kPermutation, Method::kLeverage, Method::kMsr}) {
    if (wanted == MethodName(method)) return {method, "asked for; sampled"};
  }
  if (closed) return {Method::kLinear, "exact, in closed form: the model's output is linear"};
  if (plan.interactions && model.trees() == nullptr && few) {
    return {Method::kExact, fmt::format("with interactions, over all 2^{} coalitions", players)};
  }
  if (trees) return {Method::kTree, "exact, leaf by leaf: the model's output is a sum of trees"};
  if (model.trees() != nullptr && few) {
    return {Method::kTree, fmt::format("exact over all 2^{} coalitions, by the leaves that rows "
                                       "reach together with the background's",
                                       players)};
  }
  if (linear != nullptr && few) {
    return {Method::kLinear, fmt::format("exact over all 2^{} coalitions: the model is linear up "
                                         "to its last function",
                                         players)};
  }
  if (few) {
    return {Method::kExact,
            fmt::format("all 2^{} coalitions are within the {} allowed", players, allowed)};
  }
  Choice sampled = ChooseSampled(spec, plan, allowed);
  if (model.trees() != nullptr) sampled.reason += "; --output margin would be exact, and fast";
  return sampled;
}

void ParseL1Reg(const std::string& text, Plan& plan) {
  plan.l1_reg = L1Reg::kNone;
  if (text == "none") return;
  if (text == "aic" || text == "bic") {
    plan.l1_reg = text == "aic" ? L1Reg::kAic : L1Reg::kBic;
    return;
  }
  constexpr std::string_view kPrefix = "num_features(";
  int count = 0;
  if (text.starts_with(kPrefix) && text.ends_with(")")) {
    const char* begin = text.data() + kPrefix.size();
    const char* end = text.data() + text.size() - 1;
    const auto [stop, error] = std::from_chars(begin, end, count);
    if (error == std::errc() && stop == end && count >= 1) {
      plan.l1_reg = L1Reg::kNumFeatures;
      plan.l1_features = count;
      return;
    }
  }
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("l1_reg is \"{}\"; it must be none, num_features(K) with K at least 1, "
                          "aic or bic",
                          text));
}

// Sampled attributions of a group NAME are written with columns NAME.low and NAME.high.
void CheckIntervalNames(const std::vector<Group>& groups) {
  for (const Group& group : groups) {
    for (const std::string_view end : {".low", ".high"}) {
      const std::string taken = group.name + std::string(end);
      if (std::ranges::find(groups, taken, &Group::name) == groups.end()) continue;
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("groups \"{}\" and \"{}\": the second is the name of a column with "
                              "the first one's intervals; rename one of them",
                              group.name, taken));
    }
  }
}

// Which methods give interactions.
void CheckInteractions(const model::Model& model, const Plan& plan) {
  if (plan.method == Method::kLinear && !IsClosedForm(*model.linear(), plan.margin, plan.link)) {
    throw Error(
        ErrorCode::kUnsupported,
        "interactions of a linear model under a sigmoid or softmax come with --method exact "
        "(or auto), not with linear");
  }
  if (plan.method == Method::kPermutation) {
    throw Error(ErrorCode::kUnsupported,
                "interactions are sampled by --method msr, leverage or kernel, not by permutation");
  }
  if (plan.l1_reg != L1Reg::kNone) {
    throw Error(ErrorCode::kInvalidInput,
                "l1_reg leaves groups out, which makes no sense of interactions; it must be none");
  }
}

// How much a row is sampled.
void ParseSampling(const Json& spec, Plan& plan) {
  const Json& wanted = spec.at("nsamples");
  plan.nsamples = wanted.is_number() ? wanted.get<std::int64_t>() : AutoSamples(plan);
  CheckSamples(plan);
  if (plan.l1_reg != L1Reg::kNone && plan.method != Method::kKernel) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("l1_reg selects features for method kernel; with method {} it must be "
                            "none",
                            MethodName(plan.method)));
  }
  const Json& tolerance = spec.at("tolerance");
  if (tolerance.is_null()) return;
  plan.tolerance = tolerance;
  if (plan.tolerance == 0) {
    throw Error(ErrorCode::kInvalidInput, "tolerance is 0; it must be more");
  }
  if (!HasIntervals(plan)) {
    throw Error(ErrorCode::kInvalidInput,
                "tolerance needs intervals, which there are none of where l1_reg selects features");
  }
}

// How far apart two lists of numbers are at the most; infinite where one has no number, or more.
double Apart(const std::vector<double>& a, const std::vector<double>& b) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (a.size() != b.size()) return kInfinity;
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    const double apart = std::abs(a[i] - b[i]);
    most = std::isnan(apart) ? kInfinity : std::max(most, apart);
  }
  return most;
}

// Shows a model that lives elsewhere some rows of the background, evenly spread over it; nothing
// for other models. What it predicts enters the plan, and with that the keys of what is remembered.
// It is asked twice: one that answers otherwise is explained, with a note.
std::unique_ptr<model::Model> Introduce(const model::Model& model,
                                        const std::vector<std::string>& names, Plan& plan,
                                        std::vector<std::string>& notes) {
  constexpr std::int64_t kShown = 16;
  const std::int64_t rows = std::min(plan.background_rows(), kShown);
  std::vector<double> shown;
  for (std::int64_t i = 0; i < rows; ++i) {
    const double* row = &plan.background[i * plan.background_rows() / rows * plan.columns];
    shown.insert(shown.end(), row, row + plan.columns);
  }
  auto introduction = model.Introduce(shown, rows, names);
  if (!introduction) return nullptr;
  if (const auto again = model.Introduce(shown, rows, names)) {
    if (const double apart = Apart(introduction->outputs, again->outputs); apart > 0) {
      notes.push_back(
          fmt::format("the model gave different answers for the same rows (up to {:.3g} "
                      "apart): attributions are not reproducible",
                      apart));
    }
  }
  plan.model.content = std::move(introduction->content);
  plan.fingerprint = std::move(introduction->outputs);
  return model::LoadModel(plan.model);
}

void CheckBackgroundValues(const Background& background, bool accepts_missing,
                           const std::string& uri) {
  const std::size_t columns = background.schema.size();
  for (std::size_t i = 0; i < background.values.size(); ++i) {
    if (std::isnan(background.values[i]) && !accepts_missing) {
      throw Error(
          ErrorCode::kInvalidInput,
          fmt::format("{}: row {}, column \"{}\" is missing, and the model takes no missing "
                      "values",
                      uri, i / columns, background.schema[i % columns].name));
    }
  }
}

void TakeBackground(const Json& spec, const std::vector<std::string>& names,
                    const model::Model& model, PreparedPlan& prepared) {
  if (spec.at("background").is_null()) {
    throw Error(ErrorCode::kInvalidInput,
                "no background: --background TABLE gives rows that stand for what is not known "
                "(trees with --tree-mode path need none)");
  }
  const std::string uri = spec.at("background");
  const std::string weights =
      spec.at("background_weights").is_null() ? "" : spec.at("background_weights");
  if (uri == spec.at("data")) prepared.weights_column = weights;
  // Names of categories that the model knows fix their codes; else the background's do.
  Background background = WithContext(
      [&] {
        return ReadBackground(uri, weights, names, model.column_categories(), prepared.ignored);
      },
      [] { return std::string("background"); });
  CheckBackgroundValues(background, prepared.accepts_missing, uri);
  Plan& plan = prepared.plan;
  if (!spec.at("summarize").is_null()) {
    background =
        Summarize(std::move(background), spec.at("summarize").get<std::string>(), plan.seed);
  }
  prepared.columns = background.schema;
  plan.background = std::move(background.values);
  plan.weights = std::move(background.weights);
}

// The columns of the data but for those that the spec says to ignore, which go to `ignored`. One of
// data and background may lack them.
std::vector<std::string> NamesToRead(const Json& spec, const std::string& uri,
                                     const model::Model& model, std::vector<std::string>& ignored) {
  std::vector<std::string> names = table::ColumnNames(uri);
  // The rows to explain may be those of the background, weights and all.
  if (!spec.at("background_weights").is_null() && spec.at("data") == spec.at("background")) {
    std::erase(names, spec.at("background_weights").get<std::string>());
  }
  if (spec.at("ignore").is_null()) return names;
  const std::vector<std::string> inputs = model.column_names();
  for (const std::string name : spec.at("ignore")) {
    if (std::ranges::find(inputs, name) != inputs.end()) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("ignore: the model reads column \"{}\"; only columns that it does "
                              "not read can be ignored",
                              name));
    }
    ignored.push_back(name);
    if (std::erase(names, name) > 0) continue;
    std::vector<std::string> known = names;
    std::string nor;
    if (const Json& background = spec.at("background"); !background.is_null()) {
      const auto others =
          WithContext([&] { return table::ColumnNames(background.get<std::string>()); },
                      [] { return std::string("background"); });
      if (std::ranges::find(others, name) != others.end()) continue;
      std::ranges::copy_if(others, std::back_inserter(known), [&](const std::string& other) {
        return std::ranges::find(names, other) == names.end();
      });
      nor = fmt::format(", nor has the background {}", background.get<std::string>());
    }
    throw Error(ErrorCode::kInvalidInput, fmt::format("ignore: {} has no column \"{}\"{}{}", uri,
                                                      name, nor, Suggestion(name, known)));
  }
  return names;
}

// Path dependent values take the trees' own covers for a background.
void TakeNoBackground(const Json& spec) {
  for (const char* key : {"background", "background_weights", "summarize"}) {
    if (spec.at(key).is_null()) continue;
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("--tree-mode path uses no background: leave out {}, or use --tree-mode "
                            "interventional",
                            key));
  }
  const std::string method = spec.at("method");
  if (method != "auto" && method != "tree") {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("--tree-mode path belongs to --method tree, not {}", method));
  }
}

// A small document: a local file, or the text itself where it begins with a brace. `what` names it
// in messages.
struct Document {
  std::string text;
  std::string what;
};

Document ReadDocument(const Json& spec, const char* key) {
  const std::string place = spec.at(key);
  const auto first = place.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && place[first] == '{') return {place, key};
  if (place.find("://") != std::string::npos) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: {} are read from a local file; download it first", place, key));
  }
  return {ReadFile(place), place};
}

void TakeHierarchy(const Json& spec, PreparedPlan& prepared) {
  if (spec.at("coalitions").is_null()) return;
  std::vector<std::string> names;
  for (const Group& group : prepared.groups) names.push_back(group.name);
  prepared.hierarchy = WithContext(
      [&] {
        const Document document = ReadDocument(spec, "coalitions");
        return ParseHierarchy(document.text, names, document.what);
      },
      [] { return std::string("coalitions"); });
  prepared.plan.hierarchy = prepared.hierarchy.hierarchy;
}

// By a group or an input, else by a column of the data that is passed over.
void TakeCohorts(const std::string& by, const std::string& data, PreparedPlan& prepared) {
  const Plan& plan = prepared.plan;
  const bool ours = std::ranges::find(prepared.groups, by, &Group::name) != prepared.groups.end() ||
                    std::ranges::find(prepared.ignored, by) == prepared.ignored.end();
  if (ours) {
    prepared.cohorts.emplace(by, prepared.columns, prepared.groups, plan.background, plan.weights);
    return;
  }
  prepared.label_cohorts =
      WithContext([&] { return LabelCohorts(data, by); }, [] { return std::string("cohorts"); });
  prepared.cohorts.emplace(by, prepared.label_cohorts->names());
}

}  // namespace

table::ReadOptions PreparedPlan::DataOptions() const {
  table::ReadOptions options;
  for (const auto& column : columns) options.columns.push_back(column.name);
  options.codes = columns;
  options.numbers_have_codes = codes_of_model;
  options.ignored = ignored;
  if (!weights_column.empty()) options.ignored.push_back(weights_column);
  return options;
}

PreparedPlan MakePlan(const Json& spec) {
  PreparedPlan prepared;
  Plan& plan = prepared.plan;
  const std::string model_text = spec.at("model");
  plan.model = model::ReadModel(model_text);
  auto model = model::LoadModel(plan.model);
  prepared.libraries = model->library();
  prepared.notes = model->notes();
  prepared.accepts_missing = model->accepts_missing();
  prepared.shows_trees = model->trees() != nullptr;
  prepared.codes_of_model = !model->column_categories().empty();

  const std::string data_uri = spec.at("data");
  // The model's names, where it has them, fix which columns are read and in what order; else the
  // data's do.
  const std::vector<std::string> data_names = NamesToRead(spec, data_uri, *model, prepared.ignored);
  std::vector<std::string> names = model->column_names();
  if (names.empty()) names = data_names;
  CheckNames(data_names, data_uri, "column");
  CheckNames(model->column_names(), model_text, "column");
  if (model->columns() >= 0 && model->columns() != std::ssize(names)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} has {} columns, but the model {} takes {}", data_uri, names.size(),
                            model_text, model->columns()));
  }
  plan.seed = spec.at("seed").get<std::uint64_t>();
  plan.columns = std::ssize(names);
  plan.tree_path = spec.at("tree_mode") == "path";
  if (plan.tree_path) {
    TakeNoBackground(spec);
    table::ReadOptions options;
    options.columns = names;
    options.ignored = prepared.ignored;
    UseCodesOfModel(model->column_categories(), options);
    prepared.columns = table::OpenTable(data_uri, options)->schema();
  } else {
    TakeBackground(spec, names, *model, prepared);
  }
  if (plan.background_rows() > 0) {
    if (auto introduced = Introduce(*model, names, plan, prepared.notes))
      model = std::move(introduced);
  }
  CheckNames(model->output_names(), model_text, "output");

  const Groups groups = WithContext(
      [&] {
        if (spec.at("groups").is_null()) return Groups::OfColumns(names);
        const Document document = ReadDocument(spec, "groups");
        return Groups::Parse(document.text, names, document.what);
      },
      [] { return std::string("groups"); });
  for (const Group& group : groups) {
    prepared.groups.push_back(group);
    plan.groups.emplace_back(group.columns.begin(), group.columns.end());
  }
  TakeHierarchy(spec, prepared);

  if (const Json& by = spec.at("cohorts"); !by.is_null()) {
    TakeCohorts(by.get<std::string>(), data_uri, prepared);
  }

  plan.link = spec.at("link") == "logit" ? Link::kLogit : Link::kIdentity;
  plan.margin = spec.at("output") == "margin";
  if (plan.margin && plan.link == Link::kLogit) {
    throw Error(ErrorCode::kInvalidInput,
                "link logit needs probabilities; with --output margin use --link identity");
  }
  if (plan.margin && model->Margin() == nullptr) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("--output margin needs a model that shows its margin; {} does not",
                            model_text));
  }
  if (!plan.margin && plan.link == Link::kLogit && model->Margin() != nullptr &&
      !GivesProbabilities(*model)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("link logit needs probabilities, but {} gives plain numbers; use "
                            "--link identity",
                            model_text));
  }
  const std::vector<std::string> output_names = model->output_names();
  plan.outputs = ChooseOutputs(spec.at("class"), output_names);
  for (const auto output : plan.outputs) prepared.output_names.push_back(output_names[output]);
  plan.clip = spec.at("clip");
  ParseL1Reg(spec.at("l1_reg"), plan);

  // A count beyond 63 bits is no smaller than any that can be reached.
  const Json& most = spec.at("max_coalitions");
  const auto allowed = most.is_number_unsigned()
                           ? static_cast<std::int64_t>(std::min<std::uint64_t>(
                                 most.get<std::uint64_t>(), std::int64_t{1} << 62))
                           : most.get<std::int64_t>();
  plan.interactions = spec.at("interactions") == 2;
  const Choice choice =
      ChooseMethod(plan.tree_path ? "tree" : spec.at("method"), *model, spec, plan, allowed);
  plan.method = choice.method;
  prepared.reason = choice.reason;
  // The same values, bytes and memo entries with a hierarchy as without.
  if (plan.method == Method::kLinear) plan.hierarchy = {};
  if (plan.interactions) CheckInteractions(*model, plan);
  if (IsSampled(plan.method)) {
    ParseSampling(spec, plan);
    if (HasIntervals(plan)) CheckIntervalNames(prepared.groups);
  } else if (!spec.at("tolerance").is_null()) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("tolerance is for methods that sample; method {} is exact",
                            MethodName(plan.method)));
  }
  prepared.reach = model::TakeReach(plan.model);
  return prepared;
}

}  // namespace windlass::explain
