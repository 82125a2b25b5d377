// What the answers of an API server say about a cluster, before an installation and of one: each
// finding with its cure. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/fields.h"

namespace aquifer::cli {

using kube::Json;

enum class Verdict : std::uint8_t { kOk, kWarn, kFail };

struct Finding {
  Verdict verdict = Verdict::kOk;
  std::string what;
  std::string cure;  // empty where nothing is wrong
};

// "v1.30.2", "6.1.0-18-amd64" as numbers; nothing for what does not begin with two.
struct Release {
  int major = 0;
  int minor = 0;
  friend auto operator<=>(const Release&, const Release&) = default;
};
std::optional<Release> ReadRelease(std::string_view text);

// The answer to /version.
Finding JudgeServer(const Json& version);
// The definition of Gateways, if there is one.
Finding JudgeGatewayApi(const std::optional<Json>& definition);
// One line for all nodes, or one for each that is too old.
std::vector<Finding> JudgeNodes(const std::vector<Json>& nodes);
// Deployments and DaemonSets of aquifer-system by the names that belong to an installation.
std::vector<Finding> JudgeWorkloads(const std::vector<Json>& workloads);
// Pods of all namespaces: those that ask for the mesh and are not captured.
Finding JudgePods(const std::vector<Json>& namespaces, const std::vector<Json>& pods);

}  // namespace aquifer::cli
