// Passes a query on to name servers and brings back what one of them said, byte for byte but for
// the id: whatever the server's answer holds (an SOA, signatures, the cut mark) the pod gets. Each
// try has a socket and an id of its own, both drawn by chance, and an answer counts only from the
// server that was asked, with that id and the same question. One thread: its Loop's.
#pragma once

#include <random>
#include <span>
#include <string>

#include "core/base/address.h"
#include "core/base/result.h"
#include "core/rt/stop.h"
#include "core/rt/task.h"
#include "node-proxy/dns/metrics.h"
#include "redirect/pod_sockets.h"

namespace aquifer::node::dns {

// One after the other until one has an answer that is not a failure of its own; two tries at least.
// By datagram first, by connection when the answer was cut and the asker came by connection.
// kTimeout or another error when there was no answer at all. `query` is a query that ReadQuery has
// read.
Task<Result<std::string>> Forward(const redirect::PodSockets& sockets, std::string query,
                                  Protocol protocol, std::vector<Address> servers, StopToken stop);

}  // namespace aquifer::node::dns
