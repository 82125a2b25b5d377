// The resources of a made-up mesh of any size, for xds_plane.cc: pods of Deployments, their
// services and policies, written as istiod writes them, and one service whose only endpoint moves
// between two addresses. Values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace aquifer::bench {

inline constexpr const char* kAddressType = "type.googleapis.com/istio.workload.Address";
inline constexpr const char* kPolicyType = "type.googleapis.com/istio.security.Authorization";
// What the namespace of the run routes here (bench/scale.py).
inline constexpr const char* kVip = "10.112.0.1";
inline constexpr const char* kClient = "10.254.1.1";
inline constexpr std::array kEndpoints{"10.254.0.1", "10.254.0.2"};
inline constexpr std::uint16_t kVipPort = 80;
inline constexpr std::uint16_t kEndpointPort = 8080;

struct Size {
  std::size_t workloads = 0;
  std::size_t services = 0;
  std::size_t policies = 0;
  std::size_t chunk = 0;  // resources in a response; 0: all
};

// All responses that a client is sent first, by type, serialized; of each type at least one.
std::map<std::string, std::vector<std::string>> Everything(const Size& size);
// The response that puts the endpoint at kEndpoints[which].
std::string ProbedAt(std::size_t which, std::uint64_t version);

}  // namespace aquifer::bench
