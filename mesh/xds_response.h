// A response of delta xDS taken apart without a copy of it: what is about the whole of it, and its
// resources as they lie in the bytes, to be parsed one after the other. Hundreds of megabytes may
// come at once. Pure, any thread.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "mesh/proto/discovery.pb.h"

namespace aquifer::mesh {

struct SplitResponse {
  envoy::service::discovery::v3::DeltaDiscoveryResponse whole;  // without resources
  std::vector<std::string_view> resources;                      // each a message, not parsed yet
};

// Empty when the bytes are no DeltaDiscoveryResponse. The parts point into `bytes`.
std::optional<SplitResponse> Split(std::string_view bytes);

}  // namespace aquifer::mesh
