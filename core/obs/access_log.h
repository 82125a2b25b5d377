// The access log: one line when a connection ends (and one at debug when it opens), with the names
// and the order that tools for the node proxy know. The session of a connection fills the entry and
// calls once. Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "core/base/address.h"
#include "core/obs/log.h"

namespace aquifer::obs {

inline constexpr std::string_view kAccessScope = "access";

// Which side of the connection the captured pod is on.
enum class Direction : std::uint8_t { kInbound, kOutbound };

struct AccessPeer {
  Address address;
  std::string_view workload;  // name of the pod
  std::string_view workload_namespace;
  std::string_view identity;  // a full spiffe:// URI; only of connections under mutual TLS
  std::string_view cluster;
};

// Text that is empty is left out of the line.
struct AccessEntry {
  AccessPeer source;
  AccessPeer destination;
  std::string_view hbone_target;  // the authority of the CONNECT
  std::string_view service;       // hostname of the destination's service
  Direction direction = Direction::kOutbound;
  // As they travel, whichever side we are on; the line has them as the captured pod sees them.
  std::uint64_t client_to_server_bytes = 0;
  std::uint64_t server_to_client_bytes = 0;
  std::chrono::milliseconds duration{};
  std::string_view error;  // empty: it ended as it should
};

// "connection opened" at debug: who and where to.
void LogConnectionOpened(Logger& log, const AccessEntry& entry);
// "connection complete", at info or, with an error, at error.
void LogConnectionComplete(Logger& log, const AccessEntry& entry);
// "connection failed" at warn: refused before anything is known but addresses. Only those,
// direction and error are used. Whoever can reach a pod can cause it: `limiter` is the pod's.
void LogConnectionFailed(Logger& log, RateLimiter& limiter, const AccessEntry& entry);

}  // namespace aquifer::obs
