// Workloads in the terms of HBONE's baggage. mesh and hbone do not know each other; the program
// that uses both translates. Any thread.
#pragma once

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

}  // namespace aquifer::proxy
