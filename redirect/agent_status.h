// The agent's status file: JSON for people and scripts, and the agent's own memory of what it had
// captured before it was restarted. Pure but for reading and writing the file; any thread.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "redirect/pod_source.h"

namespace aquifer::redirect {

struct PodStatus {
  WantedPod pod;
  bool verified = false;  // the kernel's rules were read back and are those of the pod
  std::string problem;
  std::string proxy;  // "served", "untold" or "failed: why"
};

struct AgentStatus {
  std::string node;
  size_t proxies = 0;
  std::vector<PodStatus> pods;
  std::vector<Refusal> refusals;
};

std::string StatusToJson(const AgentStatus& status);
// The pods of an earlier status. What cannot be read is refused; a part is never believed.
Decoded<std::vector<WantedPod>> PodsFromJson(const std::string& text);

// The file's text; empty if there is none.
Decoded<std::string> ReadStatusFile(const std::string& path);
// Readers see the old text or the new, never a part.
Status ReplaceFile(const std::string& path, const std::string& text);

}  // namespace aquifer::redirect
