// The proxy's side of ZDS without a socket: which pods it serves, which of them could not be
// started yet, and what each request of the agent means for them. The owner (redirect/cni_client.h)
// carries out the steps and reports back. Requests after an unfinished step are not asked for: the
// protocol has one outstanding. One thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "redirect/pod.h"

namespace aquifer::redirect {

class ZdsProxy {
 public:
  // What a request asks for: first end these pods, then start this one, then acknowledge with
  // `error` or with what starting gave.
  struct Steps {
    std::vector<std::string> stop;
    std::optional<Pod> start;
    std::string error;
  };

  // A new connection starts with a snapshot: pods that it does not mention are let go at its end.
  void OnConnected();
  // Pods go on being served; only readiness suffers.
  void OnDisconnected() { connected_ = false; }

  // `pod` comes from an Add and has a network namespace.
  Steps OnAdd(Pod pod);
  // An Add whose descriptor was no network namespace, or the like: the pod counts as mentioned, so
  // that a running proxy of the same pod is kept, and `why` is acknowledged.
  Steps OnUnusableAdd(const std::string& uid, std::string why);
  // Refused after the snapshot.
  Decoded<Steps> OnKeep(const std::string& uid);
  Steps OnDel(const std::string& uid);
  // Refused after the snapshot.
  Decoded<Steps> OnSnapshotSent();

  // How Steps::start, or a retry, went. A pod that failed stays pending and is tried again.
  void Started(const std::string& uid);
  void FailedToStart(const std::string& uid);
  std::vector<Pod> Pending() const;

  // Connected, the snapshot complete, nothing pending.
  bool ready() const;
  bool snapshot_complete() const { return snapshot_complete_; }
  size_t running() const;
  size_t pending() const { return pods_.size() - running(); }

 private:
  struct Entry {
    Pod pod;
    bool running = false;
  };

  std::map<std::string, Entry> pods_;
  std::set<std::string> mentioned_;  // before the snapshot is complete
  bool connected_ = false;
  bool snapshot_complete_ = false;
};

}  // namespace aquifer::redirect
