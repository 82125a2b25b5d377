// The mesh from a local file instead of a control plane (LOCAL_XDS_PATH, LOCAL_XDS): workloads,
// services and policies in YAML with the field names of Istio's node proxy. Read whole or refused
// whole, with the path of the field that is wrong; an unknown field is wrong. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "mesh/policy.h"
#include "mesh/service.h"
#include "mesh/workload.h"

namespace aquifer::mesh {

struct LocalMesh {
  std::vector<Workload> workloads;
  std::vector<Service> services;
  std::vector<Policy> policies;
};

inline constexpr std::size_t kMaxLocalConfigBytes = 64 * 1024 * 1024;

Decoded<LocalMesh> ParseLocalConfig(std::string_view yaml);

}  // namespace aquifer::mesh
