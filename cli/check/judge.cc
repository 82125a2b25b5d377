#include "cli/check/judge.h"

#include <array>
#include <charconv>
#include <set>

#include "cli/cluster.h"
#include "cli/install/serving.h"

namespace aquifer::cli {
namespace {

constexpr Release kOldestServer{1, 30};
constexpr Release kOldestKernel{6, 1};
constexpr const char* kMode = "istio.io/dataplane-mode";

Finding Good(std::string what) { return {Verdict::kOk, std::move(what), ""}; }

const Json* FindNamed(const std::vector<Json>& objects, std::string_view name) {
  for (const Json& object : objects) {
    if (TextAt(object, {"metadata", "name"}) == name) return &object;
  }
  return nullptr;
}

std::string ImageOf(const Json& workload) {
  const Json* containers = ValueAt(workload, {"spec", "template", "spec", "containers"});
  const bool any = containers != nullptr && containers->is_array() && !containers->empty();
  return any ? TextAt((*containers)[0], {"image"}) : "";
}

// As the agent decides it.
bool WantsMesh(const Json& pod, const std::set<std::string>& enrolled) {
  const std::string space = TextAt(pod, {"metadata", "namespace"});
  if (space == "kube-system" || space == "aquifer-system") return false;
  const std::string own = TextAt(pod, {"metadata", "labels", kMode});
  const bool wants = own == "ambient" || (own != "none" && enrolled.contains(space));
  const Json* host = ValueAt(pod, {"spec", "hostNetwork"});
  const bool sidecar = !TextAt(pod, {"metadata", "annotations", "sidecar.istio.io/status"}).empty();
  return wants && !sidecar && (host == nullptr || *host != true) &&
         TextAt(pod, {"status", "phase"}) == "Running";
}

}  // namespace

std::optional<Release> ReadRelease(std::string_view text) {
  if (text.starts_with('v')) text.remove_prefix(1);
  Release release;
  const char* const end = text.data() + text.size();
  const auto [dot, bad] = std::from_chars(text.data(), end, release.major);
  if (bad != std::errc() || dot == end || *dot != '.') return std::nullopt;
  const auto [rest, worse] = std::from_chars(dot + 1, end, release.minor);
  if (worse != std::errc()) return std::nullopt;
  return release;
}

Finding JudgeServer(const Json& version) {
  const std::string text = TextAt(version, {"gitVersion"});
  const std::optional<Release> release = ReadRelease(text);
  if (!release)
    return {Verdict::kWarn, "the API server does not say its version", "1.30 or later is needed"};
  if (*release < kOldestServer)
    return {Verdict::kFail, "the API server is " + text, "1.30 or later is needed"};
  return Good("the API server is " + text);
}

Finding JudgeGatewayApi(const std::optional<Json>& definition) {
  static constexpr const char* kAnnotation = "gateway.networking.k8s.io/bundle-version";
  if (!definition) {
    return {Verdict::kFail, "the Gateway API is not defined here",
            "apply standard-install.yaml of the Gateway API, see docs/install.md"};
  }
  const std::string bundle = TextAt(*definition, {"metadata", "annotations", kAnnotation});
  const Json* versions = ValueAt(*definition, {"spec", "versions"});
  bool served = false;
  for (const Json& version : versions == nullptr ? Json::array() : *versions) {
    const Json* serves = ValueAt(version, {"served"});
    if (TextAt(version, {"name"}) == "v1") served = serves != nullptr && *serves == true;
  }
  if (!served) {
    return {Verdict::kFail, "the Gateway API here (" + bundle + ") does not serve v1",
            "apply a newer standard-install.yaml, see docs/install.md"};
  }
  return Good("the Gateway API serves v1, bundle " + bundle);
}

std::vector<Finding> JudgeNodes(const std::vector<Json>& nodes) {
  std::vector<Finding> findings;
  size_t good = 0;
  for (const Json& node : nodes) {
    const std::string kernel = TextAt(node, {"status", "nodeInfo", "kernelVersion"});
    const std::optional<Release> release = ReadRelease(kernel);
    if (release && *release >= kOldestKernel) {
      ++good;
      continue;
    }
    findings.push_back({Verdict::kFail,
                        "node " + TextAt(node, {"metadata", "name"}) + " has Linux " + kernel,
                        "6.1 or later is needed; node.nodeSelector of the chart leaves it out"});
  }
  if (good > 0) findings.push_back(Good(std::to_string(good) + " nodes have Linux 6.1 or later"));
  return findings;
}

std::vector<Finding> JudgeWorkloads(const std::vector<Json>& workloads) {
  std::vector<Finding> findings;
  std::set<std::string> images;
  for (const char* name : {"aquifer-control", "aquifer-node", "aquifer-cni"}) {
    const Json* workload = FindNamed(workloads, name);
    if (workload == nullptr) {
      findings.push_back({Verdict::kFail, std::string(name) + " is not there",
                          "\"aquifer install\" brings it back"});
      continue;
    }
    images.insert(ImageOf(*workload));
    const Serving serving = ServingOf(*workload);
    const std::string what = std::string(name) + ": " + serving.text + " serve";
    if (serving.ready) {
      findings.push_back(Good(what));
    } else {
      findings.push_back({Verdict::kFail, what,
                          std::string("kubectl -n aquifer-system describe pods -l app=") + name});
    }
  }
  if (images.size() > 1) {
    std::string list;
    for (const std::string& image : images) list += (list.empty() ? "" : ", ") + image;
    findings.push_back({Verdict::kWarn, "programs of several versions: " + list,
                        "\"aquifer install\" makes them one"});
  }
  return findings;
}

Finding JudgePods(const std::vector<Json>& namespaces, const std::vector<Json>& pods) {
  std::set<std::string> enrolled;
  for (const Json& space : namespaces) {
    if (TextAt(space, {"metadata", "labels", kMode}) == "ambient")
      enrolled.insert(TextAt(space, {"metadata", "name"}));
  }
  size_t captured = 0;
  size_t missing = 0;
  std::string first;
  for (const Json& pod : pods) {
    if (!WantsMesh(pod, enrolled)) continue;
    if (TextAt(pod, {"metadata", "annotations", "ambient.istio.io/redirection"}) == "enabled") {
      ++captured;
      continue;
    }
    ++missing;
    if (first.empty())
      first = TextAt(pod, {"metadata", "namespace"}) + "/" + TextAt(pod, {"metadata", "name"});
  }
  if (missing == 0) return Good(std::to_string(captured) + " pods of the mesh are captured");
  return {Verdict::kFail,
          std::to_string(missing) + " pods ask for the mesh and are not captured: " + first +
              (missing > 1 ? " and others" : ""),
          "the log of aquifer-cni on its node tells why"};
}

}  // namespace aquifer::cli
