// Two workloads of one mesh and the TLS contexts that their certificates give, for tests of HBONE
// over real TLS.
#pragma once

#include "certs/local_ca.h"
#include "certs/tls_context.h"
#include "hbone/connect.h"
#include "tests/support/catch.h"
#include "tests/support/hbone.h"

namespace aquifer::hbone::test {

using aquifer::test::Issue;
using aquifer::test::To;

struct Credentials {
  Credentials()
      : client_id{"cluster.local", "default", "client"},
        server_id{"cluster.local", "default", "server"} {
    const certs::LocalCa ca = certs::LocalCa::Create("test", certs::SystemWallTime());
    client = certs::TlsContext::MeshClient(Issue(ca, client_id));
    server = certs::TlsContext::MeshServer(Issue(ca, server_id));
  }

  certs::Identity client_id;
  certs::Identity server_id;
  certs::TlsContextRef client;
  certs::TlsContextRef server;
};

}  // namespace aquifer::hbone::test
