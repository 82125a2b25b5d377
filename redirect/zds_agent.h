// The agent's side of one ZDS connection without a socket: compares the pods that should be served
// with what this proxy has been told, and names the next request. Nothing is queued, so nothing can
// be lost or grow: whatever happened meanwhile, the next request is one towards the present state.
// One request is outstanding at a time. One thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "core/rt/timer_queue.h"
#include "redirect/pod.h"

namespace aquifer::redirect {

// By uid.
using PodTable = std::map<std::string, Pod>;

// While old and new proxy overlap in an upgrade, new pods go to the newest alone; removals go to
// all.
enum class ProxyRole { kNewest, kOlder };

class ZdsAgent {
 public:
  struct Outgoing {
    std::string packet;
    NetnsRef netns;  // its descriptor goes along, if set
    std::string_view word;
    std::string uid;
  };
  // What an acknowledgement, or a pod that cannot be sent, says about a pod.
  struct Outcome {
    std::string uid;     // empty for a snapshot
    bool added = false;  // as opposed to kept or removed
    std::string error;   // empty for success
  };

  // A proxy that could not start a pod tries by itself; sending the pod again tells us how it went.
  static constexpr Clock::duration kRetryAfter = std::chrono::seconds(5);

  // The next request, or nothing while the proxy knows all that it should. A pod that no packet can
  // carry is passed over, and reported by TakeUnsendable.
  std::optional<Outgoing> Next(const PodTable& pods, ProxyRole role, TimePoint now);
  // The answer to the outstanding request.
  Outcome Acknowledged(std::string error, TimePoint now);
  std::vector<Outcome> TakeUnsendable() { return std::exchange(unsendable_, {}); }

  // What this proxy has answered about a pod as it is now.
  enum class Standing { kUntold, kServed, kFailed };
  struct PodStanding {
    Standing standing = Standing::kUntold;
    std::string error;
  };
  PodStanding StandingOf(const Pod& pod) const;
  // Whether it was told of the pod and has not yet said that it let go of it.
  bool Holds(const std::string& uid) const { return told_.contains(uid); }

  bool outstanding() const { return outstanding_.has_value(); }
  bool snapshot_sent() const { return snapshot_sent_; }
  // When Next may have something to retry; TimePoint::max() if never.
  TimePoint retry_at() const;

 private:
  enum class Kind { kAdd, kKeep, kDel, kSnapshot };
  struct Told {
    NetnsRef netns;  // empty after a Keep
    PodInfo info;
    Standing standing = Standing::kUntold;
    std::string error;
    TimePoint retry_at;
  };
  struct Outstanding {
    Kind kind = Kind::kSnapshot;
    std::string uid;
  };

  bool NeedsAdd(const Pod& pod, TimePoint now) const;
  std::optional<Outgoing> NextDel(const PodTable& pods);
  std::optional<Outgoing> NextAddOrKeep(const PodTable& pods, TimePoint now);
  std::optional<Outgoing> AddOrKeep(const Pod& pod);

  std::map<std::string, Told> told_;
  std::optional<Outstanding> outstanding_;
  std::vector<Outcome> unsendable_;
  bool snapshot_sent_ = false;
};

}  // namespace aquifer::redirect
