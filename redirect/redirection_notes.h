// Writes on pods what has become of them: the annotation ambient.istio.io/redirection, which the
// control plane reads before it tells others to speak HBONE to a pod. One patch at a time; what
// fails is tried again, later and later, for as long as it is true. Nothing waits for it. One
// thread: its Loop's.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "core/obs/log.h"
#include "core/obs/rate_limiter.h"
#include "core/rt/event.h"
#include "core/rt/stop.h"
#include "core/rt/task.h"
#include "kube/api_client.h"
#include "redirect/pod_source.h"

namespace aquifer::redirect {

// The value of the annotation; "" is none.
std::string WordOf(Redirection redirection);
// A JSON merge patch (RFC 7386) for the status of a pod. It names the UID, so that a pod that has
// taken the name of another is left alone (409).
std::string RedirectionPatch(const std::string& uid, Redirection redirection);

struct NotePace {
  Clock::duration first_pause = std::chrono::milliseconds(200);
  Clock::duration longest_pause = std::chrono::seconds(30);
  Clock::duration timeout = std::chrono::seconds(10);  // of one patch
};

class RedirectionNotes {
 public:
  // A pod as the API server has it.
  struct Noted {
    PodInfo info;
    std::string text;  // of the annotation
  };

  // The client and the log outlive the notes.
  RedirectionNotes(kube::ApiClient& client, obs::Logger& log, const NotePace& pace)
      : client_(client), log_(log), pace_(pace) {}

  // All pods there are, by uid. Others are forgotten.
  void Observe(const std::map<std::string, Noted>& pods);
  // Of a pod that was observed; of others nothing is written. A pod that was served stays enabled
  // while another proxy takes over.
  void Want(const std::string& uid, Redirection redirection);
  // Writes until stopped.
  Task<void> Run(StopToken stop);

 private:
  struct Note {
    Noted seen;
    std::optional<Redirection> wanted;  // none: not ours
    TimePoint next_try;
    Clock::duration pause{};
  };

  // Of those that are to be written the one that has waited longest.
  std::optional<std::string> Next() const;
  Task<void> Write(std::string uid, StopToken stop);
  void Failed(const Noted& pod, const kube::ApiFailure& failure);

  kube::ApiClient& client_;
  obs::Logger& log_;
  obs::RateLimiter limiter_{1};
  const NotePace pace_;
  std::map<std::string, Note> notes_;
  Event wake_;
};

}  // namespace aquifer::redirect
