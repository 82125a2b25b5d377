#include "node-proxy/inbound_connections.h"

namespace aquifer::node {

InboundConnections::Entry::Entry(InboundConnections& connections,
                                 const mesh::LocalName& destination,
                                 std::optional<certs::Identity> identity, const Ip& source,
                                 StopToken stop)
    : destination_(destination), identity_(std::move(identity)), source_(source), stop_(stop) {
  connections.entries_.PushBack(*this);
}

mesh::Decision InboundConnections::Entry::Judge(const mesh::Snapshot& snapshot) const {
  const mesh::WorkloadRef workload = snapshot.FindLocal(destination_);
  // A workload that the control plane took away while its pod still runs is judged by nobody's
  // policies any more: closed.
  if (workload == nullptr)
    return mesh::Decision{
        .verdict = mesh::Verdict::kNotAllowed, .policy = {}, .dry_run_denials = {}};
  const mesh::AppliedPolicies applied = snapshot.PoliciesFor(*workload);
  const mesh::ConnectionView view{
      .identity = identity_ ? &*identity_ : nullptr, .source = source_, .destination = target_};
  return mesh::Authorize(view, applied.policies, applied.missing);
}

void InboundConnections::Reconsider(const mesh::Snapshot& snapshot) {
  entries_.ForEach([&snapshot](Entry& entry) {
    if (entry.target_.port == 0)
      return;  // not judged yet: it will be, by the snapshot then current
    if (!entry.Judge(snapshot).allowed()) entry.stop_.RequestStop(Reason::kPolicyChanged);
  });
}

}  // namespace aquifer::node
