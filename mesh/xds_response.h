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

// What is of use of a Resource, where it lies.
struct ResourceView {
  std::string_view name;
  std::string_view version;
  std::vector<std::string_view> aliases;
  std::string_view type_url;  // of the message in `value`
  std::string_view value;
};
ResourceView ViewOf(const envoy::service::discovery::v3::Resource& resource);

// The bytes of the field `number` of a message that has this one, once, and nothing else.
std::optional<std::string_view> OnlyField(std::string_view message, int number);

// Takes resources apart one after the other; a view is good until the next Read, and as long as the
// bytes are there.
class ResourceReader {
 public:
  // nullptr when the bytes are no Resource, by the parser's own measure.
  const ResourceView* Read(std::string_view bytes);

 private:
  ResourceView view_;
  envoy::service::discovery::v3::Resource whole_;  // of what is rarely there
};

}  // namespace aquifer::mesh
