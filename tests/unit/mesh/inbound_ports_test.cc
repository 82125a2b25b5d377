#include <string>

#include "mesh/builder.h"
#include "mesh/inbound_target.h"
#include "tests/support/catch.h"
#include "tests/unit/mesh/fixtures.h"

namespace aquifer::mesh {
namespace {

const Ip kOwn = Ip::V4(10, 0, 0, 5);

std::string Outcome(Builder& builder, const Workload& own, const InboundAuthority& authority) {
  builder.Put(own);
  const auto target = ResolveInbound(*builder.Build(), own, kOwn, authority, InboundOptions{});
  if (target.ok()) return target->connect_to.ToString();
  return std::to_string(target.error().status) + " " +
         std::string(ReasonWord(target.error().error.reason));
}

Workload Own() { return Joins(Pod("own", "10.0.0.5"), "web.example", {{80, 8080}}); }

TEST_CASE("the proxy's own ports are refused, whoever names them") {
  Builder builder;
  Service service = ServiceAt("web.example", "10.1.0.1");
  service.ports = {{80, 15001}};
  builder.Put(service);
  for (const std::uint16_t port : {15001, 15006, 15008, 0}) {
    CHECK(Outcome(builder, Own(), Address{kOwn, port}) == "503 loop");
  }
  Workload mapped = Joins(Pod("own", "10.0.0.5"), "web.example", {{80, 15006}});
  CHECK(Outcome(builder, mapped, NamedAuthority{"web.example", 80}) == "503 loop");
  Workload unmapped = Joins(Pod("own", "10.0.0.5"), "web.example", {});
  CHECK(Outcome(builder, unmapped, NamedAuthority{"web.example", 80}) == "503 loop");
}

TEST_CASE("an application tunnel does not make the proxy's own ports reachable") {
  Builder builder;
  Workload own = Own();
  own.application_tunnel = ApplicationTunnel{ApplicationTunnel::Protocol::kProxy, 15088};
  CHECK(Outcome(builder, own, Address{kOwn, 80}) == "10.0.0.5:15088");
  CHECK(Outcome(builder, own, Address{kOwn, 15008}) == "503 loop");
  own.application_tunnel->port = 15006;
  CHECK(Outcome(builder, own, Address{kOwn, 80}) == "503 loop");
}

TEST_CASE("an application may listen on what is the proxy's port only outside of pods") {
  Builder builder;
  CHECK(Outcome(builder, Own(), Address{kOwn, 15000}) == "10.0.0.5:15000");
}

TEST_CASE("a service's name leads to our own mapping, then to the service's") {
  Builder builder;
  Service service = ServiceAt("web.example", "10.1.0.1");
  service.ports = {{80, 0}, {81, 8181}};
  builder.Put(service);
  CHECK(Outcome(builder, Own(), NamedAuthority{"web.example", 80}) == "10.0.0.5:8080");
  CHECK(Outcome(builder, Own(), NamedAuthority{"web.example", 81}) == "10.0.0.5:8181");
  CHECK(Outcome(builder, Own(), NamedAuthority{"web.example", 82}) == "503 unknown_destination");
  CHECK(Outcome(builder, Own(), NamedAuthority{"other.example", 80}) == "503 unknown_destination");
}

TEST_CASE("a pod that is not ready still takes what is for its service by name") {
  Builder builder;
  builder.Put(ServiceAt("web.example", "10.1.0.1"));
  Workload own = Own();
  own.health = Health::kUnhealthy;
  CHECK(Outcome(builder, own, NamedAuthority{"web.example", 80}) == "10.0.0.5:8080");
}

TEST_CASE("the name of a service that is not ours is refused unless we are its waypoint") {
  Builder builder;
  Service service = ServiceAt("web.example", "10.1.0.1");
  builder.Put(service);
  const Workload stranger = Pod("own", "10.0.0.5");
  CHECK(Outcome(builder, stranger, NamedAuthority{"web.example", 80}) == "503 unknown_destination");
  service.waypoint = GatewayAddress{At("10.0.0.5"), 15008};
  builder.Put(service);
  CHECK(Outcome(builder, stranger, NamedAuthority{"web.example", 80}) == "10.0.0.5:8080");
}

TEST_CASE("an address that is neither ours nor of something we guard is a mismatch") {
  Builder builder;
  builder.Put(Pod("other", "10.0.0.6"));
  const Address other{Ip::V4(10, 0, 0, 6), 80};
  CHECK(Outcome(builder, Own(), other) == "400 address_mismatch");
  CHECK(Outcome(builder, Own(), Address{Ip::V4(10, 9, 9, 9), 80}) == "400 address_mismatch");
  Workload guarded = Pod("other", "10.0.0.6");
  guarded.waypoint = GatewayAddress{At("10.0.0.5"), 15008};
  builder.Put(guarded);
  CHECK(Outcome(builder, Own(), other) == "10.0.0.5:80");
}

// "" for none.
std::string Guess(Builder& builder, const Workload& own, std::uint16_t port,
                  std::string_view claimed = {}) {
  builder.Put(own);
  const ServiceRef service = GuessService(*builder.Build(), own, port, claimed);
  return service == nullptr ? "" : service->hostname;
}

void PutTwoServices(Builder& builder) {
  Service admin = ServiceAt("admin.example", "10.1.0.1");
  admin.ports = {{80, 9090}};
  builder.Put(admin);
  Service web = ServiceAt("web.example", "10.1.0.2");
  web.ports = {{80, 0}, {81, 8181}};
  builder.Put(web);
}

Workload OfBoth() {
  return Joins(Joins(Pod("own", "10.0.0.5"), "admin.example", {}), "web.example", {{80, 8080}});
}

TEST_CASE("a connection is taken for the service that leads to its port") {
  Builder builder;
  PutTwoServices(builder);
  CHECK(Guess(builder, OfBoth(), 9090) == "admin.example");
  CHECK(Guess(builder, OfBoth(), 8080) == "web.example");
  CHECK(Guess(builder, OfBoth(), 8181) == "web.example");
  CHECK(Guess(builder, OfBoth(), 80) == "");
}

TEST_CASE("a client's word for the service counts among our services only") {
  Builder builder;
  PutTwoServices(builder);
  builder.Put(ServiceAt("other.example", "10.1.0.3"));
  CHECK(Guess(builder, OfBoth(), 9090, "web.example") == "web.example");
  CHECK(Guess(builder, OfBoth(), 80, "web.example") == "web.example");
  CHECK(Guess(builder, OfBoth(), 80, "other.example") == "");
  CHECK(Guess(builder, OfBoth(), 9090, "other.example") == "admin.example");
}

}  // namespace
}  // namespace aquifer::mesh
