#include "waypoint/l4_connection.h"

#include <chrono>
#include <string>
#include <utility>

#include "core/rt/timer.h"
#include "waypoint/client_hello.h"
#include "waypoint/l4_choice.h"
#include "waypoint/prefixed_stream.h"
#include "waypoint/tcp_proxy.h"

namespace aquifer::waypoint {
namespace {

constexpr auto kHelloTimeout = std::chrono::seconds(15);  // as Envoy waits for it

struct Heard {
  ClientHello hello;
  Chunk bytes;
};

// What the client has said when it is known whom it wants, or that nobody will know.
Task<Result<Heard>> Hear(io::Stream& stream, StopToken stop) {
  TimedStop patience(stop, kHelloTimeout, Reason::kTimeout);
  std::string bytes;
  while (true) {
    Result<Chunk> got = co_await stream.Read(patience.token());
    if (!got) co_return got.error();
    if (got->empty()) co_return Error{Reason::kPeerClosed};
    bytes.append(got->text());
    ClientHello hello = ReadClientHello(AsBytes(bytes));
    const bool more = hello.state == ClientHello::State::kIncomplete;
    if (!more) co_return Heard{std::move(hello), Chunk::CopyOf(bytes)};
    if (bytes.size() >= kMaxHelloBytes) co_return Heard{ClientHello(), Chunk()};
  }
}

void TurnAway(io::Stream& stream, const char* flags, std::string details,
              const ConnectionContext& context, const ExchangeParts& parts) {
  RequestRecord record;
  record.protocol = "TCP";
  record.authority = context.server_name;
  record.route = context.route;
  if (context.destination) record.service = context.destination->service;
  record.flags = flags;
  record.details = std::move(details);
  parts.observe(context, record);
  stream.Reset();
}

}  // namespace

Task<void> ServeL4(io::SocketPtr socket, ListenerProtocol protocol, std::uint16_t port,
                   Backends& backends, const ExchangeParts& parts, StopToken stop) {
  ConnectionContext context{.edge = Edge::kGateway,
                            .peer = std::nullopt,
                            .peer_address = socket->peer(),
                            .local_address = Address{socket->local().ip, port},
                            .destination = std::nullopt};
  const bool tls = protocol == ListenerProtocol::kTls;
  Chunk first;
  if (tls) {
    Result<Heard> heard = co_await Hear(*socket, stop);
    // Whoever only looks whether the port is open has asked for nothing.
    if (!heard) co_return socket->Reset();
    if (heard->hello.state != ClientHello::State::kComplete)
      co_return TurnAway(*socket, "DPE", "no_client_hello", context, parts);
    context.server_name = std::move(heard->hello.server_name);
    first = std::move(heard->bytes);
  }
  {
    const RulesRef rules = parts.rules.current();
    const L4Route* const route =
        tls ? rules->l4_routes.ForTls(port, context.server_name) : rules->l4_routes.ForTcp(port);
    L4Choice choice = ChooseBackend(route, parts.random());
    if (route != nullptr) context.route = route->name.ToString();
    if (choice.backend == nullptr)
      co_return TurnAway(*socket, "NR", std::move(choice.nowhere), context, parts);
    context.destination = Destination{
        .service = choice.backend->service, .address = {}, .protocol = mesh::AppProtocol::kTcp};
  }
  io::StreamPtr whole = std::move(socket);
  if (!first.empty()) whole = std::make_unique<PrefixedStream>(std::move(first), std::move(whole));
  co_await ServeTcp(std::move(whole), backends, parts, context, stop);
}

}  // namespace aquifer::waypoint
