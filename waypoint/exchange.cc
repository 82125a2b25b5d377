#include "waypoint/exchange.h"

#include <algorithm>
#include <charconv>

#include "core/io/copy.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "waypoint/authz.h"
#include "waypoint/filters/cors.h"
#include "waypoint/filters/header_modifier.h"
#include "waypoint/filters/rewrite.h"
#include "waypoint/head_edit.h"

namespace aquifer::waypoint {
namespace {

using std::chrono::milliseconds;

milliseconds Since(TimePoint start) {
  return std::chrono::duration_cast<milliseconds>(Loop::Current().now() - start);
}

// grpc-timeout of the gRPC protocol: at most eight digits and a unit.
std::optional<milliseconds> GrpcTimeout(const http::HeaderList& headers) {
  const std::optional<std::string_view> value = headers.Get("grpc-timeout");
  if (!value || value->size() < 2 || value->size() > 9) return std::nullopt;
  std::uint64_t count = 0;
  const char* const unit = value->data() + value->size() - 1;
  if (std::from_chars(value->data(), unit, count).ptr != unit) return std::nullopt;
  switch (*unit) {
    case 'H':
      return milliseconds(count * 3'600'000);
    case 'M':
      return milliseconds(count * 60'000);
    case 'S':
      return milliseconds(count * 1000);
    case 'm':
      return milliseconds(std::max<std::uint64_t>(count, 1));
    case 'u':
      return milliseconds(std::max<std::uint64_t>(count / 1000, 1));
    case 'n':
      return milliseconds(std::max<std::uint64_t>(count / 1'000'000, 1));
    default:
      return std::nullopt;
  }
}

ReplyKind KindOf(const Error& error) {
  switch (error.reason) {
    case Reason::kTimeout:
      return ReplyKind::kUpstreamTimeout;
    case Reason::kHttpFailed:
    case Reason::kBadRequest:
      return ReplyKind::kUpstreamProtocol;
    case Reason::kOverload:
      return ReplyKind::kOverload;
    default:
      return ReplyKind::kUpstreamReset;
  }
}

ReplyKind KindOfConnect(const Error& error) {
  switch (error.reason) {
    case Reason::kTimeout:
      return ReplyKind::kUpstreamTimeout;
    case Reason::kNoHealthyUpstream:
      return ReplyKind::kNoHealthyUpstream;
    case Reason::kUnknownDestination:
      return ReplyKind::kInvalidRoute;
    case Reason::kConnectTimeout:
    case Reason::kHandshakeTimeout:
      return ReplyKind::kConnectTimeout;
    case Reason::kOverload:
      return ReplyKind::kOverload;
    default:
      return ReplyKind::kConnectFailure;
  }
}

// RFC 9110 section 9.2.2.
bool IsIdempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "PUT" ||
         method == "DELETE" || method == "TRACE";
}

}  // namespace

Exchange::Exchange(const ExchangeParts& parts, const ConnectionContext& connection,
                   Downstream& downstream)
    : parts_(parts),
      connection_(connection),
      downstream_(downstream),
      rules_(parts.rules.current()),
      started_(Loop::Current().now()),
      head_(downstream.TakeHead()) {
  record_.method = head_.method;
  record_.path = head_.path;
  record_.authority = head_.authority;
  record_.protocol = downstream.protocol();
  record_.user_agent = head_.headers.Get("user-agent").value_or("");
  record_.forwarded_for = head_.headers.Get("x-forwarded-for").value_or("");
  // A denied request, too, is counted for the service that was addressed.
  if (connection.destination) record_.service = connection.destination->service;
  grpc_ = IsGrpc(head_.headers);
  record_.grpc = grpc_;
}

Task<void> Exchange::Run(StopToken stop) {
  std::optional<LocalReply> reply = Admit();
  if (!reply) reply = Authorize();
  if (!reply) reply = ChooseRoute();
  if (!reply) reply = ApplyRequestFilters();
  if (!reply) reply = SetTimeouts();
  if (reply) {
    co_await Reply(*std::move(reply), stop);
  } else {
    co_await Forward(stop);
  }
  Finish();
}

std::optional<LocalReply> Exchange::Admit() {
  if (record_.protocol == "HTTP/1.0") return MakeReply(ReplyKind::kHttp10);
  // A tunnel inside the tunnel would lead past every policy.
  if (head_.method == "CONNECT") return MakeReply(ReplyKind::kNoRoute);
  const Gateway& gateway = rules_->gateway;
  std::optional<std::string> target = NormalizeTarget(head_.path, gateway.mesh.path_normalization);
  if (!target) return MakeReply(ReplyKind::kBadRequest);
  head_.path = *std::move(target);
  if (head_.scheme.empty()) head_.scheme = "http";
  if (!TakeHopByHop()) return MakeReply(ReplyKind::kBadRequest);

  RequestEdit edit{.edge = connection_.edge,
                   .peer = connection_.peer_address.ip,
                   .num_trusted_proxies = gateway.mesh.num_trusted_proxies,
                   .client_cert = "",
                   .random = {parts_.random(), parts_.random()}};
  if (gateway.xfcc_include_client_identity && connection_.peer) {
    edit.client_cert = "By=" + parts_.own_principal + ";URI=" + connection_.peer->ToString();
  }
  // Before the edit: at a gateway our own peer would stand last in it.
  const Ip remote = RemoteAddress(head_.headers, connection_.peer_address.ip, connection_.edge,
                                  gateway.mesh.num_trusted_proxies);
  remote_ip_ = remote;
  if (!EditRequest(edit, head_)) return MakeReply(ReplyKind::kBadRequest);
  record_.request_id = head_.headers.Get("x-request-id").value_or("");
  return std::nullopt;
}

// What concerns the client's connection only goes before anything is added or judged: a client must
// not name in Connection what we put in for the backend, nor what a policy has asked for. Of
// upgrades only WebSocket goes through; another protocol behind a 101, HTTP/2 above all, would be
// requests that no policy sees.
bool Exchange::TakeHopByHop() {
  const std::string protocol(head_.headers.Get("upgrade").value_or(""));
  upgrade_ = downstream_.asks_for_upgrade() && http::EqualsIgnoreCase(protocol, "websocket");
  http::RemoveHopByHop(head_.headers);
  return !upgrade_ ||
         (head_.headers.Set("connection", "upgrade") && head_.headers.Set("upgrade", "websocket"));
}

std::optional<LocalReply> Exchange::Authorize() {
  const std::optional<Destination>& destination = connection_.destination;
  const PolicySet& policies =
      destination && destination->service
          ? rules_->policies.ForService(destination->service->ns, destination->service->hostname)
          : rules_->policies.ForGateway();
  if (policies.empty()) return std::nullopt;
  const RequestView view = ViewOf(head_);
  const AuthzInput input{.request = &view,
                         .peer = connection_.peer ? &*connection_.peer : nullptr,
                         .source_ip = connection_.peer_address.ip,
                         .remote_ip = remote_ip_,
                         .destination = connection_.local_address,
                         .mesh = &rules_->gateway.mesh};
  const ShadowVerdict shadow = AuthorizeShadow(policies, input);
  record_.shadow_allowed = shadow.allowed;
  if (shadow.policy != nullptr) record_.shadow_policy = shadow.policy->name.ToString();
  const Verdict verdict = waypoint::Authorize(policies, input);
  if (verdict.allowed) return std::nullopt;
  LocalReply reply = MakeReply(ReplyKind::kDenied);
  reply.details = verdict.Details();
  return reply;
}

std::optional<LocalReply> Exchange::ChooseRoute() {
  const RequestView view = ViewOf(head_);
  const std::optional<Destination>& destination = connection_.destination;
  const std::uint16_t port = connection_.local_address.port;
  if (!destination) {
    const Matched matched = rules_->routes.ForListener(port, view);
    action_ = Decide(matched, view, nullptr, port, parts_.random());
  } else if (destination->service) {
    const std::string_view client = connection_.peer ? connection_.peer->ns : std::string_view();
    const ServiceRef& service = *destination->service;
    const RouteTable* const table = rules_->routes.ForService(service, client);
    action_ = table == nullptr ? PassThrough(service)
                               : Decide(table->Find(view), view, &service, port, parts_.random());
  }
  if (action_.matched.route != nullptr) record_.route = action_.matched.route->name.ToString();
  if (action_.reply) return std::move(action_.reply);
  // Traffic to a pod's own address knows no routes.
  if (!destination || destination->service) record_.service = action_.destination;
  return std::nullopt;
}

std::optional<LocalReply> Exchange::ApplyRequestFilters() {
  const Matched& matched = action_.matched;
  if (matched.rule == nullptr) return std::nullopt;
  const auto apply = [&](const Filters& filters) {
    return ModifyRequest(filters.request_headers, head_) &&
           (!filters.rewrite || Rewrite(*filters.rewrite, matched.match->path, head_));
  };
  if (!apply(matched.rule->filters) ||
      (action_.backend != nullptr && !apply(action_.backend->filters))) {
    return MakeReply(ReplyKind::kInvalidRoute);
  }
  return std::nullopt;
}

std::optional<LocalReply> Exchange::SetTimeouts() {
  const RouteRule* const rule = action_.matched.rule;
  if (rule != nullptr) {
    timeout_ = rule->request_timeout;
    try_timeout_ = rule->backend_request_timeout;
    if (rule->retry) max_tries_ = 1 + rule->retry->attempts;
  }
  if (grpc_) {
    const std::optional<milliseconds> grpc = GrpcTimeout(head_.headers);
    if (grpc && (timeout_.count() == 0 || *grpc < timeout_)) timeout_ = *grpc;
  }
  const milliseconds told = timeout_.count() != 0 ? timeout_ : try_timeout_;
  if (told.count() == 0) return std::nullopt;
  if (head_.headers.Set("x-envoy-expected-rq-timeout-ms", std::to_string(told.count()))) {
    return std::nullopt;
  }
  return MakeReply(ReplyKind::kInvalidRoute);
}

Task<void> Exchange::Forward(StopToken stop) {
  TimedStop whole(stop, timeout_, Reason::kTimeout);
  if (timeout_.count() == 0) whole.Disarm();
  StopSource all(whole.token());
  const StopLink gone(downstream_.gone(), all);
  whole_ = &whole;
  Outcome outcome = co_await TryOnce(all.token());
  while (outcome == Outcome::kTryAgain) {
    const RouteRule* const rule = action_.matched.rule;
    const bool pause = tries_ > 1 && rule != nullptr && rule->retry;
    if (pause) (void)co_await SleepFor(rule->retry->backoff, all.token());
    outcome = co_await TryOnce(all.token());
  }
  whole_ = nullptr;
}

Task<Exchange::Outcome> Exchange::TryOnce(StopToken whole) {
  ++tries_;
  UpstreamRequest request;
  if (record_.service) {
    request.destination.service = action_.destination;
  } else {
    request.destination.address = connection_.destination->address;
  }
  request.client = connection_.peer ? &*connection_.peer : nullptr;
  request.client_address = connection_.peer_address;
  request.client_speaks_h2 = record_.protocol == "HTTP/2";
  request.may_repeat = MayRepeat();
  request.random = parts_.random();
  request.tried = failed_endpoints_;
  Result<UpstreamCallPtr> call =
      co_await parts_.upstream.Open(std::move(request), record_.endpoint, whole);
  if (!call) {
    const ReplyKind kind = KindOfConnect(call.error());
    const bool hopeless = kind == ReplyKind::kNoHealthyUpstream || kind == ReplyKind::kInvalidRoute;
    co_return co_await FailTry(kind, !hopeless, whole);
  }
  const Outcome outcome = co_await Send(**call, whole);
  co_return outcome;
}

Task<Exchange::Outcome> Exchange::Send(UpstreamCall& call, StopToken whole) {
  const milliseconds patience =
      try_timeout_.count() != 0 ? try_timeout_ : milliseconds(std::chrono::hours(24));
  TimedStop each(whole, patience, Reason::kTimeout);
  if (try_timeout_.count() == 0) each.Disarm();
  StopSource both(each.token());
  sent_at_ = Loop::Current().now();

  http::RequestHead head_to_send = head_;
  head_to_send.headers.Remove("expect");
  const http::BodyLength length = downstream_.body();
  const Status sent =
      co_await call.SendHead(std::move(head_to_send), length, upgrade_, both.token());
  if (!sent) {
    co_return co_await FailTry(KindOf(sent.error()), call.reused() && MayRepeat(), whole);
  }
  Scope pumps;
  const bool has_body = length.kind != http::BodyKind::kNone;
  if (has_body) {
    const Status told = co_await downstream_.Continue(both.token());
    if (!told) co_return GiveUp();
    pumps.Spawn(PumpRequest(call, both));
  }
  Result<http::ResponseHead> head = co_await call.ReadHead(both.token());
  Outcome outcome = Outcome::kDone;
  if (!head) {
    both.RequestStop(head.error().reason);
    co_await pumps.Join();
    const bool repeat = MayRepeat() && head.error().reason != Reason::kTimeout && call.reused();
    co_return co_await FailTry(KindOf(head.error()), repeat, whole);
  }
  // Without a retry policy the backend's timeout is for the whole of its response.
  const RouteRule* const rule = action_.matched.rule;
  if (rule != nullptr && rule->retry) each.Disarm();
  if (head->status == 101 && !upgrade_) {
    both.RequestStop(Reason::kHttpFailed);
    co_await pumps.Join();
    co_return co_await FailTry(ReplyKind::kUpstreamProtocol, false, whole);
  }
  if (head->status == 101) {
    each.Disarm();
    co_await Tunnel(call, *std::move(head), whole);
  } else {
    outcome = co_await Answer(call, *std::move(head), both.token());
  }
  both.RequestStop(Reason::kStopped);
  co_await pumps.Join();
  co_return outcome;
}

Exchange::Outcome Exchange::GiveUp() {
  client_gone_ = true;
  return Outcome::kDone;
}

Task<void> Exchange::PumpRequest(UpstreamCall& call, StopSource& both) {
  while (true) {
    body_touched_ = true;
    Result<Chunk> got = co_await downstream_.ReadBody(both.token());
    if (!got) {
      if (both.requested()) co_return;
      client_gone_ = true;
      both.RequestStop(Reason::kPeerReset);
      co_return;
    }
    if (got->empty()) break;
    record_.request_bytes += got->size();
    // A backend may answer without having read everything: what it says is still to be read.
    const Status sent = co_await call.WriteBody(*std::move(got), both.token());
    if (!sent) co_return;
  }
  http::HeaderList trailers = downstream_.trailers();
  (void)co_await call.EndBody(std::move(trailers), both.token());
}

Task<Exchange::Outcome> Exchange::Answer(UpstreamCall& call, http::ResponseHead head,
                                         StopToken stop) {
  const RouteRule* const rule = action_.matched.rule;
  if (rule != nullptr && rule->retry && tries_ < max_tries_ && !body_touched_) {
    const std::vector<int>& codes = rule->retry->codes;
    if (std::find(codes.begin(), codes.end(), head.status) != codes.end()) {
      failed_endpoints_.push_back(record_.endpoint.key);
      co_return Outcome::kTryAgain;
    }
  }
  record_.upstream_time = Since(sent_at_);
  http::RemoveHopByHop(head.headers);
  if (!EditResponseHead(head)) {
    co_await Reply(MakeReply(ReplyKind::kUpstreamProtocol), stop);
    co_return Outcome::kDone;
  }
  http::BodyLength length = call.body();
  if (length.kind == http::BodyKind::kUntilClose) length = http::BodyLength::Chunked();
  responded_ = true;
  record_.status = head.status;
  record_.details = "via_upstream";
  const Status sent = co_await downstream_.Respond(std::move(head), length, stop);
  if (!sent) {
    client_gone_ = true;
    co_return Outcome::kDone;
  }
  co_await PumpResponse(call, stop);
  co_return Outcome::kDone;
}

Task<void> Exchange::PumpResponse(UpstreamCall& call, StopToken stop) {
  while (true) {
    Result<Chunk> got = co_await call.ReadBody(stop);
    if (!got) {
      record_.flags = got.error().reason == Reason::kTimeout ? "UT" : "UC";
      downstream_.Abort();
      co_return;
    }
    if (got->empty()) break;
    record_.response_bytes += got->size();
    const Status sent = co_await downstream_.WriteBody(*std::move(got), stop);
    if (!sent) {
      client_gone_ = !stop.requested();
      record_.flags = client_gone_ ? "DC" : "UT";
      downstream_.Abort();
      co_return;
    }
  }
  http::HeaderList trailers = call.TakeTrailers();
  if (const auto status = trailers.Get("grpc-status")) {
    std::from_chars(status->data(), status->data() + status->size(), record_.grpc_status);
  }
  const Status ended = co_await downstream_.EndBody(std::move(trailers), stop);
  if (!ended) downstream_.Abort();
}

Task<void> Exchange::Tunnel(UpstreamCall& call, http::ResponseHead head, StopToken stop) {
  whole_->Disarm();  // what follows is not a response that could be late
  const std::string protocol(head.headers.Get("upgrade").value_or(""));
  http::RemoveHopByHop(head.headers);
  (void)EditResponseHead(head);
  (void)head.headers.Set("connection", "upgrade");
  if (!protocol.empty()) (void)head.headers.Set("upgrade", protocol);
  responded_ = true;
  record_.status = 101;
  record_.details = "via_upstream";
  const Status sent = co_await downstream_.Respond(std::move(head), http::BodyLength::None(), stop);
  if (!sent) {
    client_gone_ = true;
    co_return;
  }
  const io::StreamPtr client = downstream_.TakeTunnel();
  const io::StreamPtr backend = call.TakeTunnel();
  if (client == nullptr || backend == nullptr) co_return downstream_.Abort();
  io::CopyTotals totals;
  (void)co_await io::CopyBothWays(*client, *backend, totals, stop);
  record_.request_bytes = totals.a_to_b_bytes;
  record_.response_bytes = totals.b_to_a_bytes;
}

// One try did not lead to a response.
Task<Exchange::Outcome> Exchange::FailTry(ReplyKind kind, bool may_try_again, StopToken stop) {
  if (client_gone_ || downstream_.gone().requested()) {
    client_gone_ = true;
    co_return Outcome::kDone;
  }
  failed_endpoints_.push_back(record_.endpoint.key);
  if (may_try_again && !stop.requested() && tries_ < max_tries_) co_return Outcome::kTryAgain;
  if (stop.requested() && stop.reason() != Reason::kTimeout) {
    downstream_.Abort();
    co_return Outcome::kDone;
  }
  // The deadline has passed, and the reply must not wait for it.
  co_await Reply(MakeReply(kind), StopToken());
  co_return Outcome::kDone;
}

Task<void> Exchange::Reply(LocalReply reply, StopToken stop) {
  record_.flags = reply.flags;
  record_.details = reply.details;
  record_.status = grpc_ ? 200 : reply.status;
  if (grpc_) record_.grpc_status = reply.grpc_status;
  downstream_.AbandonBody();
  http::ResponseHead head = ReplyHead(reply, grpc_, parts_.date.At(parts_.unix_seconds()));
  const bool has_body = !grpc_ && !reply.body.empty();
  if (record_.protocol == "HTTP/1.0" || reply.kind == ReplyKind::kBadRequest) {
    (void)head.headers.Set("connection", "close");
  }
  responded_ = true;
  const http::BodyLength length =
      has_body ? http::BodyLength::Of(reply.body.size()) : http::BodyLength::None();
  TimedStop patience(stop, std::chrono::seconds(10), Reason::kTimeout);
  Status sent = co_await downstream_.Respond(std::move(head), length, patience.token());
  if (sent && has_body && head_.method != "HEAD") {
    record_.response_bytes = reply.body.size();
    Chunk body = Chunk::CopyOf(reply.body);
    sent = co_await downstream_.WriteBody(std::move(body), patience.token());
  }
  http::HeaderList none;
  if (sent) sent = co_await downstream_.EndBody(std::move(none), patience.token());
  if (!sent) client_gone_ = true;
}

bool Exchange::EditResponseHead(http::ResponseHead& head) {
  const std::string_view date = parts_.date.At(parts_.unix_seconds());
  if (const auto status = head.headers.Get("grpc-status")) {
    std::from_chars(status->data(), status->data() + status->size(), record_.grpc_status);
  }
  if (!EditResponse(record_.upstream_time.count() < 0 ? Since(sent_at_) : record_.upstream_time,
                    date, head.headers)) {
    return false;
  }
  const RouteRule* const rule = action_.matched.rule;
  if (rule == nullptr) return true;
  if (action_.backend != nullptr &&
      !ModifyResponse(action_.backend->filters.response_headers, head.headers)) {
    return false;
  }
  if (!ModifyResponse(rule->filters.response_headers, head.headers)) return false;
  const std::optional<std::string_view> origin = head_.headers.Get("origin");
  return !rule->filters.cors || !origin || MarkResponse(*rule->filters.cors, *origin, head.headers);
}

// Whether sending the request a second time can do no harm and is possible.
bool Exchange::MayRepeat() const {
  return IsIdempotent(head_.method) && !body_touched_ &&
         downstream_.body().kind == http::BodyKind::kNone && !upgrade_;
}

void Exchange::Finish() {
  if (client_gone_) {
    record_.flags = "DC";
    if (!responded_) record_.details = "downstream_remote_disconnect";
    downstream_.Abort();
  }
  record_.duration = Since(started_);
  if (parts_.observe) parts_.observe(connection_, record_);
}

}  // namespace aquifer::waypoint
