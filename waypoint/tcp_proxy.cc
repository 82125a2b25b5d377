#include "waypoint/tcp_proxy.h"

#include "core/io/copy.h"
#include "core/rt/timer.h"
#include "waypoint/policy_watch.h"
#include "waypoint/subject.h"

namespace aquifer::waypoint {
namespace {

constexpr auto kConnectTimeout = std::chrono::seconds(10);

// Whom the connection is for.
UpstreamRequest RequestFor(const ExchangeParts& parts, const ConnectionContext& context) {
  UpstreamRequest request;
  if (context.destination) request.destination = *context.destination;
  request.client = context.peer ? &*context.peer : nullptr;
  request.client_address = context.peer_address;
  request.random = parts.random();
  return request;
}

}  // namespace

std::optional<std::string> DenyTcp(const Rules& rules, const ConnectionContext& context) {
  const AuthzInput input = SubjectOf(rules, context, nullptr, context.peer_address.ip);
  const Verdict verdict = Authorize(PoliciesFor(rules, context), input);
  if (verdict.allowed) return std::nullopt;
  return verdict.Details();
}

Task<void> ServeTcp(io::StreamPtr stream, Backends& backends, const ExchangeParts& parts,
                    const ConnectionContext& context, StopToken stop) {
  const TimePoint started = Loop::Current().now();
  RequestRecord record;
  record.protocol = "TCP";
  record.authority = context.server_name;
  record.route = context.route;
  if (context.destination) record.service = context.destination->service;
  const RulesRef rules = parts.rules.current();
  if (std::optional<std::string> denied = DenyTcp(*rules, context)) {
    record.flags = "-";
    record.details = *std::move(denied);
    parts.observe(context, record);
    // Closed without a byte, as clients of Istio know it.
    (void)co_await stream->ShutdownWrite(stop);
    co_return;
  }
  PolicyWatch watch(
      parts.rules, [&context](const Rules& now) { return DenyTcp(now, context); }, stop);
  Result<ChosenBackend> backend = backends.Choose(RequestFor(parts, context));
  Result<io::StreamPtr> upstream = Error{Reason::kNoHealthyUpstream};
  if (backend) {
    record.endpoint = backend->endpoint;
    TimedStop timed(watch.token(), kConnectTimeout, Reason::kConnectTimeout);
    upstream = co_await backends.Dial(*std::move(backend), timed.token());
  }
  if (!upstream) {
    record.flags = backend ? "UF" : "UH";
    record.details = Describe(backend ? upstream.error() : backend.error());
    stream->Reset();
  } else {
    record.moment = RequestRecord::Moment::kOpened;
    parts.observe(context, record);
    record.moment = RequestRecord::Moment::kEnded;
    io::CopyTotals totals;
    (void)co_await io::CopyBothWays(*stream, **upstream, totals, watch.token());
    record.request_bytes = totals.a_to_b_bytes;
    record.response_bytes = totals.b_to_a_bytes;
  }
  if (watch.denied()) record.details = *watch.denied();
  record.duration =
      std::chrono::duration_cast<std::chrono::milliseconds>(Loop::Current().now() - started);
  parts.observe(context, record);
}

}  // namespace aquifer::waypoint
