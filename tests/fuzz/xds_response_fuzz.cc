// Bytes of a DeltaDiscoveryResponse, taken apart. The parts are those that a parser of the whole
// finds, and nothing that it refuses outside of a resource is taken.
#include <google/protobuf/stubs/logging.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/base/check.h"
#include "mesh/xds_response.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto silence = google::protobuf::SetLogHandler(nullptr);
  static_cast<void>(silence);
  using namespace aquifer::mesh;  // NOLINT: a fuzz target is one function
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  envoy::service::discovery::v3::DeltaDiscoveryResponse parsed;
  const bool whole = parsed.ParseFromArray(data, static_cast<int>(size));
  const std::optional<SplitResponse> split = Split(bytes);
  AQ_CHECK(!whole || split.has_value());
  if (!whole || !split) return 0;
  AQ_CHECK(split->whole.type_url() == parsed.type_url());
  AQ_CHECK(split->whole.nonce() == parsed.nonce());
  AQ_CHECK(split->whole.removed_resources_size() == parsed.removed_resources_size());
  AQ_CHECK(split->resources.size() == static_cast<std::size_t>(parsed.resources_size()));
  for (std::size_t i = 0; i < split->resources.size(); ++i) {
    envoy::service::discovery::v3::Resource resource;
    const std::string_view each = split->resources[i];
    AQ_CHECK(resource.ParseFromArray(each.data(), static_cast<int>(each.size())));
    AQ_CHECK(resource.name() == parsed.resources(static_cast<int>(i)).name());
  }
  return 0;
}
