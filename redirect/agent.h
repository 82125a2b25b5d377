// The node agent: brings the pods that its source names into the mesh, rules first, then proxy, and
// out of it again, proxy last. It holds no state that a restart would lose: rules are applied again
// over themselves, proxies get a snapshot, and the status file tells what an earlier run had
// captured. Stopping it changes nothing for the pods. One thread: its Loop's.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/result.h"
#include "core/http/server.h"
#include "core/obs/log.h"
#include "core/obs/metrics.h"
#include "core/obs/rate_limiter.h"
#include "core/rt/event.h"
#include "core/rt/stop.h"
#include "core/rt/task.h"
#include "redirect/capture.h"
#include "redirect/cni_install.h"
#include "redirect/cni_server.h"
#include "redirect/plugin_server.h"
#include "redirect/pod_lookup.h"
#include "redirect/pod_source.h"
#include "redirect/sandboxes.h"

namespace aquifer::redirect {

struct AgentOptions {
  std::string node_name;
  std::string zds_socket = "/var/run/ztunnel/ztunnel.sock";
  std::string status_file;       // none if empty
  std::optional<Address> admin;  // metrics and readiness; nowhere if empty
  std::string plugin_socket;     // for the CNI plugin; none if empty
  // Keeps the plugin installed on the node.
  std::optional<CniInstallOptions> install = std::nullopt;
};

class Agent final : private PluginHandler {
 public:
  // The logger outlives the agent.
  Agent(AgentOptions options, std::unique_ptr<PodSource> source, obs::Logger& log);

  // Makes the socket for proxies, and the one for metrics. The refusal names what cannot be bound.
  Result<void, Refusal> Listen();
  // Until stopped.
  Task<void> Run(StopToken stop);

 private:
  // Captured, and no longer wanted.
  struct Leaving {
    TimePoint since;
    bool passing = false;  // nothing new is captured, and proxies were told
  };

  // Requests of the CNI plugin, agent_plugin.cc.
  Task<Decoded<bool>> Add(PluginRequest request, StopToken stop) override;
  Task<Decoded<bool>> Del(PluginRequest request, StopToken stop) override;
  Task<Decoded<bool>> Check(PluginRequest request, StopToken stop) override;
  Task<Decoded<PodVerdict>> WaitForVerdict(PodKey key, StopToken stop);
  Task<Decoded<bool>> WaitUntilServed(std::string uid, StopToken stop);
  Result<void, Refusal> BringNow(const std::string& uid, const NetnsId& netns);
  void Forget(const std::string& uid);
  void PutSandboxes();

  Task<void> ServeProxies(StopToken stop);
  Task<void> WatchSource(StopToken stop);
  Task<void> WatchProxies(StopToken stop);
  Task<void> KeepCaptured(StopToken stop);

  void AdoptFormerRun();
  void Look();
  void Choose();
  void BringAll();
  void VerifySome();
  void ReleaseUnwanted();
  bool Release(Capture& capture, Leaving& leaving);
  bool Done(const Capture& capture, const Result<void, Refusal>& released);
  void Serve(Capture& capture);
  std::vector<const Capture*> OthersInNamespace(const Capture& capture) const;
  bool IsTakenOver(const Capture& capture) const;
  void Follow(Capture& capture, Capture::Change change);
  void LogCaptured(const Capture& capture) const;
  void TellSource();
  void LogRefusals();
  void RegisterMetrics();
  std::string Pending() const;
  Task<http::Response> Answer(const http::Request& request);
  void WriteStatus();
  std::string StatusText() const;
  size_t verified() const;

  const AgentOptions options_;
  obs::Logger& log_;
  obs::RateLimiter limiter_{5};
  const std::unique_ptr<PodSource> source_;
  Event source_changed_;
  // Pods of an earlier run, wanted until the source was complete once.
  std::map<std::string, WantedPod> former_;
  std::map<std::string, WantedPod> wanted_;
  Sandboxes sandboxes_;
  CniServer server_;
  std::unique_ptr<PluginServer> plugins_;
  std::unique_ptr<CniInstaller> installer_;
  Event learnt_;  // woken, not set, when the source has been looked at
  RuleVerifier verifier_;
  std::map<std::string, Capture> captures_;  // by uid
  std::map<std::string, Leaving> leaving_;
  std::string next_to_verify_;
  std::set<std::string> told_refusals_;
  std::uint64_t refusals_found_ = 0;
  obs::Registry registry_;
  std::vector<obs::Registry::Callback> metrics_;
  std::unique_ptr<http::Server> admin_;
  Event ready_;  // proxies can be told of all pods
  std::string status_;
  bool look_ = false;  // the source may have changed
  TimePoint next_tick_;
  Event wake_;
};

}  // namespace aquifer::redirect
