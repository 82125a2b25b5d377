// How a TCP peer that went away without a word is noticed. Values, any thread.
#pragma once

#include <chrono>

namespace aquifer::io {

// The defaults are those of Istio's node proxy.
struct KeepAlive {
  bool enabled = true;
  std::chrono::seconds time{180};      // of silence before the first probe
  std::chrono::seconds interval{180};  // between probes
  int probes = 9;                      // without an answer: the connection is broken
  // Bytes that nobody acknowledges break the connection as late as probes would.
  bool user_timeout = false;
};

// TCP_NODELAY, and keep-alive.
void SetTunnelOptions(int fd, const KeepAlive& keepalive);

}  // namespace aquifer::io
