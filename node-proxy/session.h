// What we know of one proxied connection, from accept to close, and its two traces: one access log
// line and one set of istio_tcp_* counts, both written when it ends, whichever way that is. Owned
// by the coroutine that serves the connection.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "core/io/copy.h"
#include "core/obs/access_log.h"
#include "core/obs/tcp_metrics.h"
#include "hbone/pool.h"
#include "mesh/snapshot.h"
#include "node-proxy/connection_view.h"
#include "node-proxy/context.h"

namespace aquifer::node {

// A workload as the metrics have it, with the identity that it would have to prove. Refers to
// nothing.
obs::TcpPeerLabels PeerLabelsOf(const mesh::Workload& workload);

class Session : public ListNode {
 public:
  // `refusal_lines` is the pod's and outlives this.
  Session(WorkerContext& context, obs::RateLimiter& refusal_lines, obs::Direction direction,
          const Address& source, const Address& destination);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  // Logs and counts.
  ~Session();

  // Who is at the ends, as they become known. An identity is what mutual TLS proved or, of a
  // connection that never got through, what it would have had to prove.
  void SetSource(mesh::WorkloadRef workload) { source_.SetWorkload(std::move(workload)); }
  void SetDestination(mesh::WorkloadRef workload) { destination_.SetWorkload(std::move(workload)); }
  void SetService(mesh::ServiceRef service) { service_ = std::move(service); }
  void SetSourceIdentity(const certs::Identity& identity) { source_.SetIdentity(identity); }
  void SetDestinationIdentity(const certs::Identity& identity) {
    destination_.SetIdentity(identity);
  }
  // Where the client wanted to go; until it is decided otherwise that is where it goes.
  void SetOriginalDestination(const Address& address) {
    destination_address_ = asked_for_ = address;
  }
  void SetDestinationAddress(const Address& address) { destination_address_ = address; }
  void SetHboneTarget(std::string authority) { hbone_target_ = std::move(authority); }

  // The connection is through: it counts as open from here on.
  void Open();
  // It never got through, or it broke. `detail` is for the log line; without one the error speaks
  // for itself.
  void Fail(const Error& error, std::string detail = {});
  // There was no tunnel for it. What the peer said of its refusal is in the line, and counted.
  void FailTunnel(const hbone::TunnelError& error);
  // It was never clear what it was for: one warning with its addresses, if the pod has not had too
  // many, instead of the access log's line, and no series.
  // Returns `error`, for who passes it on.
  Error RejectEarly(const Error& error, std::string detail = {});
  // How the copy ended; a peer that leaves is an ending, not an error.
  void Finish(const Status& copied);

  // What there is to show of it, if it is through and whose it is.
  std::optional<ConnectionView> View() const;

  bool failed() const { return !end_.ok(); }
  io::CopyTotals& totals() { return totals_; }

 private:
  // The workload at one end and who it is. Connections are many and long: an identity that is the
  // workload's own is not kept twice.
  class End {
   public:
    void SetWorkload(mesh::WorkloadRef workload);
    void SetIdentity(const certs::Identity& identity);
    const mesh::WorkloadRef& workload() const { return workload_; }
    bool proven() const { return proven_; }
    // Empty if none.
    std::string IdentityText() const;

   private:
    mesh::WorkloadRef workload_;
    std::unique_ptr<const certs::Identity> other_;  // when it is not the workload's
    bool proven_ = false;
  };
  struct Identities {
    std::string source;
    std::string destination;
  };

  obs::TcpLabels Labels() const;
  Identities ProvenIdentities() const;
  obs::AccessEntry Entry(const Identities& identities) const;

  WorkerContext& context_;
  obs::RateLimiter& refusal_lines_;
  obs::Direction direction_;
  Address source_address_;
  Address destination_address_;
  Address asked_for_;  // before it was decided where it goes
  End source_;
  End destination_;
  mesh::ServiceRef service_;
  std::string hbone_target_;
  std::optional<obs::TcpConnection> counted_;
  io::CopyTotals totals_;  // a: the client, b: the server
  Status end_;
  std::string detail_;
  bool early_ = false;
  TimePoint started_;
};

}  // namespace aquifer::node
