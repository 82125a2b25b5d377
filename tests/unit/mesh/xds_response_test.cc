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

namespace {

// That the reader finds what the parser finds, or refuses what it refuses.
void CheckAsParsed(ResourceReader& reader, std::string_view bytes) {
  Resource parsed;
  const bool whole = parsed.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  const ResourceView* const view = reader.Read(bytes);
  REQUIRE((view != nullptr) == whole);
  if (!whole) return;
  CHECK(view->name == parsed.name());
  CHECK(view->version == parsed.version());
  CHECK(view->type_url == parsed.resource().type_url());
  CHECK(view->value == parsed.resource().value());
  REQUIRE(view->aliases.size() == static_cast<std::size_t>(parsed.aliases_size()));
  for (int i = 0; i < parsed.aliases_size(); ++i)
    CHECK(view->aliases[static_cast<std::size_t>(i)] == parsed.aliases(i));
}

Resource Usual() {
  Resource resource;
  resource.set_name("Kubernetes//Pod/default/web");
  resource.set_version("17");
  resource.add_aliases("/10.0.0.1");
  resource.add_aliases("");
  resource.mutable_resource()->set_type_url("type");
  resource.mutable_resource()->set_value(std::string(300, '\xff'));
  return resource;
}

}  // namespace

TEST_CASE("a resource that is read in place is the one that a parser finds") {
  ResourceReader reader;
  const std::string usual = Usual().SerializeAsString();
  CheckAsParsed(reader, usual);
  CHECK(reader.Read(usual)->value.data() >= usual.data());
  CheckAsParsed(reader, "");
  Resource of_time = Usual();
  of_time.mutable_ttl()->set_seconds(1);
  CheckAsParsed(reader, of_time.SerializeAsString());
  Resource umlaut = Usual();
  umlaut.set_name("\xc3\xa4");
  CheckAsParsed(reader, umlaut.SerializeAsString());
  // Of what is said twice the last holds; the parts of a message are put together.
  Resource later;
  later.set_version("18");
  later.mutable_resource()->set_value("other");
  CheckAsParsed(reader, usual + later.SerializeAsString());
  CheckAsParsed(reader, usual + std::string("\x48\x01", 2));      // a field that nobody knows
  CheckAsParsed(reader, usual + std::string("\x1a\x01\xff", 3));  // a name that is no UTF-8
  CheckAsParsed(reader,
                usual + std::string("\x1a\x81\x00x", 4));  // a size in more bytes than needed
}

TEST_CASE("a resource that is cut off anywhere is refused where the parser refuses it") {
  ResourceReader reader;
  const std::string bytes = Usual().SerializeAsString();
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CheckAsParsed(reader, std::string_view(bytes).substr(0, size));
}

TEST_CASE("a message has only one field, or it is left to the parser") {
  CHECK(OnlyField("\x0a\x02hi", 1) == "hi");
  CHECK(OnlyField(std::string_view("\x0a\x00", 2), 1) == "");
  CHECK_FALSE(OnlyField("\x0a\x02hi", 2));
  CHECK_FALSE(OnlyField("\x0a\x02hi\x0a\x02ho", 1));
  CHECK_FALSE(OnlyField("\x0a\x02hi\x12\x02ho", 1));
  CHECK_FALSE(OnlyField("\x0a\x03hi", 1));
  CHECK_FALSE(OnlyField("", 1));
}

}  // namespace aquifer::mesh
