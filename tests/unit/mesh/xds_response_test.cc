#include "mesh/xds_response.h"

#include <string>

#include "mesh/held_versions.h"
#include "tests/support/catch.h"

namespace aquifer::mesh {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::Resource;

DeltaDiscoveryResponse Example() {
  DeltaDiscoveryResponse response;
  response.set_type_url("type");
  response.set_nonce("nonce");
  response.set_system_version_info("version");
  for (const char* name : {"a", "", "c"}) {
    Resource& resource = *response.add_resources();
    resource.set_name(name);
    resource.mutable_resource()->set_value(std::string(300, 'x'));
    response.add_removed_resources(std::string("gone-") + name);
  }
  return response;
}

}  // namespace

TEST_CASE("a response in parts is the response that was sent") {
  const std::string bytes = Example().SerializeAsString();
  const auto split = Split(bytes);
  REQUIRE(split);
  CHECK(split->whole.resources_size() == 0);
  DeltaDiscoveryResponse again = split->whole;
  for (const std::string_view each : split->resources) {
    CHECK(each.data() >= bytes.data());
    REQUIRE(again.add_resources()->ParseFromArray(each.data(), static_cast<int>(each.size())));
  }
  CHECK(again.SerializeAsString() == bytes);
}

TEST_CASE("a response that is cut off anywhere within a field is none") {
  const std::string bytes = Example().SerializeAsString();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    DeltaDiscoveryResponse parsed;
    const std::string_view part = std::string_view(bytes).substr(0, size);
    const bool whole = parsed.ParseFromArray(part.data(), static_cast<int>(part.size()));
    CHECK(Split(part).has_value() == whole);
  }
  CHECK_FALSE(Split(std::string_view("\xff\xff\xff", 3)));
  CHECK_FALSE(Split(std::string_view("\0", 1)));
  CHECK_FALSE(Split("\x12\xff\xff\xff\xff\x0f"));  // a resource of four gigabytes
  CHECK(Split("")->resources.empty());
}

TEST_CASE("what is held has the version of its last mention") {
  HeldVersions held;
  held.Put("a", "1", 1);
  held.Put("b", "", 1);
  held.Put("a", "22", 2);
  CHECK(held.size() == 2);
  CHECK(held.Marked("a", 2));
  CHECK_FALSE(held.Marked("b", 2));
  CHECK_FALSE(held.Marked("c", 2));
  std::string all;
  held.ForEach([&all](std::string_view name, std::string_view version) {
    if (name == "a") all.append(version);
  });
  CHECK(all == "22");
  held.Erase("a");
  held.Erase("never there");
  CHECK_FALSE(held.contains("a"));
  CHECK(held.contains("b"));
}

}  // namespace aquifer::mesh
