// One captured pod as one worker serves it: three listeners and a DNS server in the pod's network
// namespace and the connections that came through them. Owned by Worker on its loop. Ends in the
// three ways of node-proxy/ending.h.
#pragma once

#include <map>
#include <memory>

#include "core/rt/scope.h"
#include "node-proxy/acceptor.h"
#include "node-proxy/dns/server.h"
#include "node-proxy/ending.h"
#include "node-proxy/inbound.h"
#include "node-proxy/pod_endpoint.h"
#include "redirect/pod.h"

namespace aquifer::node {

class PodProxy {
 public:
  enum class Kind : std::uint8_t { kOutbound, kInbound, kInboundPlaintext, kSocks5 };
  // kSelf: the proxy's own pod, which is not captured; what is served over HBONE is its metrics and
  // its readiness, so that who lives in the mesh can read them under mutual TLS.
  enum class Role : std::uint8_t { kCaptured, kSelf };

  PodProxy(WorkerContext& context, redirect::Pod pod, redirect::PodSockets sockets,
           Role role = Role::kCaptured);
  ~PodProxy();

  // Binds the listeners and starts to accept. An error leaves nothing behind but the object.
  Status Start();
  void Drain() { ending_.Drain(); }
  // Where another proxy may have the ports, too; or else it drains.
  void HandOver();
  void Stop(Reason reason) { ending_.Stop(reason); }
  // Returns when no task is left; after Drain or Stop.
  Task<void> Finish();
  std::size_t connections() const { return connections_.live(); }
  const redirect::Pod& pod() const { return pod_; }
  const std::string& origin() const { return endpoint_->origin(); }
  // Where it listens; after Start, until it drains.
  std::uint16_t port(Kind kind) const;

 private:
  Status Bind(Kind kind, std::uint16_t port, redirect::SourceKept kept);
  Status BindForThePod();
  Status BindSocks5();
  void Add(Kind kind, UniqueFd listening);
  Task<void> Serve(Kind kind, io::SocketPtr socket);

  WorkerContext& context_;
  redirect::Pod pod_;
  const Role role_;
  mesh::InboundOptions own_ports_;         // kSelf
  std::shared_ptr<PodEndpoint> endpoint_;  // shared with tunnels being dialled
  bool keep_source_ = false;
  std::unique_ptr<InboundHandler> handler_;
  std::map<Kind, Acceptor> ports_;
  Ending ending_;
  std::unique_ptr<dns::Server> dns_;  // null: its DNS is not served
  Scope accepting_;
  Scope connections_;
};

}  // namespace aquifer::node
