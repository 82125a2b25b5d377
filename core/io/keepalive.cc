#include "core/io/keepalive.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <limits>

#include "core/io/socket.h"

namespace aquifer::io {
namespace {

void SetInt(int fd, int level, int option, int value) {
  // A socket that lacks one of these still works; there is nobody to tell.
  static_cast<void>(::setsockopt(fd, level, option, &value, sizeof value));
}

}  // namespace

void SetTunnelOptions(int fd, const KeepAlive& keepalive) {
  SetInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (keepalive.enabled) {
    SetInt(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    SetInt(fd, IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(keepalive.time.count()));
    SetInt(fd, IPPROTO_TCP, TCP_KEEPINTVL, static_cast<int>(keepalive.interval.count()));
    SetInt(fd, IPPROTO_TCP, TCP_KEEPCNT, keepalive.probes);
  }
  if (!keepalive.user_timeout) return;
  constexpr std::chrono::milliseconds kMost(std::numeric_limits<int>::max());
  const std::chrono::milliseconds patience = keepalive.time + keepalive.interval * keepalive.probes;
  SetInt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(std::min(patience, kMost).count()));
}

void SetTunnelOptions(int fd) { SetTunnelOptions(fd, KeepAlive{}); }

}  // namespace aquifer::io
