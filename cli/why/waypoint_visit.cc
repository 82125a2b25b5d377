#include "cli/why/waypoint_visit.h"

#include <algorithm>
#include <set>
#include <utility>

#include "waypoint/admission.h"
#include "waypoint/binding.h"
#include "waypoint/mesh_backends.h"
#include "waypoint/subject.h"

namespace aquifer::cli {
namespace {

// Admission has one among its parts and never asks it.
class NoUpstream final : public waypoint::Upstream {
 public:
  Task<Result<waypoint::UpstreamCallPtr>> Open(waypoint::UpstreamRequest, waypoint::Endpoint&,
                                               StopToken) override {
    co_return Error{Reason::kUnsupported};
  }
  bool Detach(const std::function<Task<void>(StopToken stop)>&) override { return false; }
};

std::string_view ActionWord(waypoint::PolicyAction action) {
  switch (action) {
    case waypoint::PolicyAction::kAllow:
      return "ALLOW";
    case waypoint::PolicyAction::kDeny:
      return "DENY";
    case waypoint::PolicyAction::kAudit:
      return "AUDIT";
    case waypoint::PolicyAction::kCustom:
      return "CUSTOM";
  }
  return "DENY";
}

std::string NameOf(const waypoint::ServiceRef& service) {
  return service.hostname + ":" + std::to_string(service.port);
}

class VisitOf {
 public:
  VisitOf(const Model& model, const mesh::WorkloadRef& proxy, const Visit& visit)
      : model_(model), proxy_(proxy), visit_(visit) {}

  Visited Run() {
    out_.identity = proxy_->identity();
    if (!proxy_->addresses.empty()) out_.address = proxy_->addresses[0];
    hop_.place = "waypoint at " + proxy_->ns + "/" + proxy_->name;
    const control::Pod* const pod = model_.PodOf(*proxy_);
    const control::BoundGateway* const gateway = pod == nullptr ? nullptr : model_.GatewayOf(*pod);
    if (gateway == nullptr) {
      Finish(Outcome::kUnknown, "it serves no Gateway of ours: what it decides is not known here");
      return std::move(out_);
    }
    hop_.place = "waypoint " + gateway->namespace_name() + "/" + gateway->name() + ", pod " +
                 proxy_->ns + "/" + proxy_->name;
    rules_ = model_.RulesOf(*gateway);
    if (rules_ == nullptr) {
      Finish(Outcome::kUnreachable, "its Gateway cannot be read, so it does not listen");
      return std::move(out_);
    }
    Bind();
    return std::move(out_);
  }

 private:
  void Finish(Outcome outcome, std::string because, std::optional<Decider> by = std::nullopt) {
    out_.judged = End(std::move(hop_), outcome, std::move(because), std::move(by));
  }

  void Bind() {
    const hbone::Authority authority = visit_.authority;
    const Decoded<waypoint::Bound> bound = waypoint::ResolveConnect(
        model_.snapshot(), rules_->gateway, model_.settings().network, authority);
    if (!bound)
      return Finish(Outcome::kUnreachable, "the waypoint refuses the tunnel: " + bound.error().why);
    connection_.peer = visit_.client;
    connection_.peer_address = Address{visit_.source, 0};
    connection_.local_address = bound->address;
    connection_.destination = bound->destination;
    hop_.facts.push_back("mutual TLS as " + visit_.client.ToString());
    waypoint::Carried carried = waypoint::DeclaredOf(rules_->routes, *bound, visit_.client.ns);
    if (carried == waypoint::Carried::kUnknown)
      carried = visit_.request ? waypoint::Carried::kHttp : waypoint::Carried::kTcp;
    if (carried == waypoint::Carried::kHttp) return JudgeRequest();
    if (visit_.request)
      hop_.facts.push_back("the port's protocol is not HTTP: the request is not looked at");
    JudgeConnection();
  }

  // --- HTTP ---

  http::RequestHead Head() {
    http::RequestHead head;
    const AskedRequest asked = visit_.request.value_or(AskedRequest());
    if (!visit_.request) hop_.facts.push_back("the port carries HTTP: GET / is assumed");
    head.method = asked.method;
    head.scheme = "http";
    head.authority = asked.host.empty() ? visit_.host : asked.host;
    head.path = asked.path;
    for (const auto& [name, value] : asked.headers) std::ignore = head.headers.Add(name, value);
    return head;
  }

  // `point` is the number that chooses among backends.
  waypoint::Admitted AdmitAt(http::RequestHead head, std::uint64_t point) const {
    const waypoint::RulesSlot slot;
    NoUpstream upstream;
    waypoint::HttpDate date;
    const waypoint::ExchangeParts parts{
        .rules = slot,
        .upstream = upstream,
        .date = date,
        .own_principal = out_.identity.ToString(),
        .random = [point] { return point; },
        .unix_seconds = [] { return std::int64_t{0}; },
        .observe = [](const waypoint::ConnectionContext&, const waypoint::RequestRecord&) {}};
    const waypoint::AdmissionInput input{
        .parts = parts, .connection = connection_, .rules = *rules_, .keep_judged = true};
    waypoint::RequestRecord record;
    record.protocol = "HTTP/1.1";
    return waypoint::Admit(input, head, record);
  }

  void JudgeRequest() {
    const http::RequestHead head = Head();
    hop_.facts.push_back(head.method + " " + head.path + ", host " + head.authority);
    const waypoint::Admitted admitted = AdmitAt(head, 0);
    if (admitted.judged.method.empty())
      return Finish(Outcome::kUnreachable, "the waypoint answers " +
                                               std::to_string(admitted.reply->status) +
                                               " before it asks any policy");
    std::string storage;
    const waypoint::RequestView view = waypoint::ViewOf(admitted.judged, storage);
    const waypoint::AuthzInput input =
        waypoint::SubjectOf(*rules_, connection_, &view, admitted.remote_ip);
    if (!Judge(input)) return;
    TellRoute(admitted.action);
    if (admitted.reply) return TellReply(admitted);
    const waypoint::RouteRule* const rule = admitted.action.matched.rule;
    if (rule == nullptr || rule->backends.size() < 2) {
      GoOn(admitted.action, "");
      return Pass();
    }
    TryBackends(head, *rule);
    Pass();
  }

  // Each backend of the rule that gets a part of the requests.
  void TryBackends(const http::RequestHead& head, const waypoint::RouteRule& rule) {
    std::uint64_t point = 0;
    std::set<const waypoint::Backend*> seen;
    for (const waypoint::Backend& each : rule.backends) {
      if (each.weight == 0) continue;
      const waypoint::Admitted admitted = AdmitAt(head, point);
      point += each.weight;
      if (admitted.reply) {
        hop_.facts.push_back("backend " + NameOf(each.service) +
                             " cannot be used: " + std::to_string(admitted.reply->status));
      } else if (admitted.action.backend != nullptr &&
                 seen.insert(admitted.action.backend).second) {
        GoOn(admitted.action, "weight " + std::to_string(admitted.action.backend->weight) + " to " +
                                  NameOf(admitted.action.destination));
      }
    }
  }

  void TellRoute(const waypoint::RouteAction& action) {
    const waypoint::Matched& matched = action.matched;
    if (matched.route == nullptr || matched.rule == nullptr) return;
    const auto at = matched.rule - matched.route->rules.data();
    hop_.facts.push_back("HTTPRoute " + matched.route->name.ToString() + ", spec.rules[" +
                         std::to_string(at) + "], takes it");
    if (!matched.route->refused.empty())
      hop_.facts.push_back("that route cannot be understood: " + matched.route->refused);
  }

  void TellReply(const waypoint::Admitted& admitted) {
    const waypoint::LocalReply& reply = *admitted.reply;
    const std::string status = std::to_string(reply.status);
    const waypoint::Matched& matched = admitted.action.matched;
    std::optional<Decider> by;
    if (matched.route != nullptr) {
      by = Decider{"HTTPRoute", matched.route->name.ToString(), std::nullopt};
      if (matched.rule != nullptr)
        by->rule = static_cast<size_t>(matched.rule - matched.route->rules.data());
    }
    switch (reply.kind) {
      case waypoint::ReplyKind::kRedirect:
      case waypoint::ReplyKind::kPreflight:
        return Finish(Outcome::kAllowed, "the waypoint answers by itself, " + status, by);
      case waypoint::ReplyKind::kNoRoute:
        return Finish(Outcome::kUnreachable,
                      "routes are attached and none of their rules takes it: 404", by);
      default:
        return Finish(
            Outcome::kUnreachable,
            "the waypoint answers " + status + (reply.details.empty() ? "" : ": " + reply.details),
            by);
    }
  }

  // --- other connections ---

  void JudgeConnection() {
    const waypoint::AuthzInput input =
        waypoint::SubjectOf(*rules_, connection_, nullptr, visit_.source);
    if (!Judge(input)) return;
    waypoint::RouteAction action;
    if (connection_.destination->service) action.destination = *connection_.destination->service;
    GoOn(action, "");
    Pass();
  }

  // --- both ---

  // What policies say; false if they deny, which ends it.
  bool Judge(const waypoint::AuthzInput& input) {
    const waypoint::PolicySet& set = waypoint::PoliciesFor(*rules_, connection_);
    for (const auto* list : {&set.custom, &set.deny, &set.allow, &set.audit, &set.shadow}) {
      for (const waypoint::PolicyPtr& policy : *list) AddStep(*policy, input);
    }
    const waypoint::Verdict verdict = waypoint::Authorize(set, input);
    if (verdict.allowed) {
      NoteAllowance(set);
      return true;
    }
    if (verdict.policy == nullptr) {
      const std::string first = set.allow.front()->name.ToString();
      Finish(Outcome::kDenied,
             set.allow.size() == 1
                 ? "it is the only ALLOW policy at the waypoint and no rule of it matches"
                 : "none of the ALLOW policies at the waypoint has a rule that matches",
             Decide(first, std::nullopt));
      return false;
    }
    const waypoint::Policy& policy = *verdict.policy;
    std::string because = "it denies this at the waypoint";
    if (policy.action == waypoint::PolicyAction::kCustom)
      because = "CUSTOM: no external authorizer is asked, so what it matches is denied";
    std::optional<size_t> rule = static_cast<size_t>(verdict.rule);
    if (!policy.refused.empty()) {
      because = "it cannot be understood and denies everything: " + policy.refused;
      rule.reset();
    }
    Finish(Outcome::kDenied, because, Decide(policy.name.ToString(), rule));
    return false;
  }

  void AddStep(const waypoint::Policy& policy, const waypoint::AuthzInput& input) {
    PolicyStep step{.kind = "AuthorizationPolicy",
                    .name = policy.name.ToString(),
                    .action = std::string(ActionWord(policy.action)),
                    .dry_run = policy.dry_run};
    if (!policy.refused.empty()) {
      step.note = "cannot be understood: " + policy.refused;
    } else if (const std::optional<int> rule = waypoint::MatchingRule(policy, input)) {
      step.rule = static_cast<size_t>(*rule);
    }
    if (policy.action == waypoint::PolicyAction::kAudit) step.note = "decides nothing";
    hop_.policies.push_back(std::move(step));
  }

  // Marks the step that decides.
  Decider Decide(const std::string& name, std::optional<size_t> rule) {
    for (PolicyStep& step : hop_.policies) {
      if (step.name == name && !step.dry_run) step.decides = true;
    }
    return {"AuthorizationPolicy", name, rule};
  }

  void NoteAllowance(const waypoint::PolicySet& set) {
    if (set.allow.empty()) return;
    for (const PolicyStep& step : hop_.policies) {
      if (step.action != "ALLOW" || step.dry_run || !step.rule) continue;
      const std::string name = step.name;
      allowed_by_ = Decide(name, step.rule);
      return;
    }
  }

  void GoOn(const waypoint::RouteAction& action, std::string through) {
    waypoint::Destination destination = *connection_.destination;
    if (destination.service) destination.service = action.destination;
    const std::string where =
        destination.service ? NameOf(*destination.service) : destination.address.ToString();
    std::vector<mesh::Route> routes =
        RoutesFrom(model_, *proxy_, waypoint::Edge::kWaypoint, destination, &*connection_.peer);
    if (routes.empty()) hop_.facts.push_back("no endpoint of " + where + " can be used");
    for (mesh::Route& route : routes) out_.onward.push_back({std::move(route), through});
  }

  void Pass() {
    if (out_.onward.empty())
      return Finish(Outcome::kUnreachable, "there is no endpoint to send it to: 503", allowed_by_);
    Finish(Outcome::kAllowed,
           allowed_by_ ? "it allows this at the waypoint" : "no policy at the waypoint denies it",
           allowed_by_);
  }

  const Model& model_;
  const mesh::WorkloadRef& proxy_;
  const Visit& visit_;
  waypoint::RulesRef rules_;
  waypoint::ConnectionContext connection_;
  Hop hop_;
  std::optional<Decider> allowed_by_;
  Visited out_;
};

}  // namespace

Visited VisitWaypoint(const Model& model, const mesh::WorkloadRef& proxy, const Visit& visit) {
  return VisitOf(model, proxy, visit).Run();
}

std::vector<mesh::Route> RoutesFrom(const Model& model, const mesh::Workload& proxy,
                                    waypoint::Edge edge, const waypoint::Destination& destination,
                                    const certs::Identity* client) {
  const waypoint::OwnWorkload own{
      .identity = proxy.identity(), .workload = proxy, .network = model.settings().network};
  const mesh::Random first = [] { return std::uint64_t{0}; };
  const waypoint::BackendChoice choice(model.snapshot(), own, edge, first);
  waypoint::UpstreamRequest request;
  request.destination = destination;
  request.client = client;
  std::vector<mesh::Route> routes;
  while (routes.size() < kMaxEndpoints) {
    const Result<waypoint::ChosenBackend> chosen = choice.Choose(request);
    if (!chosen) break;
    // With every endpoint tried the first comes again.
    const std::string& key = chosen->endpoint.key;
    if (std::find(request.tried.begin(), request.tried.end(), key) != request.tried.end()) break;
    request.tried.push_back(key);
    routes.push_back(chosen->route);
  }
  return routes;
}

}  // namespace aquifer::cli
