#include "cli/mesh_objects.h"

#include <array>
#include <utility>

#include "control/config.h"
#include "control/kube/cluster_objects.h"
#include "control/source/directory.h"

namespace aquifer::cli {
namespace {

constexpr const char* kControl = "aquifer-control";
constexpr const char* kHome = "aquifer-system";

// Flags of the control plane that a directory of manifests cannot say.
constexpr std::array<CommandFlag, 4> kSettings = {{
    {"--trust-domain", "NAME", "with --manifests: of all identities (default cluster.local)"},
    {"--root-namespace", "NAME",
     "with --manifests: whose policies are the mesh's (default istio-system)"},
    {"--cluster-domain", "NAME",
     "with --manifests: the end of service names (default cluster.local)"},
    {"--captured-by", "labels|annotation",
     "with --manifests: what says that a pod is captured (default labels)"},
}};

Decoded<control::MeshSettings> SettingsOf(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  AQ_TRY(const control::ControlConfig config, control::ParseFlags(arguments));
  return config.mesh;
}

std::string PathOf(const control::DecoderRow& row, std::string_view version) {
  std::string path = row.group.empty() ? "/api/" : "/apis/" + std::string(row.group) + "/";
  return path.append(version).append("/").append(row.plural);
}

// The objects of one kind in all namespaces, in the best version that is served; none of a kind
// that is not.
Task<Result<void, std::string>> ReadKind(Cluster& cluster, const control::DecoderRow& row,
                                         control::ClusterObjects& objects, StopToken stop) {
  control::ClusterObjects::Listing listing = objects.Begin(row);
  for (const std::string_view version : row.versions) {
    std::string path = PathOf(row, version);
    const Answer<std::vector<Json>> items =
        co_await cluster.List(std::move(path), std::string(), stop);
    const bool absent = !items.ok() && items.error().status == 404 && !row.group.empty();
    if (absent) continue;
    if (!items.ok())
      co_return std::string(row.plural) + " cannot be listed: " + items.error().ToString();
    for (const Json& item : *items) {
      if (!listing.Add(item)) co_return "there are too many " + std::string(row.plural);
    }
    break;
  }
  objects.Replace(std::move(listing));
  co_return Result<void, std::string>();
}

// What the containers of the control plane are called with.
std::vector<std::string> ArgumentsOf(const Json& deployment) {
  std::vector<std::string> words;
  const Json* const containers = ValueAt(deployment, {"spec", "template", "spec", "containers"});
  if (containers == nullptr || !containers->is_array()) return words;
  for (const Json& container : *containers) {
    const Json* const arguments = ValueAt(container, {"args"});
    if (arguments == nullptr || !arguments->is_array()) continue;
    for (const Json& word : *arguments) {
      if (word.is_string()) words.push_back(word.get<std::string>());
    }
    return words;
  }
  return words;
}

Task<Result<void, std::string>> ReadSettings(const Context& context, Cluster& cluster,
                                             MeshObjects& mesh, StopToken stop) {
  ObjectName name{"apps/v1", "Deployment", context.arguments.Value("--control-namespace", kHome),
                  kControl};
  const std::string place = name.ToString();
  const Answer<std::optional<Json>> deployment = co_await cluster.Read(std::move(name), stop);
  if (!deployment.ok()) co_return place + " cannot be read: " + deployment.error().ToString();
  std::vector<std::string> words;
  if (*deployment) words = ArgumentsOf(**deployment);
  Decoded<control::MeshSettings> settings = SettingsOf(std::move(words));
  if (!settings.ok()) {
    mesh.remarks.push_back((*deployment ? "the flags of " + place + " cannot be read (" +
                                              settings.error().ToString() + ")"
                                        : place + " is not there") +
                           ": the control plane's settings are taken to be the defaults");
    settings = SettingsOf({"--kubernetes", std::string(kube::kInCluster)});
  }
  if (settings.ok()) mesh.settings = *settings;
  co_return Result<void, std::string>();
}

}  // namespace

std::vector<CommandFlag> MeshObjectsFlags() {
  std::vector<CommandFlag> flags = {
      {"--manifests", "DIR", "the objects are files of this directory, and no cluster is asked"},
      {"--control-namespace", "NAME", "where aquifer-control runs (default aquifer-system)"},
  };
  flags.insert(flags.end(), kSettings.begin(), kSettings.end());
  return flags;
}

std::vector<std::string> RemarksOf(const MeshObjects& mesh) {
  constexpr size_t kMaxRemarks = 20;
  std::vector<std::string> remarks = mesh.remarks;
  for (const control::ManifestRefusal& refusal : mesh.seen.refusals) {
    if (remarks.size() >= kMaxRemarks) {
      remarks.emplace_back("and more");
      break;
    }
    remarks.push_back("refused: " + refusal.ToString());
  }
  return remarks;
}

Decoded<MeshObjects> ReadManifests(const Context& context) {
  const std::string folder = context.arguments.Value("--manifests");
  std::vector<std::string> words = {"--manifests", folder};
  for (const CommandFlag& flag : kSettings) {
    if (!context.arguments.Has(flag.name)) continue;
    words.emplace_back(flag.name);
    words.push_back(context.arguments.Value(flag.name));
  }
  MeshObjects mesh;
  AQ_TRY(mesh.settings, SettingsOf(std::move(words)));
  control::ManifestDirectory directory(folder);
  directory.Read({});
  directory.Commit({});
  mesh.seen = directory.Observe();
  if (mesh.seen.objects.size() == 0) {
    const std::string why = mesh.seen.refusals.empty() ? "has no object of the mesh"
                                                       : mesh.seen.refusals.front().ToString();
    return Refusal{folder, why};
  }
  return mesh;
}

Task<Result<MeshObjects, std::string>> ReadMesh(const Context& context, Cluster& cluster,
                                                StopToken stop) {
  MeshObjects mesh;
  AQ_CO_TRY_STATUS(co_await ReadSettings(context, cluster, mesh, stop));
  control::ClusterObjects objects;
  for (const control::DecoderRow& row : control::Decoders()) {
    AQ_CO_TRY_STATUS(co_await ReadKind(cluster, row, objects, stop));
  }
  mesh.seen = objects.Observe();
  co_return mesh;
}

}  // namespace aquifer::cli
