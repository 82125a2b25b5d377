#include "proxy/describe.h"

#include "tests/support/catch.h"
#include "tests/unit/mesh/fixtures.h"

namespace aquifer::proxy {
namespace {

TEST_CASE("a workload's baggage says where it runs and what it is part of") {
  mesh::Workload workload = mesh::Pod("web-1", "10.0.0.1", "shop");
  workload.cluster_id = "east";
  workload.type = mesh::WorkloadType::kCronJob;
  workload.workload_name = "web";
  workload.canonical_name = "web-app";
  workload.canonical_revision = "v2";
  workload.locality = {.region = "r", .zone = "z", .subzone = "s"};
  const hbone::Baggage baggage = BaggageOf(workload);
  CHECK(baggage == hbone::Baggage{.cluster = "east",
                                  .ns = "shop",
                                  .workload_type = "cronjob",
                                  .workload_name = "web",
                                  .service_name = "web-app",
                                  .service_version = "v2",
                                  .region = "r",
                                  .zone = "z"});
}

TEST_CASE("what is not known of a workload is left out of its baggage") {
  const hbone::Baggage baggage = BaggageOf(mesh::Pod("web-1", "10.0.0.1", "shop"));
  CHECK(hbone::Encode(baggage) == "k8s.cluster.name=Kubernetes,k8s.namespace.name=shop");
}

}  // namespace
}  // namespace aquifer::proxy
