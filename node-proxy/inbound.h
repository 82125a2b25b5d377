// Connections that come to a captured pod: as CONNECT streams of HBONE connections (port 15008), or
// in the clear (15006). Both are judged by the pod's policies before the application hears of them.
#pragma once

#include "core/io/socket.h"
#include "core/obs/rate_limiter.h"
#include "hbone/server.h"
#include "node-proxy/inbound_connections.h"
#include "node-proxy/pod_endpoint.h"
#include "node-proxy/remote_sources.h"
#include "node-proxy/session.h"

namespace aquifer::node {

// Takes the CONNECTs for one pod.
class InboundHandler final : public hbone::ConnectHandler {
 public:
  // `keep_source`: the application is dialled from the client's address. `options` outlive this;
  // without them it is a captured pod's.
  InboundHandler(WorkerContext& context, PodEndpoint& pod, bool keep_source)
      : InboundHandler(context, pod, keep_source, context.inbound) {}
  InboundHandler(WorkerContext& context, PodEndpoint& pod, bool keep_source,
                 const mesh::InboundOptions& options)
      : context_(context), pod_(pod), keep_source_(keep_source), options_(options) {}

  Task<void> OnConnect(hbone::IncomingTunnel tunnel, StopToken stop) override;
  void OnHandshakeFailed(const Address& peer, const Address& local, const Error& error,
                         const std::string& detail) override;
  void OnBadRequest(const Address& peer, const certs::Identity& identity,
                    const Refusal& refusal) override;
  void OnConnectionBroken(const Address& peer, const certs::Identity& identity,
                          const Error& error) override;

 private:
  Task<void> Serve(std::unique_ptr<hbone::IncomingTunnel> tunnel, StopToken stop);
  Task<io::SocketPtr> Admit(hbone::IncomingTunnel& tunnel, Session& session,
                            InboundConnections::Entry& entry);
  Task<Result<mesh::InboundTarget, mesh::InboundRefusal>> Resolve(
      const hbone::IncomingTunnel& tunnel, const mesh::Workload& own, StopToken stop);
  Task<Result<io::SocketPtr>> ReachApplication(const hbone::IncomingTunnel& tunnel,
                                               const mesh::Workload& own,
                                               const mesh::InboundTarget& target, StopToken stop);
  mesh::WorkloadRef SourceOf(const hbone::IncomingTunnel& tunnel);

  WorkerContext& context_;
  PodEndpoint& pod_;
  bool keep_source_;
  const mesh::InboundOptions& options_;
  RemoteSources remote_sources_;
  obs::RateLimiter refusals_{5};
};

// One accepted HBONE connection.
Task<void> ServeInbound(WorkerContext& context, PodEndpoint& pod, InboundHandler& handler,
                        io::SocketPtr socket, StopToken drain, StopToken stop);

// One connection in the clear.
Task<void> ServeInboundPlaintext(WorkerContext& context, PodEndpoint& pod, bool keep_source,
                                 io::SocketPtr client, StopToken stop);

}  // namespace aquifer::node
