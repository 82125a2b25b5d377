// How the mesh model names things: hosts within a namespace, addresses and prefixes within a
// network. The text forms are those of the workload API ("<namespace>/<hostname>",
// "<network>/<address>"). Values, any thread.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/address.h"
#include "mesh/text.h"

namespace aquifer::mesh {

struct NamespacedHostname {
  Text ns;
  Text hostname;

  // "<namespace>/<hostname>": exactly one slash, with something behind it.
  static std::optional<NamespacedHostname> Parse(std::string_view text);
  // The same, as parts of `text`.
  static std::optional<std::pair<std::string_view, std::string_view>> Split(std::string_view text);
  std::string ToString() const { return ns + "/" + hostname; }

  friend auto operator<=>(const NamespacedHostname&, const NamespacedHostname&) = default;
  friend bool operator==(const NamespacedHostname&, const NamespacedHostname&) = default;
  template <class H>
  friend H AbslHashValue(H h, const NamespacedHostname& n) {
    return H::combine(std::move(h), n.ns, n.hostname);
  }
};

// An IP address means something only within its network; "" is the default one.
struct NetworkAddress {
  Text network;
  Ip ip;

  // "<network>/<address>"; the network may be empty, the slash may not be missing.
  static std::optional<NetworkAddress> Parse(std::string_view text);
  std::string ToString() const { return network + "/" + ip.ToString(); }

  friend auto operator<=>(const NetworkAddress&, const NetworkAddress&) = default;
  friend bool operator==(const NetworkAddress&, const NetworkAddress&) = default;
  template <class H>
  friend H AbslHashValue(H h, const NetworkAddress& a) {
    return H::combine(std::move(h), a.network, a.ip);
  }
};

struct NetworkCidr {
  Text network;
  Cidr cidr;

  // "<network>/<address>/<length>".
  static std::optional<NetworkCidr> Parse(std::string_view text);
  std::string ToString() const { return network + "/" + cidr.ToString(); }

  friend auto operator<=>(const NetworkCidr&, const NetworkCidr&) = default;
  friend bool operator==(const NetworkCidr&, const NetworkCidr&) = default;
  template <class H>
  friend H AbslHashValue(H h, const NetworkCidr& c) {
    return H::combine(std::move(h), c.network, c.cidr.ip(), c.cidr.length());
  }
};

}  // namespace aquifer::mesh
