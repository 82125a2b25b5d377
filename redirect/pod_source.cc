#include "redirect/pod_source.h"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>
#include <system_error>
#include <utility>

#include "core/base/folder_file.h"

namespace aquifer::redirect {
namespace {

constexpr size_t kMaxFiles = 4096;
constexpr size_t kMaxFileBytes = 4 * 1024 * 1024;

std::string ErrnoText(int os_error) { return std::generic_category().message(os_error); }

bool IsManifestName(std::string_view name) {
  if (name.starts_with('.')) return false;
  return name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json");
}

Decoded<std::set<std::string>> ListManifests(const std::string& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(directory.c_str()), &::closedir);
  if (open == nullptr) return Refusal{directory, ErrnoText(errno)};
  std::set<std::string> names;
  while (const dirent* const entry = ::readdir(open.get())) {
    if (IsManifestName(entry->d_name)) names.emplace(entry->d_name);
  }
  if (names.size() > kMaxFiles) return Refusal{directory, "has more than 4096 manifests"};
  return names;
}

// Adds what was there before and is missing now, for files that are partly beyond reading.
void KeepMissing(const PodManifests& before, PodManifests& now) {
  for (const PodManifest& pod : before.pods) {
    const auto same = [&](const PodManifest& other) {
      return other.info.ns == pod.info.ns && other.info.name == pod.info.name;
    };
    if (std::none_of(now.pods.begin(), now.pods.end(), same)) now.pods.push_back(pod);
  }
  for (const NamespaceManifest& ns : before.namespaces) {
    const auto same = [&](const NamespaceManifest& other) { return other.name == ns.name; };
    if (std::none_of(now.namespaces.begin(), now.namespaces.end(), same)) {
      now.namespaces.push_back(ns);
    }
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

void PodSource::Refuse(const std::string& field, const std::string& why) {
  refusals_.push_back({field, why});
}

void PodSource::Scan() {
  refusals_.clear();
  const auto names = ListManifests(options_.directory);
  complete_ = names.ok();
  if (!names) {  // everything stays as it was
    Refuse(names.error().field, names.error().why);
    return;
  }
  std::map<std::string, PodManifests> files;
  for (const std::string& name : *names) {
    const auto before = files_.find(name);
    ScanFile(name, before == files_.end() ? nullptr : &before->second, files[name]);
  }
  files_ = std::move(files);
  Select();
}

void PodSource::ScanFile(const std::string& name, const PodManifests* before, PodManifests& now) {
  const auto text = ReadFolderFile(options_.directory, name, kMaxFileBytes);
  if (text) {
    now = ReadPodManifests(*text);
  } else if (text.error().missing) {
    return;  // removed since it was listed
  } else {
    now.refusals.push_back({"", text.error().why});
  }
  for (const Refusal& refusal : now.refusals) {
    Refuse(name + (refusal.field.empty() ? "" : ": " + refusal.field), refusal.why);
  }
  if (!now.refusals.empty()) complete_ = false;
  if (!now.refusals.empty() && before != nullptr) KeepMissing(*before, now);
}

void PodSource::Select() {
  std::map<std::string, std::string> modes;
  for (const auto& [name, file] : files_) {
    for (const NamespaceManifest& ns : file.namespaces) {
      if (ns.mode) modes.emplace(ns.name, *ns.mode);
    }
  }
  wanted_.clear();
  for (const auto& [name, file] : files_) {
    for (const PodManifest& pod : file.pods) {
      const auto mode = modes.find(pod.info.ns);
      const std::string* const ns_mode = mode == modes.end() ? nullptr : &mode->second;
      if (IsEnrolled(pod, ns_mode, options_.node_name)) Want(pod);
    }
  }
}

void PodSource::Want(const PodManifest& pod) {
  const std::string name = pod.info.ns + "/" + pod.info.name;
  if (pod.netns.empty()) {
    Refuse("Pod " + name,
           "is to be captured and has no annotation " + std::string(kNetnsAnnotation));
    return;
  }
  WantedPod wanted{
      .uid = pod.uid,
      .info = pod.info,
      .netns = pod.netns,
      .rules = {.inbound = !pod.bypass_inbound, .dns = options_.dns && pod.dns_capture}};
  const auto [entry, fresh] = wanted_.emplace(pod.uid, std::move(wanted));
  if (!fresh) Refuse("Pod " + name, "has the uid of a pod before it, which counts");
}

}  // namespace aquifer::redirect
