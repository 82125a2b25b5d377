#include "redirect/source_flags.h"

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>

#include "redirect/cluster_source.h"
#include "redirect/manifest_source.h"

namespace aquifer::redirect {
namespace {

constexpr const char* kOwnNamespace = "POD_NAMESPACE";

std::set<std::string> ExcludedNamespaces(const app::Arguments& arguments) {
  const std::optional<std::string> own = kube::ProcessVariable(kOwnNamespace);
  const std::string absent = own ? "kube-system," + *own : "kube-system";
  std::string names = arguments.Value(kExcludeNamespaces.name, absent);
  std::set<std::string> excluded;
  while (!names.empty()) {
    const size_t end = std::min(names.find(','), names.size());
    if (end > 0) excluded.insert(names.substr(0, end));
    names.erase(0, end + 1);
  }
  return excluded;
}

}  // namespace

Result<void, Refusal> CheckSourceFlags(const app::Arguments& arguments) {
  if (!arguments.Has("--node-name")) return Refusal{"--node-name", "is needed"};
  if (arguments.Has(kManifests.name) == arguments.Has(kKubernetes.name))
    return Refusal{"", "one of --manifests and --kubernetes is needed"};
  for (const app::Flag& flag : {kExcludeNamespaces, kProc}) {
    if (arguments.Has(flag.name) && !arguments.Has(kKubernetes.name))
      return Refusal{std::string(flag.name), "goes with --kubernetes"};
  }
  return {};
}

Decoded<std::unique_ptr<PodSource>> SourceOf(const app::Arguments& arguments, bool plugin,
                                             obs::Logger& log) {
  const std::string node = arguments.Value("--node-name", "");
  const bool dns = arguments.Has("--dns-capture");
  if (arguments.Has(kManifests.name)) {
    ManifestSourceOptions options;
    options.directory = arguments.Value(kManifests.name, "");
    options.node_name = node;
    options.dns = dns;
    options.netns_from_plugin = plugin;
    return std::unique_ptr<PodSource>(std::make_unique<ManifestSource>(std::move(options)));
  }
  Decoded<kube::ClusterAccess> access = kube::FindAccess(arguments.Value(kKubernetes.name, ""));
  if (!access.ok()) return Refusal{"--kubernetes", access.error().ToString()};
  ClusterSourceOptions options;
  options.access = *std::move(access);
  options.node_name = node;
  options.dns = dns;
  options.excluded_namespaces = ExcludedNamespaces(arguments);
  PodProcesses processes(arguments.Value(kProc.name, "/proc"));
  std::random_device seed;
  return std::unique_ptr<PodSource>(
      std::make_unique<ClusterSource>(std::move(options), std::move(processes), log, seed()));
}

}  // namespace aquifer::redirect
