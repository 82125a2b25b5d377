// The judgement of an inbound connection by its pod's policies, before the application hears of it.
// A policy that the workload names and nobody has seen yet is waited for, for a moment. Every
// judgement is a line at debug (AUTHZ_POLICY_INFO_LOGGING: at info), and what dry-run policies
// would have made of it one at info; both are limited, because peers cause them. One worker's.
#pragma once

#include "core/rt/task.h"
#include "node-proxy/context.h"
#include "node-proxy/inbound_connections.h"

namespace aquifer::node {

// `entry` has its target. From an allowance on Reconsider looks after it.
Task<mesh::Decision> Judge(WorkerContext& context, InboundConnections::Entry& entry);

}  // namespace aquifer::node
