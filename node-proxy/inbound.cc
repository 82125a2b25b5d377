#include "node-proxy/inbound.h"

#include <algorithm>

#include "core/http/header.h"
#include "core/rt/timer.h"
#include "node-proxy/demand.h"
#include "node-proxy/inbound_connections.h"
#include "node-proxy/judgement.h"
#include "node-proxy/proxy_header.h"
#include "node-proxy/session.h"
#include "proxy/describe.h"
#include "redirect/original_dst.h"

namespace aquifer::node {
namespace {

constexpr auto kConnectTimeout = std::chrono::seconds(10);
constexpr int kUnauthorized = 401;  // what HBONE peers expect of a policy's refusal
constexpr int kUnavailable = 503;

mesh::InboundAuthority AuthorityOf(const hbone::Authority& authority) {
  if (const auto* address = std::get_if<Address>(&authority)) return *address;
  const auto& name = std::get<hbone::HostPort>(authority);
  return mesh::NamedAuthority{name.host, name.port};
}

std::string Explain(const Error& error, const std::string& why) {
  return why.empty() ? Describe(error) : Describe(error) + ": " + why;
}

// `refusal` goes to the authenticated peer, so that its operator sees on the client's side which
// policy it was.
void Refuse(hbone::IncomingTunnel& tunnel, Session& session, int status, const Error& error,
            const std::string& refusal) {
  static_cast<void>(tunnel.Refuse(status, refusal));
  session.Fail(error, Explain(error, refusal));
}

bool SpeaksProxy(const mesh::Workload& own) {
  return own.application_tunnel &&
         own.application_tunnel->protocol == mesh::ApplicationTunnel::Protocol::kProxy;
}

// Whether the application takes the first bytes at `port` for our word about who the client is.
bool BelievesHeader(const mesh::Workload& own, std::uint16_t port) {
  return SpeaksProxy(own) &&
         (own.application_tunnel->port == 0 || own.application_tunnel->port == port);
}

// Whether the application is dialled on loopback, where nobody but us and its own pod can tell it
// whom a connection is from. Only at a port that the control plane names: of loopback's ports a
// peer must not choose.
bool IsOnLoopback(const Config& config, const mesh::Workload& own) {
  return config.localhost_app_tunnel && SpeaksProxy(own) && own.application_tunnel->port != 0;
}

Task<Result<io::SocketPtr>> DialApplication(PodEndpoint& pod, Ip source, Address to,
                                            bool keep_source, StopToken stop) {
  TimedStop timed(stop, kConnectTimeout, Reason::kConnectTimeout);
  co_return co_await pod.DialFrom(source, to, keep_source, timed.token());
}

// Out of line as Admit is.
[[gnu::noinline]] Task<Result<io::SocketPtr>> AdmitPlaintext(WorkerContext& context,
                                                             PodEndpoint& pod, io::Socket& client,
                                                             bool keep_source, Session& session,
                                                             InboundConnections::Entry& entry) {
  const Result<Address> target = redirect::OriginalDestination(client.fd());
  if (!target) co_return session.RejectEarly(target.error());
  session.SetDestinationAddress(*target);
  const std::vector<std::uint16_t>& illegal = context.classify.illegal_ports;
  if (std::find(illegal.begin(), illegal.end(), target->port) != illegal.end())
    co_return session.RejectEarly(Error{Reason::kLoop});
  const Result<mesh::WorkloadRef> own = co_await pod.Workload(entry.token());
  if (!own) co_return session.RejectEarly(own.error());
  // It would be the client's word then, with whatever identity the client likes.
  if (BelievesHeader(**own, target->port)) {
    const Error refused{Reason::kUnsupported};
    co_return session.RejectEarly(
        refused, Explain(refused, "this port takes the PROXY protocol, from the proxy only"));
  }
  session.SetDestination(*own);
  session.SetService(mesh::GuessService(*context.snapshot, **own, target->port, {}));
  session.SetSource(context.snapshot->FindWorkloadAt({context.config.network, client.peer().ip}));

  entry.SetTarget(*target);
  const mesh::Decision decision = co_await Judge(context, entry);
  if (!decision.allowed()) {
    const Error denied{Reason::kPolicyDenied};
    session.Fail(denied, Explain(denied, decision.Describe()));
    co_return denied;
  }
  co_return co_await DialApplication(pod, client.peer().ip, *target, keep_source, entry.token());
}

}  // namespace

// The request is large, and only wanted until its tunnel is open.
Task<void> InboundHandler::OnConnect(hbone::IncomingTunnel tunnel, StopToken stop) {
  return Serve(std::make_unique<hbone::IncomingTunnel>(std::move(tunnel)), stop);
}

// Its frame is there for as long as the tunnel is: it holds no more than copying needs.
Task<void> InboundHandler::Serve(std::unique_ptr<hbone::IncomingTunnel> tunnel, StopToken stop) {
  Session session(context_, pod_.limits().refusal_lines(), obs::Direction::kInbound,
                  tunnel->peer_address, tunnel->local_address);
  InboundConnections::Entry entry(context_.inbound_connections, pod_.name(), tunnel->peer,
                                  tunnel->peer_address.ip, stop);
  const io::SocketPtr application = co_await Admit(*tunnel, session, entry);
  if (application == nullptr) co_return;
  const http::H2StreamPtr stream = std::move(tunnel->stream);
  tunnel.reset();
  session.Open();
  const StopLink gone(stream->gone(), entry.stop());
  const Status copied = co_await io::CopyBothWays(*stream, *application, session.totals(),
                                                  entry.token(), context_.config.copy_limits);
  session.Finish(copied);
}

// The application's socket once the tunnel is accepted; null when it was not. Out of line, or the
// compiler makes its frame a part of its caller's.
[[gnu::noinline]] Task<io::SocketPtr> InboundHandler::Admit(hbone::IncomingTunnel& tunnel,
                                                            Session& session,
                                                            InboundConnections::Entry& entry) {
  session.SetSourceIdentity(tunnel.peer);
  session.SetHboneTarget(hbone::ToString(tunnel.request.authority));
  const Result<mesh::WorkloadRef> own = co_await pod_.Workload(entry.token());
  if (!own) {
    static_cast<void>(tunnel.Refuse(kUnavailable, {}));
    session.RejectEarly(own.error());
    co_return nullptr;
  }
  session.SetDestination(*own);
  session.SetDestinationIdentity(pod_.IdentityOf(**own));
  session.SetSource(SourceOf(tunnel));
  const Result<mesh::InboundTarget, mesh::InboundRefusal> target =
      co_await Resolve(tunnel, **own, entry.token());
  if (!target.ok()) {
    context_.hbone_metrics.CountRefused(obs::HboneMetrics::Stage::kRequest,
                                        target.error().error.reason);
    static_cast<void>(tunnel.Refuse(target.error().status, target.error().why));
    session.RejectEarly(target.error().error, Explain(target.error().error, target.error().why));
    co_return nullptr;
  }
  session.SetService(target->service != nullptr
                         ? target->service
                         : mesh::GuessService(*context_.snapshot, **own, target->connect_to.port,
                                              tunnel.request.forwarded_host));
  entry.SetTarget(target->connect_to);
  const mesh::Decision decision = co_await Judge(context_, entry);
  if (!decision.allowed()) {
    Refuse(tunnel, session, kUnauthorized, Error{Reason::kPolicyDenied}, decision.Describe());
    co_return nullptr;
  }
  // A client that left needs no connection to the application.
  const StopLink gone(tunnel.stream->gone(), entry.stop());
  const Status turn = co_await pod_.limits().TurnForTunnel(entry.token());
  if (!turn) {
    Refuse(tunnel, session, kUnavailable, turn.error(), {});
    co_return nullptr;
  }
  Result<io::SocketPtr> application =
      co_await ReachApplication(tunnel, **own, *target, entry.token());
  if (!application) {
    Refuse(tunnel, session, kUnavailable, application.error(),
           std::string(ReasonWord(application.error().reason)));
    co_return nullptr;
  }
  std::optional<hbone::Baggage> baggage;
  if (context_.config.response_baggage) baggage = proxy::BaggageOf(**own);
  const Status accepted = tunnel.Accept(std::move(baggage));
  if (!accepted) {
    (*application)->Reset();  // it must not take a client that has left for one with nothing to say
    session.Fail(accepted.error());
    co_return nullptr;
  }
  co_return *std::move(application);
}

// Where the CONNECT leads, once what that depends on is known.
Task<Result<mesh::InboundTarget, mesh::InboundRefusal>> InboundHandler::Resolve(
    const hbone::IncomingTunnel& tunnel, const mesh::Workload& own, StopToken stop) {
  const mesh::InboundAuthority authority = AuthorityOf(tunnel.request.authority);
  const Ip local_ip = tunnel.local_address.ip;
  if (context_.demand != nullptr) {
    const Status known =
        co_await KnowInbound(context_, own, local_ip, authority, options_.network, stop);
    if (!known) co_return mesh::InboundRefusal{kUnavailable, known.error(), {}};
  }
  co_return mesh::ResolveInbound(*context_.snapshot, own, local_ip, authority, options_);
}

// The application's socket; one that speaks the PROXY protocol has been told whom it is from.
Task<Result<io::SocketPtr>> InboundHandler::ReachApplication(const hbone::IncomingTunnel& tunnel,
                                                             const mesh::Workload& own,
                                                             const mesh::InboundTarget& target,
                                                             StopToken stop) {
  Address to = target.connect_to;
  bool keep_source = keep_source_;
  if (IsOnLoopback(context_.config, own)) {
    to.ip = to.ip.is_v4() ? Ip::Loopback4() : Ip::Loopback6();
    keep_source = false;  // loopback's, too
  }
  Result<io::SocketPtr> application =
      co_await DialApplication(pod_, tunnel.peer_address.ip, to, keep_source, stop);
  if (!application || !SpeaksProxy(own)) co_return application;
  Chunk header =
      Chunk::CopyOf(EncodeProxyHeader(tunnel.peer_address, target.tunnel_target, tunnel.peer));
  const Status told = co_await (*application)->Write(std::move(header), stop);
  if (!told) co_return told.error();
  co_return application;
}

// Who the client's address belongs to, for labels. Not if it proved to be somebody else: an address
// is used again. From another network its address means nothing here, but its own words do.
mesh::WorkloadRef InboundHandler::SourceOf(const hbone::IncomingTunnel& tunnel) {
  const Config& config = context_.config;
  const std::string& network = tunnel.request.forwarded_network;
  if (!network.empty() && !http::EqualsIgnoreCase(network, config.network)) {
    if (!config.response_baggage) return nullptr;
    return remote_sources_.Find(tunnel.peer, tunnel.request.baggage, Loop::Current().now());
  }
  mesh::WorkloadRef workload =
      context_.snapshot->FindWorkloadAt({config.network, tunnel.peer_address.ip});
  const bool is_peer = workload != nullptr && workload->ns == tunnel.peer.ns &&
                       workload->service_account == tunnel.peer.service_account;
  return is_peer ? workload : nullptr;
}

void InboundHandler::OnHandshakeFailed(const Address& peer, const Address& local,
                                       const Error& error, const std::string& detail) {
  context_.hbone_metrics.CountRefused(obs::HboneMetrics::Stage::kHandshake, error.reason);
  context_.log.Limited(refusals_, obs::Level::kWarn, "inbound", "HBONE handshake failed",
                       {{"src.addr", peer.ToString()},
                        {"dst.addr", local.ToString()},
                        {"reason", ReasonWord(error.reason)},
                        {"error", detail}});
}

void InboundHandler::OnBadRequest(const Address& peer, const certs::Identity& identity,
                                  const Refusal& refusal) {
  context_.hbone_metrics.CountRefused(obs::HboneMetrics::Stage::kRequest, Reason::kBadRequest);
  context_.log.Limited(refusals_, obs::Level::kWarn, "inbound", "CONNECT refused",
                       {{"src.addr", peer.ToString()},
                        {"src.identity", identity.ToString()},
                        {"error", refusal.ToString()}});
}

void InboundHandler::OnConnectionBroken(const Address& peer, const certs::Identity& identity,
                                        const Error& error) {
  context_.hbone_metrics.CountRefused(obs::HboneMetrics::Stage::kConnection, error.reason);
  context_.log.Limited(refusals_, obs::Level::kWarn, "inbound", "HBONE connection broken",
                       {{"src.addr", peer.ToString()},
                        {"src.identity", identity.ToString()},
                        {"reason", ReasonWord(error.reason)},
                        {"error", Describe(error)}});
}

Task<void> ServeInbound(WorkerContext& context, PodEndpoint& pod, InboundHandler& handler,
                        io::SocketPtr socket, StopToken drain, StopToken stop) {
  Handshakes::Entry handshake(stop);
  pod.limits().Begin(handshake);
  const Result<mesh::WorkloadRef> own = co_await pod.Workload(handshake.token());
  if (!own)
    co_return handler.OnHandshakeFailed(socket->peer(), socket->local(), own.error(),
                                        Describe(own.error()));
  const certs::Identity identity = pod.IdentityOf(**own);
  Result<certs::CertRef> certificate = co_await context.certs.Get(identity, handshake.token());
  if (!certificate) {
    co_return handler.OnHandshakeFailed(socket->peer(), socket->local(), certificate.error(),
                                        Describe(certificate.error()));
  }
  hbone::ServerOptions options;
  options.handshake_timeout = context.config.handshake_timeout;
  options.keepalive = context.config.keepalive;
  options.handshake_stop = handshake.token();
  options.on_authenticated = [&handshake] { handshake.Done(); };
  options.pace = pod.limits().PaceOfPeers();
  options.h2.settings.gauge = pod.limits().gauge();
  options.h2.settings.stream_window_bytes = context.config.stream_window_bytes;
  options.h2.settings.connection_window_bytes = context.config.connection_window_bytes;
  options.h2.settings.max_frame_bytes = context.config.frame_bytes;
  options.revocations = context.revocations;
  certs::TlsContextRef tls = (*certificate)->server;
  certs::PeerExpectation peers = certs::InTrustDomain{identity.trust_domain};
  co_await hbone::ServeConnection(std::move(socket), std::move(tls), std::move(peers), options,
                                  handler, drain, stop);
}

Task<void> ServeInboundPlaintext(WorkerContext& context, PodEndpoint& pod, bool keep_source,
                                 io::SocketPtr client, StopToken stop) {
  Session session(context, pod.limits().refusal_lines(), obs::Direction::kInbound, client->peer(),
                  client->local());
  InboundConnections::Entry entry(context.inbound_connections, pod.name(), std::nullopt,
                                  client->peer().ip, stop);
  Result<io::SocketPtr> application =
      co_await AdmitPlaintext(context, pod, *client, keep_source, session, entry);
  if (!application) {
    client->Reset();  // nobody must take this for an empty answer
    if (!session.failed()) session.Fail(application.error());
    co_return;
  }
  session.Open();
  const Status copied = co_await io::CopyBothWays(*client, **application, session.totals(),
                                                  entry.token(), context.config.copy_limits);
  session.Finish(copied);
}

}  // namespace aquifer::node
