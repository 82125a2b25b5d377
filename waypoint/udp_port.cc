#include "waypoint/udp_port.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "waypoint/l4_choice.h"
#include "waypoint/policy_watch.h"
#include "waypoint/tcp_proxy.h"

namespace aquifer::waypoint {
namespace {

constexpr auto kIdle = std::chrono::seconds(60);  // as Envoy keeps sessions
constexpr auto kPause = std::chrono::milliseconds(50);
constexpr int kDatagramsATurn = 64;  // then others have theirs

// Whether the socket has something to say before the session was silent for too long; `last_used`
// moves on meanwhile.
Task<bool> AwaitReply(io::DatagramSocket& socket, const TimePoint& last_used, StopToken stop) {
  while (true) {
    const Clock::duration left = last_used + kIdle - Loop::Current().now();
    if (left <= Clock::duration::zero()) co_return false;
    TimedStop silence(stop, left, Reason::kTimeout);
    const Status ready = co_await socket.WaitReadable(silence.token());
    if (ready) co_return true;
    if (stop.requested() || ready.error().reason != Reason::kTimeout) co_return false;
  }
}

}  // namespace

struct UdpPort::Session {
  Session(io::DatagramSocket to, Address at) : backend(std::move(to)), endpoint(at) {}

  io::DatagramSocket backend;  // connected to `endpoint`
  const Address endpoint;
  ConnectionContext context;
  RequestRecord record;
  const TimePoint started = Loop::Current().now();
  TimePoint last_used = started;
};

Task<void> UdpPort::Run(StopToken closing) {
  while (!closing.requested()) {
    const Status ready = co_await socket_.WaitReadable(closing);
    if (ready) {
      TakeArrivals(closing);
    } else {
      (void)co_await SleepFor(kPause, closing);
    }
  }
  co_await tasks_.Join();
}

void UdpPort::TakeArrivals(StopToken closing) {
  for (int i = 0; i < kDatagramsATurn; ++i) {
    const Result<io::DatagramSocket::Datagram> got = socket_.Take(shared_.buffer);
    if (!got && got.error().reason == Reason::kNotFound) return;
    // Port 0 cannot be answered.
    if (!got || got->cut || got->from.port == 0) continue;
    Deliver(got->from, Bytes(shared_.buffer).first(got->size), closing);
  }
}

void UdpPort::Deliver(const Address& client, Bytes datagram, StopToken closing) {
  const auto found = sessions_.find(client);
  Session* const session = found == sessions_.end() ? Begin(client, closing) : found->second;
  if (session == nullptr) return;
  session->last_used = Loop::Current().now();
  if (session->backend.Send(datagram)) session->record.request_bytes += datagram.size();
}

UdpPort::Session* UdpPort::Begin(const Address& client, StopToken closing) {
  if (shared_.sessions >= UdpShared::kMaxSessions) return Drop(client, "too many sessions");
  const RulesRef rules = parts_.rules.current();
  const L4Route* const route = rules->l4_routes.ForUdp(local_.port);
  const L4Choice choice = ChooseBackend(route, parts_.random());
  if (choice.backend == nullptr) return Drop(client, choice.nowhere);
  const std::vector<Address>& endpoints = choice.backend->endpoints;
  if (endpoints.empty()) return Drop(client, "no_healthy_upstream");
  const Address endpoint = endpoints[parts_.random() % endpoints.size()];
  Result<io::DatagramSocket> socket = io::DatagramSocket::Open(endpoint.ip);
  if (!socket) return Drop(client, Describe(socket.error()));
  const Status connected = socket->Connect(endpoint);
  if (!connected) return Drop(client, Describe(connected.error()));
  auto session = std::make_unique<Session>(*std::move(socket), endpoint);
  session->context.edge = Edge::kGateway;
  session->context.peer_address = client;
  session->context.local_address = local_;
  session->context.destination = Destination{
      .service = choice.backend->service, .address = {}, .protocol = mesh::AppProtocol::kUnknown};
  session->context.route = route->name.ToString();
  if (const std::optional<std::string> why = WhyEnd(*rules, *session)) return Drop(client, *why);
  Session* const begun = session.get();
  sessions_.emplace(client, begun);
  ++shared_.sessions;
  tasks_.Spawn(Serve(std::move(session), closing));
  return begun;
}

// The line has its limit: anybody can send, from any address.
UdpPort::Session* UdpPort::Drop(const Address& client, std::string_view why) {
  log_.Limited(shared_.dropped, obs::Level::kWarn, "waypoint", "datagram dropped",
               {{"peer", client.ToString()}, {"port", local_.port}, {"why", why}});
  return nullptr;
}

// Policies, or its backend is none of the route's any more.
std::optional<std::string> UdpPort::WhyEnd(const Rules& rules, const Session& session) {
  if (std::optional<std::string> denied = DenyTcp(rules, session.context)) return denied;
  const L4Route* const route = rules.l4_routes.ForUdp(session.context.local_address.port);
  const auto leads_there = [&](const L4Backend& backend) {
    return backend.invalid.empty() && backend.weight > 0 &&
           std::find(backend.endpoints.begin(), backend.endpoints.end(), session.endpoint) !=
               backend.endpoints.end();
  };
  if (route != nullptr && std::any_of(route->backends.begin(), route->backends.end(), leads_there))
    return std::nullopt;
  return "route_changed";
}

Task<void> UdpPort::Serve(std::unique_ptr<Session> session, StopToken closing) {
  RequestRecord& record = session->record;
  record.protocol = "UDP";
  record.route = session->context.route;
  record.service = session->context.destination->service;
  record.endpoint.key = session->endpoint.ToString();
  record.endpoint.address = session->endpoint;
  record.moment = RequestRecord::Moment::kOpened;
  parts_.observe(session->context, record);
  PolicyWatch watch(
      parts_.rules, [&session](const Rules& now) { return WhyEnd(now, *session); }, closing);
  while (true) {
    const bool replied = co_await AwaitReply(session->backend, session->last_used, watch.token());
    if (!replied) break;
    TakeReplies(*session);
  }
  sessions_.erase(session->context.peer_address);
  --shared_.sessions;
  record.moment = RequestRecord::Moment::kEnded;
  if (watch.denied()) record.details = *watch.denied();
  record.duration = std::chrono::duration_cast<std::chrono::milliseconds>(Loop::Current().now() -
                                                                          session->started);
  parts_.observe(session->context, record);
}

void UdpPort::TakeReplies(Session& session) {
  for (int i = 0; i < kDatagramsATurn; ++i) {
    const Result<io::DatagramSocket::Datagram> got = session.backend.Take(shared_.buffer);
    if (!got && got.error().reason == Reason::kNotFound) return;
    // An error is of a datagram before; the endpoint may be back.
    if (!got) continue;
    session.last_used = Loop::Current().now();
    const Bytes reply = Bytes(shared_.buffer).first(got->size);
    if (socket_.SendTo(reply, session.context.peer_address))
      session.record.response_bytes += reply.size();
  }
}

}  // namespace aquifer::waypoint
