#include "node-proxy/pod_proxy.h"

#include "core/rt/timer.h"
#include "node-proxy/outbound.h"

namespace aquifer::node {
namespace {

// Out of descriptors: the queue of the kernel keeps new connections meanwhile, the old ones go on.
constexpr auto kOverloadPause = std::chrono::milliseconds(50);

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

}  // namespace

PodProxy::PodProxy(WorkerContext& context, redirect::Pod pod, redirect::PodSockets sockets)
    : context_(context),
      pod_(std::move(pod)),
      endpoint_(
          std::make_shared<PodEndpoint>(context, pod_.uid, NameOf(pod_), std::move(sockets))) {}

PodProxy::~PodProxy() {
  AQ_CHECK(accepting_.live() == 0 && connections_.live() == 0);
  context_.limits.node.Release(ports_.size());
}

Status PodProxy::Start() {
  const redirect::SourceKept kept = WantedSource(context_.config.keep_source);
  AQ_TRY_STATUS(Bind(Kind::kInbound, context_.config.inbound_port, kept));
  AQ_TRY_STATUS(Bind(Kind::kInboundPlaintext, context_.config.inbound_plaintext_port, kept));
  AQ_TRY_STATUS(Bind(Kind::kOutbound, context_.config.outbound_port, redirect::SourceKept::kNo));
  handler_ = std::make_unique<InboundHandler>(context_, *endpoint_, keep_source_);
  for (const std::unique_ptr<Port>& port : ports_) accepting_.Spawn(AcceptLoop(*port));
  return Status();
}

Status PodProxy::Bind(Kind kind, std::uint16_t number, redirect::SourceKept kept) {
  AQ_TRY(redirect::PodSockets::ListenSocket socket, endpoint_->sockets().Listen(number, kept));
  if (kind != Kind::kOutbound) keep_source_ = socket.keeps_source;
  auto port = std::make_unique<Port>();
  port->kind = kind;
  port->listener = std::make_unique<io::Listener>(std::move(socket.fd));
  context_.limits.node.Reserve(1);
  ports_.push_back(std::move(port));
  return Status();
}

std::uint16_t PodProxy::port(Kind kind) const {
  for (const std::unique_ptr<Port>& port : ports_) {
    if (port->kind == kind && port->listener != nullptr) return port->listener->local().port;
  }
  return 0;
}

Task<void> PodProxy::AcceptLoop(Port& port) {
  StopSource either(drain_.token());
  const StopLink stopped(stop_.token(), either);
  while (true) {
    Result<io::SocketPtr> socket = co_await port.listener->Accept(either.token());
    if (socket.ok()) {
      if (!endpoint_->limits().Count(**socket)) {
        (*socket)->Reset();
        continue;
      }
      connections_.Spawn(Serve(port.kind, *std::move(socket)));
      continue;
    }
    if (either.requested()) break;
    if (socket.error().reason == Reason::kOverload) {
      context_.log.Warn("proxy", "out of descriptors or memory: new connections wait",
                        {{"pod", pod_.info.name}});
    }
    const Status paused = co_await SleepFor(kOverloadPause, either.token());
    if (!paused) break;
  }
  port.listener.reset();  // closed at once, so that the other proxy of an upgrade gets what comes
}

Task<void> PodProxy::Serve(Kind kind, io::SocketPtr socket) {
  const obs::OpenSocket counted = context_.tcp_metrics.CountSocket(
      kind == Kind::kOutbound ? obs::Reporter::kSource : obs::Reporter::kDestination);
  if (kind == Kind::kInbound) {
    co_await ServeInbound(context_, *endpoint_, *handler_, std::move(socket), drain_.token(),
                          stop_.token());
    co_return;
  }
  io::SetTunnelOptions(socket->fd());
  if (kind == Kind::kOutbound) {
    co_await ServeOutbound(context_, endpoint_, std::move(socket), stop_.token());
  } else {
    co_await ServeInboundPlaintext(context_, *endpoint_, keep_source_, std::move(socket),
                                   stop_.token());
  }
}

Task<void> PodProxy::Finish() {
  co_await accepting_.Join();
  co_await connections_.Join();
}

}  // namespace aquifer::node
