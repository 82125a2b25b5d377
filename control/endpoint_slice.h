// Where a Service's endpoints are when no selector says it: discovery.k8s.io/EndpointSlice. Plain
// values.
#pragma once

#include <string>
#include <vector>

#include "control/objects.h"

namespace aquifer::control {

struct EndpointSlice {
  struct Endpoint {
    std::vector<Ip> ips;
    bool ready = true;  // nobody says otherwise
    std::string pod;    // of targetRef, in the slice's namespace; empty: it is none of our pods
    std::string node_name;

    friend bool operator==(const Endpoint&, const Endpoint&) = default;
  };
  struct Port {
    std::string name;
    std::uint16_t port = 0;
    bool tcp = true;

    friend bool operator==(const Port&, const Port&) = default;
  };

  Meta meta;
  std::string service;              // of the label kubernetes.io/service-name
  std::vector<Endpoint> endpoints;  // none where they are host names
  std::vector<Port> ports;

  friend bool operator==(const EndpointSlice&, const EndpointSlice&) = default;
};

}  // namespace aquifer::control
