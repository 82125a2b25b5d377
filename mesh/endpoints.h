// The endpoints of one service: the workloads that say they belong to it. Ordered by uid, never
// changed once made, shared by snapshots. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "mesh/workload.h"

namespace aquifer::mesh {

struct Endpoint {
  WorkloadRef workload;
  const PortList* ports = nullptr;  // inside `workload`: its own mapping for this service

  // The workload's mapping for a port of the service, or 0.
  std::uint16_t TargetPort(std::uint16_t service_port) const {
    const Port* port = FindPort(*ports, service_port);
    return port == nullptr ? 0 : port->target_port;
  }
};

class EndpointSet {
 public:
  EndpointSet() = default;
  // `endpoints` are ordered by their workload's uid, each once.
  explicit EndpointSet(std::vector<Endpoint> endpoints);

  std::span<const Endpoint> all() const { return endpoints_; }
  size_t size() const { return endpoints_.size(); }
  bool empty() const { return endpoints_.empty(); }
  const Endpoint* Find(std::string_view uid) const;

  // For a choice by capacity: of the points 0 to total_capacity() - 1 each endpoint owns as many as
  // its workload's capacity.
  std::uint64_t total_capacity() const { return ends_.empty() ? 0 : ends_.back(); }
  const Endpoint& OwnerOf(std::uint64_t point) const;

 private:
  std::vector<Endpoint> endpoints_;
  std::vector<std::uint64_t> ends_;  // of each endpoint's points, ascending
};

using EndpointsRef = std::shared_ptr<const EndpointSet>;

}  // namespace aquifer::mesh
