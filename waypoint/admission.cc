#include "waypoint/admission.h"

#include <utility>

#include "waypoint/filters/header_modifier.h"
#include "waypoint/filters/rewrite.h"
#include "waypoint/head_edit.h"
#include "waypoint/subject.h"

namespace aquifer::waypoint {
namespace {

// One request on its way through the steps, in this order.
class Admission {
 public:
  Admission(const AdmissionInput& input, http::RequestHead& head, RequestRecord& record)
      : input_(input), head_(head), record_(record) {}

  Admitted Run() {
    out_.reply = Check();
    if (!out_.reply) out_.reply = Authorize();
    if (!out_.reply) out_.reply = ChooseRoute();
    if (!out_.reply) out_.reply = ApplyFilters();
    if (!out_.reply) out_.reply = SetDeadlines();
    return std::move(out_);
  }

 private:
  const Gateway& gateway() const { return input_.rules.gateway; }
  const ConnectionContext& connection() const { return input_.connection; }

  std::optional<LocalReply> Check() {
    if (record_.protocol == "HTTP/1.0") return MakeReply(ReplyKind::kHttp10);
    // A tunnel inside the tunnel would lead past every policy.
    if (head_.method == "CONNECT") return MakeReply(ReplyKind::kNoRoute);
    // "OPTIONS *" asks about the server and names no resource (RFC 9110 section 9.3.7).
    if (head_.method != "OPTIONS" || head_.path != "*") {
      std::optional<std::string> target =
          NormalizeTarget(head_.path, gateway().mesh.path_normalization);
      if (!target) return MakeReply(ReplyKind::kBadRequest);
      head_.path = *std::move(target);
    }
    // At the edge the listener says what is spoken, and not a target that anybody can write: what
    // is made of it, x-forwarded-proto above all, is believed further on. Listeners speak HTTP.
    if (connection().edge == Edge::kGateway || head_.scheme.empty()) head_.scheme = "http";
    if (!TakeHopByHop() || !Edit()) return MakeReply(ReplyKind::kBadRequest);
    record_.request_id = head_.headers.Get("x-request-id").value_or("");
    return std::nullopt;
  }

  // What concerns the client's connection only goes before anything is added or judged: a client
  // must not name in Connection what we put in for the backend, nor what a policy has asked for. Of
  // upgrades only WebSocket goes through; another protocol behind a 101, HTTP/2 above all, would be
  // requests that no policy sees.
  bool TakeHopByHop() {
    const std::string protocol(head_.headers.Get("upgrade").value_or(""));
    out_.upgrade = input_.asks_for_upgrade && http::EqualsIgnoreCase(protocol, "websocket");
    http::RemoveHopByHop(head_.headers);
    return !out_.upgrade || (head_.headers.Set("connection", "upgrade") &&
                             head_.headers.Set("upgrade", "websocket"));
  }

  bool Edit() {
    const ExchangeParts& parts = input_.parts;
    const Ip& peer = connection().peer_address.ip;
    const std::uint32_t proxies = gateway().mesh.num_trusted_proxies;
    RequestEdit edit{.edge = connection().edge,
                     .peer = peer,
                     .num_trusted_proxies = proxies,
                     .client_cert = "",
                     .random = {parts.random(), parts.random()}};
    if (gateway().xfcc_include_client_identity && connection().peer) {
      edit.client_cert = "By=" + parts.own_principal + ";URI=" + connection().peer->ToString();
    }
    // Before the edit: at a gateway our own peer would stand last in it.
    out_.remote_ip = RemoteAddress(head_.headers, peer, connection().edge, proxies);
    return EditRequest(edit, head_);
  }

  std::optional<LocalReply> Authorize() {
    const PolicySet& policies = PoliciesFor(input_.rules, connection());
    if (out_.upgrade || input_.keep_judged) out_.judged = head_;
    if (policies.empty()) return std::nullopt;
    std::string storage;
    const RequestView view = ViewOf(head_, storage);
    const AuthzInput input = SubjectOf(input_.rules, connection(), &view, out_.remote_ip);
    const ShadowVerdict shadow = AuthorizeShadow(policies, input);
    record_.shadow_allowed = shadow.allowed;
    if (shadow.policy != nullptr) record_.shadow_policy = shadow.policy->name.ToString();
    const Verdict verdict = waypoint::Authorize(policies, input);
    if (verdict.allowed) return std::nullopt;
    LocalReply reply = MakeReply(ReplyKind::kDenied);
    reply.details = verdict.Details();
    return reply;
  }

  std::optional<LocalReply> ChooseRoute() {
    std::string storage;
    const RequestView view = ViewOf(head_, storage);
    const std::optional<Destination>& destination = connection().destination;
    const std::uint16_t port = connection().local_address.port;
    const RouteIndex& routes = input_.rules.routes;
    RouteAction& action = out_.action;
    if (!destination) {
      action = Decide(routes.ForListener(port, view), view, nullptr, port, input_.parts.random());
    } else if (destination->service) {
      const std::string_view client =
          connection().peer ? connection().peer->ns : std::string_view();
      const ServiceRef& service = *destination->service;
      const RouteTable* const table = routes.ForService(service, client);
      action = table == nullptr
                   ? PassThrough(service)
                   : Decide(table->Find(view), view, &service, port, input_.parts.random());
    }
    if (action.matched.route != nullptr) record_.route = action.matched.route->name.ToString();
    if (action.reply) return std::move(action.reply);
    // Traffic to a pod's own address knows no routes.
    if (!destination || destination->service) record_.service = action.destination;
    return std::nullopt;
  }

  bool Apply(const Filters& filters) {
    const Matched& matched = out_.action.matched;
    return ModifyRequest(filters.request_headers, head_) &&
           (!filters.rewrite || Rewrite(*filters.rewrite, matched.match->path, head_));
  }

  std::optional<LocalReply> ApplyFilters() {
    const RouteRule* const rule = out_.action.matched.rule;
    if (rule == nullptr) return std::nullopt;
    if (!Apply(rule->filters)) return MakeReply(ReplyKind::kInvalidRoute);
    const Backend* const backend = out_.action.backend;
    // A backend's own filters are not for copies that go elsewhere.
    Mirror(rule->filters.mirrors);
    if (backend == nullptr) return std::nullopt;
    Mirror(backend->filters.mirrors);
    if (!Apply(backend->filters)) return MakeReply(ReplyKind::kInvalidRoute);
    return std::nullopt;
  }

  void Mirror(const std::vector<RequestMirror>& mirrors) {
    if (out_.upgrade) return;
    for (const RequestMirror& mirror : mirrors) {
      if (input_.parts.random() % mirror.denominator >= mirror.numerator) continue;
      out_.mirrors.push_back({mirror.service, head_});
    }
  }

  std::optional<LocalReply> SetDeadlines() {
    out_.deadlines = DeadlinesOf(out_.action.matched.rule, head_.headers, record_.grpc);
    const std::chrono::milliseconds told = out_.deadlines.told();
    if (told.count() == 0) return std::nullopt;
    if (head_.headers.Set("x-envoy-expected-rq-timeout-ms", std::to_string(told.count()))) {
      return std::nullopt;
    }
    return MakeReply(ReplyKind::kInvalidRoute);
  }

  const AdmissionInput& input_;
  http::RequestHead& head_;
  RequestRecord& record_;
  Admitted out_;
};

}  // namespace

Admitted Admit(const AdmissionInput& input, http::RequestHead& head, RequestRecord& record) {
  return Admission(input, head, record).Run();
}

std::optional<std::string> DenyRequest(const Rules& rules, const ConnectionContext& connection,
                                       const http::RequestHead& head, const Ip& remote_ip) {
  std::string storage;
  const RequestView view = ViewOf(head, storage);
  const Verdict verdict = waypoint::Authorize(PoliciesFor(rules, connection),
                                              SubjectOf(rules, connection, &view, remote_ip));
  if (verdict.allowed) return std::nullopt;
  return verdict.Details();
}

}  // namespace aquifer::waypoint
