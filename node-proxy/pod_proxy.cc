#include "node-proxy/pod_proxy.h"

#include "core/rt/timer.h"
#include "node-proxy/outbound.h"
#include "node-proxy/socks5_server.h"
#include "redirect/hand_over.h"

namespace aquifer::node {
namespace {

// Out of descriptors: the queue of the kernel keeps new connections meanwhile, the old ones go on.
constexpr auto kOverloadPause = std::chrono::milliseconds(50);
// How long a connection may take from its SYN to our queue when its listener is about to close.
constexpr auto kLastArrivals = std::chrono::milliseconds(250);
constexpr auto kBetweenWorkers = std::chrono::milliseconds(10);

redirect::SourceKept WantedSource(KeepSource keep) {
  switch (keep) {
    case KeepSource::kTry:
      return redirect::SourceKept::kTry;
    case KeepSource::kRequired:
      return redirect::SourceKept::kRequired;
    case KeepSource::kOff:
      return redirect::SourceKept::kNo;
  }
  return redirect::SourceKept::kNo;
}

mesh::LocalName NameOf(const redirect::Pod& pod) {
  return mesh::LocalName{
      .ns = pod.info.ns, .name = pod.info.name, .service_account = pod.info.service_account};
}

// What TRUST_DOMAIN says of the proxy's own identity; without it the mesh knows.
std::string TrustDomainOf(const Config& config, PodProxy::Role role) {
  const bool is_said =
      role == PodProxy::Role::kSelf && config.trust_domain != Config().trust_domain;
  return is_said ? config.trust_domain : std::string();
}

}  // namespace

PodProxy::PodProxy(WorkerContext& context, redirect::Pod pod, redirect::PodSockets sockets,
                   Role role)
    : context_(context),
      pod_(std::move(pod)),
      role_(role),
      endpoint_(std::make_shared<PodEndpoint>(context, pod_.uid, NameOf(pod_), std::move(sockets),
                                              TrustDomainOf(context.config, role))) {}

PodProxy::~PodProxy() {
  AQ_CHECK(accepting_.live() == 0 && connections_.live() == 0);
  context_.limits.node.Release(ports_.size());
}

Status PodProxy::Start() {
  const Config& config = context_.config;
  if (role_ == Role::kSelf) {
    AQ_TRY_STATUS(Bind(Kind::kInbound, config.inbound_port, redirect::SourceKept::kNo));
    own_ports_ = context_.inbound;
    own_ports_.only_ports = {config.stats_port, config.ready_port};
  } else {
    const redirect::SourceKept kept = WantedSource(config.keep_source);
    AQ_TRY_STATUS(Bind(Kind::kInbound, config.inbound_port, kept));
    AQ_TRY_STATUS(Bind(Kind::kInboundPlaintext, config.inbound_plaintext_port, kept));
    AQ_TRY_STATUS(Bind(Kind::kOutbound, config.outbound_port, redirect::SourceKept::kNo));
    AQ_TRY_STATUS(BindForThePod());
  }
  handler_ = std::make_unique<InboundHandler>(context_, *endpoint_, keep_source_,
                                              role_ == Role::kSelf ? own_ports_ : context_.inbound);
  for (const std::unique_ptr<Port>& port : ports_) accepting_.Spawn(AcceptLoop(*port));
  return Status();
}

Status PodProxy::Bind(Kind kind, std::uint16_t number, redirect::SourceKept kept) {
  AQ_TRY(redirect::PodSockets::ListenSocket socket, endpoint_->sockets().Listen(number, kept));
  if (kind != Kind::kOutbound) keep_source_ = socket.keeps_source;
  Add(kind, std::move(socket.fd));
  return Status();
}

// For the pod's own programs alone.
Status PodProxy::BindForThePod() {
  if (context_.config.socks5) {
    AQ_TRY_STATUS(BindSocks5());
  }
  if (context_.dns == nullptr) return Status();
  dns_ = std::make_unique<dns::Server>(context_, *context_.dns, *endpoint_, drain_.token(),
                                       stop_.token());
  AQ_TRY_STATUS(dns_->Bind());
  dns_->Serve();
  return Status();
}

Status PodProxy::BindSocks5() {
  const Address address{Ip::Loopback4(), context_.config.socks5_port};
  AQ_TRY(UniqueFd listening, endpoint_->sockets().ListenAt(address));
  Add(Kind::kSocks5, std::move(listening));
  return Status();
}

void PodProxy::Add(Kind kind, UniqueFd listening) {
  auto port = std::make_unique<Port>();
  port->kind = kind;
  port->listener = std::make_unique<io::Listener>(std::move(listening));
  if (context_.config.reuse_port) redirect::TakePart(port->listener->fd());
  context_.limits.node.Reserve(1);
  ports_.push_back(std::move(port));
}

std::uint16_t PodProxy::port(Kind kind) const {
  for (const std::unique_ptr<Port>& port : ports_) {
    if (port->kind == kind && port->listener != nullptr) return port->listener->local().port;
  }
  return 0;
}

void PodProxy::HandOver() {
  handing_over_ = context_.config.reuse_port;
  Drain();
}

Task<void> PodProxy::AcceptLoop(Port& port) {
  StopSource either(drain_.token());
  const StopLink stopped(stop_.token(), either);
  co_await AcceptUntil(port, either.token());
  if (handing_over_ && !stop_.requested()) co_await AcceptLast(port);
  // What makes connections pass us by counts by places, and those change when listeners close.
  const bool last = context_.index + 1 >= context_.config.workers;
  if (handing_over_ && last) redirect::TakePart(port.listener->fd());
  port.listener.reset();  // closed at once, so that the other proxy of an upgrade gets what comes
}

Task<void> PodProxy::AcceptUntil(Port& port, StopToken over) {
  while (true) {
    Result<io::SocketPtr> socket = co_await port.listener->Accept(over);
    if (socket.ok()) {
      if (!endpoint_->limits().Count(**socket)) {
        (*socket)->Reset();
        continue;
      }
      connections_.Spawn(Serve(port.kind, *std::move(socket)));
      continue;
    }
    if (over.requested()) break;
    if (socket.error().reason == Reason::kOverload) {
      context_.log.Warn("proxy", "out of descriptors or memory: new connections wait",
                        {{"pod", pod_.info.name}});
    }
    const Status paused = co_await SleepFor(kOverloadPause, over);
    if (!paused) break;
  }
}

Task<void> PodProxy::AcceptLast(Port& port) {
  const Status passed = redirect::PassBy(port.listener->fd(), context_.config.workers);
  if (!passed) {
    context_.log.Warn("proxy", "connections that arrive as the listener closes may be reset",
                      {{"pod", pod_.info.name}, {"error", Describe(passed.error())}});
  }
  // One worker after the other, so that the last one knows that it is.
  const Clock::duration patience = kLastArrivals + context_.index * kBetweenWorkers;
  TimedStop timed(stop_.token(), patience, Reason::kDrained);
  co_await AcceptUntil(port, timed.token());
}

Task<void> PodProxy::Serve(Kind kind, io::SocketPtr socket) {
  const obs::OpenSocket counted = context_.tcp_metrics.CountSocket(
      kind == Kind::kOutbound || kind == Kind::kSocks5 ? obs::Reporter::kSource
                                                       : obs::Reporter::kDestination);
  if (kind == Kind::kInbound) {
    co_await ServeInbound(context_, *endpoint_, *handler_, std::move(socket), drain_.token(),
                          stop_.token());
    co_return;
  }
  io::SetTunnelOptions(socket->fd(), context_.config.keepalive);
  if (kind == Kind::kOutbound) {
    co_await ServeOutbound(context_, endpoint_, std::move(socket), stop_.token());
  } else if (kind == Kind::kSocks5) {
    co_await ServeSocks5(context_, endpoint_, std::move(socket), stop_.token());
  } else {
    co_await ServeInboundPlaintext(context_, *endpoint_, keep_source_, std::move(socket),
                                   stop_.token());
  }
}

Task<void> PodProxy::Finish() {
  co_await accepting_.Join();
  co_await connections_.Join();
  if (dns_ != nullptr) co_await dns_->Finish();
}

}  // namespace aquifer::node
