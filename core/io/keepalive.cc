#include "core/io/keepalive.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <limits>

#include "core/io/option.h"
#include "core/io/socket.h"

namespace aquifer::io {

void SetTunnelOptions(int fd, const KeepAlive& keepalive) {
  TryOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (keepalive.enabled) {
    TryOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    TryOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(keepalive.time.count()));
    TryOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, static_cast<int>(keepalive.interval.count()));
    TryOption(fd, IPPROTO_TCP, TCP_KEEPCNT, keepalive.probes);
  }
  if (!keepalive.user_timeout) return;
  constexpr std::chrono::milliseconds kMost(std::numeric_limits<int>::max());
  const std::chrono::milliseconds patience = keepalive.time + keepalive.interval * keepalive.probes;
  TryOption(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(std::min(patience, kMost).count()));
}

void SetTunnelOptions(int fd) { SetTunnelOptions(fd, KeepAlive{}); }

}  // namespace aquifer::io
