// What a workload's connections need of its certificate, made once per certificate. Immutable and
// shared between threads; whoever holds a reference keeps using it when a newer one has come.
#pragma once

#include <memory>

#include "certs/bundle.h"
#include "certs/tls_context.h"

namespace aquifer::certs {

struct WorkloadCertificate {
  WorkloadCertificate(CertificateBundle own, KeyExchange groups)
      : bundle(std::move(own)),
        client(TlsContext::MeshClient(bundle, groups)),
        server(TlsContext::MeshServer(bundle, groups)) {}

  CertificateBundle bundle;
  TlsContextRef client;
  TlsContextRef server;
};

using CertRef = std::shared_ptr<const WorkloadCertificate>;

}  // namespace aquifer::certs
