#include "waypoint/binding.h"

#include "mesh/builder.h"
#include "tests/support/catch.h"

namespace aquifer::waypoint {
namespace {

const Ip kVip = Ip::V4(10, 96, 0, 5);
const Ip kPod = Ip::V4(10, 1, 0, 7);

mesh::GatewayAddress ByName(const std::string& ns, const std::string& host) {
  return {mesh::NamespacedHostname{ns, host}, 15008};
}

Gateway Waypoint() {
  Gateway gateway;
  gateway.name = {"app", "waypoint"};
  gateway.is_waypoint = true;
  gateway.addresses = {"waypoint.app.svc.cluster.local", "10.96.0.99"};
  return gateway;
}

mesh::SnapshotRef MeshWith(std::optional<mesh::GatewayAddress> of_service,
                           std::optional<mesh::GatewayAddress> of_pod) {
  mesh::Builder builder;
  mesh::Service service;
  service.name = "httpbin";
  service.ns = "app";
  service.hostname = "httpbin.app.svc.cluster.local";
  service.vips = {{"", kVip}};
  service.ports = {{8000, 80, mesh::AppProtocol::kHttp11}, {9000, 90, mesh::AppProtocol::kUnknown}};
  if (of_service) service.waypoint = *of_service;
  mesh::Workload pod;
  pod.uid = "c//Pod/app/httpbin-1";
  pod.name = "httpbin-1";
  pod.ns = "app";
  pod.addresses = {kPod};
  if (of_pod) pod.waypoint = *of_pod;
  pod.services = {{service.key(), service.ports}};
  builder.Put(service);
  builder.Put(pod);
  return builder.Build();
}

std::string Resolve(const mesh::SnapshotRef& mesh, const hbone::Authority& authority) {
  const Decoded<Bound> bound = ResolveConnect(*mesh, Waypoint(), "", authority);
  if (!bound) return "refused";
  return bound->destination.service ? bound->destination.service->hostname : "pod";
}

TEST_CASE("a service that is bound to us is served on the ports it has") {
  const auto mesh = MeshWith(ByName("app", "Waypoint.app.svc.cluster.local"), std::nullopt);
  CHECK(Resolve(mesh, Address{kVip, 8000}) == "httpbin.app.svc.cluster.local");
  CHECK(Resolve(mesh, Address{kVip, 8001}) == "refused");
  CHECK(Resolve(mesh, Address{kVip, 15000}) == "refused");
  CHECK(Resolve(mesh, Address{Ip::V4(10, 96, 0, 6), 8000}) == "refused");
}

TEST_CASE("a waypoint may be named by address") {
  const mesh::GatewayAddress by_address{mesh::NetworkAddress{"", Ip::V4(10, 96, 0, 99)}, 15008};
  CHECK(Resolve(MeshWith(by_address, std::nullopt), Address{kVip, 8000}) != "refused");
}

TEST_CASE("what another waypoint serves, or none, is refused") {
  CHECK(Resolve(MeshWith(std::nullopt, std::nullopt), Address{kVip, 8000}) == "refused");
  CHECK(Resolve(MeshWith(ByName("app", "other.app.svc.cluster.local"), std::nullopt),
                Address{kVip, 8000}) == "refused");
  CHECK(Resolve(MeshWith(ByName("foreign", "waypoint.app.svc.cluster.local"), std::nullopt),
                Address{kVip, 8000}) == "refused");
}

TEST_CASE("a pod is served at its own address if it is bound to us") {
  const auto mine = ByName("app", "waypoint.app.svc.cluster.local");
  const auto mesh = MeshWith(std::nullopt, mine);
  CHECK(Resolve(mesh, Address{kPod, 80}) == "pod");
  CHECK(Resolve(MeshWith(mine, std::nullopt), Address{kPod, 80}) == "refused");
  const Decoded<Bound> bound = ResolveConnect(*mesh, Waypoint(), "", Address{kPod, 80});
  CHECK(bound->destination.protocol == mesh::AppProtocol::kHttp11);
}

TEST_CASE("a name as authority is refused") {
  const auto mesh = MeshWith(ByName("app", "waypoint.app.svc.cluster.local"), std::nullopt);
  CHECK(Resolve(mesh, hbone::HostPort{"httpbin.app.svc.cluster.local", 8000}) == "refused");
}

}  // namespace
}  // namespace aquifer::waypoint
