// What tests of HBONE need of a mesh: certificates by a CA of the test's, and a request.
#pragma once

#include "certs/local_ca.h"
#include "hbone/connect.h"
#include "tests/support/catch.h"

namespace aquifer::test {

// For an hour from now.
inline certs::CertificateBundle Issue(const certs::LocalCa& ca, const certs::Identity& identity) {
  certs::PrivateKey key = certs::PrivateKey::Generate();
  Decoded<std::string> leaf =
      ca.Issue(key.get(), identity, std::chrono::hours(1), certs::SystemWallTime());
  REQUIRE(leaf.ok());
  Decoded<certs::CertificateBundle> bundle =
      certs::CertificateBundle::FromResponse(std::move(key), ca.ResponseChain(*leaf));
  REQUIRE(bundle.ok());
  return *std::move(bundle);
}

// A CONNECT to a port of a workload.
inline hbone::ConnectRequest To(std::uint16_t port) {
  return hbone::ConnectRequest{.authority = Address{Ip::V4(10, 0, 0, 1), port},
                               .baggage = {},
                               .forwarded_for = {},
                               .forwarded_host = {},
                               .traceparent = {},
                               .forwarded_network = {}};
}

}  // namespace aquifer::test
