#include "hbone/server.h"

#include "certs/tls_stream.h"
#include "certs/wall_clock.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"

namespace aquifer::hbone {
namespace {

constexpr int kBadRequest = 400;
// What a connection that is new when the drain begins has for its first CONNECT. Not every client
// tries another connection when it meets a GOAWAY just then.
constexpr auto kFirstRequest = std::chrono::seconds(1);

// Turns the requests of one connection into tunnels.
class Requests {
 public:
  Requests(ConnectHandler& handler, certs::Identity peer, Address peer_address,
           Address local_address, StopToken stop)
      : handler_(handler),
        peer_(std::move(peer)),
        peer_address_(peer_address),
        local_address_(local_address),
        stop_(stop) {}

  void Take(http::H2StreamPtr stream) {
    asked_.Set();
    Decoded<ConnectRequest> request = DecodeRequest(stream->TakeRequest());
    if (!request) {
      handler_.OnBadRequest(peer_address_, peer_, request.error());
      IncomingTunnel refused{std::move(stream), {}, peer_, peer_address_, local_address_};
      static_cast<void>(refused.Refuse(kBadRequest, request.error().ToString()));
      return;
    }
    IncomingTunnel tunnel{std::move(stream), *std::move(request), peer_, peer_address_,
                          local_address_};
    tunnels_.Spawn(handler_.OnConnect(std::move(tunnel), stop_.token()));
  }

  // Set with the first of them.
  Event& asked() { return asked_; }

  // After an end in good order every stream has ended, too: what it brought may still be on its way
  // to a destination that takes its time.
  Task<void> Finish(Status end) {
    if (!end.ok()) stop_.RequestStop(end.error().reason);
    co_await tunnels_.Join();
  }

 private:
  ConnectHandler& handler_;
  certs::Identity peer_;
  Address peer_address_;
  Address local_address_;
  StopSource stop_;
  Event asked_;
  Scope tunnels_;
};

// Sends GOAWAY when `drain` fires; returns then, or when the connection has ended.
Task<void> DrainOnRequest(http::H2Connection& connection, Event& asked, StopToken drain,
                          StopToken ended) {
  StopSource either(drain);
  const StopLink link(ended, either);
  Event never;
  std::ignore = co_await never.Wait(either.token());
  TimedStop patience(ended, kFirstRequest, Reason::kDrained);
  std::ignore = co_await asked.Wait(patience.token());
  if (drain.requested() && !connection.ended()) connection.Drain();
}

class EndsHandshake final : private StopCallback {
 public:
  EndsHandshake(StopToken from, TimedStop& to) : from_(from), to_(to) { from_.Watch(*this); }

 private:
  void OnStop() override { to_.RequestStop(from_.reason()); }

  StopToken from_;
  TimedStop& to_;
};

// A peer that leaves, with or without its streams' consent, and our own end are nobody's mistake.
// Whose certificate was revoked is told of although it did nothing just now.
bool IsPeersDoing(Reason reason) {
  return reason == Reason::kRevoked || reason == Reason::kHttpFailed ||
         reason == Reason::kOverload || reason == Reason::kTimeout ||
         reason == Reason::kTlsFailed || reason == Reason::kPeerReset;
}

}  // namespace

Status IncomingTunnel::Accept(std::optional<Baggage> baggage) {
  const ConnectResponse response{.status = 200, .baggage = std::move(baggage), .refusal = {}};
  return stream->Respond(EncodeResponse(response), http::EndStream::kNo);
}

Status IncomingTunnel::Refuse(int status, std::string refusal) {
  const ConnectResponse response{
      .status = status, .baggage = std::nullopt, .refusal = std::move(refusal)};
  return stream->Respond(EncodeResponse(response), http::EndStream::kYes);
}

Task<void> ServeConnection(io::SocketPtr socket, certs::TlsContextRef tls,
                           certs::PeerExpectation expectation, const ServerOptions& options,
                           ConnectHandler& handler, StopToken drain, StopToken stop) {
  const Address peer_address = socket->peer();
  const Address local_address = socket->local();
  io::SetTunnelOptions(socket->fd(), options.keepalive);
  TimedStop shaking(stop, options.handshake_timeout, Reason::kHandshakeTimeout);
  // On the heap: most have none, and the frame lives as long as the connection.
  std::unique_ptr<certs::Revocations::Watch> watch;
  if (options.revocations != nullptr)
    watch = std::make_unique<certs::Revocations::Watch>(*options.revocations, stop);
  std::optional<EndsHandshake> ends;
  if (options.handshake_stop.requested())
    shaking.RequestStop(options.handshake_stop.reason());
  else
    ends.emplace(options.handshake_stop, shaking);
  Result<certs::TlsStreamPtr, certs::TlsFailure> secure = co_await certs::ServerHandshake(
      std::move(socket), std::move(tls), std::move(expectation), certs::SystemWallTime(),
      shaking.token(), watch.get(), options.pace);
  shaking.Disarm();
  ends.reset();
  if (!secure)
    co_return handler.OnHandshakeFailed(peer_address, local_address, secure.error().error,
                                        secure.error().detail);
  const std::optional<certs::Identity> peer = (*secure)->peer();
  if (!peer)
    co_return handler.OnHandshakeFailed(peer_address, local_address, Error{Reason::kTlsFailed},
                                        "no identity");

  if (options.on_authenticated) options.on_authenticated();
  Requests requests(handler, *peer, peer_address, local_address, stop);
  http::H2Connection connection(
      http::H2Role::kServer, *std::move(secure), options.h2,
      [&requests](http::H2StreamPtr stream) { requests.Take(std::move(stream)); });
  connection.set_refusal_handler([&](std::string_view why) {
    handler.OnBadRequest(peer_address, *peer, Refusal{"request", std::string(why)});
  });
  StopSource ended;
  Scope drains;
  drains.Spawn(DrainOnRequest(connection, requests.asked(), drain, ended.token()));
  const StopToken over = watch != nullptr ? watch->token() : stop;
  const Status end = co_await connection.Run(over);
  ended.RequestStop();
  co_await drains.Join();
  if (!end.ok() && IsPeersDoing(end.error().reason))
    handler.OnConnectionBroken(peer_address, *peer, end.error());
  co_await requests.Finish(end);
}

}  // namespace aquifer::hbone
