// Bytes of an istio.workload.Address, into a mesh that has one of each already. What is taken must
// be found again by its name, and must leave nothing behind when it goes.
#include <google/protobuf/stubs/logging.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/base/check.h"
#include "mesh/builder.h"

namespace {

using namespace aquifer::mesh;  // NOLINT: a fuzz target is one function

std::string NameOf(const istio::workload::Address& address) {
  if (address.has_workload()) return address.workload().uid();
  return address.service().namespace_() + "/" + address.service().hostname();
}

Workload Neighbour() {
  Workload workload;
  workload.uid = "Kubernetes//Pod/default/neighbour";
  workload.ns = "default";
  workload.addresses = {aquifer::Ip::V4(10, 0, 0, 1)};
  workload.services = {{{"default", "web"}, {{80, 8080}}}};
  return workload;
}

void LookAround(const Snapshot& snapshot) {
  snapshot.ForEachWorkload([&](const WorkloadRef& workload) {
    for (const aquifer::Ip& ip : workload->addresses) {
      const NetworkAddress address{workload->network, ip};
      const WorkloadRef owner = snapshot.FindWorkloadAt(address);
      AQ_CHECK(owner != nullptr || workload->network_mode == NetworkMode::kHostNetwork);
    }
    snapshot.PoliciesFor(*workload);
    snapshot.ServicesOf(*workload);
    if (workload->waypoint) snapshot.FindGateway(*workload->waypoint);
  });
  snapshot.ForEachService([&](const ServiceRef& service) {
    AQ_CHECK(snapshot.FindService(service->key()) == service);
    for (const NetworkAddress& vip : service->vips) {
      AQ_CHECK(snapshot.BestServiceAt(vip, {}) != nullptr);
    }
    for (const NetworkCidr& vip : service->cidr_vips) {
      const NetworkAddress first{vip.network, vip.cidr.ip()};
      AQ_CHECK(snapshot.BestServiceAt(first, {}) != nullptr);
    }
    const EndpointsRef endpoints = snapshot.EndpointsOf(*service);
    for (const Endpoint& endpoint : endpoints->all()) {
      AQ_CHECK(endpoints->Find(endpoint.workload->uid) == &endpoint);
    }
    if (endpoints->total_capacity() > 0) endpoints->OwnerOf(endpoints->total_capacity() - 1);
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto silence = google::protobuf::SetLogHandler(nullptr);
  static_cast<void>(silence);
  istio::workload::Address message;
  if (!message.ParseFromArray(data, static_cast<int>(size))) return 0;
  Builder builder;
  builder.Put(Neighbour());
  const SnapshotRef before = builder.Build();
  const std::string name = NameOf(message);
  const auto taken = builder.PutAddress(name, message);
  const SnapshotRef after = builder.Build();
  const bool guarded = message.workload().has_waypoint() || message.service().has_waypoint() ||
                       message.service().weighted_waypoints_size() > 0;
  if (!taken) {
    // A refused resource may only leave behind what closes.
    AQ_CHECK(after == before || guarded || name == Neighbour().uid);
    AQ_CHECK(!taken.error().why.empty());
  }
  LookAround(*after);
  builder.RemoveAddress(name);
  if (name != Neighbour().uid) {
    const SnapshotRef gone = builder.Build();
    AQ_CHECK(gone->workload_count() == 1);
    AQ_CHECK(gone->service_count() == 0);
    LookAround(*gone);
  }
  return 0;
}
