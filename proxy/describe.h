// Workloads in the terms of HBONE's baggage. mesh and hbone do not know each other; the program
// that uses both translates. Any thread.
#pragma once

#include "certs/identity.h"
#include "hbone/baggage.h"
#include "mesh/workload.h"

namespace aquifer::proxy {

inline hbone::Baggage BaggageOf(const mesh::Workload& workload) {
  return hbone::Baggage{.cluster = workload.cluster_id,
                        .ns = workload.ns,
                        .workload_type = std::string(mesh::WorkloadTypeName(workload.type)),
                        .workload_name = workload.workload_name,
                        .service_name = workload.canonical_name,
                        .service_version = workload.canonical_revision,
                        .region = workload.locality.region,
                        .zone = workload.locality.zone};
}

// A workload that is only known by what it says of itself and the identity it has proved: for
// labels. Where the two differ the identity is right.
inline mesh::Workload WorkloadOf(const hbone::Baggage& baggage, const certs::Identity& identity) {
  mesh::Workload workload;
  workload.name = baggage.workload_name;
  workload.workload_name = baggage.workload_name;
  workload.ns = identity.ns;
  workload.trust_domain = identity.trust_domain;
  workload.service_account = identity.service_account;
  workload.canonical_name = baggage.service_name;
  workload.canonical_revision = baggage.service_version;
  workload.cluster_id = baggage.cluster;
  workload.locality.region = baggage.region;
  workload.locality.zone = baggage.zone;
  return workload;
}

}  // namespace aquifer::proxy
