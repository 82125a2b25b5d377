// The header of the PROXY protocol, version 2 (HAProxy's proxy-protocol.txt section 2.2), by which
// an application behind an application tunnel learns whom a connection is from, whom it was for and
// who the client proved to be. Pure, any thread.
#pragma once

#include <cstdint>
#include <string>

#include "certs/identity.h"
#include "core/base/address.h"

namespace aquifer::node {

// The TLV in which Istio's waypoints look for the client's SPIFFE ID.
inline constexpr std::uint8_t kProxyTlvSpiffeId = 0xD0;

// Addresses of two families have no form in the protocol: the header then has none at all.
std::string EncodeProxyHeader(const Address& source, const Address& destination,
                              const certs::Identity& identity);

}  // namespace aquifer::node
