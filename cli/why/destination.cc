#include <algorithm>
#include <utility>

#include "cli/why/judged.h"
#include "control/reconcile/connection_policy.h"
#include "control/reconcile/peer_authentication.h"
#include "mesh/inbound_target.h"
#include "mesh/rbac.h"

namespace aquifer::cli {
namespace {

std::string Joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

std::string KeyOf(const control::Meta& meta) { return meta.namespace_name + "/" + meta.name; }

class Destination {
 public:
  Destination(const Model& model, const mesh::WorkloadRef& own, const Arrival& arrival)
      : model_(model),
        own_(own),
        arrival_(arrival),
        pod_(model.PodOf(*own)),
        view_{.identity = arrival.identity ? &*arrival.identity : nullptr,
              .source = arrival.source,
              .destination = arrival.target} {}

  Judged Run() {
    hop_.place = "node proxy of " + std::string(own_->node.empty() ? "its node" : own_->node) +
                 ", at pod " + own_->ns + "/" + own_->name;
    const mesh::AppliedPolicies applied = model_.snapshot().PoliciesFor(*own_);
    if (own_->protocol == mesh::TunnelProtocol::kNone) return Uncaptured(applied);
    hop_.facts.push_back(Saw());
    if (auto refused = Refused()) return *std::move(refused);
    ListSteps(applied);
    const mesh::Decision decision = mesh::Authorize(view_, applied.policies, applied.missing);
    return Conclude(decision);
  }

 private:
  Judged Uncaptured(const mesh::AppliedPolicies& applied) {
    hop_.place = "pod " + own_->ns + "/" + own_->name;
    hop_.facts.push_back("is not captured: what comes to it passes no node proxy");
    std::vector<std::string> names = applied.missing;
    for (const mesh::PolicyRef& policy : applied.policies) names.push_back(policy->key());
    if (!names.empty())
      hop_.facts.push_back("policies that apply to it and that nobody enforces: " + Joined(names));
    return End(std::move(hop_), Outcome::kAllowed,
               "the pod is not captured, so no node proxy judges what comes to it");
  }

  std::string Saw() const {
    const std::string port = "port " + std::to_string(arrival_.target.port);
    if (view_.identity == nullptr)
      return port + ", in the clear from " + arrival_.source.ToString() + ": no identity";
    const std::string who = port + ", mutual TLS as " + view_.identity->ToString();
    return arrival_.from_waypoint ? who + ": the waypoint, not the client" : who;
  }

  // What is no question of policy.
  std::optional<Judged> Refused() {
    mesh::InboundOptions options;
    options.network = model_.settings().network;
    if (arrival_.tunnel) {
      const auto target = mesh::ResolveInbound(model_.snapshot(), *own_, arrival_.target.ip,
                                               arrival_.target, options);
      if (target.ok()) return std::nullopt;
      return End(std::move(hop_), Outcome::kUnreachable,
                 "the node proxy refuses the tunnel: " + target.error().why);
    }
    const std::vector<std::uint16_t>& illegal = options.illegal_ports;
    if (std::find(illegal.begin(), illegal.end(), arrival_.target.port) == illegal.end())
      return std::nullopt;
    return End(std::move(hop_), Outcome::kUnreachable, "this port is the node proxy's own");
  }

  void ListSteps(const mesh::AppliedPolicies& applied) {
    // Denials are asked first.
    for (const mesh::PolicyAction action :
         {mesh::PolicyAction::kDeny, mesh::PolicyAction::kAllow}) {
      for (const mesh::PolicyRef& policy : applied.policies) {
        if (policy->action != action) continue;
        hop_.policies.push_back(StepOf(*policy));
        keys_.push_back(policy->key());
      }
    }
    for (const std::string& name : applied.missing)
      hop_.facts.push_back("policy " + name + " is named and not known");
  }

  PolicyStep StepOf(const mesh::Policy& policy) const {
    PolicyStep step{.kind = "AuthorizationPolicy",
                    .name = policy.key(),
                    .action = policy.action == mesh::PolicyAction::kDeny ? "DENY" : "ALLOW",
                    .dry_run = policy.dry_run,
                    .rule = mesh::MatchingRule(policy, view_)};
    if (policy.malformed) step.note = "cannot be read: it denies everything";
    if (const control::PeerAuthentication* source = ModeBehind(policy)) {
      step.kind = "PeerAuthentication";
      step.name = KeyOf(source->meta);
      step.action = "STRICT";
      return step;
    }
    const control::AuthorizationPolicy* object =
        control::FindObject(model_.objects().authorization_policies, policy.ns, policy.name);
    const auto converted =
        object == nullptr ? std::nullopt : control::ToConnectionPolicy(*object, model_.settings());
    if (!converted) return step;
    if (step.rule && *step.rule < converted->origins.size())
      step.rule = converted->origins[*step.rule];
    if (!converted->dropped.empty())
      step.note = "without what node proxies do not know: " + Joined(converted->dropped);
    return step;
  }

  // The PeerAuthentication that the control plane made this policy of.
  const control::PeerAuthentication* ModeBehind(const mesh::Policy& policy) const {
    if (pod_ == nullptr) return nullptr;
    const control::PeerAuthentications authentications(model_.index());
    return authentications.PolicyOf(*pod_) == policy.key() ? authentications.SourceOf(*pod_)
                                                           : nullptr;
  }

  PolicyStep* StepFor(const std::string& key) {
    const auto at = std::find(keys_.begin(), keys_.end(), key);
    return at == keys_.end() ? nullptr : &hop_.policies[static_cast<size_t>(at - keys_.begin())];
  }

  Judged Conclude(const mesh::Decision& decision) {
    Judged judged;
    judged.outcome = decision.allowed() ? Outcome::kAllowed : Outcome::kDenied;
    judged.because = Because(decision);
    if (PolicyStep* step = StepFor(decision.policy)) {
      step->decides = true;
      const bool by_rule =
          decision.verdict == mesh::Verdict::kAllowed || decision.verdict == mesh::Verdict::kDenied;
      judged.by = Decider{step->kind, step->name, by_rule ? step->rule : std::nullopt};
      // What denies there is a mode, and no rule.
      if (step->kind == "PeerAuthentication") judged.by->rule.reset();
    } else if (!decision.policy.empty()) {
      judged.by = Decider{"AuthorizationPolicy", decision.policy, std::nullopt};
    }
    judged.hop = std::move(hop_);
    return judged;
  }

  std::string Because(const mesh::Decision& decision) {
    const PolicyStep* const step = StepFor(decision.policy);
    switch (decision.verdict) {
      case mesh::Verdict::kAllowed:
        if (step != nullptr) return "it allows this connection";
        if (hop_.policies.empty()) return "no policy applies at the destination";
        return "no DENY policy at the destination matches, and there is no ALLOW policy";
      case mesh::Verdict::kDenied:
        if (step != nullptr && step->kind == "PeerAuthentication")
          return "mutual TLS is required, and the connection comes in the clear";
        return "it denies this connection";
      case mesh::Verdict::kNotAllowed:
        return NotAllowed(decision);
      case mesh::Verdict::kMalformedPolicy:
      case mesh::Verdict::kMissingPolicy:
        return decision.Describe();
    }
    return decision.Describe();
  }

  std::string NotAllowed(const mesh::Decision& decision) const {
    const std::string who =
        view_.identity == nullptr ? "a peer without identity" : view_.identity->ToString();
    std::string text =
        (decision.more == 0 ? "it is the only ALLOW policy here and no rule of it matches "
                            : "none of the ALLOW policies here has a rule that matches ") +
        who;
    if (arrival_.from_waypoint) {
      text +=
          ", the waypoint through which the request came; allow that identity here, and the "
          "client by a policy with targetRefs at the waypoint";
    }
    return text;
  }

  const Model& model_;
  const mesh::WorkloadRef& own_;
  const Arrival& arrival_;
  const control::Pod* const pod_;
  const mesh::ConnectionView view_;
  Hop hop_;
  std::vector<std::string> keys_;  // of hop_.policies, as the node proxy has them
};

bool Selects(const Model& model, const control::AuthorizationPolicy& policy,
             const control::Pod& pod) {
  const std::string& space = policy.meta.namespace_name;
  if (space != pod.meta.namespace_name && space != model.settings().root_namespace) return false;
  return !policy.selector || control::HasLabels(pod.meta.labels, *policy.selector);
}

bool Targets(const control::AuthorizationPolicy& policy, const mesh::Service& service) {
  if (policy.meta.namespace_name != service.ns) return false;
  return std::any_of(policy.targets.begin(), policy.targets.end(),
                     [&](const control::PolicyTarget& target) {
                       return target.kind == "Service" && service.name == target.name;
                     });
}

}  // namespace

Judged JudgeAtDestination(const Model& model, const mesh::WorkloadRef& own,
                          const Arrival& arrival) {
  return Destination(model, own, arrival).Run();
}

std::vector<std::string> RemarksOn(const Model& model, const control::Pod* pod,
                                   const mesh::Service* service) {
  std::vector<std::string> remarks;
  for (const auto& [key, policy] : model.objects().authorization_policies) {
    const bool meant = policy.targets.empty() ? pod != nullptr && Selects(model, policy, *pod)
                                              : service != nullptr && Targets(policy, *service);
    if (!meant) continue;
    const control::Condition* const accepted =
        model.ConditionOf(control::Kind::kAuthorizationPolicy, policy.meta,
                          policy.targets.empty() ? "ZtunnelAccepted" : "WaypointAccepted");
    if (accepted == nullptr || accepted->message.empty()) continue;
    remarks.push_back("AuthorizationPolicy " + KeyOf(policy.meta) + ": " + accepted->message);
  }
  return remarks;
}

}  // namespace aquifer::cli
