// What every connection of one worker may use. Built by Worker, passed by reference, outlives all
// connections of its worker. The snapshot is replaced between two turns of the loop; who needs one
// view for a whole decision copies the reference.
#pragma once

#include <random>

#include "certs/cache.h"
#include "certs/revocation.h"
#include "core/base/list.h"
#include "core/obs/log.h"
#include "core/obs/mesh_metrics.h"
#include "core/obs/tcp_metrics.h"
#include "core/rt/event.h"
#include "hbone/pool.h"
#include "mesh/classify.h"
#include "mesh/inbound_target.h"
#include "mesh/snapshot.h"
#include "node-proxy/config.h"
#include "node-proxy/pod_limits.h"

namespace aquifer::node {

class Demand;
class InboundConnections;
namespace dns {
struct WorkerDns;
}
struct Egress;
class Session;

struct WorkerContext {
  const Config& config;
  obs::Logger& log;
  obs::TcpMetrics& tcp_metrics;
  obs::HboneMetrics& hbone_metrics;
  certs::CertCache& certs;
  hbone::Pool& pool;
  InboundConnections& inbound_connections;
  WorkerLimits& limits;
  List<Session>& sessions;
  Demand* demand = nullptr;  // when discovery is on demand
  mesh::ClassifyOptions classify;
  mesh::InboundOptions inbound;
  mesh::Random random;
  Egress& egress;
  mesh::SnapshotRef snapshot;
  Event snapshot_changed;                     // Wake()d, never set
  dns::WorkerDns* dns = nullptr;              // null: pods' DNS is not served
  certs::Revocations* revocations = nullptr;  // null without CRL_PATH
  unsigned index = 0;                         // of the worker
};

}  // namespace aquifer::node
