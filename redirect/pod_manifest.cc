#include "redirect/pod_manifest.h"

#include <yaml-cpp/yaml.h>

#include <exception>

namespace aquifer::redirect {
namespace {

constexpr size_t kMaxDocumentBytes = 256 * 1024;
constexpr size_t kMaxDocuments = 4096;
constexpr size_t kMaxItems = 4096;  // of one List
constexpr size_t kMaxTextBytes = 4096;

bool IsSeparator(std::string_view line) {
  return line.starts_with("---") && (line.size() == 3 || line.find_first_of(" \t\r", 3) == 3);
}

// A separator at the start of a line always ends a document, so each can be parsed by itself.
std::vector<std::string> SplitDocuments(std::string_view text) {
  std::vector<std::string> documents(1);
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (IsSeparator(line)) {
      // What follows on the same line ("--- {...}") belongs to the new document.
      documents.emplace_back(line.substr(3));
    } else {
      documents.back() += line;
    }
    documents.back() += '\n';
  }
  return documents;
}

Decoded<YAML::Node> Child(const YAML::Node& parent, std::string_view path, std::string_view key) {
  if (!parent.IsDefined() || parent.IsNull()) return YAML::Node(YAML::NodeType::Undefined);
  if (!parent.IsMap()) return Refusal{std::string(path), "must be a mapping"};
  return parent[std::string(key)];
}

// A scalar's text; empty if there is none.
Decoded<std::optional<std::string>> Text(const YAML::Node& parent, const std::string& path,
                                         std::string_view key) {
  AQ_TRY(const YAML::Node node, Child(parent, path, key));
  if (!node.IsDefined() || node.IsNull()) return std::optional<std::string>();
  const std::string where = path + "." + std::string(key);
  if (!node.IsScalar()) return Refusal{where, "must be text"};
  if (node.Scalar().size() > kMaxTextBytes) return Refusal{where, "is longer than 4096 bytes"};
  return std::optional<std::string>(node.Scalar());
}

Decoded<bool> Flag(const YAML::Node& parent, const std::string& path, std::string_view key,
                   bool absent) {
  AQ_TRY(const std::optional<std::string> text, Text(parent, path, key));
  if (!text) return absent;
  if (*text == "true") return true;
  if (*text == "false") return false;
  return Refusal{path + "." + std::string(key), "must be true or false"};
}

Result<void, Refusal> ReadAnnotations(const YAML::Node& metadata, PodManifest& pod) {
  const std::string path = "metadata.annotations";
  AQ_TRY(const YAML::Node annotations, Child(metadata, "metadata", "annotations"));
  AQ_TRY(const auto netns, Text(annotations, path, kNetnsAnnotation));
  AQ_TRY(const auto sidecar, Text(annotations, path, kSidecarAnnotation));
  AQ_TRY(pod.bypass_inbound, Flag(annotations, path, kBypassAnnotation, false));
  AQ_TRY(pod.dns_capture, Flag(annotations, path, kDnsAnnotation, true));
  pod.netns = netns.value_or("");
  pod.has_sidecar = sidecar.has_value();
  return {};
}

Decoded<std::optional<std::string>> ReadMode(const YAML::Node& metadata) {
  AQ_TRY(const YAML::Node labels, Child(metadata, "metadata", "labels"));
  return Text(labels, "metadata.labels", kModeLabel);
}

// The API server's rule: the field's old name counts where the new one says nothing, and empty is
// nothing. As in control/decode/core.cc, for a pod has one identity.
Decoded<std::string> ReadServiceAccount(const YAML::Node& spec) {
  for (const std::string_view key : {"serviceAccountName", "serviceAccount"}) {
    AQ_TRY(const auto account, Text(spec, "spec", key));
    if (account && !account->empty()) return *account;
  }
  return std::string("default");
}

Decoded<PodManifest> ReadPod(const YAML::Node& document) {
  PodManifest pod;
  AQ_TRY(const YAML::Node metadata, Child(document, "Pod", "metadata"));
  AQ_TRY(const auto name, Text(metadata, "metadata", "name"));
  AQ_TRY(const auto ns, Text(metadata, "metadata", "namespace"));
  AQ_TRY(const auto uid, Text(metadata, "metadata", "uid"));
  AQ_TRY(pod.mode, ReadMode(metadata));
  AQ_TRY_STATUS(ReadAnnotations(metadata, pod));
  AQ_TRY(const YAML::Node spec, Child(document, "Pod", "spec"));
  AQ_TRY(const auto node, Text(spec, "spec", "nodeName"));
  AQ_TRY(const std::string account, ReadServiceAccount(spec));
  AQ_TRY(pod.host_network, Flag(spec, "spec", "hostNetwork", false));
  pod.info = {.name = name.value_or(""), .ns = ns.value_or("default"), .service_account = account};
  if (const auto usable = CheckPodInfo(pod.info); !usable) return usable.error();
  pod.uid = uid.value_or(pod.info.ns + "/" + pod.info.name);
  pod.node = node.value_or("");
  return pod;
}

Decoded<NamespaceManifest> ReadNamespace(const YAML::Node& document) {
  NamespaceManifest ns;
  AQ_TRY(const YAML::Node metadata, Child(document, "Namespace", "metadata"));
  AQ_TRY(const auto name, Text(metadata, "metadata", "name"));
  AQ_TRY(ns.mode, ReadMode(metadata));
  if (!name || name->empty()) return Refusal{"metadata.name", "must not be empty"};
  ns.name = *name;
  return ns;
}

void ReadObject(const YAML::Node& object, const std::string& where, PodManifests& out);

void ReadItems(const YAML::Node& list, const std::string& where, PodManifests& out) {
  const YAML::Node items = list["items"];
  if (!items.IsDefined() || items.IsNull()) return;
  if (!items.IsSequence() || items.size() > kMaxItems) {
    out.refusals.push_back({where + ": items", "must be a list of at most 4096"});
    return;
  }
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string item = where + ": items[" + std::to_string(i) + "]";
    const YAML::Node object = items[i];
    // A list inside a list is nothing that Kubernetes writes, and could be its own item.
    if (object.IsMap() && object["items"].IsDefined()) {
      out.refusals.push_back({item, "is a list itself"});
    } else {
      ReadObject(object, item, out);
    }
  }
}

void ReadObject(const YAML::Node& object, const std::string& where, PodManifests& out) {
  if (!object.IsDefined() || object.IsNull()) return;
  const auto kind = Text(object, "document", "kind");
  if (!kind) return out.refusals.push_back({where, kind.error().ToString()});
  const auto version = Text(object, "document", "apiVersion");
  if (!version) return out.refusals.push_back({where, version.error().ToString()});
  if (version->value_or("") != "v1") return;
  if (*kind == "Pod") {
    Decoded<PodManifest> pod = ReadPod(object);
    if (pod) return out.pods.push_back(*std::move(pod));
    out.refusals.push_back({where + ": " + pod.error().field, pod.error().why});
  } else if (*kind == "Namespace") {
    Decoded<NamespaceManifest> ns = ReadNamespace(object);
    if (ns) return out.namespaces.push_back(*std::move(ns));
    out.refusals.push_back({where + ": " + ns.error().field, ns.error().why});
  } else if (*kind == "List" || *kind == "PodList" || *kind == "NamespaceList") {
    ReadItems(object, where, out);
  }
}

void ReadDocument(const std::string& text, const std::string& where, PodManifests& out) {
  if (text.size() > kMaxDocumentBytes) {
    out.refusals.push_back({where, "is longer than 256 KiB"});
    return;
  }
  try {
    ReadObject(YAML::Load(text), where, out);
  } catch (const std::exception& problem) {  // the library's way to refuse
    out.refusals.push_back({where, problem.what()});
  }
}

}  // namespace

bool IsEnrolled(const PodManifest& pod, const std::string* namespace_mode,
                const std::string& node_name) {
  if (pod.node != node_name || pod.host_network || pod.has_sidecar) return false;
  if (pod.mode && *pod.mode == "none") return false;
  if (pod.mode && *pod.mode == "ambient") return true;
  return namespace_mode != nullptr && *namespace_mode == "ambient";
}

PodManifests ReadPodManifests(std::string_view text) {
  PodManifests out;
  const std::vector<std::string> documents = SplitDocuments(text);
  if (documents.size() > kMaxDocuments) {
    out.refusals.push_back({"file", "has more than 4096 documents"});
    return out;
  }
  for (size_t i = 0; i < documents.size(); ++i) {
    ReadDocument(documents[i], "document " + std::to_string(i + 1), out);
  }
  return out;
}

}  // namespace aquifer::redirect
