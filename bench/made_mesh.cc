#include "bench/made_mesh.h"

#include <arpa/inet.h>

#include "core/base/address.h"
#include "mesh/proto/authorization.pb.h"
#include "mesh/proto/discovery.pb.h"
#include "mesh/proto/workload.pb.h"

namespace aquifer::bench {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryResponse;

constexpr std::size_t kPodsPerNode = 50;
constexpr std::size_t kServicesPerNamespace = 20;

std::string Bytes(const char* text) { return Ip::Parse(text)->ByteString(); }

std::string Number(std::size_t value, int digits) {
  std::string text = std::to_string(value);
  return std::string(text.size() < static_cast<std::size_t>(digits) ? digits - text.size() : 0,
                     '0') +
         text;
}

std::string NamespaceOf(std::size_t service) {
  return "team-" + Number(service / kServicesPerNamespace, 4);
}
std::string HostOf(std::size_t service) {
  return "app-" + Number(service, 5) + "." + NamespaceOf(service) + ".svc.cluster.local";
}

void Add(DeltaDiscoveryResponse& response, const std::string& name, std::string_view type,
         const google::protobuf::Message& message, std::uint64_t version) {
  auto& resource = *response.add_resources();
  resource.set_name(name);
  if (version != 0) resource.set_version(std::to_string(version * 0x9e3779b97f4a7c15U));
  resource.mutable_resource()->set_type_url(std::string(type));
  resource.mutable_resource()->set_value(message.SerializeAsString());
}

void AddPort(google::protobuf::RepeatedPtrField<istio::workload::Port>& ports, std::uint32_t port,
             std::uint32_t target) {
  auto& added = *ports.Add();
  added.set_service_port(port);
  added.set_target_port(target);
}

// A pod of a Deployment, as istiod describes it.
void AddWorkload(DeltaDiscoveryResponse& response, std::size_t number, const Size& size) {
  const std::size_t service = number % size.services;
  const std::string app = "app-" + Number(service, 5);
  istio::workload::Address address;
  istio::workload::Workload& workload = *address.mutable_workload();
  workload.set_name(app + "-6c9f8d7b5c-" + Number(number, 6));
  workload.set_namespace_(NamespaceOf(service));
  workload.set_uid("Kubernetes//Pod/" + workload.namespace_() + "/" + workload.name());
  const std::uint32_t ip = htonl(0x0a000000U + static_cast<std::uint32_t>(number) + 1);
  workload.add_addresses(&ip, sizeof ip);
  workload.set_tunnel_protocol(istio::workload::HBONE);
  workload.set_service_account(app);
  workload.set_node("node-" + Number(number / kPodsPerNode, 5) + ".internal");
  workload.set_canonical_name(app);
  workload.set_canonical_revision("v1");
  workload.set_workload_type(istio::workload::DEPLOYMENT);
  workload.set_workload_name(app);
  workload.set_cluster_id("Kubernetes");
  workload.mutable_locality()->set_region("region-1");
  workload.mutable_locality()->set_zone("region-1" +
                                        std::string(1, static_cast<char>('a' + number % 3)));
  auto& ports = (*workload.mutable_services())[NamespaceOf(service) + "/" + HostOf(service)];
  AddPort(*ports.mutable_ports(), 80, 8080);
  AddPort(*ports.mutable_ports(), 9090, 9090);
  if (size.policies > 0 && service < size.policies)
    workload.add_authorization_policies(NamespaceOf(service) + "/allow-" + Number(service, 5));
  Add(response, workload.uid(), kAddressType, address, number + 1);
}

void AddService(DeltaDiscoveryResponse& response, std::size_t number) {
  istio::workload::Address address;
  istio::workload::Service& service = *address.mutable_service();
  service.set_name("app-" + Number(number, 5));
  service.set_namespace_(NamespaceOf(number));
  service.set_hostname(HostOf(number));
  const std::uint32_t vip = htonl(0x0a600000U + static_cast<std::uint32_t>(number) + 1);
  service.add_addresses()->set_address(&vip, sizeof vip);
  AddPort(*service.mutable_ports(), 80, 8080);
  AddPort(*service.mutable_ports(), 9090, 9090);
  service.set_ip_families(istio::workload::IPV4_ONLY);
  service.set_canonical(true);
  Add(response, service.namespace_() + "/" + service.hostname(), kAddressType, address, number + 1);
}

void AddPolicy(DeltaDiscoveryResponse& response, std::size_t number) {
  istio::security::Authorization policy;
  policy.set_name("allow-" + Number(number, 5));
  policy.set_namespace_(NamespaceOf(number));
  policy.set_scope(istio::security::WORKLOAD_SELECTOR);
  policy.set_action(istio::security::ALLOW);
  auto& match = *policy.add_rules()->add_clauses()->add_matches();
  match.add_principals()->set_exact("cluster.local/ns/" + policy.namespace_() + "/sa/default");
  Add(response, policy.namespace_() + "/" + policy.name(), kPolicyType, policy, 0);
}

// The endpoint of the probed service, at one of its two addresses.
void AddProbed(DeltaDiscoveryResponse& response, std::size_t which, std::uint64_t version) {
  istio::workload::Address address;
  istio::workload::Workload& workload = *address.mutable_workload();
  workload.set_name("probed");
  workload.set_namespace_("probe");
  workload.set_uid("Kubernetes//Pod/probe/probed");
  workload.add_addresses(Bytes(kEndpoints[which]));
  workload.set_service_account("default");
  workload.set_node("node-elsewhere");
  auto& ports = (*workload.mutable_services())["probe/probed.probe.svc.cluster.local"];
  AddPort(*ports.mutable_ports(), kVipPort, kEndpointPort);
  Add(response, workload.uid(), kAddressType, address, version);
}

void AddProbe(DeltaDiscoveryResponse& response) {
  istio::workload::Address address;
  istio::workload::Workload& client = *address.mutable_workload();
  client.set_name("client");
  client.set_namespace_("probe");
  client.set_uid("Kubernetes//Pod/probe/client");
  client.add_addresses(Bytes(kClient));
  client.set_tunnel_protocol(istio::workload::HBONE);
  client.set_service_account("default");
  client.set_node("node-here");
  Add(response, client.uid(), kAddressType, address, 1);
  istio::workload::Service& service = *address.mutable_service();
  service.set_name("probed");
  service.set_namespace_("probe");
  service.set_hostname("probed.probe.svc.cluster.local");
  service.add_addresses()->set_address(Bytes(kVip));
  AddPort(*service.mutable_ports(), kVipPort, kEndpointPort);
  Add(response, "probe/probed.probe.svc.cluster.local", kAddressType, address, 1);
  AddProbed(response, 0, 1);
}

// Responses of one type, ready to be sent; at least one.
class Responses {
 public:
  Responses(const char* type, std::size_t chunk) : type_(type), chunk_(chunk) {}

  DeltaDiscoveryResponse& Next() {
    if (chunk_ > 0 && static_cast<std::size_t>(open_.resources_size()) >= chunk_) Close();
    return open_;
  }
  std::vector<std::string> Take() {
    Close();
    return std::move(done_);
  }

 private:
  void Close() {
    open_.set_type_url(type_);
    open_.set_nonce(std::string(type_) + "#" + std::to_string(done_.size()));
    done_.push_back(open_.SerializeAsString());
    open_.Clear();
  }

  const char* type_;
  std::size_t chunk_;
  DeltaDiscoveryResponse open_;
  std::vector<std::string> done_;
};

}  // namespace

std::map<std::string, std::vector<std::string>> Everything(const Size& size) {
  Responses addresses(kAddressType, size.chunk);
  AddProbe(addresses.Next());
  for (std::size_t i = 0; i < size.services; ++i) AddService(addresses.Next(), i);
  for (std::size_t i = 0; i < size.workloads; ++i) AddWorkload(addresses.Next(), i, size);
  Responses policies(kPolicyType, size.chunk);
  for (std::size_t i = 0; i < size.policies; ++i) AddPolicy(policies.Next(), i);
  return {{kAddressType, addresses.Take()}, {kPolicyType, policies.Take()}};
}

std::string ProbedAt(std::size_t which, std::uint64_t version) {
  DeltaDiscoveryResponse response;
  response.set_type_url(kAddressType);
  response.set_nonce("change-" + std::to_string(version));
  AddProbed(response, which, version);
  return response.SerializeAsString();
}

}  // namespace aquifer::bench
