#include "mesh/builder.h"

#include "tests/support/catch.h"
#include "tests/unit/mesh/fixtures.h"

namespace aquifer::mesh {
namespace {

constexpr std::string_view kHost = "web.example";

std::string NsAt(const Snapshot& snapshot, const NetworkAddress& vip, ClientNamespace client = {}) {
  const ServiceRef service = snapshot.BestServiceAt(vip, client);
  return service == nullptr ? "" : service->ns;
}

// --- workloads ---------------------------------------------------------------------------------

TEST_CASE("a workload is found by uid and by each of its addresses in its network") {
  Builder builder;
  Workload pod = Pod("a", "10.0.0.1");
  pod.addresses.push_back(IpOf("fd00::1"));
  pod.network = "net";
  builder.Put(pod);
  const SnapshotRef snapshot = builder.Build();
  CHECK(*snapshot->FindWorkload(pod.uid) == pod);
  CHECK(UidAt(*snapshot, At("10.0.0.1", "net")) == pod.uid);
  CHECK(UidAt(*snapshot, At("fd00::1", "net")) == pod.uid);
  CHECK(UidAt(*snapshot, At("10.0.0.1")).empty());
  CHECK(snapshot->workload_count() == 1);
}

TEST_CASE("an updated workload leaves no trace of its old addresses") {
  Builder builder;
  builder.Put(Pod("a", "10.0.0.1"));
  builder.Put(Pod("a", "10.0.0.2"));
  const SnapshotRef snapshot = builder.Build();
  CHECK(UidAt(*snapshot, At("10.0.0.1")).empty());
  CHECK_FALSE(UidAt(*snapshot, At("10.0.0.2")).empty());
}

TEST_CASE("of several workloads that claim an address the most trustworthy one has it") {
  Workload entry = Pod("x", "10.0.0.1");
  entry.uid = "Kubernetes/networking.istio.io/WorkloadEntry/default/entry";
  entry.protocol = TunnelProtocol::kNone;
  Workload hbone_entry = entry;
  hbone_entry.uid += "-hbone";
  hbone_entry.protocol = TunnelProtocol::kHbone;
  Workload pod = Pod("plain", "10.0.0.1");
  pod.protocol = TunnelProtocol::kNone;
  const Workload hbone_pod = Pod("captured", "10.0.0.1");

  Builder builder;
  // Strongest first, so that the order of arrival cannot be what decides.
  for (const Workload& w : {hbone_pod, pod, hbone_entry, entry}) builder.Put(w);
  for (const Workload& w : {hbone_pod, pod, hbone_entry, entry}) {
    CHECK(UidAt(*builder.Build(), At("10.0.0.1")) == w.uid);
    builder.RemoveAddress(w.uid);
  }
  CHECK(UidAt(*builder.Build(), At("10.0.0.1")).empty());
}

TEST_CASE("of equally trustworthy claims to an address the latest one has it") {
  Builder builder;
  builder.Put(Pod("a", "10.0.0.1"));
  builder.Put(Pod("b", "10.0.0.1"));
  CHECK(UidAt(*builder.Build(), At("10.0.0.1")) == Pod("b", "10.0.0.1").uid);
}

TEST_CASE("a workload of the host's network is not found by its node's address") {
  Builder builder;
  Workload pod = Pod("a", "10.0.0.1");
  pod.network_mode = NetworkMode::kHostNetwork;
  builder.Put(pod);
  const SnapshotRef snapshot = builder.Build();
  CHECK(UidAt(*snapshot, At("10.0.0.1")).empty());
  CHECK(snapshot->FindWorkload(pod.uid) != nullptr);
  // Becoming an ordinary one, it is.
  pod.network_mode = NetworkMode::kStandard;
  builder.Put(pod);
  CHECK(UidAt(*builder.Build(), At("10.0.0.1")) == pod.uid);
}

TEST_CASE("a local workload is found by namespace, name and account, and only on its node") {
  Builder builder(BuilderOptions{"node1"});
  Workload here = Pod("a", "10.0.0.1");
  here.node = "node1";
  here.service_account = "sa";
  Workload there = Pod("b", "10.0.0.2");
  there.node = "node2";
  builder.Put(here);
  builder.Put(there);
  const SnapshotRef snapshot = builder.Build();
  CHECK(snapshot->FindLocal({"default", "a", "sa"})->uid == here.uid);
  CHECK(snapshot->FindLocal({"default", "a", "default"}) == nullptr);
  CHECK(snapshot->FindLocal({"other", "a", "sa"}) == nullptr);
  CHECK(snapshot->FindLocal({"default", "b", "default"}) == nullptr);
  CHECK(snapshot->local_generation() == 1);
}

TEST_CASE("without a node of our own every workload is local") {
  Builder builder;
  builder.Put(Pod("a", "10.0.0.1"));
  CHECK(builder.Build()->FindLocal({"default", "a", "default"}) != nullptr);
}

TEST_CASE("a workload is found by hostname where no service has that name") {
  Builder builder;
  Workload workload = Pod("a", "10.0.0.1");
  workload.hostname = "vm.example";
  builder.Put(workload);
  CHECK(std::get<WorkloadRef>(builder.Build()->FindHostname({"default", "vm.example"}))->uid ==
        workload.uid);
  CHECK(builder.Build()->FindHostname({"other", "vm.example"}).index() == 0);
  builder.Put(ServiceAt("vm.example", "10.1.0.1"));
  CHECK(
      std::holds_alternative<ServiceRef>(builder.Build()->FindHostname({"default", "vm.example"})));
}

// --- services ----------------------------------------------------------------------------------

TEST_CASE("an address leads to the workload before the service") {
  Builder builder;
  builder.Put(ServiceAt("web.example", "10.0.0.1"));
  CHECK(std::holds_alternative<ServiceRef>(builder.Build()->FindAddress(At("10.0.0.1"), {})));
  builder.Put(Pod("a", "10.0.0.1"));
  CHECK(std::holds_alternative<WorkloadRef>(builder.Build()->FindAddress(At("10.0.0.1"), {})));
}

TEST_CASE("services of several namespaces share an address: own namespace, then canonical") {
  Builder builder;
  builder.Put(ServiceAt("web.example", "10.1.0.1", "a"));
  Service canonical = ServiceAt("web.example", "10.1.0.1", "b");
  canonical.canonical = true;
  builder.Put(canonical);
  builder.Put(ServiceAt("web.example", "10.1.0.1", "c"));
  const SnapshotRef snapshot = builder.Build();
  CHECK(NsAt(*snapshot, At("10.1.0.1"), "c") == "c");
  CHECK(NsAt(*snapshot, At("10.1.0.1"), "elsewhere") == "b");
  CHECK(NsAt(*snapshot, At("10.1.0.1")) == "b");
  CHECK(snapshot->BestServiceNamed(kHost, "c")->ns == "c");
  CHECK(snapshot->BestServiceNamed(kHost, "elsewhere")->ns == "b");
  CHECK(snapshot->ServicesNamed(kHost).size() == 3);
}

TEST_CASE("a preferred namespace decides after canonical") {
  Builder builder;
  for (const char* ns : {"a", "b", "c"}) builder.Put(ServiceAt("web.example", "", ns));
  const SnapshotRef before = builder.Build();
  CHECK(before->BestServiceNamed(kHost, "x", "b")->ns == "b");
  CHECK(before->BestServiceNamed(kHost, "c", "b")->ns == "c");
  Service canonical = ServiceAt("web.example", "", "a");
  canonical.canonical = true;
  builder.Put(canonical);
  CHECK(builder.Build()->BestServiceNamed(kHost, "x", "b")->ns == "a");
}

TEST_CASE("a service that is private to its namespace is invisible from others") {
  Builder builder;
  Service service = ServiceAt("web.example", "10.1.0.1", "a");
  service.visibility = Visibility::kNamespace;
  builder.Put(service);
  const SnapshotRef snapshot = builder.Build();
  CHECK(NsAt(*snapshot, At("10.1.0.1"), "a") == "a");
  CHECK(NsAt(*snapshot, At("10.1.0.1"), "b").empty());
  CHECK(NsAt(*snapshot, At("10.1.0.1")) == "a");
  CHECK(snapshot->BestServiceNamed(kHost, "b") == nullptr);
}

TEST_CASE("where no owner of the whole address is visible a prefix may still match") {
  Builder builder;
  Service hidden = ServiceAt("hidden.example", "10.1.0.1", "a");
  hidden.visibility = Visibility::kNamespace;
  builder.Put(hidden);
  builder.Put(ServiceAtPrefix("wide.example", "10.0.0.0/8", "w"));
  const SnapshotRef snapshot = builder.Build();
  CHECK(NsAt(*snapshot, At("10.1.0.1"), "a") == "a");
  CHECK(NsAt(*snapshot, At("10.1.0.1"), "b") == "w");
}

TEST_CASE("the longest prefix wins, IPv4 and IPv6, within its network") {
  Builder builder;
  builder.Put(ServiceAtPrefix("wide.example", "10.0.0.0/8", "wide"));
  builder.Put(ServiceAtPrefix("near.example", "10.1.0.0/16", "near"));
  builder.Put(ServiceAtPrefix("six.example", "fd00::/16", "six"));
  builder.Put(ServiceAtPrefix("six-near.example", "fd00:1::/32", "six-near"));
  builder.Put(ServiceAtPrefix("all.example", "0.0.0.0/0", "remote", "net"));
  const SnapshotRef snapshot = builder.Build();
  CHECK(NsAt(*snapshot, At("10.1.2.3")) == "near");
  CHECK(NsAt(*snapshot, At("10.2.2.3")) == "wide");
  CHECK(NsAt(*snapshot, At("11.2.2.3")).empty());
  CHECK(NsAt(*snapshot, At("fd00:1::9")) == "six-near");
  CHECK(NsAt(*snapshot, At("fd00:2::9")) == "six");
  CHECK(NsAt(*snapshot, At("11.2.2.3", "net")) == "remote");
  CHECK(NsAt(*snapshot, At("fd00:2::9", "net")).empty());
}

TEST_CASE("the client's namespace beats a longer prefix, a longer prefix beats canonical") {
  Builder builder;
  builder.Put(ServiceAtPrefix("wide.example", "10.0.0.0/8", "mine"));
  builder.Put(ServiceAtPrefix("near.example", "10.1.0.0/16", "other"));
  Service canonical = ServiceAtPrefix("canon.example", "10.0.0.0/12", "canon");
  canonical.canonical = true;
  builder.Put(canonical);
  const SnapshotRef snapshot = builder.Build();
  CHECK(NsAt(*snapshot, At("10.1.2.3"), "mine") == "mine");
  CHECK(NsAt(*snapshot, At("10.1.2.3"), "elsewhere") == "other");
  CHECK(NsAt(*snapshot, At("10.2.2.3"), "elsewhere") == "canon");
}

TEST_CASE("a changed or removed service leaves no trace in any index") {
  Builder builder;
  Service service = ServiceAtPrefix("web.example", "10.0.0.0/8");
  service.vips = {At("192.168.0.1")};
  builder.Put(service);
  builder.Build();
  service.cidr_vips = {{"", Cidr::Parse("11.0.0.0/8").value()}};
  service.vips = {At("192.168.0.2")};
  builder.Put(service);
  const SnapshotRef changed = builder.Build();
  CHECK(NsAt(*changed, At("10.0.0.1")).empty());
  CHECK(NsAt(*changed, At("192.168.0.1")).empty());
  CHECK(NsAt(*changed, At("11.0.0.1")) == "default");
  CHECK(NsAt(*changed, At("192.168.0.2")) == "default");

  builder.RemoveAddress("default/web.example");
  const SnapshotRef removed = builder.Build();
  CHECK(NsAt(*removed, At("11.0.0.1")).empty());
  CHECK(NsAt(*removed, At("192.168.0.2")).empty());
  CHECK(removed->FindService({"default", "web.example"}) == nullptr);
  CHECK(removed->service_count() == 0);
}

TEST_CASE("two services of one namespace may share an address, and the rest stays when one goes") {
  Builder builder;
  builder.Put(ServiceAt("a.example", "10.1.0.1"));
  builder.Put(ServiceAt("b.example", "10.1.0.1"));
  CHECK(builder.Build()->BestServiceAt(At("10.1.0.1"), {})->hostname == "b.example");
  builder.RemoveAddress("default/b.example");
  CHECK(builder.Build()->BestServiceAt(At("10.1.0.1"), {})->hostname == "a.example");
}

TEST_CASE("a snapshot does not change when the mesh does") {
  Builder builder;
  builder.Put(ServiceAt("web.example", "10.1.0.1"));
  builder.Put(Joins(Pod("a", "10.0.0.1"), "web.example"));
  builder.Put(PolicyFor("p", PolicyScope::kNamespace));
  const SnapshotRef before = builder.Build();
  builder.RemoveAddress("default/web.example");
  builder.RemoveAddress(Pod("a", "10.0.0.1").uid);
  builder.RemovePolicy("default/p");
  const SnapshotRef after = builder.Build();
  CHECK(EndpointCount(*before, "web.example") == 1);
  CHECK_FALSE(UidAt(*before, At("10.0.0.1")).empty());
  CHECK(before->PoliciesFor(Pod("x", "10.0.0.9")).policies.size() == 1);
  CHECK(EndpointCount(*after, "web.example") == 0);
  CHECK(UidAt(*after, At("10.0.0.1")).empty());
  CHECK(after->PoliciesFor(Pod("x", "10.0.0.9")).policies.empty());
  CHECK(after->generation() == before->generation() + 1);
}

TEST_CASE("what changes nothing makes no new snapshot") {
  Builder builder;
  builder.Put(Joins(Pod("a", "10.0.0.1"), "web.example"));
  builder.Put(ServiceAt("web.example", "10.1.0.1"));
  builder.Put(PolicyFor("p", PolicyScope::kGlobal));
  const SnapshotRef before = builder.Build();
  builder.Put(Joins(Pod("a", "10.0.0.1"), "web.example"));
  builder.Put(ServiceAt("web.example", "10.1.0.1"));
  builder.Put(PolicyFor("p", PolicyScope::kGlobal));
  builder.RemoveAddress("nobody");
  builder.RemoveAddress("default/nobody");
  builder.RemovePolicy("default/nobody");
  CHECK(builder.Build() == before);
}

}  // namespace
}  // namespace aquifer::mesh
