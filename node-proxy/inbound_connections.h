// The live inbound connections of one worker with what policies saw of them, so that a changed
// policy, or a policy attached later, ends those that it no longer allows. One worker's;
// connections enrol before they are judged, so that no change falls between.
#pragma once

#include <optional>

#include "core/base/list.h"
#include "core/rt/stop.h"
#include "mesh/rbac.h"
#include "mesh/snapshot.h"
#include "mesh/tables.h"

namespace aquifer::node {

class InboundConnections {
 public:
  // One connection, for as long as it lives.
  class Entry : public ListNode {
   public:
    // `destination` outlives it.
    Entry(InboundConnections& connections, const mesh::LocalName& destination,
          std::optional<certs::Identity> identity, const Ip& source, StopToken stop);

    // May it be, by `snapshot`? The workload is looked up anew each time: what is attached to it
    // may have changed.
    mesh::Decision Judge(const mesh::Snapshot& snapshot) const;
    // Where the connection really goes; before Judge.
    void SetTarget(const Address& target) { target_ = target; }
    StopSource& stop() { return stop_; }
    StopToken token() { return stop_.token(); }

   private:
    friend class InboundConnections;
    const mesh::LocalName& destination_;
    std::optional<certs::Identity> identity_;
    Ip source_;
    Address target_;
    StopSource stop_;
  };

  // Ends what `snapshot` no longer allows, with kPolicyChanged.
  void Reconsider(const mesh::Snapshot& snapshot);

 private:
  List<Entry> entries_;
};

}  // namespace aquifer::node
