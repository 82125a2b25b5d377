// Which waypoint an object goes through: its own istio.io/use-waypoint label, else a waypoint made
// for its service account (istio.io/for-service-account, Istio 1.18 to 1.21), else the label of its
// namespace. A waypoint that was asked for and cannot be had is not forgotten: the object points at
// a name that resolves to nothing, so that no traffic goes round the policies of the waypoint.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/reconcile/gateways.h"
#include "mesh/proto/workload.pb.h"

namespace aquifer::control {

struct WaypointBinding {
  const BoundGateway* gateway = nullptr;  // set if traffic goes through it
  bool bound = false;                     // `address` counts, be it that of a gateway or of none
  istio::workload::GatewayAddress address;
  bool of_account = false;  // bound by istio.io/for-service-account, which covers traffic from
                            // ingress gateways, too
  std::vector<Condition> conditions;  // WaypointBound, unless nothing asked for a waypoint
};

class WaypointResolver {
 public:
  WaypointResolver(const MeshIndex& index, const GatewayMap& gateways);

  WaypointBinding ForService(const Service& service) const;
  WaypointBinding ForPod(const Pod& pod) const;
  WaypointBinding ForServiceEntry(const ServiceEntry& entry) const;
  WaypointBinding ForWorkloadEntry(const WorkloadEntry& entry) const;

 private:
  struct Request {
    std::string namespace_name;  // of the waypoint
    std::string name;
    bool direct = false;  // asked for on the object itself
  };
  enum class Traffic : std::uint8_t { kService, kWorkload };

  // The label's meaning; `asked` is false if the object and its namespace say nothing.
  bool ReadLabels(const Meta& meta, const Labels& labels, bool direct, Request& request,
                  bool& asked) const;
  WaypointBinding Resolve(const Meta& meta, const BoundGateway* of_account, Traffic traffic) const;
  WaypointBinding Bind(const Request& request, const Meta& meta, Traffic traffic) const;
  WaypointBinding BindTo(const BoundGateway& gateway, const Meta& meta, Traffic traffic,
                         bool direct) const;
  WaypointBinding Unresolved(const Request& request, std::string reason, std::string message) const;
  const BoundGateway* OfAccount(const Pod& pod) const;
  bool ServesWaypoint(const Pod& pod) const;

  const MeshIndex& index_;
  const GatewayMap& gateways_;
  std::map<std::pair<std::string, std::string>, const BoundGateway*>
      by_account_;  // namespace and account
  std::map<const Pod*, const BoundGateway*> waypoint_pods_;
  std::map<const Service*, const BoundGateway*> waypoint_services_;
};

}  // namespace aquifer::control
