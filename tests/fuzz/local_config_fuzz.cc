// A local mesh file. What is accepted goes into a builder and must be found there again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/check.h"
#include "mesh/builder.h"
#include "mesh/file_source.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aquifer::mesh;  // NOLINT: a fuzz target is one function
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const aquifer::Decoded<LocalMesh> mesh = ParseLocalConfig(text);
  if (!mesh.ok()) {
    AQ_CHECK(!mesh.error().why.empty());
    return 0;
  }
  Builder builder;
  for (const Workload& workload : mesh->workloads) builder.Put(workload);
  for (const Service& service : mesh->services) builder.Put(service);
  for (const Policy& policy : mesh->policies) builder.Put(policy);
  const SnapshotRef snapshot = builder.Build();
  for (const Workload& workload : mesh->workloads) {
    AQ_CHECK(snapshot->FindWorkload(workload.uid) != nullptr);
  }
  for (const Service& service : mesh->services) {
    AQ_CHECK(snapshot->FindService(service.key()) != nullptr);
  }
  for (const Policy& policy : mesh->policies) {
    AQ_CHECK(snapshot->FindPolicy(policy.key()) != nullptr);
    AQ_CHECK(!policy.malformed);
  }
  return 0;
}
