#include "waypoint/udp_listeners.h"

#include <optional>
#include <set>
#include <utility>

namespace aquifer::waypoint {

Status UdpListeners::Follow(const Gateway& gateway) {
  std::set<std::uint16_t> wanted;
  for (const Listener& listener : gateway.listeners) {
    if (!gateway.is_waypoint && listener.protocol == ListenerProtocol::kUdp)
      wanted.insert(listener.port);
  }
  for (auto open = open_.begin(); open != open_.end();) {
    if (wanted.contains(open->first)) {
      ++open;
      continue;
    }
    open->second->RequestStop();
    closed_.push_back(std::move(open->second));
    open = open_.erase(open);
  }
  Status first;
  for (const std::uint16_t port : wanted) {
    if (open_.contains(port) || drain_.requested()) continue;
    const Status opened = OpenPort(port);
    if (opened.ok()) continue;
    log_.Error("waypoint", "cannot listen",
               {{"port", port}, {"protocol", "UDP"}, {"error", Describe(opened.error())}});
    if (first.ok()) first = opened;
  }
  return first;
}

// A socket for each family: a reply goes out by the one that its client is of.
Status UdpListeners::OpenPort(std::uint16_t port) {
  if (shared_ == nullptr) shared_ = std::make_unique<UdpShared>();
  auto closing = std::make_unique<StopSource>(drain_);
  const Status opened = OpenAt({Ip::Any4(), port}, closing->token());
  if (!opened.ok()) return opened;
  // Without IPv6 on this machine the other one serves.
  if (config_.ipv6) (void)OpenAt({Ip::Any6(), port}, closing->token());
  open_.emplace(port, std::move(closing));
  return Status();
}

Status UdpListeners::OpenAt(const Address& address, StopToken closing) {
  Result<io::DatagramSocket> socket = io::DatagramSocket::Bind(address);
  if (!socket) return socket.error();
  const std::optional<Ip> own = Ip::Parse(config_.instance_ip);
  const bool same = own && own->is_v4() == address.ip.is_v4();
  const Address local{same ? *own : address.ip, address.port};
  auto port = std::make_unique<UdpPort>(*std::move(socket), local, parts_, log_, *shared_);
  tasks_.Spawn(Run(std::move(port), closing));
  return Status();
}

Task<void> UdpListeners::Run(std::unique_ptr<UdpPort> port, StopToken closing) {
  co_await port->Run(closing);
}

}  // namespace aquifer::waypoint
