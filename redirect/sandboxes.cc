#include "redirect/sandboxes.h"

#include <unistd.h>

namespace aquifer::redirect {

void Sandboxes::Remember(const std::string& uid, const std::string& netns) {
  if (sandboxes_.size() < kMost) sandboxes_.emplace(uid, Sandbox{.netns = netns});
}

void Sandboxes::Add(const std::string& uid, const std::string& netns) {
  if (sandboxes_.size() >= kMost && !sandboxes_.contains(uid)) MakeRoom();
  sandboxes_[uid] = Sandbox{.netns = netns, .told = true};
}

bool Sandboxes::Remove(const std::string& uid, const std::string& netns) {
  const auto sandbox = sandboxes_.find(uid);
  if (sandbox == sandboxes_.end() || sandbox->second.netns != netns) return false;
  sandboxes_.erase(sandbox);
  return true;
}

std::string Sandboxes::NetnsOf(const std::string& uid, const std::string& manifest) const {
  const auto sandbox = sandboxes_.find(uid);
  if (sandbox == sandboxes_.end()) return manifest;
  return sandbox->second.told || manifest.empty() ? sandbox->second.netns : manifest;
}

// The end of some was not told: the agent was away, or the runtime was. A node has far fewer pods
// than the bound, so those that are there are not its.
void Sandboxes::MakeRoom() {
  std::erase_if(sandboxes_,
                [](const auto& entry) { return ::access(entry.second.netns.c_str(), F_OK) != 0; });
  if (sandboxes_.size() >= kMost) sandboxes_.erase(sandboxes_.begin());
}

}  // namespace aquifer::redirect
