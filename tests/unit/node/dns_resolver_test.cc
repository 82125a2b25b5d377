#include "node-proxy/dns/resolver.h"

#include <algorithm>

#include "mesh/builder.h"
#include "tests/support/catch.h"
#include "tests/unit/mesh/fixtures.h"

namespace aquifer::node::dns {
namespace {

constexpr std::string_view kNoAlias = "";

std::string KubeHost(const std::string& name, const std::string& ns) {
  return name + "." + ns + ".svc.cluster.local";
}

mesh::Service External(std::string hostname, std::vector<mesh::NetworkAddress> vips,
                       std::string ns = "ns1") {
  mesh::Service service = mesh::ServiceAt(std::move(hostname), "", std::move(ns));
  service.vips = std::move(vips);
  return service;
}

mesh::Service Kube(const std::string& name, const std::string& ns,
                   std::vector<mesh::NetworkAddress> vips) {
  return External(KubeHost(name, ns), std::move(vips), ns);
}

mesh::Service Canonical(mesh::Service service) {
  service.canonical = true;
  return service;
}

mesh::Workload Behind(std::string name, const std::string& hostname, std::string_view ip,
                      std::string_view ip6) {
  mesh::Workload workload = mesh::Joins(mesh::Pod(std::move(name), ip, "ns1"), hostname);
  workload.addresses.push_back(mesh::IpOf(ip6));
  workload.network = "nw1";
  return workload;
}

mesh::NetworkAddress Nw1(std::string_view ip) { return mesh::At(ip, "nw1"); }
mesh::NetworkAddress Nw2(std::string_view ip) { return mesh::At(ip, "nw2"); }

void PutServices(mesh::Builder& builder) {
  for (mesh::Service& service : std::vector<mesh::Service>{
           External("www.google.com", {Nw1("1.1.1.1")}),
           Kube("productpage", "ns1", {Nw1("9.9.9.9")}),
           Kube("example", "ns2", {Nw1("10.10.10.10")}),
           External("everywhere.io", {Nw1("10.10.10.110")}, "ns2"),
           External("preferred.io", {Nw1("10.10.10.210")}, "ns2"),
           External("everywhere.io", {Nw1("10.10.10.111")}, "preferred-ns"),
           External("preferred.io", {Nw1("10.10.10.211")}, "preferred-ns"),
           External("everywhere.io", {Nw1("10.10.10.112")}, "ns1"),
           External("canonical.svc", {Nw1("10.10.10.140")}, "ns2"),
           Canonical(External("canonical.svc", {Nw1("10.10.10.141")}, "ns3")),
           External("canonical.with.local", {Nw1("10.10.10.150")}, "ns1"),
           Canonical(External("canonical.with.local", {Nw1("10.10.10.151")}, "ns2")),
           External("details.ns2.svc.cluster.remote", {Nw1("11.11.11.11"), Nw1("12.12.12.12")},
                    "ns2"),
           External("ipv4.localhost", {Nw1("2.2.2.2")}),
           External("ipv6.localhost", {Nw1("2001:db8::ff00:42:8329")}),
           External("dual.localhost", {Nw1("2.2.2.2"), Nw1("2001:db8::ff00:42:8329")}),
           External("*.wildcard", {Nw1("10.10.10.10")}),
           External("*.b.wildcard", {Nw1("11.11.11.11")}),
           External("*.svc.mesh.company.net", {Nw1("10.1.2.3")}),
           Kube("nw2-only", "ns1", {Nw2("20.20.20.20")}),
           Kube("both-networks", "ns1", {Nw1("21.21.21.21"), Nw2("22.22.22.22")}),
           Kube("headless", "ns1", {}),
           External("headless.example.com", {}),
           External("headless-no-endpoints.example.com", {}),
       }) {
    builder.Put(std::move(service));
  }
}

mesh::SnapshotRef World() {
  mesh::Builder builder{mesh::BuilderOptions{}};
  PutServices(builder);
  mesh::Service six = Kube("headless-ipv6", "ns1", {});
  six.ip_families = mesh::IpFamilies::kIpv6;
  builder.Put(six);
  mesh::Service hidden = External("private.io", {Nw1("10.10.10.90")}, "ns2");
  hidden.visibility = mesh::Visibility::kNamespace;
  builder.Put(hidden);
  builder.Put(mesh::ServiceAtPrefix("prefix.io", "10.20.0.0/16", "ns1", "nw1"));
  const std::string headless = KubeHost("headless", "ns1");
  builder.Put(Behind("pod-0", headless, "30.30.30.30", "2001:db8::30"));
  builder.Put(Behind("pod-1", headless, "31.31.31.31", "2001:db8::31"));
  builder.Put(Behind("outside", "headless.example.com", "32.32.32.32", "2001:db8::32"));
  builder.Put(Behind("pod-2", KubeHost("headless-ipv6", "ns1"), "33.33.33.33", "2001:db8::33"));
  return builder.Build();
}

mesh::Workload Client() {
  mesh::Workload client = mesh::Pod("client", "10.0.0.1", "ns1");
  client.network = "nw1";
  return client;
}

ResolverOptions Options() {
  ResolverOptions options;
  options.preferred_namespace = "preferred-ns";
  return options;
}

std::optional<Answer> Ask(std::string_view name, Family family = Family::kV4,
                          const ResolverOptions& options = Options()) {
  static const mesh::SnapshotRef world = World();
  std::optional<Answer> answer = Lookup(*world, Client(), name, family, options, [] { return 0; });
  if (answer) std::sort(answer->addresses.begin(), answer->addresses.end());
  return answer;
}

std::vector<Ip> Ips(std::initializer_list<std::string_view> texts) {
  std::vector<Ip> ips;
  for (const std::string_view text : texts) ips.push_back(mesh::IpOf(text));
  return ips;
}

std::vector<std::string> Names(std::string_view name, const ResolverOptions& options = {}) {
  std::vector<std::string> names;
  for (const Candidate& candidate : CandidatesFor(name, "ns1", options))
    names.push_back(candidate.name + (candidate.pod ? " (pod)" : "") +
                    (candidate.stripped.empty() ? "" : " of " + candidate.stripped));
  return names;
}

TEST_CASE("short names are tried with what Kubernetes would add") {
  using List = std::vector<std::string>;
  CHECK(Names("name") == List{"name", "name.ns1.svc.cluster.local"});
  CHECK(Names("name.ns2") ==
        List{"name.ns2", "name.ns2.svc.cluster.local", "name.ns2.ns1.svc.cluster.local (pod)"});
  CHECK(Names("name.ns2.svc") ==
        List{"name.ns2.svc", "name.ns2.svc.cluster.local", "name.ns2.svc.svc.cluster.local (pod)"});
  CHECK(Names("name.ns2.not-svc") ==
        List{"name.ns2.not-svc", "name.ns2.not-svc.svc.cluster.local (pod)"});
  CHECK(Names("pod.sub.ns.svc") == List{"pod.sub.ns.svc", "pod.sub.ns.svc.cluster.local (pod)"});
  CHECK(Names("pod.sub.ns.not-svc") == List{"pod.sub.ns.not-svc"});
  CHECK(Names("name.ns2.svc.cluster") == List{"name.ns2.svc.cluster"});
  CHECK(Names("name.ns2.svc.elsewhere.org") == List{"name.ns2.svc.elsewhere.org"});
  CHECK(Names("www.google.com") ==
        List{"www.google.com", "www.google.com.svc.cluster.local (pod)"});
}

TEST_CASE("what a resolver appended is taken off again") {
  using List = std::vector<std::string>;
  CHECK(Names("a.b.c.d.e.ns1.svc.cluster.local") ==
        List{"a.b.c.d.e.ns1.svc.cluster.local", "a.b.c.d.e of a.b.c.d.e",
             "a.b.c.d.e.ns1 (pod) of a.b.c.d.e.ns1", "a.b.c.d.e.ns1.svc of a.b.c.d.e.ns1.svc"});
  ResolverOptions options;
  options.search = {"corp.example"};
  CHECK(Names("host.corp.example", options) ==
        List{"host.corp.example", "host.corp.example.svc.cluster.local (pod)", "host of host",
             "host.ns1.svc.cluster.local of host"});
}

TEST_CASE("names that no host has are not tried") {
  CHECK(Names("").empty());
  CHECK(Names("a\\.b.example.com").empty());
  std::string deep = "a";
  for (int i = 0; i < 100; ++i) deep += ".a";
  CHECK(Names(deep).empty());
}

TEST_CASE("names of the mesh are answered, others left to a name server") {
  struct Case {
    std::string_view name;
    Family family;
    std::optional<std::vector<Ip>> addresses;  // none: left to a name server
    std::string_view alias;
  };
  constexpr Family k4 = Family::kV4;
  constexpr Family k6 = Family::kV6;
  const Case cases[] = {
      {"www.google.com", k4, Ips({"1.1.1.1"}), kNoAlias},
      {"www.google.com.ns1.svc.cluster.local", k4, Ips({"1.1.1.1"}), "www.google.com"},
      {"www.bing.com", k4, {}, kNoAlias},
      {"productpage.ns1.svc.cluster.local", k4, Ips({"9.9.9.9"}), kNoAlias},
      {"productpage.ns1", k4, Ips({"9.9.9.9"}), kNoAlias},
      {"productpage", k4, Ips({"9.9.9.9"}), kNoAlias},
      {"productpage.ns1.ns1.svc.cluster.local", k4, Ips({"9.9.9.9"}), "productpage.ns1"},
      {"productpage.ns1.ns1.svc.cluster.local", k6, Ips({}), kNoAlias},
      {"example.ns2", k4, Ips({"10.10.10.10"}), kNoAlias},
      {"example.ns2.svc.cluster.local", k4, Ips({"10.10.10.10"}), kNoAlias},
      {"example.ns2.svc", k4, Ips({"10.10.10.10"}), kNoAlias},
      {"example", k4, {}, kNoAlias},
      {"details.ns2.svc.cluster.remote", k4, Ips({"11.11.11.11", "12.12.12.12"}), kNoAlias},
      {"details.ns2", k4, {}, kNoAlias},
      {"dual.localhost", k4, Ips({"2.2.2.2"}), kNoAlias},
      {"dual.localhost", k6, Ips({"2001:db8::ff00:42:8329"}), kNoAlias},
      {"ipv6.localhost", k4, Ips({}), kNoAlias},
      {"ipv4.localhost", k6, Ips({}), kNoAlias},
      {"foo.wildcard", k4, Ips({"10.10.10.10"}), kNoAlias},
      {"a.b.wildcard", k4, Ips({"11.11.11.11"}), kNoAlias},
      {"wildcard", k4, {}, kNoAlias},
      {"foo.svc.mesh.company.net", k4, Ips({"10.1.2.3"}), kNoAlias},
      {"foo.foons.svc.mesh.company.net", k4, Ips({"10.1.2.3"}), kNoAlias},
      {"foo.svc.mesh.company.net.ns1.svc.cluster.local", k4, Ips({"10.1.2.3"}), kNoAlias},
      {"nw2-only.ns1.svc.cluster.local", k4, Ips({}), kNoAlias},
      {"both-networks.ns1.svc.cluster.local", k4, Ips({"21.21.21.21"}), kNoAlias},
      {"headless.ns1.svc.cluster.local", k4, Ips({"30.30.30.30", "31.31.31.31"}), kNoAlias},
      {"headless.ns1.svc.cluster.local", k6, Ips({"2001:db8::30", "2001:db8::31"}), kNoAlias},
      {"headless-ipv6.ns1.svc.cluster.local", k6, Ips({"2001:db8::33"}), kNoAlias},
      {"headless-ipv6.ns1.svc.cluster.local", k4, Ips({}), kNoAlias},
      {"pod-0.headless.ns1.svc.cluster.local", k4, Ips({"30.30.30.30"}), kNoAlias},
      {"pod-0.headless.ns1.svc", k4, Ips({"30.30.30.30"}), kNoAlias},
      {"pod-0.headless.ns1", k4, Ips({"30.30.30.30"}), kNoAlias},
      {"pod-1.headless", k6, Ips({"2001:db8::31"}), kNoAlias},
      {"pod-2.headless-ipv6", k4, Ips({}), kNoAlias},
      {"pod-9.headless.ns1.svc.cluster.local", k4, {}, kNoAlias},
      {"pod-0.productpage.ns1.svc.cluster.local", k4, {}, kNoAlias},
      {"headless.pod0.ns1.svc.cluster.local", k4, {}, kNoAlias},
      {"headless-no-endpoints.example.com", k4, {}, kNoAlias},
      {"headless.example.com", k4, {}, kNoAlias},
      {"preferred.io", k4, Ips({"10.10.10.211"}), kNoAlias},
      {"everywhere.io", k4, Ips({"10.10.10.112"}), kNoAlias},
      {"canonical.svc", k4, Ips({"10.10.10.141"}), kNoAlias},
      {"canonical.with.local", k4, Ips({"10.10.10.150"}), kNoAlias},
      {"private.io", k4, {}, kNoAlias},
      {"prefix.io", k4, {}, kNoAlias},
  };
  for (const Case& each : cases) {
    INFO(each.name << (each.family == k4 ? " A" : " AAAA"));
    const std::optional<Answer> answer = Ask(each.name, each.family);
    REQUIRE(answer.has_value() == each.addresses.has_value());
    if (!answer) continue;
    CHECK(answer->addresses == *each.addresses);
    CHECK(answer->alias == each.alias);
  }
}

TEST_CASE("nothing is remembered under the zone of the name that was asked for") {
  CHECK(Ask("ipv4.localhost", Family::kV6)->zone == "ipv4.localhost");
  CHECK(Ask("productpage.ns1.svc.cluster.local", Family::kV6)->zone == "cluster.local");
  CHECK(Ask("www.google.com.ns1.svc.cluster.local", Family::kV6)->zone == "cluster.local");
}

TEST_CASE("without IPv6 names have no IPv6 addresses, and are the mesh's still") {
  ResolverOptions options = Options();
  options.ipv6 = false;
  const std::optional<Answer> answer = Ask("dual.localhost", Family::kV6, options);
  REQUIRE(answer.has_value());
  CHECK(answer->addresses.empty());
  CHECK(Ask("dual.localhost", Family::kV4, options)->addresses.size() == 1);
}

TEST_CASE("another cluster domain is the one that counts") {
  ResolverOptions options;
  options.cluster_domain = "cluster.remote";
  CHECK(Ask("details.ns2", Family::kV4, options)->addresses.size() == 2);
  CHECK_FALSE(Ask("productpage", Family::kV4, options).has_value());
}

TEST_CASE("addresses come in an order of chance") {
  const mesh::SnapshotRef world = World();
  const auto ask = [&world](std::uint64_t number) {
    return Lookup(*world, Client(), "headless", Family::kV4, Options(), [number] { return number; })
        ->addresses;
  };
  CHECK(ask(0) != ask(1));
}

}  // namespace
}  // namespace aquifer::node::dns
