#include "node-proxy/inbound_connections.h"

#include <algorithm>

#include "core/rt/loop.h"

namespace aquifer::node {

InboundConnections::Entry::Entry(InboundConnections& connections,
                                 const mesh::LocalName& destination,
                                 std::optional<certs::Identity> identity, const Ip& source,
                                 StopToken stop)
    : destination_(destination), identity_(std::move(identity)), source_(source), stop_(stop) {
  connections.entries_.PushBack(*this);
}

mesh::Decision InboundConnections::Entry::Judge(const mesh::Snapshot& snapshot) {
  mesh::Decision decision = Ask(snapshot);
  admitted_ = admitted_ || decision.allowed();
  return decision;
}

mesh::Decision InboundConnections::Entry::Ask(const mesh::Snapshot& snapshot) const {
  const mesh::WorkloadRef workload = snapshot.FindLocal(destination_);
  // A workload that the control plane took away while its pod still runs is judged by nobody's
  // policies any more: closed.
  if (workload == nullptr) return mesh::Decision{.verdict = mesh::Verdict::kNotAllowed};
  const mesh::AppliedPolicies applied = snapshot.PoliciesFor(*workload);
  const mesh::ConnectionView view{
      .identity = identity(), .source = source_, .destination = target_};
  return mesh::Authorize(view, applied.policies, applied.missing);
}

InboundConnections::~InboundConnections() {
  if (armed()) Loop::Current().timers().Cancel(*this);
}

void InboundConnections::Reconsider(const mesh::Snapshot& snapshot) {
  entries_.ForEach([&](Entry& entry) {
    // Not admitted yet: it will be judged by the snapshot then current.
    if (entry.admitted_) Look(entry, snapshot);
  });
}

void InboundConnections::Look(Entry& entry, const mesh::Snapshot& snapshot) {
  const mesh::Decision decision = entry.Ask(snapshot);
  if (decision.verdict != mesh::Verdict::kMissingPolicy) {
    entry.unknown_since_ = TimePoint::max();
    if (!decision.allowed()) entry.stop_.RequestStop(Reason::kPolicyChanged);
    return;
  }
  if (entry.unknown_since_ != TimePoint::max()) return;
  Loop& loop = Loop::Current();
  entry.unknown_since_ = loop.now();
  if (!armed()) loop.timers().Set(*this, entry.unknown_since_ + kPolicyWait);
}

void InboundConnections::OnTimer() {
  const TimePoint now = Loop::Current().now();
  TimePoint next = TimePoint::max();
  entries_.ForEach([&](Entry& entry) {
    if (entry.unknown_since_ == TimePoint::max()) return;
    const TimePoint end = entry.unknown_since_ + kPolicyWait;
    if (end <= now) {
      entry.stop_.RequestStop(Reason::kPolicyChanged);
    } else {
      next = std::min(next, end);
    }
  });
  if (next != TimePoint::max()) Loop::Current().timers().Set(*this, next);
}

}  // namespace aquifer::node
