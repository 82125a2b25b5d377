// One captured pod as one worker serves it: three listeners and a DNS server in the pod's network
// namespace and the connections that came through them. Owned by Worker on its loop. Ends in three
// ways: drained (no new connections, those there go on), handed over (the same, but for a moment
// what was on its way is still taken: another proxy has the ports, too), or stopped (at once).
#pragma once

#include <memory>

#include "core/rt/scope.h"
#include "node-proxy/dns/server.h"
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
  void Drain() { drain_.RequestStop(Reason::kDrained); }
  void HandOver();
  void Stop(Reason reason) { stop_.RequestStop(reason); }
  // Returns when no task is left; after Drain or Stop.
  Task<void> Finish();
  std::size_t connections() const { return connections_.live(); }
  const redirect::Pod& pod() const { return pod_; }
  const std::string& origin() const { return endpoint_->origin(); }
  // Where it listens; after Start, until it drains.
  std::uint16_t port(Kind kind) const;

 private:
  struct Port {
    Kind kind;
    std::unique_ptr<io::Listener> listener;
  };

  Status Bind(Kind kind, std::uint16_t port, redirect::SourceKept kept);
  Status BindForThePod();
  Status BindSocks5();
  void Add(Kind kind, UniqueFd listening);
  Task<void> AcceptLoop(Port& port);
  Task<void> AcceptUntil(Port& port, StopToken over);
  Task<void> AcceptLast(Port& port);
  Task<void> Serve(Kind kind, io::SocketPtr socket);

  WorkerContext& context_;
  redirect::Pod pod_;
  const Role role_;
  mesh::InboundOptions own_ports_;         // kSelf
  std::shared_ptr<PodEndpoint> endpoint_;  // shared with tunnels being dialled
  bool keep_source_ = false;
  bool handing_over_ = false;
  std::unique_ptr<InboundHandler> handler_;
  std::vector<std::unique_ptr<Port>> ports_;
  StopSource drain_;
  StopSource stop_;
  std::unique_ptr<dns::Server> dns_;  // null: its DNS is not served
  Scope accepting_;
  Scope connections_;
};

}  // namespace aquifer::node
