// The UDP ports of one worker: what a gateway's UDP listeners say. Follows the Gateway as it
// changes. One thread.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "core/rt/scope.h"
#include "waypoint/config.h"
#include "waypoint/udp_port.h"

namespace aquifer::waypoint {

class UdpListeners {
 public:
  // All references outlive it. `drain` closes the ports.
  UdpListeners(const Config& config, const ExchangeParts& parts, obs::Logger& log, StopToken drain)
      : config_(config), parts_(parts), log_(log), drain_(drain) {}

  // As Listeners::Follow.
  Status Follow(const Gateway& gateway);
  Task<void> Join() { return tasks_.Join(); }

 private:
  Status OpenPort(std::uint16_t port);
  Status OpenAt(const Address& address, StopToken closing);
  static Task<void> Run(std::unique_ptr<UdpPort> port, StopToken closing);

  const Config& config_;
  const ExchangeParts& parts_;
  obs::Logger& log_;
  const StopToken drain_;
  std::map<std::uint16_t, std::unique_ptr<StopSource>> open_;
  std::vector<std::unique_ptr<StopSource>> closed_;  // their tasks may still be ending
  std::unique_ptr<UdpShared> shared_;                // once there is a port
  Scope tasks_;
};

}  // namespace aquifer::waypoint
