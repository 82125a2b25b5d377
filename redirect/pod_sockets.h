// Sockets of one pod's proxy, made inside the pod's network namespace and usable from outside ever
// after. All are blocking, close-on-exec, and carry the mark by which the rules of redirect/rules.h
// tell the proxy's packets from the application's. One worker; it borrows two namespaces that
// outlive it.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/address.h"
#include "core/base/result.h"
#include "core/base/unique_fd.h"
#include "redirect/netns.h"

namespace aquifer::redirect {

// The mark of Istio's node proxy and of the rules, 1337.
inline constexpr std::uint32_t kProxyMark = 0x539;

// Of the kernel; 0 if it has none to give.
std::uint32_t SystemRandom();

struct PodSocketOptions {
  std::uint32_t mark = kProxyMark;  // 0: none
  // Lets an old and a new proxy hold the same port while an upgrade lasts.
  bool reuse_port = true;
  bool ipv6 = true;
  std::uint32_t (*random)() = &SystemRandom;  // spreads source ports
};

// Whether a listener's connections will be continued from the client's address.
enum class SourceKept { kNo, kTry, kRequired };

class PodSockets {
 public:
  // Without namespaces sockets are made where the thread is: a proxy dedicated to one workload.
  explicit PodSockets(const PodSocketOptions& options) : options_(options) {}
  PodSockets(NetnsRef pod, NetnsRef home, const PodSocketOptions& options)
      : pod_(std::move(pod)), home_(std::move(home)), options_(options) {}

  struct ListenSocket {
    UniqueFd fd;
    // Whether the namespace lets us speak with the client's address.
    bool keeps_source = false;
  };
  // Listens on every address: dual stack, or IPv4 alone where IPv6 is off.
  Result<ListenSocket> Listen(std::uint16_t port, SourceKept kept) const;

  // Listens on one address of the pod alone, such as its loopback.
  Result<UniqueFd> ListenAt(const Address& address) const;

  // A socket to connect to `destination` with; the pod's own address will be its source.
  Result<UniqueFd> Upstream(const Ip& destination) const;

  struct UpstreamSocket {
    UniqueFd fd;
    // Why the source could not be kept; the socket then connects from an address of the pod.
    Status source_kept;
  };
  // The same, bound to `source`. A pod that calls itself is not bound: its own address comes by
  // itself. Of the family of `destination`; a source of the other family cannot be kept.
  Result<UpstreamSocket> UpstreamFrom(const Ip& source, const Ip& destination) const;

 private:
  template <class Make>
  auto InPod(Make&& make) const;
  Result<ListenSocket> ListenHere(std::uint16_t port, SourceKept kept) const;
  Result<UniqueFd> Make(int family) const;

  NetnsRef pod_;
  NetnsRef home_;
  PodSocketOptions options_;
};

}  // namespace aquifer::redirect
