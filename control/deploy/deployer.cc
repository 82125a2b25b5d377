#include "control/deploy/deployer.h"

#include <algorithm>
#include <utility>

#include "control/deploy/inputs.h"
#include "control/deploy/settings.h"
#include "core/rt/timer.h"

namespace aquifer::control {
namespace {

DeployProblem Problem(std::string_view reason, std::string message) {
  return {std::string(reason), std::move(message)};
}

ApplierOptions WhatIsWritten(const DeploySettings& settings, const DeployOptions& options) {
  ApplierOptions applier = options.applier;
  applier.gateways = !settings.image.empty();
  applier.roots = !settings.root_config_map.empty();
  return applier;
}

// status.availableReplicas.
bool HasAvailablePod(const Json& deployment) {
  const auto status = deployment.find("status");
  if (status == deployment.end() || !status->is_object()) return false;
  const auto available = status->find("availableReplicas");
  return available != status->end() && available->is_number_integer() &&
         available->get<std::int64_t>() > 0;
}

}  // namespace

void AddConditions(const DeployConditions& conditions, StatusMap& statuses) {
  for (const auto& [key, condition] : conditions) {
    const auto found = statuses.find(key);
    if (found == statuses.end()) continue;
    AcceptAsDeployed(condition, found->second.conditions);
    found->second.conditions.push_back(condition);
  }
}

void KeepConditions(StatusMap& statuses) {
  for (auto& [key, status] : statuses) status.keeps_deployed = key.kind == Kind::kGateway;
}

Deployer::Deployer(ObjectWriter& writer, const DeploySettings& settings, const MeshSettings& mesh,
                   obs::Logger& log, const DeployOptions& options)
    : settings_(settings),
      mesh_(mesh),
      log_(log),
      options_(options),
      applier_(writer, log, WhatIsWritten(settings, options)),
      writer_(writer) {}

void Deployer::Take(std::shared_ptr<const ObjectSet> objects) {
  const bool same = objects_ != nullptr && AsksForTheSame(*objects_, *objects);
  objects_ = std::move(objects);
  if (!same) news_.Set();
}

void Deployer::SetRoots(std::string pem) {
  roots_pem_ = std::move(pem);
  news_.Set();
}

Task<void> Deployer::Run(StopToken stop) {
  // Another has led meanwhile.
  refreshed_at_.reset();
  news_.Set();
  while (!stop.requested()) {
    co_await AwaitNews(stop);
    if (stop.requested()) break;
    news_.Reset();
    co_await Pass(stop);
    std::ignore = co_await SleepFor(options_.pause, stop);
  }
  if (std::exchange(concluded_, false) && on_conditions_) on_conditions_();
}

Task<void> Deployer::AwaitNews(StopToken stop) {
  const Clock::duration longest = failing_ ? options_.applier.first_backoff : options_.refresh;
  TimedStop timed(stop, longest, Reason::kTimeout);
  std::ignore = co_await news_.Wait(timed.token());
}

Task<void> Deployer::Pass(StopToken stop) {
  const std::shared_ptr<const ObjectSet> objects = objects_;
  if (objects == nullptr) co_return;
  const bool known = co_await Refresh(stop);
  if (!known) co_return;
  failing_ = false;
  if (settings_.image.empty()) {
    Conclude({});
  } else {
    co_await DeployGateways(*objects, stop);
  }
  const bool roots = !settings_.root_config_map.empty() && !roots_pem_.empty();
  if (roots && !applier_.away()) co_await WriteRoots(*objects, stop);
}

// False if what there is cannot be known.
Task<bool> Deployer::Refresh(StopToken stop) {
  const TimePoint now = Loop::Current().now();
  const bool recent = refreshed_at_ && now - *refreshed_at_ < options_.refresh;
  if (recent && !applier_.away()) co_return true;
  // Somebody else may have led meanwhile.
  if (!refreshed_at_) applier_.Forget();
  parameters_.clear();
  const Result<void, WriteFailure> refreshed = co_await applier_.Refresh(stop);
  if (stop.requested()) co_return false;
  const std::string problem = refreshed.ok() ? "" : refreshed.error().why;
  if (!problem.empty() && problem != refresh_problem_)
    log_.Error("deploy", "our own objects cannot be listed", {{"error", problem}});
  refresh_problem_ = problem;
  if (!refreshed.ok()) co_return false;
  refreshed_at_ = now;
  co_return true;
}

Task<void> Deployer::DeployGateways(const ObjectSet& objects, StopToken stop) {
  const GatewayClasses classes(objects, mesh_);
  DeployConditions conditions;
  for (const auto& [key, gateway] : objects.gateways) {
    if (stop.requested()) co_return;
    const std::optional<GatewayRole> role = classes.RoleOf(gateway.class_name);
    const bool deployed = role && *role != GatewayRole::kRemote;
    const bool ours =
        deployed && !IsManual(gateway) && !gateway.meta.deleting && !gateway.meta.uid.empty();
    if (!ours) continue;
    const std::optional<DeployProblem> problem = co_await Deploy(objects, gateway, *role, stop);
    if (problem && problem->reason == kApplyFailed) failing_ = true;
    // The others would wait for an answer one after the other.
    if (applier_.away()) co_return;
    Condition condition{std::string(kDeployed), !problem, "Deployed", ""};
    if (problem) {
      condition.reason = problem->reason;
      condition.message = problem->message;
    }
    conditions.emplace(ObjectKey{Kind::kGateway, key.first, key.second}, std::move(condition));
  }
  Conclude(std::move(conditions));
}

void Deployer::Conclude(DeployConditions conditions) {
  if (std::exchange(concluded_, true) && conditions == conditions_) return;
  for (const auto& [key, condition] : conditions) {
    const auto before = conditions_.find(key);
    if (condition.status || (before != conditions_.end() && before->second == condition)) continue;
    log_.Error("deploy", "a Gateway is not deployed as it asks",
               {{"gateway", key.ToString()},
                {"reason", condition.reason},
                {"message", condition.message}});
  }
  conditions_ = std::move(conditions);
  if (on_conditions_) on_conditions_();
}

Task<std::optional<DeployProblem>> Deployer::Deploy(const ObjectSet& objects,
                                                    const Gateway& gateway, GatewayRole role,
                                                    StopToken stop) {
  const Plan plan = co_await FindPlan(objects, gateway, role, stop);
  if (!plan.ok()) co_return plan.error();
  for (const WantedObject& wanted : *plan) {
    const Applier::Outcome outcome = co_await applier_.Bring(wanted, stop);
    if (outcome == Applier::Outcome::kForeign)
      co_return Problem(kNameTaken, wanted.key.ToString() + " is somebody else's");
    if (outcome == Applier::Outcome::kFailed) co_return FailureOf(*plan);
  }
  co_await RemoveOthers(gateway, *plan, stop);
  co_return std::nullopt;
}

// Nothing is written before all names are known to be free or ours: half of a deployment under a
// name that has to be given up would be worse than none.
Task<Deployer::Plan> Deployer::FindPlan(const ObjectSet& objects, const Gateway& gateway,
                                        GatewayRole role, StopToken stop) {
  AQ_CO_TRY(const std::vector<const Overlays*> overlays,
            co_await OverlaysFor(objects, gateway, stop));
  const NameWitness witness = WitnessOf(objects, gateway);
  std::string foreign;
  // The first look at a name may find that it is taken, which the second choice then knows.
  for (int choice = 0; choice < 2; ++choice) {
    AQ_CO_TRY(const DeploymentNames names, NamesOf(gateway, role, witness));
    const DeploymentParts parts{gateway, role, names, settings_, mesh_};
    Plan plan = PlanGateway(parts, overlays);
    if (!plan.ok()) co_return plan;
    const Applier::Outcome outcome = co_await LookAtAll(*plan, stop);
    if (outcome == Applier::Outcome::kThere) co_return plan;
    if (outcome == Applier::Outcome::kFailed) co_return FailureOf(*plan);
    foreign = names.name;
  }
  co_return Problem(kNameTaken, "an object called " + foreign + " is somebody else's");
}

DeployProblem Deployer::FailureOf(const std::vector<WantedObject>& objects) const {
  for (const WantedObject& wanted : objects) {
    const std::string problem = applier_.ProblemOf(wanted.key);
    if (!problem.empty()) return Problem(kApplyFailed, wanted.key.ToString() + ": " + problem);
  }
  return Problem(kApplyFailed, "");
}

Task<Applier::Outcome> Deployer::LookAtAll(const std::vector<WantedObject>& objects,
                                           StopToken stop) {
  for (const WantedObject& wanted : objects) {
    const Applier::Outcome outcome = co_await applier_.Look(wanted, stop);
    if (outcome != Applier::Outcome::kThere) co_return outcome;
  }
  co_return Applier::Outcome::kThere;
}

NameWitness Deployer::WitnessOf(const ObjectSet& objects, const Gateway& gateway) const {
  const std::string& space = gateway.meta.namespace_name;
  const Labels marks = MarksOf(gateway);
  NameWitness witness;
  witness.taken = [this, &objects, &space, marks](DeployedKind kind, const std::string& name) {
    if (applier_.IsForeign({kind, space, name})) return true;
    const Meta* known = nullptr;
    if (kind == DeployedKind::kService) {
      const Service* service = FindObject(objects.services, space, name);
      if (service != nullptr) known = &service->meta;
    } else if (kind == DeployedKind::kServiceAccount) {
      const ServiceAccount* account = FindObject(objects.service_accounts, space, name);
      if (account != nullptr) known = &account->meta;
    }
    return known != nullptr && !HasLabels(known->labels, marks);
  };
  witness.ours = [this, &space, marks](const std::string& name) {
    const auto found = applier_.objects().find({DeployedKind::kDeployment, space, name});
    return found != applier_.objects().end() && HasMarks(found->second, marks);
  };
  return witness;
}

Task<Result<std::vector<const Overlays*>, DeployProblem>> Deployer::OverlaysFor(
    const ObjectSet& objects, const Gateway& gateway, StopToken stop) {
  std::vector<ParametersPlace> places;
  const GatewayClass* of_class = FindObject(objects.gateway_classes, "", gateway.class_name);
  if (of_class != nullptr) {
    AQ_CO_TRY(const std::optional<ParametersPlace> place, PlaceOf(of_class->parameters, ""));
    if (place) places.push_back(*place);
  }
  AQ_CO_TRY(const std::optional<ParametersPlace> own,
            PlaceOf(gateway.infrastructure.parameters, gateway.meta.namespace_name));
  if (own) places.push_back(*own);
  std::vector<const Overlays*> overlays;
  for (const ParametersPlace& place : places) {
    auto known = parameters_.find(place);
    if (known == parameters_.end()) {
      OverlaysResult read = co_await ReadParameters(place, stop);
      known = parameters_.emplace(place, std::move(read)).first;
    }
    if (!known->second.ok()) co_return known->second.error();
    overlays.push_back(&*known->second);
  }
  co_return overlays;
}

Task<Deployer::OverlaysResult> Deployer::ReadParameters(const ParametersPlace& place,
                                                        StopToken stop) {
  const DeployedKey key{DeployedKind::kConfigMap, place.namespace_name, place.name};
  std::string path = key.Path();
  const Result<Json, WriteFailure> object = co_await writer_.Read(std::move(path), stop);
  if (!object.ok()) {
    if (object.error().status == kNotFound)
      co_return Problem(kInvalidParameters, key.ToString() + " is not there");
    co_return Problem(kApplyFailed, key.ToString() + " cannot be read: " + object.error().why);
  }
  Decoded<Overlays> overlays = ReadOverlays(*object);
  if (!overlays.ok())
    co_return Problem(kInvalidParameters, key.ToString() + ": " + overlays.error().ToString());
  co_return *std::move(overlays);
}

bool Deployer::IsAvailable(const std::vector<WantedObject>& wanted) const {
  for (const WantedObject& object : wanted) {
    if (object.key.kind != DeployedKind::kDeployment) continue;
    const auto live = applier_.objects().find(object.key);
    return live != applier_.objects().end() && HasAvailablePod(live->second);
  }
  return false;
}

// Under another name, or asked for by an overlay that is no more. What still carries traffic goes
// once its successor does. A Gateway that has gone takes its objects along without us.
Task<void> Deployer::RemoveOthers(const Gateway& gateway, const std::vector<WantedObject>& wanted,
                                  StopToken stop) {
  const Labels marks = MarksOf(gateway);
  const std::string& space = gateway.meta.namespace_name;
  const bool successor = IsAvailable(wanted);
  std::vector<DeployedKey> others;
  for (const DeployedRow& row : DeployedRows()) {
    const bool goes_at_once = row.kind == DeployedKind::kHorizontalPodAutoscaler ||
                              row.kind == DeployedKind::kPodDisruptionBudget;
    if (row.kind == DeployedKind::kConfigMap || (!goes_at_once && !successor)) continue;
    for (auto at = applier_.objects().lower_bound({row.kind, space, ""});
         at != applier_.objects().end() && at->first.kind == row.kind &&
         at->first.namespace_name == space;
         ++at) {
      const bool asked_for =
          std::any_of(wanted.begin(), wanted.end(),
                      [&](const WantedObject& object) { return object.key == at->first; });
      if (!asked_for && HasMarks(at->second, marks)) others.push_back(at->first);
    }
  }
  for (const DeployedKey& key : others) co_await applier_.Remove(key, stop);
}

Task<void> Deployer::WriteRoots(const ObjectSet& objects, StopToken stop) {
  const std::uint64_t before = applier_.writes();
  for (const auto& [key, space] : objects.namespaces) {
    if (stop.requested()) co_return;
    if (space.meta.deleting) continue;
    const WantedObject wanted =
        RootConfigMap(space.meta.name, settings_.root_config_map, roots_pem_);
    const Applier::Outcome outcome = co_await applier_.Bring(wanted, stop);
    if (outcome == Applier::Outcome::kFailed) failing_ = true;
    if (applier_.away()) co_return;
    if (applier_.writes() - before >= options_.roots_of_pass) {
      news_.Set();  // the rest in the next pass
      co_return;
    }
  }
}

}  // namespace aquifer::control
