#include "mesh/names.h"

#include "tests/support/catch.h"

namespace aquifer::mesh {
namespace {

TEST_CASE("a namespaced hostname has exactly one slash and something behind it") {
  const auto name = NamespacedHostname::Parse("ns/host.example");
  REQUIRE(name.has_value());
  CHECK(name->ns == "ns");
  CHECK(name->hostname == "host.example");
  CHECK(name->ToString() == "ns/host.example");
  for (const char* bad : {"", "host", "ns/", "Kubernetes//Pod/default/a", "a/b/c"}) {
    INFO(bad);
    CHECK_FALSE(NamespacedHostname::Parse(bad).has_value());
  }
  CHECK(NamespacedHostname::Parse("/host").has_value());
}

TEST_CASE("a network address keeps its network, which may be empty") {
  CHECK(NetworkAddress::Parse("/10.0.0.1")->network.empty());
  CHECK(NetworkAddress::Parse("remote/fd00::1")->ToString() == "remote/fd00::1");
  for (const char* bad : {"", "10.0.0.1", "net/", "net/10.0.0", "net/10.0.0.1/32"}) {
    INFO(bad);
    CHECK_FALSE(NetworkAddress::Parse(bad).has_value());
  }
}

TEST_CASE("a network prefix is masked") {
  CHECK(NetworkCidr::Parse("net/10.1.2.3/8")->ToString() == "net/10.0.0.0/8");
  CHECK_FALSE(NetworkCidr::Parse("net/10.1.2.3/33").has_value());
  CHECK_FALSE(NetworkCidr::Parse("10.0.0.0").has_value());
}

}  // namespace
}  // namespace aquifer::mesh
