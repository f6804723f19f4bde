#include "windlass/explain/plan.h"

#include "windlass/base/byte_reader.h"

namespace windlass::explain {
namespace {

constexpr std::uint32_t kPlanVersion = 4;

}  // namespace

std::string_view LinkName(Link link) { return link == Link::kLogit ? "logit" : "identity"; }

std::string_view MethodName(Method method) {
  switch (method) {
    case Method::kLinear: return "linear";
    case Method::kExact: return "exact";
    case Method::kKernel: return "kernel";
    case Method::kTree: return "tree";
    case Method::kPermutation: return "permutation";
    case Method::kLeverage: return "leverage";
    case Method::kMsr: return "msr";
  }
  return "kernel";
}

bool IsSampled(Method method) {
  return method == Method::kKernel || method == Method::kPermutation ||
         method == Method::kLeverage || method == Method::kMsr;
}

bool HasIntervals(const Plan& plan) {
  return IsSampled(plan.method) && plan.l1_reg == L1Reg::kNone;
}

Bytes Plan::Encode() const {
  std::string out;
  AppendRaw(out, kPlanVersion);
  AppendString(out, model.spec.name);
  AppendRaw(out, static_cast<std::uint64_t>(model.spec.options.size()));
  for (const auto& [key, value] : model.spec.options) {
    AppendString(out, key);
    AppendString(out, value);
  }
  AppendString(out, model.content.view());  // the location is left out: it is no part of identity
  AppendRaw(out, margin);
  AppendVector(out, outputs);
  AppendRaw(out, columns);
  AppendVector(out, background);
  AppendVector(out, weights);
  AppendRaw(out, static_cast<std::uint64_t>(groups.size()));
  for (const auto& group : groups) AppendVector(out, group);
  AppendRaw(out, link);
  AppendRaw(out, method);
  AppendRaw(out, nsamples);
  AppendRaw(out, tolerance);
  AppendRaw(out, seed);
  AppendRaw(out, l1_reg);
  AppendRaw(out, l1_features);
  AppendRaw(out, interactions);
  AppendRaw(out, tree_path);
  AppendRaw(out, clip);
  AppendVector(out, fingerprint);
  AppendVector(out, hierarchy.parents);
  AppendVector(out, hierarchy.homes);
  return Bytes(std::move(out));
}

Plan Plan::Decode(const Bytes& bytes) {
  ByteReader reader(bytes.view(), "an explain plan");
  if (reader.Read<std::uint32_t>() != kPlanVersion) {
    throw Error(ErrorCode::kCorrupt, "an explain plan of another version");
  }
  Plan plan;
  plan.model.spec.name = reader.ReadString();
  for (auto left = reader.Read<std::uint64_t>(); left > 0; --left) {
    const std::string key = reader.ReadString();
    plan.model.spec.options[key] = reader.ReadString();
  }
  plan.model.spec.location = "the model";
  plan.model.content = Bytes(reader.ReadString());
  plan.margin = reader.Read<bool>();
  plan.outputs = reader.ReadVector<std::int32_t>();
  plan.columns = reader.Read<std::int64_t>();
  plan.background = reader.ReadVector<double>();
  plan.weights = reader.ReadVector<double>();
  for (auto left = reader.Read<std::uint64_t>(); left > 0; --left) {
    plan.groups.push_back(reader.ReadVector<std::int32_t>());
  }
  plan.link = reader.Read<Link>();
  plan.method = reader.Read<Method>();
  plan.nsamples = reader.Read<std::int64_t>();
  plan.tolerance = reader.Read<double>();
  plan.seed = reader.Read<std::uint64_t>();
  plan.l1_reg = reader.Read<L1Reg>();
  plan.l1_features = reader.Read<std::int32_t>();
  plan.interactions = reader.Read<bool>();
  plan.tree_path = reader.Read<bool>();
  plan.clip = reader.Read<double>();
  plan.fingerprint = reader.ReadVector<double>();
  plan.hierarchy.parents = reader.ReadVector<std::int32_t>();
  plan.hierarchy.homes = reader.ReadVector<std::int32_t>();
  if (!plan.hierarchy.Fits(plan.players())) {
    throw Error(ErrorCode::kCorrupt, "an explain plan whose hierarchy does not fit its groups");
  }
  reader.Finish();
  return plan;
}

}  // namespace windlass::explain
