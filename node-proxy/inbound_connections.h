// The live inbound connections of one worker with what policies saw of them, so that a changed
// policy, or a policy attached later, ends those that it no longer allows. A policy that is
// attached before anybody has seen it gets a moment to come: workloads and policies are told apart
// from each other, and open connections must not be cut for that. One worker's; connections enrol
// before they are judged, so that no change falls between.
#pragma once

#include <chrono>
#include <optional>

#include "core/base/list.h"
#include "core/obs/rate_limiter.h"
#include "core/rt/stop.h"
#include "core/rt/timer_queue.h"
#include "mesh/rbac.h"
#include "mesh/snapshot.h"
#include "mesh/tables.h"

namespace aquifer::node {

class InboundConnections final : private Timer {
 public:
  // How long a policy that a workload names may be unknown before that denies.
  static constexpr std::chrono::seconds kPolicyWait{5};

  InboundConnections() = default;
  ~InboundConnections();

  // One connection, for as long as it lives.
  class Entry : public ListNode {
   public:
    // `destination` outlives it.
    Entry(InboundConnections& connections, const mesh::LocalName& destination,
          std::optional<certs::Identity> identity, const Ip& source, StopToken stop);

    // May it be, by `snapshot`? The workload is looked up anew each time: what is attached to it
    // may have changed. Once it may, Reconsider looks after it.
    mesh::Decision Judge(const mesh::Snapshot& snapshot);
    // Where the connection really goes; before Judge.
    void SetTarget(const Address& target) { target_ = target; }
    StopSource& stop() { return stop_; }
    StopToken token() { return stop_.token(); }
    const Ip& source() const { return source_; }
    const Address& target() const { return target_; }
    // Null: not authenticated.
    const certs::Identity* identity() const { return identity_ ? &*identity_ : nullptr; }

   private:
    friend class InboundConnections;
    mesh::Decision Ask(const mesh::Snapshot& snapshot) const;
    const mesh::LocalName& destination_;
    std::optional<certs::Identity> identity_;
    Ip source_;
    Address target_;
    bool admitted_ = false;
    TimePoint unknown_since_ = TimePoint::max();  // that a policy is missing
    StopSource stop_;
  };

  // Ends what `snapshot` no longer allows, with kPolicyChanged.
  void Reconsider(const mesh::Snapshot& snapshot);
  // Of lines about judgements and about dry runs, which peers cause.
  obs::RateLimiter& judgement_lines() { return judgement_lines_; }
  obs::RateLimiter& dry_run_lines() { return dry_run_lines_; }

 private:
  void Look(Entry& entry, const mesh::Snapshot& snapshot);
  // Ends those whose policies did not come.
  void OnTimer() override;

  List<Entry> entries_;
  obs::RateLimiter judgement_lines_{10};
  obs::RateLimiter dry_run_lines_{10};
};

}  // namespace aquifer::node
