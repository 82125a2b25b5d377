// Which endpoint of a service takes a connection: locality and capacity
// (istio.workload.LoadBalancing). Pure; the random numbers come in. Health is settled before: the
// snapshot only holds endpoints whose health the service takes. Any thread.
#pragma once

#include <cstdint>
#include <functional>

#include "mesh/endpoints.h"
#include "mesh/service.h"

namespace aquifer::mesh {

// 64 uniform bits a call.
using Random = std::function<std::uint64_t()>;

// Whether an endpoint could take the connection at all (it has the port, an address of the right
// family, a way to it).
using Eligible = std::function<bool(const Endpoint&)>;

// The chosen endpoint or null. `client` is where the connection starts; null when that is unknown.
const Endpoint* ChooseEndpoint(const EndpointSet& endpoints, const Service& service,
                               const Workload* client, const Eligible& eligible,
                               const Random& random);

}  // namespace aquifer::mesh
