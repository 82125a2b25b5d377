// A machine or a name that somebody entered, as istio.workload.Workload. Pure.
#pragma once

#include <string>

#include "control/entry_objects.h"
#include "control/reconcile/settings.h"
#include "mesh/proto/workload.pb.h"

namespace aquifer::control {

// Without services. Always healthy: nobody looks after it. `meta` is that of the object in which it
// was entered.
istio::workload::Workload MakeEnteredWorkload(const EnteredWorkload& entered, const Meta& meta,
                                              const std::string& uid, const MeshSettings& settings);

// Where it serves the ports of a service: on the port that it has by that name, else where the
// service says. A port of a Service that goes by the name of a container's and which it does not
// have is left out.
istio::workload::PortList EnteredPorts(const ServiceEntry& entry, const EnteredWorkload& entered);
istio::workload::PortList EnteredPorts(const Service& service, const EnteredWorkload& entered);

}  // namespace aquifer::control
