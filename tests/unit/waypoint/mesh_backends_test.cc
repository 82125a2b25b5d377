#include "waypoint/mesh_backends.h"

#include "mesh/builder.h"
#include "tests/support/run_task.h"

namespace aquifer::waypoint {
namespace {

using mesh::AppProtocol;

const Address kPod{Ip::V4(10, 1, 0, 7), 80};

class NoAuthority final : public certs::Authority {
 public:
  Task<Result<certs::CertificateBundle, certs::Failure>> Fetch(certs::Identity,
                                                               StopToken) override {
    AQ_CHECK(false);
    std::abort();
  }
};

mesh::SnapshotRef MeshWithPod() {
  mesh::Builder builder;
  mesh::Workload pod;
  pod.uid = "c//Pod/app/httpbin-1";
  pod.name = "httpbin-1";
  pod.ns = "app";
  pod.addresses = {kPod.ip};
  builder.Put(pod);
  return builder.Build();
}

// What is chosen for a pod's own address.
Task<void> Choose(AppProtocol declared, bool client_speaks_h2, ChosenBackend& chosen) {
  NoAuthority authority;
  certs::CertStore store(authority, &certs::SystemWallTime);
  certs::CertCache cache(store, Loop::Current(), &certs::SystemWallTime);
  hbone::Pool pool{hbone::PoolOptions()};
  const OwnWorkload own;
  const MeshSlot mesh{MeshWithPod()};
  MeshBackends backends(mesh, own, Edge::kWaypoint, pool, cache, [] { return std::uint64_t{0}; });
  UpstreamRequest request;
  request.destination = {.service = std::nullopt, .address = kPod, .protocol = declared};
  request.client_speaks_h2 = client_speaks_h2;
  Result<ChosenBackend> found = backends.Choose(request);
  REQUIRE(found.ok());
  chosen = *std::move(found);
  co_await pool.Shutdown();
}

ChosenBackend ChosenFor(AppProtocol declared, bool client_speaks_h2) {
  ChosenBackend chosen;
  aquifer::test::RunVirtual(Choose(declared, client_speaks_h2, chosen));
  return chosen;
}

TEST_CASE("a pod's own address is asked in HTTP/2 where that is declared or nothing else is") {
  CHECK(ChosenFor(AppProtocol::kGrpc, true).http2);
  CHECK(ChosenFor(AppProtocol::kHttp2, false).http2);
  CHECK(ChosenFor(AppProtocol::kUnknown, true).http2);
  CHECK_FALSE(ChosenFor(AppProtocol::kUnknown, false).http2);
  CHECK_FALSE(ChosenFor(AppProtocol::kHttp11, true).http2);
}

TEST_CASE("connections to a pod of one version are not those of the other") {
  CHECK(ChosenFor(AppProtocol::kUnknown, true).key != ChosenFor(AppProtocol::kUnknown, false).key);
  CHECK(ChosenFor(AppProtocol::kGrpc, true).key == ChosenFor(AppProtocol::kHttp2, false).key);
}

}  // namespace
}  // namespace aquifer::waypoint
