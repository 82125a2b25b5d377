#include "node-proxy/pod_proxy.h"

#include "node-proxy/outbound.h"
#include "node-proxy/socks5_server.h"

namespace aquifer::node {
namespace {

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

PodProxy::~PodProxy() { AQ_CHECK(accepting_.live() == 0 && connections_.live() == 0); }

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
  for (auto& [kind, port] : ports_) {
    accepting_.Spawn(port.Run(ending_, [this, kind = kind](io::SocketPtr socket) {
      connections_.Spawn(Serve(kind, std::move(socket)));
    }));
  }
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
  dns_ = std::make_unique<dns::Server>(context_, *context_.dns, *endpoint_, ending_);
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
  ports_.try_emplace(kind, context_, *endpoint_, std::move(listening));
}

std::uint16_t PodProxy::port(Kind kind) const {
  const auto found = ports_.find(kind);
  return found == ports_.end() ? std::uint16_t{0} : found->second.local().port;
}

void PodProxy::HandOver() {
  if (context_.config.reuse_port) {
    ending_.HandOver();
  } else {
    ending_.Drain();
  }
}

Task<void> PodProxy::Serve(Kind kind, io::SocketPtr socket) {
  const obs::OpenSocket counted = context_.tcp_metrics.CountSocket(
      kind == Kind::kOutbound || kind == Kind::kSocks5 ? obs::Reporter::kSource
                                                       : obs::Reporter::kDestination);
  if (kind == Kind::kInbound) {
    co_await ServeInbound(context_, *endpoint_, *handler_, std::move(socket), ending_.drain(),
                          ending_.stop());
    co_return;
  }
  io::SetTunnelOptions(socket->fd(), context_.config.keepalive);
  if (kind == Kind::kOutbound) {
    co_await ServeOutbound(context_, endpoint_, std::move(socket), ending_.stop());
  } else if (kind == Kind::kSocks5) {
    co_await ServeSocks5(context_, endpoint_, std::move(socket), ending_.stop());
  } else {
    co_await ServeInboundPlaintext(context_, *endpoint_, keep_source_, std::move(socket),
                                   ending_.stop());
  }
}

Task<void> PodProxy::Finish() {
  co_await accepting_.Join();
  co_await connections_.Join();
  if (dns_ != nullptr) co_await dns_->Finish();
}

}  // namespace aquifer::node
