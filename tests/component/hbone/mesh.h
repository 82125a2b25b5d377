// Two workloads of one mesh and the TLS contexts that their certificates give, for tests of HBONE
// over real TLS.
#pragma once

#include "certs/local_ca.h"
#include "certs/tls_context.h"
#include "hbone/connect.h"
#include "tests/support/catch.h"

namespace aquifer::hbone::test {

inline certs::WallTime Now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

struct Credentials {
  Credentials()
      : client_id{"cluster.local", "default", "client"},
        server_id{"cluster.local", "default", "server"} {
    const certs::LocalCa ca = certs::LocalCa::Create("test", Now());
    client = certs::TlsContext::MeshClient(Issue(ca, client_id));
    server = certs::TlsContext::MeshServer(Issue(ca, server_id));
  }

  certs::Identity client_id;
  certs::Identity server_id;
  certs::TlsContextRef client;
  certs::TlsContextRef server;

 private:
  static certs::CertificateBundle Issue(const certs::LocalCa& ca, const certs::Identity& identity) {
    certs::PrivateKey key = certs::PrivateKey::Generate();
    Decoded<std::string> leaf = ca.Issue(key.get(), identity, std::chrono::hours(1), Now());
    REQUIRE(leaf.ok());
    Decoded<certs::CertificateBundle> bundle =
        certs::CertificateBundle::FromResponse(std::move(key), ca.ResponseChain(*leaf));
    REQUIRE(bundle.ok());
    return *std::move(bundle);
  }
};

// A CONNECT to a port of a workload.
inline ConnectRequest To(std::uint16_t port) {
  return ConnectRequest{.authority = Address{Ip::V4(10, 0, 0, 1), port},
                        .baggage = {},
                        .forwarded_for = {},
                        .forwarded_host = {},
                        .traceparent = {},
                        .forwarded_network = {}};
}

}  // namespace aquifer::hbone::test
