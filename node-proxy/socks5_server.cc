#include "node-proxy/socks5_server.h"

#include <string>
#include <utility>
#include <vector>

#include "core/io/linger.h"
#include "core/rt/timer.h"
#include "node-proxy/dns/resolver.h"
#include "node-proxy/egress.h"
#include "node-proxy/outbound.h"
#include "node-proxy/session.h"
#include "node-proxy/socks5.h"

namespace aquifer::node {
namespace {

// From the connection to the request.
constexpr auto kGreetingTimeout = std::chrono::seconds(10);
constexpr auto kLookupTimeout = std::chrono::seconds(10);
// For the client to take the reply that there is no connection.
constexpr auto kFarewell = std::chrono::seconds(1);

struct Asked {
  std::variant<Address, Socks5Name> destination;
  Chunk early;  // what the client has said already to where it wants to go
};

struct NotAsked {
  Error error;
  std::string why;
};

Task<void> Dismiss(io::Socket& client, std::string reply, StopToken stop) {
  TimedStop timed(stop, kFarewell, Reason::kTimeout);
  Chunk chunk = Chunk::CopyOf(reply);
  const Status said = co_await client.Write(std::move(chunk), timed.token());
  if (said.ok()) co_await io::Linger(client, kFarewell, timed.token());
}

Task<Result<Asked, NotAsked>> Greet(io::Socket& client, StopToken stop) {
  TimedStop timed(stop, kGreetingTimeout, Reason::kTimeout);
  Socks5Parser parser;
  Chunk chunk;
  while (true) {
    Bytes input = chunk.bytes();
    const Socks5Parser::Step step = parser.Next(input);
    chunk.RemovePrefix(chunk.size() - input.size());
    if (step == Socks5Parser::Step::kAsked) co_return Asked{parser.destination(), std::move(chunk)};
    if (step == Socks5Parser::Step::kRefused) {
      std::string answer(parser.answer());
      if (!answer.empty()) co_await Dismiss(client, std::move(answer), timed.token());
      co_return NotAsked{Error{Reason::kBadRequest}, std::string(parser.refusal())};
    }
    if (step == Socks5Parser::Step::kGreeted) {
      Chunk answer = Chunk::CopyOf(parser.answer());
      const Status said = co_await client.Write(std::move(answer), timed.token());
      if (!said) co_return NotAsked{said.error(), {}};
      continue;
    }
    Result<Chunk> got = co_await client.Read(timed.token());
    if (!got) co_return NotAsked{got.error(), {}};
    if (got->empty()) co_return NotAsked{Error{Reason::kPeerClosed}, {}};
    chunk = *std::move(got);
  }
}

// A service of the mesh first, by its address, so that what holds for a connection to that address
// holds here; then whatever the system's resolver knows.
Task<Result<Address>> AddressOf(WorkerContext& context, const PodEndpoint& pod,
                                std::variant<Address, Socks5Name> destination, Ip client,
                                StopToken stop) {
  if (const auto* address = std::get_if<Address>(&destination)) co_return *address;
  const auto& name = std::get<Socks5Name>(destination);
  const std::optional<Ip> vip =
      AddressOfService(*context.snapshot, name.host, pod.name().ns, context.config.cluster_domain,
                       context.config.network, client);
  if (vip) co_return Address{*vip, name.port};
  TimedStop timed(stop, kLookupTimeout, Reason::kTimeout);
  const Result<std::vector<Ip>> found =
      co_await context.egress.names.Find(name.host, pod.origin(), timed.token());
  if (!found) co_return found.error();
  for (const Ip& ip : *found) {
    if (ip.is_v4() == client.is_v4()) co_return Address{ip, name.port};
  }
  co_return Address{found->front(), name.port};
}

// Everything up to the reply; null when there is no connection. Out of line, or the compiler makes
// its frame a part of its caller's.
[[gnu::noinline]] Task<io::StreamPtr> Admit(WorkerContext& context,
                                            const std::shared_ptr<PodEndpoint>& pod,
                                            io::Socket& client, Session& session, StopToken stop) {
  Result<Asked, NotAsked> asked = co_await Greet(client, stop);
  if (!asked) {
    session.RejectEarly(asked.error().error, asked.error().why);
    co_return nullptr;
  }
  const Ip family = client.local().ip;
  std::variant<Address, Socks5Name> destination = asked->destination;
  const Result<Address> address =
      co_await AddressOf(context, *pod, std::move(destination), family, stop);
  Result<io::StreamPtr> upstream = Error{Reason::kNotFound};
  if (address.ok()) {
    upstream = co_await OpenOutbound(context, pod, client, &*address, session, stop);
  } else {
    upstream = session.RejectEarly(address.error());
  }
  // Said when it is so, and not before: a client of SOCKS can be told what went wrong.
  std::string reply = Socks5Reply(upstream.ok() ? Status() : Status(upstream.error()));
  if (!upstream) {
    if (!session.failed()) session.Fail(upstream.error());
    co_await Dismiss(client, std::move(reply), stop);
    co_return nullptr;
  }
  Chunk answer = Chunk::CopyOf(reply);
  Status passed = co_await client.Write(std::move(answer), stop);
  if (passed.ok() && !asked->early.empty()) {
    session.totals().a_to_b_bytes += asked->early.size();
    passed = co_await (*upstream)->Write(std::move(asked->early), stop);
  }
  if (passed.ok()) co_return *std::move(upstream);
  (*upstream)->Reset();
  session.Fail(passed.error());
  co_return nullptr;
}

}  // namespace

std::optional<Ip> AddressOfService(const mesh::Snapshot& snapshot, std::string_view host,
                                   std::string_view ns, std::string_view domain,
                                   const std::string& network, const Ip& like) {
  const dns::ResolverOptions names{
      .cluster_domain = std::string(domain), .preferred_namespace = {}, .search = {}};
  for (const dns::Candidate& candidate : dns::CandidatesFor(host, ns, names)) {
    const mesh::ServiceRef service =
        snapshot.BestServiceNamed(candidate.name, mesh::ClientNamespace(ns));
    if (service == nullptr) continue;
    std::optional<Ip> other;
    for (const mesh::NetworkAddress& vip : service->vips) {
      if (vip.network != network) continue;
      if (vip.ip.is_v4() == like.is_v4()) return vip.ip;
      other = vip.ip;
    }
    return other;
  }
  return std::nullopt;
}

// Its frame is there for as long as the connection is: it holds no more than copying needs.
Task<void> ServeSocks5(WorkerContext& context, std::shared_ptr<PodEndpoint> pod,
                       io::SocketPtr client, StopToken stop) {
  Session session(context, pod->limits().refusal_lines(), obs::Direction::kOutbound, client->peer(),
                  client->local());
  const io::StreamPtr upstream = co_await Admit(context, pod, *client, session, stop);
  if (upstream == nullptr) co_return;
  session.Open();
  const Status copied = co_await io::CopyBothWays(*client, *upstream, session.totals(), stop,
                                                  context.config.copy_limits);
  session.Finish(copied);
}

}  // namespace aquifer::node
