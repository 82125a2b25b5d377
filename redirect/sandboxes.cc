#include "redirect/sandboxes.h"

#include <unistd.h>

#include <cerrno>

namespace aquifer::redirect {
namespace {

// The runtime names namespaces by whole paths; a name of another kind is not looked for.
bool IsGone(const std::string& netns) {
  return netns.starts_with('/') && ::access(netns.c_str(), F_OK) != 0 && errno == ENOENT;
}

}  // namespace

void Sandboxes::Remember(const std::string& uid, const std::string& netns, bool certain) {
  if (sandboxes_.size() < kMost)
    sandboxes_.emplace(uid, Sandbox{.netns = netns, .container_id = "", .certain = certain});
}

Result<void, Refusal> Sandboxes::Add(const std::string& uid, const std::string& netns,
                                     const std::string& container_id) {
  if (sandboxes_.size() >= kMost) RemoveGone();
  if (sandboxes_.size() >= kMost && !sandboxes_.contains(uid))
    return Refusal{"pods", "are more than " + std::to_string(kMost) + " on this node"};
  sandboxes_[uid] = Sandbox{.netns = netns, .container_id = container_id};
  return {};
}

std::optional<std::string> Sandboxes::PodOf(const std::string& netns,
                                            const std::string& container_id) const {
  for (const auto& [uid, sandbox] : sandboxes_) {
    const bool remembered = sandbox.container_id.empty();
    const bool same = remembered ? !netns.empty() && sandbox.netns == netns
                                 : sandbox.container_id == container_id;
    if (same) return uid;
  }
  return std::nullopt;
}

std::string Sandboxes::NetnsOf(const std::string& uid, const std::string& source) const {
  const auto sandbox = sandboxes_.find(uid);
  if (sandbox == sandboxes_.end()) return source;
  return sandbox->second.certain || source.empty() ? sandbox->second.netns : source;
}

void Sandboxes::RemoveIfGone(const std::string& uid) {
  const auto sandbox = sandboxes_.find(uid);
  if (sandbox != sandboxes_.end() && IsGone(sandbox->second.netns)) sandboxes_.erase(sandbox);
}

// Their end was not told: the agent was away, or the runtime was.
void Sandboxes::RemoveGone() {
  std::erase_if(sandboxes_, [](const auto& entry) { return IsGone(entry.second.netns); });
}

}  // namespace aquifer::redirect
