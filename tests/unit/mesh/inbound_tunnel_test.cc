// What a CONNECT leads to where the application stands behind a tunnel, or may be reached at some
// ports only: where we connect, and what the application is told was meant.
#include <string>

#include "mesh/builder.h"
#include "mesh/inbound_target.h"
#include "tests/support/catch.h"
#include "tests/unit/mesh/fixtures.h"

namespace aquifer::mesh {
namespace {

const Ip kOwn = Ip::V4(10, 0, 0, 5);

Workload Own() { return Joins(Pod("own", "10.0.0.5"), "web.example", {{80, 8080}}); }

Workload Behind(Workload workload, std::uint16_t port,
                ApplicationTunnel::Protocol protocol = ApplicationTunnel::Protocol::kProxy) {
  workload.application_tunnel = ApplicationTunnel{protocol, port};
  return workload;
}

// "<where we connect> for <what was meant>", or "<status> <reason>".
std::string Outcome(Builder& builder, const Workload& own, const InboundAuthority& authority,
                    const InboundOptions& options = {}) {
  builder.Put(own);
  const auto target = ResolveInbound(*builder.Build(), own, kOwn, authority, options);
  if (target.ok())
    return target->connect_to.ToString() + " for " + target->tunnel_target.ToString();
  return std::to_string(target.error().status) + " " +
         std::string(ReasonWord(target.error().error.reason));
}

const InboundAuthority kByName = NamedAuthority{"web.example", 80};

}  // namespace

TEST_CASE("an application tunnel leads everything to its port, and tells what was meant") {
  Builder builder;
  builder.Put(ServiceAt("web.example", "10.1.0.1"));
  const Address elsewhere{Ip::V4(10, 9, 9, 9), 443};
  struct Row {
    Workload own;
    InboundAuthority authority;
    std::string expected;
  };
  const auto none = ApplicationTunnel::Protocol::kNone;
  for (const Row& row : {
           Row{Own(), Address{kOwn, 443}, "10.0.0.5:443 for 10.0.0.5:443"},
           Row{Own(), elsewhere, "400 address_mismatch"},
           Row{Own(), kByName, "10.0.0.5:8080 for 10.1.0.1:80"},
           Row{Behind(Own(), 15088), Address{kOwn, 443}, "10.0.0.5:15088 for 10.0.0.5:443"},
           Row{Behind(Own(), 15088), elsewhere, "10.0.0.5:15088 for 10.9.9.9:443"},
           Row{Behind(Own(), 15088), kByName, "10.0.0.5:15088 for 10.1.0.1:80"},
           Row{Behind(Own(), 0), elsewhere, "10.0.0.5:443 for 10.9.9.9:443"},
           Row{Behind(Own(), 15088, none), elsewhere, "10.0.0.5:15088 for 10.9.9.9:443"},
           Row{Behind(Own(), 15001), Address{kOwn, 443}, "503 loop"},
           Row{Behind(Own(), 15088), Address{kOwn, 15006}, "503 loop"},
       }) {
    INFO(row.expected);
    CHECK(Outcome(builder, row.own, row.authority) == row.expected);
  }
}

TEST_CASE("a named port of a service needs no mapping where an application tunnel has the port") {
  Builder builder;
  Service service = ServiceAt("web.example", "10.1.0.1");
  service.ports = {{80, 0}};
  builder.Put(service);
  const Workload gateway = Pod("own", "10.0.0.5");
  CHECK(Outcome(builder, Behind(gateway, 15088), kByName) == "10.0.0.5:15088 for 10.1.0.1:80");
  CHECK(Outcome(builder, Behind(gateway, 0), kByName) == "503 unknown_destination");
  CHECK(Outcome(builder, Behind(gateway, 15088), NamedAuthority{"web.example", 81}) ==
        "503 unknown_destination");
  CHECK(Outcome(builder, Joins(gateway, "web.example", {{80, 8080}}), kByName) ==
        "10.0.0.5:8080 for 10.1.0.1:80");
}

TEST_CASE("what a service's name meant is its address: of our network, of IPv4, or else ours") {
  Builder builder;
  Service service = ServiceAt("web.example", "");
  const auto meant = [&] {
    builder.Put(service);
    return Outcome(builder, Own(), kByName, InboundOptions{.network = "west"});
  };
  CHECK(meant() == "10.0.0.5:8080 for 10.0.0.5:80");
  service.vips = {At("fd00::1", "east")};
  CHECK(meant() == "10.0.0.5:8080 for [fd00::1]:80");
  service.vips.push_back(At("10.1.0.1", "east"));
  CHECK(meant() == "10.0.0.5:8080 for 10.1.0.1:80");
  service.vips.push_back(At("fd00::2", "west"));
  CHECK(meant() == "10.0.0.5:8080 for [fd00::2]:80");
  service.vips.push_back(At("10.1.0.2", "west"));
  CHECK(meant() == "10.0.0.5:8080 for 10.1.0.2:80");
}

TEST_CASE("where only some ports are served, the others are not, whatever leads to them") {
  Builder builder;
  builder.Put(ServiceAt("web.example", "10.1.0.1"));
  const InboundOptions options{.only_ports = {15020, 15021}};
  CHECK(Outcome(builder, Own(), Address{kOwn, 15020}, options) ==
        "10.0.0.5:15020 for 10.0.0.5:15020");
  CHECK(Outcome(builder, Own(), Address{kOwn, 15000}, options) == "503 unknown_destination");
  CHECK(Outcome(builder, Own(), Address{kOwn, 15008}, options) == "503 loop");
  CHECK(Outcome(builder, Own(), kByName, options) == "503 unknown_destination");
  CHECK(Outcome(builder, Behind(Own(), 15000), Address{kOwn, 15020}, options) ==
        "503 unknown_destination");
  const Workload mapped = Joins(Pod("own", "10.0.0.5"), "web.example", {{80, 15020}});
  CHECK(Outcome(builder, mapped, kByName, options) == "10.0.0.5:15020 for 10.1.0.1:80");
}

}  // namespace aquifer::mesh
