// Services and workloads that somebody entered by hand (networking.istio.io ServiceEntry and
// WorkloadEntry): names and machines outside of the cluster, or groupings of pods. Plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/objects.h"
#include "core/base/address.h"

namespace aquifer::control {

// The spec of a WorkloadEntry, which is also what an endpoint of a ServiceEntry is.
struct EnteredWorkload {
  std::optional<Ip> ip;
  std::string hostname;  // when `ip` is none; both empty for a Unix socket, which no mesh reaches
  std::map<std::string, std::uint16_t, std::less<>> ports;  // by the names of a service's ports
  Labels labels;
  std::string network;   // empty: the mesh's
  std::string locality;  // "region/zone/subzone"
  std::string service_account;
  std::uint32_t weight = 0;  // 0: nothing was said

  friend bool operator==(const EnteredWorkload&, const EnteredWorkload&) = default;
};

struct WorkloadEntry {
  Meta meta;
  EnteredWorkload workload;
  bool has_waypoint_status = false;  // somebody has told of its waypoint

  friend bool operator==(const WorkloadEntry&, const WorkloadEntry&) = default;
};

struct ServiceEntry {
  enum class Resolution : std::uint8_t { kNone, kStatic, kDns, kDynamicDns };

  struct Port {
    std::string name;
    std::uint16_t number = 0;
    std::uint16_t target_port = 0;  // `number`, unless it says otherwise
    std::string protocol;           // in lower case

    friend bool operator==(const Port&, const Port&) = default;
  };
  // What was given to one of the hosts (status.addresses).
  struct Given {
    Ip ip;
    std::string host;  // empty: to all

    friend bool operator==(const Given&, const Given&) = default;
  };

  Meta meta;
  std::vector<std::string> hosts;
  std::vector<Cidr> addresses;
  std::vector<Port> ports;
  Resolution resolution = Resolution::kNone;
  std::vector<EnteredWorkload> endpoints;
  std::optional<Labels> selector;  // of pods and WorkloadEntries of its namespace
  std::vector<std::string> subject_alt_names;
  bool own_namespace_only = false;  // exportTo "."
  std::vector<Given> given;
  bool has_waypoint_status = false;  // somebody has told of its waypoint

  friend bool operator==(const ServiceEntry&, const ServiceEntry&) = default;
};

}  // namespace aquifer::control
