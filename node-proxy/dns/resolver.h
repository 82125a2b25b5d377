// What the mesh itself answers for a name: a service's addresses, a headless service's endpoints, a
// pod behind one. Pure: snapshot, the asking workload and a name in, addresses out. Nothing means
// that the name is somebody else's and the question goes on to a name server. The names that are
// tried, their order and who wins among services of one name are those of Istio's node proxy. Any
// thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mesh/balance.h"
#include "mesh/snapshot.h"
#include "node-proxy/dns/message.h"

namespace aquifer::node::dns {

struct ResolverOptions {
  std::string cluster_domain = "cluster.local";
  std::string preferred_namespace;  // ranks after canonical services
  bool ipv6 = true;
  // What the client's own resolver may have appended to a name. Empty: what Kubernetes gives a pod
  // of the client's namespace.
  std::vector<std::string> search;
};

enum class Family : std::uint8_t { kV4, kV6 };

// One name to try for a name that was asked for.
struct Candidate {
  std::string name;
  std::string stripped;  // not empty: what is left of the asked name without a search domain
  bool pod = false;      // may be <pod>.<headless service>

  friend bool operator==(const Candidate&, const Candidate&) = default;
};

// In the order in which they are tried, each once.
std::vector<Candidate> CandidatesFor(std::string_view name, std::string_view client_namespace,
                                     const ResolverOptions& options);

// `name` as Query has it. No addresses: the name is the mesh's, and has none of this family.
// `random` puts the addresses in an order of its own each time.
std::optional<Answer> Lookup(const mesh::Snapshot& snapshot, const mesh::Workload& client,
                             std::string_view name, Family family, const ResolverOptions& options,
                             const mesh::Random& random);

}  // namespace aquifer::node::dns
