// The baggage field of HBONE's CONNECT and its answer: a workload described in OpenTelemetry's
// resource names. It is what the other side says about itself and good for labels, never for
// decisions. Values, any thread.
#pragma once

#include <string>
#include <string_view>

namespace aquifer::hbone {

struct Baggage {
  std::string cluster;          // k8s.cluster.name
  std::string ns;               // k8s.namespace.name
  std::string workload_type;    // "deployment", "cronjob", "pod" or "job": the key k8s.<type>.name
  std::string workload_name;    // its value
  std::string service_name;     // service.name: the canonical service
  std::string service_version;  // service.version: the canonical revision
  std::string region;           // cloud.region
  std::string zone;             // cloud.availability_zone

  friend bool operator==(const Baggage&, const Baggage&) = default;
};

// "key=value,key=value"; absent values are left out. Bytes that have a meaning in the list are
// percent-encoded (W3C Baggage 3.2.1.3).
std::string Encode(const Baggage& baggage);
// Unknown keys, properties and malformed members are left out.
Baggage ParseBaggage(std::string_view value);

}  // namespace aquifer::hbone
