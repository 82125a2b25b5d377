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
  std::map<std::string, FileRef> files;
  std::map<std::string, std::optional<FileStamp>> changed;
  size_t total_bytes = 0;
  for (const std::string& name : *names) {
    const auto stamp = StampOf(options_.directory + "/" + name, options_.now());
    const FileRef before = Before(name);
    if (before == nullptr || !stamp || !IsUnchanged(before->stamp, *stamp)) {
      changed.emplace(name, stamp);
      continue;
    }
    total_bytes += before->bytes;
    files.emplace(name, before);
  }
  for (const auto& [name, stamp] : changed) {
    const FileRef file = ReadFile(name, stamp, total_bytes);
    if (file == nullptr) continue;
    total_bytes += file->bytes;
    files.emplace(name, file);
  }
  files_ = std::move(files);
  RefuseOfFiles();
  Select();
}

PodSource::FileRef PodSource::Before(const std::string& name) const {
  const auto found = files_.find(name);
  return found == files_.end() ? nullptr : found->second;
}

// Null for a file that was removed since it was listed. One that could not be read has no stamp, so
// that it is tried again.
PodSource::FileRef PodSource::ReadFile(const std::string& name,
                                       const std::optional<FileStamp>& stamp, size_t total_bytes) {
  auto file = std::make_shared<File>();
  PodManifests& now = file->manifests;
  const FileRef before = Before(name);
  const auto size = static_cast<size_t>(stamp ? stamp->size : 0);
  Result<std::string, FileRefusal> text =
      FileRefusal{"is larger than " + std::to_string(kMaxFileBytes) + " bytes"};
  if (size <= kMaxFileBytes && size + total_bytes > options_.total_bytes) {
    text = FileRefusal{"is not read: all manifests together would be larger than " +
                       std::to_string(options_.total_bytes) + " bytes"};
  } else if (size <= kMaxFileBytes) {
    text = ReadFolderFile(options_.directory, name, kMaxFileBytes);
    ++reads_;
  }
  if (text) {
    now = ReadPodManifests(*text);
    file->bytes = text->size();
    if (stamp) file->stamp = *stamp;
  } else if (text.error().missing) {
    return nullptr;
  } else {
    now.refusals.push_back({"", text.error().why});
    if (before != nullptr) file->bytes = before->bytes;
  }
  if (!now.refusals.empty() && before != nullptr) KeepMissing(before->manifests, now);
  return file;
}

void PodSource::RefuseOfFiles() {
  for (const auto& [name, file] : files_) {
    for (const Refusal& refusal : file->manifests.refusals) {
      Refuse(name + (refusal.field.empty() ? "" : ": " + refusal.field), refusal.why);
      complete_ = false;
    }
  }
}

void PodSource::Select() {
  modes_.clear();
  for (const auto& [name, file] : files_) {
    for (const NamespaceManifest& ns : file->manifests.namespaces) {
      if (ns.mode) modes_.emplace(ns.name, *ns.mode);
    }
  }
  wanted_.clear();
  without_netns_.clear();
  for (const auto& [name, file] : files_) {
    for (const PodManifest& pod : file->manifests.pods) {
      if (IsEnrolled(pod, ModeOf(pod.info.ns), options_.node_name)) Want(pod);
    }
  }
}

const std::string* PodSource::ModeOf(const std::string& ns) const {
  const auto mode = modes_.find(ns);
  return mode == modes_.end() ? nullptr : &mode->second;
}

WantedPod PodSource::WantedOf(const PodManifest& pod) const {
  return {.uid = pod.uid,
          .info = pod.info,
          .netns = pod.netns,
          .rules = {.inbound = !pod.bypass_inbound, .dns = options_.dns && pod.dns_capture}};
}

void PodSource::Want(const PodManifest& pod) {
  const std::string name = pod.info.ns + "/" + pod.info.name;
  if (pod.netns.empty() && !options_.netns_from_plugin) {
    Refuse("Pod " + name,
           "is to be captured and has no annotation " + std::string(kNetnsAnnotation));
    return;
  }
  std::map<std::string, WantedPod>& pods = pod.netns.empty() ? without_netns_ : wanted_;
  const bool fresh = !wanted_.contains(pod.uid) && !without_netns_.contains(pod.uid);
  if (fresh) pods.emplace(pod.uid, WantedOf(pod));
  if (!fresh) Refuse("Pod " + name, "has the uid of a pod before it, which counts");
}

// What is known of the namespace may be in a file that cannot be read.
std::optional<PodVerdict> PodSource::Find(const PodKey& key) const {
  const std::string* const mode = ModeOf(key.ns);
  if (mode == nullptr && !complete_) return std::nullopt;
  for (const auto& [name, file] : files_) {
    for (const PodManifest& pod : file->manifests.pods) {
      if (pod.info.ns != key.ns || pod.info.name != key.name) continue;
      if (pod.node != options_.node_name) continue;
      // A manifest without a uid goes by its name.
      if (pod.uid != key.uid && pod.uid != key.ns + "/" + key.name) continue;
      return PodVerdict{.enrolled = IsEnrolled(pod, mode, options_.node_name),
                        .pod = WantedOf(pod)};
    }
  }
  return std::nullopt;
}

}  // namespace aquifer::redirect
