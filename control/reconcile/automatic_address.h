// Addresses for entered services that have none, so that a captured client which resolves the name
// can be told by the address which service it means: of 240.240.0.0/16 and 2001:2::/48, as Istio
// gives them out. Chosen by the name: the same one every time, unless an older service has it.
// Pure.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "control/entry_objects.h"

namespace aquifer::control {

// Entries with an address, with wildcard hosts, or whose clients have to know the address
// themselves (resolution NONE) get none; nor do those with the label
// networking.istio.io/enable-autoallocate-ip: "false".
bool WantsAddress(const ServiceEntry& entry, const std::string& host);

class AutomaticAddresses {
 public:
  // Somebody has it.
  void Take(const Ip& ip) { taken_.insert(ip); }
  // One of IPv4 and one of IPv6, which nobody else gets; none when all are taken.
  std::vector<Ip> Choose(std::string_view name);

 private:
  std::set<Ip> taken_;
};

}  // namespace aquifer::control
